package lockout_test

import (
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
	"github.com/cachewire/cachewire/core/config"
	"github.com/cachewire/cachewire/lockout"
	"github.com/cachewire/cachewire/memcache"
	memcachepure "github.com/cachewire/cachewire/memcache-pure"
	"github.com/cachewire/cachewire/memcache/memcachetest"
	"github.com/cachewire/cachewire/null"
)

// eachKind runs test for each algorithm, with and without locks, and with FailClosed or not.
func eachKind(
	t *testing.T, test func(t *testing.T, rule lockout.Rule[visit], failClosed bool),
) {
	for name, algorithm := range algorithms {
		for _, lock := range []time.Duration{0, time.Hour} {
			for _, failClosed := range []bool{false, true} {
				name := fmt.Sprintf("%s, lock %v, FailClosed %v", name, lock, failClosed)
				rate := lockout.Rate{Count: 2, Period: longPeriod, Algorithm: algorithm}
				t.Run(name, func(t *testing.T) {
					test(t, lockout.Rule[visit]{
						Name: "by_id", Key: byID, Rate: rate, Lock: lock,
					}, failClosed)
				})
			}
		}
	}
}

// Over a cache that keeps nothing, FailClosed refuses all callers. Otherwise all of them
// pass, and OnError is called once a minute.
func TestACacheThatKeepsNothingIsNotSilent(t *testing.T) {
	eachKind(t, func(t *testing.T, rule lockout.Rule[visit], failClosed bool) {
		synctest.Test(t, func(t *testing.T) {
			reported := 0
			l := newLockout(t, cacheOf(t, null.New()), "api", &lockout.Options[visit]{
				FailClosed: failClosed,
				OnError: func(_ context.Context, err error) {
					reported++
					wantErr(t, err, core.ErrUnavailable)
				},
			}, rule)
			passed, guarded := 0, 0
			do := func(context.Context) (bool, error) { guarded++; return false, nil }
			for range 100 {
				if l.Allow(t.Context(), ann) == nil {
					passed++
				}
				l.Guard(t.Context(), ann, do)
				l.Quota(t.Context(), ann, do)
				time.Sleep(1200 * time.Millisecond) // a hundred in two minutes
			}
			want, target := 100, error(nil)
			if failClosed {
				want, target = 0, core.ErrUnavailable
			}
			if passed != want || guarded != 2*want || reported != 2 {
				t.Errorf("%d pass and do is called %d times; want %d and %d; OnError is called "+
					"%d times, want 2", passed, guarded, want, 2*want, reported)
			}
			wantErr(t, l.Check(t.Context(), ann), target)
			wantErr(t, l.Add(t.Context(), ann, 1), target)
			wantErr(t, l.Reset(t.Context(), ann), nil)
			_, err := l.Status(t.Context(), ann)
			wantErr(t, err, core.ErrUnavailable)
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			wantErr(t, l.Allow(ctx, ann), context.Canceled)
		})
	})
}

