package conformance

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cachewire/cachewire/core"
)

// A server is the server of a remote backend. It can stall and die.
type server struct {
	items *reference

	mu      sync.Mutex
	stalled bool          // guarded by mu
	dead    bool          // guarded by mu
	lives   int           // guarded by mu; how often it has started
	changed chan struct{} // guarded by mu; closed when one of the above changes
}

func newServer() *server {
	return &server{items: newReference(), changed: make(chan struct{})}
}

// change calls f while it holds the server's lock, and wakes all waiting goroutines.
func (s *server) change(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f()
	close(s.changed)
	s.changed = make(chan struct{})
}

var errDead = errors.New("connection refused")

func (s *server) restarted() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.lives > 0
}

// A reply is what the server returns for a request.
type reply struct {
	item core.Item
	n    uint64
	err  error
}

// handle calls f as the server that is running now. The reply is errDead if the server is
// dead or dies first. If the server is stalled, handle waits.
func (s *server) handle(f func() reply) reply {
	for life := -1; ; {
		s.mu.Lock()
		if life < 0 {
			life = s.lives
		}
		stalled, dead, changed := s.stalled, s.dead || s.lives != life, s.changed
		var r reply
		if !dead && !stalled {
			r = f()
		}
		s.mu.Unlock()
		switch {
		case dead:
			return reply{err: errDead}
		case !stalled:
			return r
		}
		<-changed
	}
}

// stall and kill are hooks of the suite.
func stall(b core.Backend) (resume func(), err error) {
	s := serverOf(b)
	s.change(func() { s.stalled = true })
	return func() { s.change(func() { s.stalled = false }) }, nil
}

func kill(b core.Backend) (restart func(), err error) {
	s := serverOf(b)
	s.change(func() { s.dead = true })
	return func() {
		s.items.Flush(context.Background())
		s.change(func() { s.dead, s.lives = false, s.lives+1 })
	}, nil
}

func serverOf(b core.Backend) *server { return b.(*remote).server }

// A remote is a backend with a server. It has no optional interface.
type remote struct {
	server *server
	closed chan struct{}

	// These are as in a correct backend, unless a fault replaces them.
	call  func(ctx context.Context, verb string, f func() reply) reply
	close func() error
}

// newRemote returns a remote backend on a new server, with the fault that plant sets.
func newRemote(plant func(r *remote)) *remote {
	r := &remote{server: newServer(), closed: make(chan struct{})}
	r.call = r.request
	r.close = func() error {
		close(r.closed)
		return nil
	}
	plant(r)
	return r
}

// request sends a request, which f handles, and returns the reply. If ctx is done first, it
// returns the error of ctx.
func (r *remote) request(ctx context.Context, _ string, f func() reply) reply {
	done := make(chan reply, 1)
	go func() { done <- r.server.handle(f) }()
	select {
	case p := <-done:
		if p.err == errDead {
			p.err = unavailable(errDead)
		}
		return p
	case <-ctx.Done():
		return reply{err: ctx.Err()}
	case <-r.closed:
		return reply{err: unavailable(errors.New("the cache is closed"))}
	}
}

func unavailable(err error) error { return fmt.Errorf("%w: %w", core.ErrUnavailable, err) }

func (r *remote) GetItem(ctx context.Context, key string) (core.Item, error) {
	p := r.call(ctx, "GetItem", func() (p reply) {
		p.item, p.err = r.server.items.GetItem(ctx, key)
		return p
	})
	return p.item, p.err
}

func (r *remote) Store(ctx context.Context, mode core.Mode, item core.Item) error {
	item.Value = bytes.Clone(item.Value) // an abandoned request is handled later
	return r.call(ctx, mode.String(), func() reply {
		return reply{err: r.server.items.Store(ctx, mode, item)}
	}).err
}

func (r *remote) Delete(ctx context.Context, key string) error {
	return r.call(ctx, "Delete", func() reply {
		return reply{err: r.server.items.Delete(ctx, key)}
	}).err
}

func (r *remote) Incr(ctx context.Context, key string, delta uint64) (uint64, error) {
	p := r.call(ctx, "Incr", func() (p reply) {
		p.n, p.err = r.server.items.Incr(ctx, key, delta)
		return p
	})
	return p.n, p.err
}

