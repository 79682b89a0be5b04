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
	b := &calls{Backend: memory.New(nil)}
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
	server := httptest.NewServer(lockout.Handler(lo, request, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		<-r.Context().Done() // of one who closes his half, this is soon
		tries.Add(1)
	}), nil))
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

// Of five at once of which four succeed, the fifth is one failure, and not the fifth.
func TestTakeLocksForFailuresOnly(t *testing.T) {
	for name, algorithm := range algorithms {
		for _, success := range []lockout.Success{lockout.Resets, lockout.Keeps} {
			t.Run(name, func(t *testing.T) {
				lo := limit(t, cacheOf(t, memory.New(nil)), lockout.Counter[visit]{Count: 5, Period: long, Duration: time.Hour, Algorithm: algorithm, Success: success})
				ann := visit{"ann", ""}
				var take func(n int)
				take = func(n int) { // the n-th begins within the one before
					_, err := lo.Take(t.Context(), ann, func(context.Context) (bool, error) {
						if n < 5 {
							take(n + 1)
						}
						return n > 1, nil
					})
					wantErr(t, err, nil)
				}
				take(1) // of which the first fails, as the last
				wantErr(t, lo.Forbid(t.Context(), ann), nil)
				wantErr(t, lo.ForceReset(t.Context(), ann), nil)
				// And now the fifth.
				results := make([]chan bool, 5)
				var all, counted sync.WaitGroup
				for i := range results {
					results[i] = make(chan bool)
					counted.Add(1)
					all.Go(func() {
						_, err := lo.Take(t.Context(), ann, func(context.Context) (bool, error) {
							counted.Done()
							return <-results[i], nil
						})
						wantErr(t, err, nil)
					})
					counted.Wait()
				}
				for i := range 4 {
					results[i] <- true
				}
				// The fourth is given back when its goroutine has ended; wait for the counter.
				for used := uint64(9); used > 1; {
					status, err := lo.Status(t.Context(), ann)
					wantErr(t, err, nil)
					used = status[0].Count
				}
				results[4] <- false
				all.Wait()
				wantErr(t, lo.Forbid(t.Context(), ann), nil)
			})
		}
	}
}

// Who looked for a lock before it was set, and is slow, is not let in while it stands.
func TestALateComerIsNotLetIn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, b := faulty(t)
		lo := limit(t, c, lockout.Counter[visit]{Count: 1, Period: time.Minute, Duration: time.Hour})
		ann := visit{"ann", ""}
		slow := true
		b.before = func(_ context.Context, verb, _ string) error {
			if verb == "Incr" && slow {
				slow = false
				time.Sleep(2 * time.Minute)
			}
			return nil
		}
		var all sync.WaitGroup
		all.Go(func() {
			_, err := lo.Take(t.Context(), ann, func(context.Context) (bool, error) { t.Error("it was done"); return false, nil })
			wantErr(t, err, lockout.ErrLocked)
		})
		synctest.Wait()
		_, err := lo.Take(t.Context(), ann, answer(false))
		wantErr(t, err, nil)
		all.Wait()
	})
}