// CACHEWIRE_DISABLE=1 switches all caches off, even the cache of a lockout.
func TestCachesThatAreSwitchedOffAreNotSilent(t *testing.T) {
	t.Setenv("CACHEWIRE_DISABLE", "1")
	caches, err := config.New(config.Config{Default: "lockout", Caches: map[string]config.Cache{
		"lockout": {URL: "memory://"},
	}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer caches.Close()
	c, err := caches.Get(t.Context(), "lockout")
	if err != nil {
		t.Fatal(err)
	}
	for _, failClosed := range []bool{false, true} {
		reported := 0
		l := newLockout(t, c, "api", &lockout.Options[visit]{
			FailClosed: failClosed,
			OnError:    func(context.Context, error) { reported++ },
		}, rulesOf["by_id"])
		passed := 0
		for range 100 {
			if l.Allow(t.Context(), ann) == nil {
				passed++
			}
		}
		if want := map[bool]int{false: 100, true: 0}[failClosed]; passed != want || reported != 1 {
			t.Errorf("FailClosed %v: %d pass, want %d; OnError is called %d times, want 1",
				failClosed, passed, want, reported)
		}
	}
}

// The value under the key of a counter is not a counter. FailClosed refuses the caller that
// finds it. Otherwise the caller is the first of a new count. In both cases the next caller
// is counted.
func TestACounterThatCannotBeReadStartsAgain(t *testing.T) {
	junk := map[string]func(t *testing.T, c *core.Cache, key string){
		"junk": func(t *testing.T, c *core.Cache, key string) {
			wantErr(t, c.Set(t.Context(), key, []byte("junk"), 0), nil)
		},
		"the empty value": func(t *testing.T, c *core.Cache, key string) {
			wantErr(t, c.Set(t.Context(), key, nil, 0), nil)
		},
		"a number of another kind": func(t *testing.T, c *core.Cache, key string) {
			wantErr(t, c.Set(t.Context(), key, []byte("-17"), 0), nil)
		},
		"a Go value": func(t *testing.T, c *core.Cache, key string) {
			shared := must(core.NewTyped(c, core.Shared[visit]()))
			wantErr(t, shared.Set(t.Context(), key, ann, 0), nil)
		},
	}
	eachKind(t, func(t *testing.T, rule lockout.Rule[visit], failClosed bool) {
		for name, store := range junk {
			for _, verb := range []string{"Allow", "Guard", "Add", "Check", "Status"} {
				if verb == "Check" && rule.Lock > 0 {
					continue // it looks for the lock only
				}
				t.Run(name+", "+verb, func(t *testing.T) {
					c, b := hookedCache(t)
					reported := 0
					l := newLockout(t, c, "api", &lockout.Options[visit]{
						FailClosed: failClosed,
						OnError:    func(context.Context, error) { reported++ },
					}, rule)
					countAllowed(t, l, ann, 1)
					store(t, c, keyOf(t, b, "by_id"))
					var err error
					counts := 1
					switch verb {
					case "Allow":
						err = l.Allow(t.Context(), ann)
					case "Guard":
						_, err = l.Guard(t.Context(), ann, result(false))
					case "Add": // what has happened counts in any case
						err = l.Add(t.Context(), ann, 1)
					case "Check":
						err, counts = l.Check(t.Context(), ann), 0
					case "Status":
						_, err = l.Status(t.Context(), ann)
						if counts = 0; err == nil || errors.Is(err, lockout.ErrLocked) {
							t.Errorf("Status: %v, want an error of the cache", err)
						}
						err, reported = nil, 1
					}
					if failClosed && verb != "Status" {
						if err == nil || errors.Is(err, lockout.ErrLocked) {
							t.Errorf("%s: %v, want the error of the cache", verb, err)
						}
						if verb != "Add" {
							counts = 0
						}
					} else {
						wantErr(t, err, nil)
					}
					if reported != 1 {
						t.Errorf("OnError was called %d times, want 1", reported)
					}
					if n := countAllowed(t, l, ann, 9); n != 2-counts {
						t.Errorf("then %d are allowed, want %d", n, 2-counts)
					}
				})
			}
		}
	})
}

// Many callers at once find a counter that cannot be read. One of them deletes it, and all
// are counted.
func TestManyCallersThatCannotReadACounterAreCounted(t *testing.T) {
	for name, algorithm := range algorithms {
		t.Run(name, func(t *testing.T) {
			onAll(t, func(t *testing.T, c *core.Cache) {
				rate := lockout.Rate{Count: 20, Period: longPeriod, Algorithm: algorithm}
				l := byIDOnly(t, c, rate, 0)
				probe, b := hookedCache(t)
				countAllowed(t, byIDOnly(t, probe, rate, 0), ann, 1)
				wantErr(t, c.Set(t.Context(), keyOf(t, b, "by_id"), []byte("junk"), 0), nil)
				var passed atomic.Int64
				var all sync.WaitGroup
				for range 200 {
					all.Go(func() {
						if err := l.Allow(context.Background(), ann); err == nil {
							passed.Add(1)
						} else {
							wantErr(t, err, lockout.ErrLocked)
						}
					})
				}
				all.Wait()
				if passed.Load() != 20 {
					t.Errorf("%d passed, want 20", passed.Load())
				}
			})
		})
	}
}

// If the count of the window before cannot be read, it is 0.
func TestAWindowBeforeThatCannotBeReadCountsForNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, b := hookedCache(t)
		rate := lockout.Rate{Count: 10, Period: time.Minute, Algorithm: lockout.SlidingWindow}
		one, other := byIDOnly(t, c, rate, 0), byIDOnly(t, c, rate, 0)
		for round, l := range []*lockout.Lockout[visit]{one, other} {
			time.Sleep(time.Duration(round) * 59 * time.Second)
			countAllowed(t, l, ann, 10)
			wantErr(t, c.Set(t.Context(), keyOf(t, b, "by_id"), []byte("junk"), 0), nil)
			time.Sleep(2 * time.Second)
			if n := countAllowed(t, l, ann, 20); n != 10 {
				t.Errorf("round %d: %d are allowed, want 10", round, n)
			}
			wantErr(t, l.Reset(t.Context(), ann), nil)
		}
	})
}

