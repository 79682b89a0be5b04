package lockout_test

import (
	"bufio"
	"context"
	"errors"
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
	"github.com/cachewire/cachewire/memory"
)

// hookedCache returns a cache in memory, and its backend.
func hookedCache(t testing.TB) (*core.Cache, *hookedBackend) {
	b := &hookedBackend{Backend: must(memory.New(nil))}
	return cacheOf(t, b), b
}

// A client that hangs up, or closes its half of the connection, is not a failure of the
// cache, which would let it pass.
func TestAClientThatHangsUpDoesNotPass(t *testing.T) {
	for _, counter := range []lockout.Counter[visit]{
		{Count: 2, Period: longPeriod},
		{Count: 2, Period: longPeriod, Duration: time.Hour},
		{Count: 2, Period: longPeriod, Algorithm: lockout.TokenBucket},
	} {
		lo := lockoutByID(t, memcached(t), counter)
		cancelled, cancel := context.WithCancel(t.Context())
		cancel()
		ann := visit{"ann", ""}
		for range 3 {
			wantErr(t, lo.Forbid(cancelled, ann), context.Canceled)
			wantErr(t, lo.Allow(cancelled, ann), context.Canceled)
			wantErr(t, lo.Incr(cancelled, ann), context.Canceled)
			_, err := lo.Take(cancelled, ann, func(context.Context) (bool, error) {
				t.Error("Take called do")
				return true, nil
			})
			wantErr(t, err, context.Canceled)
		}
	}

	served := atomic.Int64{}
	lo := requestLockout(t, memcached(t), nil, lockout.Terms[*http.Request]{
		"by_ip": byIP(lockout.Counter[*http.Request]{Count: 5, Period: longPeriod}),
	})
	next := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		<-r.Context().Done() // soon, because the client closes its half of the connection
		served.Add(1)
	})
	server := httptest.NewServer(must(lockout.Handler(lo, sameRequest, next, nil)))
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
	lo := lockoutByID(t, c, lockout.Counter[visit]{
		Count: 2, Period: time.Minute, Duration: time.Hour,
	})
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

// If the caller that reached Count did not set the lock, the next Allow sets it, as the next
// Incr does.
func TestAllowSetsALockThatIsMissing(t *testing.T) {
	for name, algorithm := range algorithms {
		t.Run(name, func(t *testing.T) {
			c, b := hookedCache(t)
			lo := lockoutByID(t, c, lockout.Counter[visit]{
				Count: 2, Period: longPeriod, Duration: time.Hour, Algorithm: algorithm,
			})
			b.before = func(_ context.Context, _, key string) error {
				if strings.HasPrefix(key, "lock:") {
					return io.EOF
				}
				return nil
			}
			if n := countAllowed(t, lo, visit{"ann", ""}, 2); n != 2 {
				t.Errorf("%d are allowed, want 2", n)
			}
			b.before = nil
			wantErr(t, lo.Forbid(t.Context(), visit{"ann", ""}), nil)
			wantErr(t, lo.Allow(t.Context(), visit{"ann", ""}), lockout.ErrLocked)
			wantErr(t, lo.Forbid(t.Context(), visit{"ann", ""}), lockout.ErrLocked)
		})
	}
}

// One call of the cache fails, each in turn. With FailClosed, Take returns the error, and
// what was counted is removed again. Without it, the caller passes.
func TestTakeWithAFaultInAnyCall(t *testing.T) {
	for name, algorithm := range algorithms {
		for _, failClosed := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, FailClosed %v", name, failClosed), func(t *testing.T) {
				for fault := int64(1); takeWithFault(t, algorithm, failClosed, fault); fault++ {
				}
			})
		}
	}
}

// takeWithFault calls Take and lets the call number fault of the cache fail. It returns false
// if there were fewer calls.
func takeWithFault(
	t *testing.T, algorithm lockout.Algorithm, failClosed bool, fault int64,
) bool {
	c, b := hookedCache(t)
	counters := lockout.Terms[visit]{}
	for _, name := range []string{"one", "two"} {
		counters[name] = lockout.Counter[visit]{
			Key:       func(v visit) string { return name + v.id },
			Count:     3,
			Period:    longPeriod,
			Algorithm: algorithm,
			Success:   lockout.Keeps,
		}
	}
	reported := 0
	locker, err := lockout.New(c, counters, &lockout.Options[visit]{
		FailClosed: failClosed,
		OnError:    func(context.Context, error) { reported++ },
	})
	wantErr(t, err, nil)
	lo, err := locker.Define("api", counters)
	wantErr(t, err, nil)
	ann := visit{"ann", ""}
	wantErr(t, lo.Incr(t.Context(), ann), nil)
	b.calls.Store(0)
	b.before = func(context.Context, string, string) error {
		if b.calls.Load() == fault {
			return io.EOF
		}
		return nil
	}
	done := false
	_, err = lo.Take(t.Context(), ann, func(context.Context) (bool, error) {
		done = true
		return true, nil
	})
	n := b.calls.Load()
	b.before = nil
	if n < fault {
		if wantErr(t, err, nil); fault < 5 {
			t.Errorf("Take made only %d calls", n)
		}
		return false
	}
	if reported != 1 || (err != nil) != failClosed {
		t.Errorf("call %d fails: error is %v; OnError was called %d times, want 1",
			fault, err, reported)
	}
	if !failClosed && !done {
		t.Errorf("call %d fails: Take did not call do", fault)
	}
	status, err := lo.Status(t.Context(), ann)
	wantErr(t, err, nil)
	for _, s := range status {
		// What could not be removed stays; nothing else is changed.
		if s.Count < 1 || s.Count > 2 || s.Count == 2 && !done {
			t.Errorf("call %d fails, done = %v: %+v", fault, done, status)
		}
	}
	return true
}

