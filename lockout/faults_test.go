package lockout_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/lockout"
	"github.com/cachewire/cachewire/memory"
)

// faulty answers a cache on memory, and what to step in with.
func faulty(t testing.TB) (*core.Cache, *calls) {
	b := &calls{Backend: must(memory.New(nil))}
	return cacheOf(t, b), b
}

// A client that hangs up, or closes its half of the connection, is not let in for it: the
// cache has not failed.
func TestWhoHangsUpIsNotLetIn(t *testing.T) {
	for _, counter := range []lockout.Counter[visit]{
		{Count: 2, Period: long}, {Count: 2, Period: long, Duration: time.Hour}, {Count: 2, Period: long, Algorithm: lockout.TokenBucket},
	} {
		lo := limit(t, memcached(t), counter)
		gone, cancel := context.WithCancel(t.Context())
		cancel()
		ann := visit{"ann", ""}
		for range 3 {
			wantErr(t, lo.Forbid(gone, ann), context.Canceled)
			wantErr(t, lo.Allow(gone, ann), context.Canceled)
			wantErr(t, lo.Incr(gone, ann), context.Canceled)
			_, err := lo.Take(gone, ann, func(context.Context) (bool, error) { t.Error("it was done"); return true, nil })
			wantErr(t, err, context.Canceled)
		}
	}

	tries := atomic.Int64{}
	lo := api(t, memcached(t), nil, lockout.Terms[*http.Request]{"by_ip": byIP(lockout.Counter[*http.Request]{Count: 5, Period: long})})
	server := httptest.NewServer(must(lockout.Handler(lo, request, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		<-r.Context().Done() // of one who closes his half, this is soon
		tries.Add(1)
	}), nil)))
	defer server.Close()
	for range 20 {
		conn, err := net.Dial("tcp", server.Listener.Addr().String())
		wantErr(t, err, nil)
		_, err = io.WriteString(conn, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
		wantErr(t, err, nil)
		wantErr(t, conn.(*net.TCPConn).CloseWrite(), nil)
		reply, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err == nil {
			reply.Body.Close()
		}
		conn.Close()
	}
	if n := tries.Load(); n > 5 {
		t.Errorf("%d of 5 were served", n)
	}
}

// The lock is set also where the client leaves just when it is counted.
func TestWhoLeavesAtTheLastIsLockedOut(t *testing.T) {
	c, b := faulty(t)
	lo := limit(t, c, lockout.Counter[visit]{Count: 2, Period: time.Minute, Duration: time.Hour})
	ctx, cancel := context.WithCancel(t.Context())
	wantErr(t, lo.Allow(ctx, visit{"ann", ""}), nil)
	b.before = func(ctx context.Context, verb, key string) error {
		if verb == "Add" && strings.HasPrefix(key, "lock:") {
			cancel()
		}
		return ctx.Err()
	}
	wantErr(t, lo.Allow(ctx, visit{"ann", ""}), nil)
	wantErr(t, lo.Forbid(t.Context(), visit{"ann", ""}), lockout.ErrLocked)
}

// With Allow, as with Incr, who comes after the one that died before it set the lock sets it.
func TestAllowLosesNoLock(t *testing.T) {
	for name, algorithm := range algorithms {
		t.Run(name, func(t *testing.T) {
			c, b := faulty(t)
			lo := limit(t, c, lockout.Counter[visit]{Count: 2, Period: long, Duration: time.Hour, Algorithm: algorithm})
			b.before = func(_ context.Context, _, key string) error {
				if strings.HasPrefix(key, "lock:") {
					return io.EOF
				}
				return nil
			}
			if n := allowed(t, lo, visit{"ann", ""}, 2); n != 2 {
				t.Errorf("%d are allowed", n)
			}
			b.before = nil
			wantErr(t, lo.Forbid(t.Context(), visit{"ann", ""}), nil)
			wantErr(t, lo.Allow(t.Context(), visit{"ann", ""}), lockout.ErrLocked)
			wantErr(t, lo.Forbid(t.Context(), visit{"ann", ""}), lockout.ErrLocked)
		})
	}
}