// Any value under the key of a lock is a lock: Python programs store 1 there.
func TestAnyValueUnderTheKeyOfALockIsALock(t *testing.T) {
	for _, failClosed := range []bool{false, true} {
		c := inMemory(t)
		shared := must(core.NewTyped(c, core.Shared[visit]()))
		for _, names := range [][]string{{"by_id"}, {"by_ip", "by_id", "by_id_ip"}} {
			var rules []lockout.Rule[visit]
			for _, name := range names {
				rules = append(rules, rulesOf[name])
			}
			opts := &lockout.Options[visit]{FailClosed: failClosed}
			l := newLockout(t, c, "sign_in", opts, rules...)
			const key = "lock:c:sign_in:by_id:ann"
			for _, value := range []string{"1", "", "junk", "99999999999999999999", "-5"} {
				wantErr(t, c.Set(t.Context(), key, []byte(value), 0), nil)
				wantErr(t, l.Check(t.Context(), ann), lockout.ErrLocked)
				if locked := refusalOf(t, l.Allow(t.Context(), ann)); !locked.Until.IsZero() {
					t.Errorf("%q: %v, want no time", value, locked)
				}
			}
			wantErr(t, shared.Set(t.Context(), key, ann, 0), nil)
			wantErr(t, l.Check(t.Context(), ann), lockout.ErrLocked)
			wantErr(t, l.Allow(t.Context(), ann), lockout.ErrLocked)
			wantErr(t, l.ResetAll(t.Context(), ann), nil)
			wantErr(t, l.Check(t.Context(), ann), nil)
		}
	}
}

// If the number of locks in a row cannot be read, a new row starts and OnError is called.
func TestARowThatCannotBeReadStartsAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := inMemory(t)
		reported := 0
		l := newLockout(t, c, "api", &lockout.Options[visit]{
			OnError: func(context.Context, error) { reported++ },
		}, lockout.Rule[visit]{
			Name: "by_id", Key: byID,
			Rate: per(time.Minute, 1), Lock: time.Minute, MaxLock: time.Hour,
		})
		wantErr(t, c.Set(t.Context(), "row:api:by_id:ann", []byte("junk"), 0), nil)
		for _, want := range []time.Duration{time.Minute, 2 * time.Minute, 4 * time.Minute} {
			wantErr(t, l.Allow(t.Context(), ann), nil)
			until := refusalOf(t, l.Check(t.Context(), ann)).Until
			if time.Until(until) != want {
				t.Errorf("the lock lasts %v, want %v", time.Until(until), want)
			}
			time.Sleep(want)
		}
		if reported != 1 {
			t.Errorf("OnError was called %d times, want 1", reported)
		}
	})
}

// A state that vanishes between reading and writing is replaced by a new one.
func TestACounterThatVanishesMeanwhileStartsAgain(t *testing.T) {
	for name, algorithm := range algorithms {
		t.Run(name, func(t *testing.T) {
			c, b := hookedCache(t)
			rate := lockout.Rate{Count: 3, Period: longPeriod, Algorithm: algorithm}
			l := byIDOnly(t, c, rate, 0)
			countAllowed(t, l, ann, 2)
			b.before = func(ctx context.Context, verb, key string) error {
				if verb == "CompareAndSwap" || verb == "Incr" {
					b.before = nil
					return b.Delete(ctx, key)
				}
				return nil
			}
			wantErr(t, l.Allow(t.Context(), ann), nil)
			wantCounts(t, l, ann, 1)
		})
	}
}

