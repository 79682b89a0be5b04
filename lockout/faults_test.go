package lockout_test

import (
	"bufio"
	"context"
	"fmt"
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
)

// A client that hangs up, or closes its half of the connection, is not a failure of the
// cache. So it does not pass.
func TestAClientThatHangsUpDoesNotPass(t *testing.T) {
	for name, algorithm := range algorithms {
		for _, lock := range []time.Duration{0, time.Hour} {
			rate := lockout.Rate{Count: 2, Period: longPeriod, Algorithm: algorithm}
			l := byIDOnly(t, memcached(t), rate, lock)
			cancelled, cancel := context.WithCancel(t.Context())
			cancel()
			for range 3 {
				wantErr(t, l.Check(cancelled, ann), context.Canceled)
				wantErr(t, l.Allow(cancelled, ann), context.Canceled)
				for _, call := range []guardFunc{l.Guard, l.Quota} {
					_, err := call(cancelled, ann, func(context.Context) (bool, error) {
						t.Errorf("%s: do was called", name)
						return true, nil
					})
					wantErr(t, err, context.Canceled)
				}
			}
		}
	}

	served := atomic.Int64{}
	limiter := must(lockout.NewLimiter(memcached(t), "api", per(longPeriod, 5), nil))
	next := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		<-r.Context().Done() // soon, because the client closes its half of the connection
		served.Add(1)
	})
	server := httptest.NewServer(must(limiter.Handler(lockout.Address{}.Of, next, nil)))
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
	if n := served.Load(); n > 5 {
		t.Errorf("%d requests were served, want at most 5", n)
	}
}

func TestALockIsSetEvenIfTheClientLeavesMeanwhile(t *testing.T) {
	c, b := hookedCache(t)
	l := byIDOnly(t, c, per(longPeriod, 2), time.Hour)
	ctx, cancel := context.WithCancel(t.Context())
	wantErr(t, l.Allow(ctx, ann), nil)
	b.before = func(ctx context.Context, verb, key string) error {
		if verb == "Add" && strings.HasPrefix(key, "lock:") {
			cancel()
		}
		return ctx.Err()
	}
	wantErr(t, l.Allow(ctx, ann), nil)
	wantErr(t, l.Check(t.Context(), ann), lockout.ErrLocked)
}

// If the caller that filled the counter did not set the lock, because its process died, the
// next Allow sets it, and the next Add.
func TestALockThatIsMissingIsSetByTheNextCaller(t *testing.T) {
	for name, algorithm := range algorithms {
		t.Run(name, func(t *testing.T) {
			for _, verb := range []string{"Allow", "Add"} {
				c, b := hookedCache(t)
				rate := lockout.Rate{Count: 2, Period: longPeriod, Algorithm: algorithm}
				l := byIDOnly(t, c, rate, time.Hour)
				b.before = func(_ context.Context, _, key string) error {
					if strings.HasPrefix(key, "lock:") {
						return io.EOF
					}
					return nil
				}
				if n := countAllowed(t, l, ann, 2); n != 2 {
					t.Errorf("%d are allowed, want 2", n)
				}
				b.before = nil
				wantErr(t, l.Check(t.Context(), ann), nil)
				if verb == "Allow" {
					wantErr(t, l.Allow(t.Context(), ann), lockout.ErrLocked)
				} else {
					wantErr(t, l.Add(t.Context(), ann, 1), nil)
				}
				wantErr(t, l.Check(t.Context(), ann), lockout.ErrLocked)
			}
		})
	}
}

// Each call of the cache fails once. With FailClosed, Guard returns the error, and removes
// the caller from the counters again. Without it, the caller passes.
func TestGuardWithAFaultInAnyCall(t *testing.T) {
	for name, algorithm := range algorithms {
		for _, failClosed := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, FailClosed %v", name, failClosed), func(t *testing.T) {
				for fault := int64(1); guardWithFault(t, algorithm, failClosed, fault); fault++ {
				}
			})
		}
	}
}