func (r *remote) Decr(ctx context.Context, key string, delta uint64) (uint64, error) {
	p := r.call(ctx, "Decr", func() (p reply) {
		p.n, p.err = r.server.items.Decr(ctx, key, delta)
		return p
	})
	return p.n, p.err
}

func (r *remote) Touch(ctx context.Context, key string, ttl time.Duration) error {
	return r.call(ctx, "Touch", func() reply {
		return reply{err: r.server.items.Touch(ctx, key, ttl)}
	}).err
}

func (r *remote) Flush(ctx context.Context) error {
	return r.call(ctx, "Flush", func() reply { return reply{err: r.server.items.Flush(ctx)} }).err
}

func (r *remote) Close() error { return r.close() }

func TestRemoteBackendPasses(t *testing.T) {
	Run(t, Config{
		New:      func(testing.TB) core.Backend { return newRemote(func(*remote) {}) },
		Stall:    stall,
		Kill:     kill,
		Synctest: true,
	})
}

// forVerb makes the requests of a verb use call.
func (r *remote) forVerb(verb string, call func(ctx context.Context, f func() reply) reply) {
	next := r.call
	r.call = func(ctx context.Context, v string, f func() reply) reply {
		if v == verb {
			return call(ctx, f)
		}
		return next(ctx, v, f)
	}
}

// replaceOutage makes the requests of a verb return r instead of an outage.
func (r *remote) replaceOutage(verb string, err error) {
	r.forVerb(verb, func(ctx context.Context, f func() reply) reply {
		p := r.request(ctx, verb, f)
		if errors.Is(p.err, core.ErrUnavailable) {
			p.err = err
		}
		return p
	})
}