// A counter vanishes while a caller is served, and others start it again. The removal of the
// caller must not make the counter wrap around.
func TestRemovingFromACounterThatStartedAgainLetsNoCallerStarve(t *testing.T) {
	for name, algorithm := range algorithms {
		t.Run(name, func(t *testing.T) {
			onAll(t, func(t *testing.T, c *core.Cache) {
				l := newLockout(t, c, "api", &lockout.Options[visit]{
					Cost: func(v visit) uint64 {
						return map[bool]uint64{true: 5, false: 1}[v.ip == "5"]
					},
				}, lockout.Rule[visit]{
					Name: "by_id", Key: byID,
					Rate: lockout.Rate{Count: 10, Period: longPeriod, Algorithm: algorithm},
				})
				five := visit{"ann", "5"}
				_, err := l.Quota(t.Context(), five, func(context.Context) (bool, error) {
					wantErr(t, l.ResetAll(t.Context(), ann), nil) // as if it was evicted
					countAllowed(t, l, ann, 2)
					return false, nil
				})
				wantErr(t, err, nil)
				if n := countAllowed(t, l, ann, 20); n < 8 || n > 10 {
					t.Errorf("%d are allowed, want 8 to 10", n)
				}
			})
		})
	}
}

// A small cache evicts a counter if others flood it. This does not affect a lockout that has
// a cache of its own, which takes one more URL.
func TestAFloodDoesNotReachALockoutInACacheOfItsOwn(t *testing.T) {
	open := func(url string) *core.Cache {
		c, err := core.Open(t.Context(), url, nil)
		wantErr(t, err, nil)
		t.Cleanup(func() { c.Close() })
		return c
	}
	pages := open("memory://?max_items=1000")
	for name, tt := range map[string]struct {
		cache *core.Cache
		keeps bool
	}{
		"the cache of the pages": {pages, false},
		"a cache of its own":     {open("memory://?max_items=100000"), true},
	} {
		t.Run(name, func(t *testing.T) {
			rate := per(longPeriod, 5)
			l := byIDOnly(t, tt.cache, rate, 0)
			passed := 0
			for round := range 10 {
				passed += countAllowed(t, l, ann, 1)
				for i := range 5000 {
					key := fmt.Sprint("page:", round, ":", i)
					wantErr(t, pages.Set(t.Context(), key, []byte("<h1>"), time.Hour), nil)
					for range 3 { // memory prefers keys that are used more often
						_, err := pages.Get(t.Context(), key)
						wantErr(t, err, nil)
					}
				}
			}
			if keeps := passed == 5; keeps != tt.keeps {
				t.Errorf("%d guesses pass; the counter is kept: %v, want %v",
					passed, keeps, tt.keeps)
			}
		})
	}
}

// A server that was restarted has lost the counts. It counts again from then on.
func TestARestartedServerCountsAgain(t *testing.T) {
	server := memcachetest.Start(t, nil)
	b, err := memcachepure.New([]memcache.Server{{Addr: server.Addr()}}, nil)
	wantErr(t, err, nil)
	c := cacheOf(t, b)
	for name, algorithm := range algorithms {
		rate := lockout.Rate{Count: 3, Period: longPeriod, Algorithm: algorithm}
		name = strings.ReplaceAll(name, " ", "_")
		l := newLockout(t, c, name, &lockout.Options[visit]{FailClosed: true},
			lockout.Rule[visit]{Name: "by_id", Key: byID, Rate: rate, Lock: time.Hour})
		if n := countAllowed(t, l, ann, 9); n != 3 {
			t.Errorf("%s: %d are allowed, want 3", name, n)
		}
		server.Restart()
		if n := countAllowed(t, l, ann, 9); n != 3 {
			t.Errorf("%s: %d are allowed after the restart, want 3", name, n)
		}
	}
}