// guardWithFault calls Guard and lets the call of the cache with the number fault fail. It
// returns false if there were fewer calls.
func guardWithFault(
	t *testing.T, algorithm lockout.Algorithm, failClosed bool, fault int64,
) bool {
	c, b := hookedCache(t)
	var rules []lockout.Rule[visit]
	for _, name := range []string{"one", "two"} {
		rules = append(rules, lockout.Rule[visit]{
			Name: name, Key: byID, Keep: true,
			Rate: lockout.Rate{Count: 3, Period: longPeriod, Algorithm: algorithm},
		})
	}
	reported := 0
	l := newLockout(t, c, "api", &lockout.Options[visit]{
		FailClosed: failClosed,
		OnError:    func(context.Context, error) { reported++ },
	}, rules...)
	wantErr(t, l.Add(t.Context(), ann, 1), nil)
	b.calls.Store(0)
	b.before = func(context.Context, string, string) error {
		if b.calls.Load() == fault {
			return io.EOF
		}
		return nil
	}
	done := false
	_, err := l.Guard(t.Context(), ann, func(context.Context) (bool, error) {
		done = true
		return true, nil
	})
	n := b.calls.Load()
	b.before = nil
	if n < fault {
		if wantErr(t, err, nil); fault < 5 {
			t.Errorf("Guard made only %d calls", n)
		}
		return false
	}
	if reported != 1 || (err != nil) != failClosed {
		t.Errorf("call %d fails: error is %v; OnError was called %d times, want 1",
			fault, err, reported)
	}
	if !failClosed && !done {
		t.Errorf("call %d fails: Guard did not call do", fault)
	}
	status, err := l.Status(t.Context(), ann)
	wantErr(t, err, nil)
	for _, s := range status {
		// What could not be removed stays; nothing else is changed.
		if s.Count < 1 || s.Count > 2 || s.Count == 2 && !done {
			t.Errorf("call %d fails, done = %v: %+v", fault, done, status)
		}
	}
	return true
}

// Callers pass if the cache fails. With FailClosed they get its error.
func TestACacheThatFails(t *testing.T) {
	c := inMemory(t)
	c.Close()
	for _, failClosed := range []bool{false, true} {
		reported := 0
		l := newLockout(t, c, "api", &lockout.Options[visit]{
			FailClosed: failClosed,
			OnError:    func(context.Context, error) { reported++ },
		}, rulesOf["by_id"])
		var target error
		if failClosed {
			target = core.ErrClosed
		}
		wantErr(t, l.Check(t.Context(), ann), target)
		wantErr(t, l.Allow(t.Context(), ann), target)
		wantErr(t, l.Add(t.Context(), ann, 1), target)
		wantErr(t, l.Reset(t.Context(), ann), target)
		ok, err := l.Guard(t.Context(), ann, result(true))
		wantErr(t, err, target)
		want := 4 + 1 + 2 // in Allow, and in Guard the lock and the counter; then the reset
		if failClosed {
			want = 5 // they end with the first
		} else {
			want++
		}
		if ok == failClosed || reported != want {
			t.Errorf("Guard = %v; OnError was called %d times, want %d", ok, reported, want)
		}
		_, err = l.Status(t.Context(), ann)
		wantErr(t, err, core.ErrClosed)
	}
}