// Who goes away when one counter has counted and another refuses is given back.
func TestWhoIsRefusedAndGoesIsGivenBack(t *testing.T) {
	c, b := faulty(t)
	both := lockout.Terms[visit]{}
	for name, n := range map[string]uint64{"a": 5, "b": 1} {
		both[name] = lockout.Counter[visit]{Key: func(v visit) string { return name + v.id }, Count: n, Period: long}
	}
	locker, err := lockout.New(c, both, nil)
	wantErr(t, err, nil)
	lo, err := locker.Define("api", both)
	wantErr(t, err, nil)
	ann := visit{"ann", ""}
	wantErr(t, lo.Allow(t.Context(), ann), nil)
	for _, verb := range []func(ctx context.Context) error{
		func(ctx context.Context) error { return lo.Allow(ctx, ann) },
		func(ctx context.Context) error { _, err := lo.Take(ctx, ann, answer(true)); return err },
	} {
		ctx, cancel := context.WithCancel(t.Context())
		b.before = func(ctx context.Context, verb, _ string) error {
			if verb == "Decr" {
				cancel()
			}
			return ctx.Err()
		}
		wantErr(t, verb(ctx), lockout.ErrLocked)
		b.before = nil
		if status, err := lo.Status(t.Context(), ann); err != nil || status[0].Count != 1 || status[1].Count != 1 {
			t.Errorf("%+v, %v", status, err)
		}
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
		var conflicts atomic.Int64
		b.before = func(ctx context.Context, verb, key string) error {
			switch {
			case verb != "Add":
			case conflicts.Add(1) <= 2: // the first tries of both
				return core.ErrExists
			default:
				time.Sleep(time.Hour)
			}
			return nil
		}
		var all sync.WaitGroup
		for range 2 {
			all.Go(func() {
				time.Sleep(time.Duration(conflicts.Add(0)))
				ctx, cancel := context.WithTimeout(t.Context(), 2*time.Hour)
				defer cancel()
				wantErr(t, lo.Allow(ctx, ann), nil)
			})
			synctest.Wait()
		}
		began := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		conflicts.Store(1)
		if err := lo.Allow(ctx, ann); !errors.Is(err, context.DeadlineExceeded) || time.Since(began) != time.Minute {
			t.Errorf("%v after %v", err, time.Since(began))
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
		lo := limit(t, cacheOf(t, memory.New(nil)), lockout.Counter[visit]{
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

// An error of what is taken is answered as it is, and so is that of an action.
func TestErrorsAreAnsweredAsTheyAre(t *testing.T) {
	lo := limit(t, cacheOf(t, memory.New(nil)), lockout.Counter[visit]{Count: 1, Period: time.Minute})
	if _, err := lo.Take(t.Context(), visit{"ann", ""}, func(context.Context) (bool, error) { return false, io.EOF }); err != io.EOF {
		t.Errorf("%#v", err)
	}
	wantErr(t, lo.Incr(t.Context(), visit{"ann", ""}), nil)
	lo = lo.WithAction(func(context.Context, visit, *lockout.LockedError) error { return io.ErrNoProgress })
	if _, err := lo.Take(t.Context(), visit{"ann", ""}, answer(true)); err != io.ErrNoProgress {
		t.Errorf("%#v", err)
	}
}

// A panic in what is taken stays counted, and sets the lock.
func TestAPanicIsCounted(t *testing.T) {
	lo := limit(t, cacheOf(t, memory.New(nil)), lockout.Counter[visit]{Count: 2, Period: time.Minute, Duration: time.Hour})
	for range 2 {
		func() {
			defer func() {
				if recover() == nil {
					t.Error("no panic")
				}
			}()
			lo.Take(t.Context(), visit{"ann", ""}, func(context.Context) (bool, error) { panic("boom") })
		}()
	}
	wantErr(t, lo.Forbid(t.Context(), visit{"ann", ""}), lockout.ErrLocked)
}

// What Allow has refused is not taken back from those that come in the next period.
func TestALateGivingBackLetsNobodyIn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, b := faulty(t)
		lo := limit(t, c, lockout.Counter[visit]{Count: 3, Period: time.Minute})
		allowed(t, lo, visit{"ann", ""}, 3)
		b.before = func(_ context.Context, verb, _ string) error {
			if verb == "Decr" {
				time.Sleep(time.Minute)
			}
			return nil
		}
		var all sync.WaitGroup
		for range 10 {
			all.Go(func() { allowed(t, lo, visit{"ann", ""}, 1) })
		}
		time.Sleep(time.Minute)
		n := allowed(t, lo, visit{"ann", ""}, 3)
		all.Wait()
		if n += allowed(t, lo, visit{"ann", ""}, 3); n != 3 {
			t.Errorf("%d of 3 are allowed", n)
		}
	})
}

// Of several locks the longest is told of; the end of one is never told too early.
func TestForbidTellsTheLongest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := cacheOf(t, memory.New(nil))
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