func TestAStateThatIsDeletedBeforeTheSwapIsReplacedByANewOne(t *testing.T) {
	c, b := hookedCache(t)
	lo := lockoutByID(t, c, lockout.Counter[visit]{
		Count: 3, Period: longPeriod, Algorithm: lockout.TokenBucket,
	})
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
		t.Errorf("Status = %+v, %v; want 1 counted", status, err)
	}
}

// A caller that waits for another retry of its process waits no longer than its context.
func TestWaitingToRetryEndsWithTheContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, b := hookedCache(t)
		lo := lockoutByID(t, c, lockout.Counter[visit]{
			Count: 9, Period: longPeriod, Algorithm: lockout.TokenBucket,
		})
		ann := visit{"ann", ""}
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
		all.Go(func() { wantErr(t, lo.Allow(t.Context(), ann), nil) })
		synctest.Wait()
		began := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		wantErr(t, lo.Allow(ctx, ann), context.DeadlineExceeded)
		if time.Since(began) != time.Minute || adds != 3 {
			t.Errorf("it took %v and %d tries, want 1m0s and 3", time.Since(began), adds)
		}
		all.Wait()
	})
}

func TestGuardTakesFiveSecondsIfTheCacheHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, b := hookedCache(t)
		lo := lockoutByID(t, c, lockout.Counter[visit]{Count: 9, Period: longPeriod})
		b.before = func(ctx context.Context, _, _ string) error {
			<-ctx.Done()
			return ctx.Err()
		}
		began := time.Now()
		_, err := lo.Guard(t.Context(), visit{"ann", ""}, result(false))
		if wantErr(t, err, nil); time.Since(began) != 5*time.Second {
			t.Errorf("it took %v, want 5s", time.Since(began))
		}
	})
}

// If the number of locks in a row cannot be read, a lock of the first length is set, and the
// number stays.
func TestALockIsSetEvenIfItsRowCannotBeRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, b := hookedCache(t)
		counter := lockout.Counter[visit]{
			Key:         func(v visit) string { return v.id },
			Count:       1,
			Period:      time.Hour,
			Duration:    time.Minute,
			MaxDuration: time.Hour,
		}
		reported := 0
		opts := lockout.Options[visit]{OnError: func(_ context.Context, err error) {
			reported++
			wantErr(t, err, io.EOF)
		}}
		locker, err := lockout.New(c, lockout.Terms[visit]{"by_id": counter}, &opts)
		wantErr(t, err, nil)
		lo, err := locker.Define("api", lockout.Terms[visit]{"by_id": {}})
		wantErr(t, err, nil)
		ann := visit{"ann", ""}
		wantLockOf := func(want time.Duration) {
			t.Helper()
			wantErr(t, lo.Incr(t.Context(), ann), nil)
			status, err := lo.Status(t.Context(), ann)
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
		// Period is longer than these locks. So the row ends a Period after the lock before.
		time.Sleep(time.Hour - 3*time.Minute)
		wantLockOf(4 * time.Minute)
	})
}

func TestACounterThatIsMissingWhenItsLockIsSetIsNoError(t *testing.T) {
	c, b := hookedCache(t)
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
	_, err = lo.Take(t.Context(), visit{"eve", ""}, result(false))
	wantErr(t, err, nil)
}

// Alert is called last: if it panics, the lock, the row and the counter are as they should
// be.
func TestAnAlertThatPanicsDoesNoHarm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lo := lockoutByID(t, cacheOf(t, must(memory.New(nil))), lockout.Counter[visit]{
			Count: 2, Period: time.Minute, Duration: 10 * time.Minute, MaxDuration: time.Hour,
			Alert: func(context.Context, visit, lockout.Event) { panic("boom") },
		})
		for _, want := range []time.Duration{10 * time.Minute, 20 * time.Minute} {
			for range 2 {
				func() {
					defer func() { recover() }()
					lo.Guard(t.Context(), visit{"ann", ""}, result(false))
				}()
			}
			status, err := lo.Status(t.Context(), visit{"ann", ""})
			wantErr(t, err, nil)
			if time.Until(status[0].Until) != want || status[0].Count != 0 {
				t.Errorf("%+v, want a lock of %v", status, want)
			}
			time.Sleep(want)
		}
	})
}

// If there are several locks, Forbid describes the one that ends last. Until is never before
// the end of the lock.
func TestForbidReturnsTheLongestLock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := cacheOf(t, must(memory.New(nil)))
		counters := lockout.Terms[visit]{}
		for name, d := range map[string]time.Duration{
			"a": 30 * time.Minute, "b": time.Hour, "c": 10 * time.Minute,
		} {
			counters[name] = lockout.Counter[visit]{
				Key:      func(v visit) string { return name + v.id },
				Count:    1,
				Period:   time.Minute,
				Duration: d,
			}
		}
		locker, err := lockout.New(c, counters, nil)
		wantErr(t, err, nil)
		lo, err := locker.Define("api", counters)
		wantErr(t, err, nil)
		time.Sleep(300 * time.Millisecond)
		end := time.Now().Add(time.Hour)
		wantErr(t, lo.Incr(t.Context(), visit{"ann", ""}), nil)
		err = lo.Forbid(t.Context(), visit{"ann", ""})
		var locked *lockout.LockedError
		if !errors.As(err, &locked) || locked.Counter != "b" ||
			locked.Until.Before(end) || locked.Until.Sub(end) >= time.Second {
			t.Errorf("Forbid: %v, want a lock by b until %v or a little later", err, end)
		}
	})
}