// faultMutants have faults that only Stall or Kill show.
var faultMutants = []struct {
	fault string
	cases string
	plant func(r *remote)
}{
	{"Get of a dead server misses", "kill-error kill-close", func(r *remote) {
		r.replaceOutage("GetItem", core.ErrMiss)
	}},
	{"Add of a dead server returns ErrExists", "kill-error", func(r *remote) {
		r.replaceOutage("Add", core.ErrExists)
	}},
	{"CompareAndSwap of a dead server conflicts", "kill-error", func(r *remote) {
		r.replaceOutage("CompareAndSwap", core.ErrConflict)
	}},
	{"Set of a dead server succeeds", "kill-error", func(r *remote) {
		r.replaceOutage("Set", nil)
	}},
	{"Delete of a dead server succeeds", "kill-error", func(r *remote) {
		r.replaceOutage("Delete", nil)
	}},
	{"an outage is an error of its own", "kill-error kill-load", func(r *remote) {
		r.replaceOutage("Incr", errors.New("EOF"))
	}},
	{"Get ignores its context", "stall-context", func(r *remote) {
		r.forVerb("GetItem", func(ctx context.Context, f func() reply) reply {
			ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 3*time.Second)
			defer cancel()
			p := r.request(ctx, "", f)
			if p.err == context.DeadlineExceeded {
				p.err = unavailable(p.err)
			}
			return p
		})
	}},
	{"Touch looks at deadlines only", "stall-context", func(r *remote) {
		r.forVerb("Touch", func(ctx context.Context, f func() reply) reply {
			deadline, ok := ctx.Deadline()
			if !ok {
				deadline = time.Now().Add(time.Second)
			}
			ctx, cancel := context.WithDeadline(context.WithoutCancel(ctx), deadline)
			defer cancel()
			return r.request(ctx, "", f)
		})
	}},
	{"a timeout is a miss", "stall-context", func(r *remote) {
		r.forVerb("Incr", func(ctx context.Context, f func() reply) reply {
			p := r.request(ctx, "", f)
			if p.err != nil && p.err == ctx.Err() {
				p.err = core.ErrMiss
			}
			return p
		})
	}},
	{"a late reply is that of the next request", "stall-late", func(r *remote) {
		late := make(chan chan reply, 1000)
		r.forVerb("GetItem", func(ctx context.Context, f func() reply) reply {
			own := make(chan reply, 1)
			go func() { own <- r.server.handle(f) }()
			next := own
			select {
			case next = <-late:
				late <- own
			default:
			}
			select {
			case p := <-next:
				return p
			case <-ctx.Done():
				late <- next
				return reply{err: ctx.Err()}
			}
		})
	}},
	{"an abandoned request blocks its connection permanently", "stall-context stall-late",
		func(r *remote) {
			connections := make(chan struct{}, 10)
			r.forVerb("GetItem", func(ctx context.Context, f func() reply) reply {
				select {
				case connections <- struct{}{}:
				case <-ctx.Done():
					return reply{err: ctx.Err()}
				}
				p := r.request(ctx, "", f)
				if p.err != context.Canceled && p.err != context.DeadlineExceeded {
					<-connections
				}
				return p
			})
		}},
	{"Close waits for running requests", "stall-close", func(r *remote) {
		var mu sync.Mutex
		ended := sync.NewCond(&mu)
		running := 0
		add := func(n int) {
			mu.Lock()
			defer mu.Unlock()
			running += n
			ended.Broadcast()
		}
		r.forVerb("GetItem", func(ctx context.Context, f func() reply) reply {
			add(1)
			defer add(-1)
			done := make(chan reply, 1)
			go func() { done <- r.server.handle(f) }()
			select {
			case p := <-done:
				return p
			case <-ctx.Done():
				return reply{err: ctx.Err()}
			}
		})
		r.close = func() error {
			mu.Lock()
			defer mu.Unlock()
			for running > 0 {
				ended.Wait()
			}
			return nil
		}
	}},
	{"Close waits for the server to come back", "kill-close", func(r *remote) {
		r.close = func() error {
			for r.Flush(context.Background()) != nil {
				time.Sleep(time.Second)
			}
			return nil
		}
	}},
	{"the backend never connects again", "kill-error", func(r *remote) {
		var lost atomic.Bool
		for _, verb := range []string{"GetItem", "Set", "Incr"} {
			r.forVerb(verb, func(ctx context.Context, f func() reply) reply {
				if lost.Load() {
					return reply{err: unavailable(errDead)}
				}
				p := r.request(ctx, verb, f)
				if errors.Is(p.err, errDead) {
					lost.Store(true)
				}
				return p
			})
		}
	}},
	{"a server is left alone for five seconds after it failed", "kill-error", func(r *remote) {
		var until atomic.Int64
		r.forVerb("Set", func(ctx context.Context, f func() reply) reply {
			if time.Now().UnixNano() < until.Load() {
				return reply{err: unavailable(errDead)}
			}
			p := r.request(ctx, "", f)
			if errors.Is(p.err, errDead) {
				until.Store(time.Now().Add(5 * time.Second).UnixNano())
			}
			return p
		})
	}},
	{"an increment whose reply was lost is sent again", "kill-load", func(r *remote) {
		r.forVerb("Incr", func(ctx context.Context, f func() reply) reply {
			f() // the reply is lost
			return r.request(ctx, "", f)
		})
	}},
	{"an Add whose reply was lost is sent again", "kill-load", func(r *remote) {
		r.forVerb("Add", func(ctx context.Context, f func() reply) reply {
			r.request(ctx, "", f)
			return r.request(ctx, "", f)
		})
	}},
	{"a CompareAndSwap whose reply was lost is sent again", "kill-load", func(r *remote) {
		r.forVerb("CompareAndSwap", func(ctx context.Context, f func() reply) reply {
			r.request(ctx, "", f)
			return r.request(ctx, "", f)
		})
	}},
	{"Get returns the value of another key while the server dies", "kill-load", func(r *remote) {
		var last atomic.Pointer[core.Item]
		r.forVerb("GetItem", func(ctx context.Context, f func() reply) reply {
			p := r.request(ctx, "", f)
			item := p.item
			if old := last.Swap(&item); p.err == nil && old != nil && r.server.restarted() {
				p.item.Value = old.Value
			}
			return p
		})
	}},
}

func TestEachMutantOfARemoteBackendFails(t *testing.T) {
	for _, p := range faultMutants {
		for _, id := range strings.Fields(p.cases) {
			t.Run(p.fault+"/"+id, func(t *testing.T) {
				c := caseByID(t, Cache, id)
				synctest.Test(t, func(t *testing.T) {
					e := newEnv(t.Context(), suite{seed: 1, stall: stall, kill: kill},
						newRemote(p.plant))
					e.fakeTime = true
					if r := c.execute(e, views[0]); len(r.failures) == 0 {
						t.Errorf("%s passes although %s", id, p.fault)
					}
				})
			})
		}
	}
}