// Each call may fail: nobody is let in with FailClosed, and what was counted is given back.
func TestEachCallFails(t *testing.T) {
	for name, algorithm := range algorithms {
		for _, closed := range []bool{false, true} {
			t.Run(name, func(t *testing.T) {
				for fault := int64(1); ; fault++ {
					c, b := faulty(t)
					counters := lockout.Terms[visit]{}
					for _, name := range []string{"one", "two"} {
						counters[name] = lockout.Counter[visit]{Key: func(v visit) string { return name + v.id }, Count: 3, Period: long, Algorithm: algorithm, Success: lockout.Keeps}
					}
					told := 0
					locker, err := lockout.New(c, counters, &lockout.Options[visit]{FailClosed: closed, OnError: func(context.Context, error) { told++ }})
					wantErr(t, err, nil)
					lo, err := locker.Define("api", counters)
					wantErr(t, err, nil)
					ann := visit{"ann", ""}
					wantErr(t, lo.Incr(t.Context(), ann), nil)
					b.n.Store(0)
					b.before = func(context.Context, string, string) error {
						if b.n.Load() == fault {
							return io.EOF
						}
						return nil
					}
					done := false
					_, err = lo.Take(t.Context(), ann, func(context.Context) (bool, error) { done = true; return true, nil })
					n := b.n.Load()
					b.before = nil
					if n < fault { // no call was left to fail
						if wantErr(t, err, nil); fault < 5 {
							t.Errorf("Take made %d calls", n)
						}
						return
					}
					if told != 1 || (err != nil) != closed {
						t.Errorf("call %d: error %v, OnError told %d times", fault, err, told)
					}
					if !closed && !done {
						t.Errorf("call %d: not done", fault)
					}
					status, err := lo.Status(t.Context(), ann)
					wantErr(t, err, nil)
					for _, s := range status {
						// What could not be given back stays; nothing else is changed.
						if s.Count < 1 || s.Count > 2 || s.Count == 2 && !done {
							t.Errorf("call %d, done = %v: %+v", fault, done, status)
						}
					}
				}
			})
		}
	}
}

// A state that somebody deletes between the read and the swap is counted in a new one.
func TestADeletedStateIsCountedAnew(t *testing.T) {
	c, b := faulty(t)
	lo := limit(t, c, lockout.Counter[visit]{Count: 3, Period: long, Algorithm: lockout.TokenBucket})
	ann := visit{"ann", ""}
	wantErr(t, lo.Allow(t.Context(), ann), nil)
	b.before = func(ctx context.Context, verb, key string) error {
		if verb == "CompareAndSwap" {
			b.before = nil
			return b.Delete(ctx, key)
		}
		return nil
	}
	wantErr(t, lo.Allow(t.Context(), ann), nil)
	if status, err := lo.Status(t.Context(), ann); err != nil || status[0].Count != 1 {
		t.Errorf("%+v, %v", status, err)
	}
}

// Who waits behind others of his process waits no longer than his context.
func TestWhoWaitsInALaneMayGiveUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, b := faulty(t)
		lo := limit(t, c, lockout.Counter[visit]{Count: 9, Period: long, Algorithm: lockout.TokenBucket})
		ann := visit{"ann", ""}
		adds := 0 // of one at a time: each verb below has come to rest before the next begins
		b.before = func(_ context.Context, verb, _ string) error {
			if verb != "Add" {
				return nil
			}
			switch adds++; adds {
			case 1, 3: // the first tries of both: somebody was faster
				return core.ErrExists
			case 2: // the second of the first, who is alone in the lane
				time.Sleep(time.Hour)
			}
			return nil
		}
		var all sync.WaitGroup
		all.Go(func() { wantErr(t, lo.Allow(t.Context(), ann), nil) })
		synctest.Wait()
		began := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := lo.Allow(ctx, ann); !errors.Is(err, context.DeadlineExceeded) || time.Since(began) != time.Minute || adds != 3 {
			t.Errorf("%v after %v, of %d tries in all", err, time.Since(began), adds)
		}
		all.Wait()
	})
}

// A cache that hangs holds up who has failed for no longer than five seconds.
func TestAHangingCacheHoldsUpNobodyForLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, b := faulty(t)
		lo := limit(t, c, lockout.Counter[visit]{Count: 9, Period: long})
		b.before = func(ctx context.Context, _, _ string) error { <-ctx.Done(); return ctx.Err() }
		began := time.Now()
		_, err := lo.Guard(t.Context(), visit{"ann", ""}, answer(false))
		if wantErr(t, err, nil); time.Since(began) != 5*time.Second {
			t.Errorf("it took %v", time.Since(began))
		}
	})
}