// A caller that waits for another retry of its process waits no longer than its context.
func TestWaitingToRetryEndsWithTheContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, b := hookedCache(t)
		l := byIDOnly(t, c, lockout.Rate{
			Count: 9, Period: longPeriod, Algorithm: lockout.TokenBucket,
		}, 0)
		adds := 0 // not shared: the first Allow is blocked when the second one begins
		b.before = func(_ context.Context, verb, _ string) error {
			if verb != "Add" {
				return nil
			}
			switch adds++; adds {
			case 1, 3: // the first try of either Allow: another caller was faster
				return core.ErrExists
			case 2: // the retry of the first Allow
				time.Sleep(time.Hour)
			}
			return nil
		}
		var all sync.WaitGroup
		all.Go(func() { wantErr(t, l.Allow(t.Context(), ann), nil) })
		synctest.Wait()
		began := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		wantErr(t, l.Allow(ctx, ann), context.DeadlineExceeded)
		if time.Since(began) != time.Minute || adds != 3 {
			t.Errorf("it took %v and %d tries, want 1m0s and 3", time.Since(began), adds)
		}
		all.Wait()
	})
}

func TestWhatHasHappenedIsCountedForFiveSecondsIfTheCacheHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, b := hookedCache(t)
		l := byIDOnly(t, c, per(longPeriod, 9), 0)
		hang := func(ctx context.Context, _, _ string) error {
			<-ctx.Done()
			return ctx.Err()
		}
		takes := func(name string, call func() error) {
			t.Helper()
			began := time.Now()
			wantErr(t, call(), nil)
			if d := time.Since(began); d != 5*time.Second {
				t.Errorf("%s took %v, want 5s", name, d)
			}
		}
		takes("Guard", func() error {
			_, err := l.Guard(t.Context(), ann, func(context.Context) (bool, error) {
				b.before = hang
				return true, nil
			})
			return err
		})
		takes("Add", func() error { return l.Add(t.Context(), ann, 1) })
		takes("Reset", func() error { return l.Reset(t.Context(), ann) })
	})
}

// If the number of locks in a row cannot be read, a lock of the first length is set, and the
// number stays.
func TestALockIsSetEvenIfItsRowCannotBeRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, b := hookedCache(t)
		reported := 0
		l := newLockout(t, c, "api", &lockout.Options[visit]{
			OnError: func(_ context.Context, err error) {
				reported++
				wantErr(t, err, io.EOF)
			},
		}, lockout.Rule[visit]{
			Name: "by_id", Key: byID,
			Rate: per(time.Hour, 1), Lock: time.Minute, MaxLock: time.Hour,
		})
		wantLockOf := func(want time.Duration) {
			t.Helper()
			wantErr(t, l.Add(t.Context(), ann, 1), nil)
			status, err := l.Status(t.Context(), ann)
			if wantErr(t, err, nil); time.Until(status[0].Until) != want {
				t.Errorf("the lock lasts %v, want %v", time.Until(status[0].Until), want)
			}
			time.Sleep(want)
		}
		wantLockOf(time.Minute)
		wantLockOf(2 * time.Minute)
		b.before = func(_ context.Context, verb, key string) error {
			if verb == "GetItem" && strings.HasPrefix(key, "row:") {
				return io.EOF
			}
			return nil
		}
		wantLockOf(time.Minute)
		b.before = nil
		if reported != 1 {
			t.Errorf("OnError was called %d times, want 1", reported)
		}
		// Rate.Period is longer than these locks. So the row ends a Period after the last one.
		time.Sleep(time.Hour - 3*time.Minute)
		wantLockOf(4 * time.Minute)
	})
}

func TestACounterThatIsMissingWhenItsLockIsSetIsNoError(t *testing.T) {
	c, b := hookedCache(t)
	l := newLockout(t, c, "api", &lockout.Options[visit]{FailClosed: true}, lockout.Rule[visit]{
		Name: "by_id", Key: byID, Rate: per(longPeriod, 1), Lock: time.Hour,
	})
	b.before = func(ctx context.Context, verb, key string) error {
		if verb == "Delete" || verb == "Touch" {
			return core.ErrMiss
		}
		return nil
	}
	wantErr(t, l.Add(t.Context(), ann, 1), nil)
	wantErr(t, l.Allow(t.Context(), bob), nil)
	_, err := l.Guard(t.Context(), visit{"eve", ""}, result(false))
	wantErr(t, err, nil)
}