// Where the row of locks cannot be read there is a lock all the same, of the first length,
// and the row is as it was.
func TestALockWithoutItsRow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, b := faulty(t)
		told := 0
		counter := lockout.Counter[visit]{Key: func(v visit) string { return v.id }, Count: 1, Period: time.Hour, Duration: time.Minute, MaxDuration: time.Hour}
		locker, err := lockout.New(c, lockout.Terms[visit]{"by_id": counter}, &lockout.Options[visit]{OnError: func(_ context.Context, err error) { told++; wantErr(t, err, io.EOF) }})
		wantErr(t, err, nil)
		lo, err := locker.Define("api", lockout.Terms[visit]{"by_id": {}})
		wantErr(t, err, nil)
		ann := visit{"ann", ""}
		lasts := func(want time.Duration) {
			t.Helper()
			wantErr(t, lo.Incr(t.Context(), ann), nil)
			status, err := lo.Status(t.Context(), ann)
			if wantErr(t, err, nil); time.Until(status[0].Until) != want {
				t.Errorf("the lock lasts %v, want %v", time.Until(status[0].Until), want)
			}
			time.Sleep(want)
		}
		lasts(time.Minute)
		lasts(2 * time.Minute)
		b.before = func(_ context.Context, verb, key string) error {
			if verb == "Get" && strings.HasPrefix(key, "row:") {
				return io.EOF
			}
			return nil
		}
		lasts(time.Minute)
		b.before = nil
		if told != 1 {
			t.Errorf("OnError was told %d times", told)
		}
		time.Sleep(time.Hour - 3*time.Minute) // a row lasts for Period after a lock that is shorter
		lasts(4 * time.Minute)
	})
}

// A counter that is gone when its lock is set is no error.
func TestTheCounterMayGoFirst(t *testing.T) {
	c, b := faulty(t)
	locker, err := lockout.New(c, terms, &lockout.Options[visit]{FailClosed: true})
	wantErr(t, err, nil)
	lo, err := locker.Define("sign in", lockout.Terms[visit]{"by_id": {Count: 1}})
	wantErr(t, err, nil)
	b.before = func(ctx context.Context, verb, key string) error {
		if verb == "Delete" || verb == "Touch" {
			return core.ErrMiss
		}
		return nil
	}
	wantErr(t, lo.Incr(t.Context(), visit{"ann", ""}), nil)
	wantErr(t, lo.Allow(t.Context(), visit{"bob", ""}), nil)
	_, err = lo.Take(t.Context(), visit{"eve", ""}, answer(false))
	wantErr(t, err, nil)
}

// An alert that takes long, or panics, leaves lock, row and counter as they should be.
func TestAnAlertThatPanics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lo := limit(t, cacheOf(t, must(memory.New(nil))), lockout.Counter[visit]{
			Count: 2, Period: time.Minute, Duration: 10 * time.Minute, MaxDuration: time.Hour,
			Alert: func(context.Context, visit, lockout.Event) { panic("boom") },
		})
		for _, want := range []time.Duration{10 * time.Minute, 20 * time.Minute} {
			for range 2 {
				func() {
					defer func() { recover() }()
					lo.Guard(t.Context(), visit{"ann", ""}, answer(false))
				}()
			}
			status, err := lo.Status(t.Context(), visit{"ann", ""})
			if wantErr(t, err, nil); time.Until(status[0].Until) != want || status[0].Count != 0 {
				t.Errorf("%+v, want a lock of %v", status, want)
			}
			time.Sleep(want)
		}
	})
}

// Of several locks the longest is told of; the end of one is never told too early.
func TestForbidTellsTheLongest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := cacheOf(t, must(memory.New(nil)))
		both := lockout.Terms[visit]{}
		for name, d := range map[string]time.Duration{"a": 30 * time.Minute, "b": time.Hour, "c": 10 * time.Minute} {
			both[name] = lockout.Counter[visit]{Key: func(v visit) string { return name + v.id }, Count: 1, Period: time.Minute, Duration: d}
		}
		locker, err := lockout.New(c, both, nil)
		wantErr(t, err, nil)
		lo, err := locker.Define("api", both)
		wantErr(t, err, nil)
		time.Sleep(300 * time.Millisecond)
		end := time.Now().Add(time.Hour)
		wantErr(t, lo.Incr(t.Context(), visit{"ann", ""}), nil)
		var locked *lockout.LockedError
		if err := lo.Forbid(t.Context(), visit{"ann", ""}); !errors.As(err, &locked) || locked.Counter != "b" || locked.Until.Before(end) || locked.Until.Sub(end) >= time.Second {
			t.Errorf("%v, want until %v or a little later", err, end)
		}
	})
}
