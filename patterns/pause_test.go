package patterns_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cachewire/cachewire/patterns"
)

var errDown = errors.New("the database is down")

// downLoader loads "up" until down is set, and then fails after a second.
func downLoader(down *bool) *loader {
	return &loader{result: func(int64) (string, error) {
		if *down {
			time.Sleep(time.Second)
			return "", errDown
		}
		return "up", nil
	}}
}

// If a load has failed, the value that is kept is served at once, and the loader is called
// more and more rarely.
func TestAKeyPausesAfterAFailedLoad(t *testing.T) {
	for pname, get := range allPatterns {
		for what, opts := range map[string]options{
			"FailSafe": {TTL: time.Minute, FailSafe: 24 * time.Hour},
			"SoftTTL":  {TTL: 24 * time.Hour, SoftTTL: time.Minute},
		} {
			synctest.Test(t, func(t *testing.T) {
				cached := newTexts(t, memoryCache(t), &opts)
				down := false
				l := downLoader(&down)
				getK := func() time.Duration {
					start := time.Now()
					v, err := get(cached, t.Context(), "k", l.load)
					want(t, v, err, "up")
					return time.Since(start)
				}
				getK()
				time.Sleep(2 * time.Minute)
				down = true
				getK()
				time.Sleep(2 * time.Second) // a refresh fails meanwhile, and its pause ends
				getK()
				if what == "SoftTTL" {
					time.Sleep(time.Second)
				}
				l.want(t, 3)
				for range 100 { // the second pause is at least a second
					if waited := getK(); waited != 0 {
						t.Errorf("%s, %s: a caller waited %v", pname, what, waited)
					}
				}
				l.want(t, 3)
				for range 3600 {
					getK()
					time.Sleep(time.Second)
				}
				// The pauses grow to 32 to 64 seconds.
				if n := l.calls.Load() - 3; n < 50 || n > 120 {
					t.Errorf("%s, %s: %d loads in an hour, want 50 to 120", pname, what, n)
				}
				down = false
				time.Sleep(65 * time.Second)
				getK()
				synctest.Wait()
				v, err := cached.Get(t.Context(), "k")
				want(t, v, err, "up")
				wantErr(t, cached.Close(), nil)
			})
		}
	}
}

// The first pause is again Pause after a load that succeeded, a write, or a long time.
func TestAPauseBeginsAgainWithItsFirstLength(t *testing.T) {
	for what, between := range map[string]func(t *testing.T, c *patterns.Cached[string]){
		"a load": func(t *testing.T, c *patterns.Cached[string]) {
			time.Sleep(time.Minute)
			_, err := c.GetOrSet(t.Context(), "k", (&loader{}).load)
			wantErr(t, err, nil)
		},
		"a Set": func(t *testing.T, c *patterns.Cached[string]) {
			wantErr(t, c.Set(t.Context(), "k", "v"), nil)
		},
		"a long time": func(*testing.T, *patterns.Cached[string]) {
			time.Sleep(12 * time.Minute)
		},
	} {
		synctest.Test(t, func(t *testing.T) {
			cached := newTexts(t, memoryCache(t), &options{
				Pause: 10 * time.Second, ErrorTTL: time.Hour,
			})
			fail := func(context.Context) (string, error) { return "", errDown }
			for range 3 { // the last pause is 20 to 40 seconds
				_, err := cached.GetOrSet(t.Context(), "k", fail)
				wantErr(t, err, errDown)
				time.Sleep(20 * time.Second)
			}
			between(t, cached)
			_ = cached.Typed().Delete(t.Context(), "k")
			_, err := cached.GetOrSet(t.Context(), "k", fail)
			wantErr(t, err, errDown)
			time.Sleep(10 * time.Second)
			v, err := cached.GetOrSet(t.Context(), "k", (&loader{}).load)
			if v != "loaded" || err != nil {
				t.Errorf("after %s and 10 seconds: %q, %v; want a load", what, v, err)
			}
		})
	}
}

// With ErrorTTL the error is returned again, and no longer than that. Without it, the loader is
// called.
func TestAnErrorIsReturnedAgainForErrorTTL(t *testing.T) {
	for pname, get := range allPatterns {
		for _, ttl := range []time.Duration{0, 4 * time.Second, time.Hour} {
			synctest.Test(t, func(t *testing.T) {
				cached := newTexts(t, memoryCache(t), &options{
					Pause: 10 * time.Second, ErrorTTL: ttl,
				})
				down := true
				l := downLoader(&down)
				_, err := get(cached, t.Context(), "k", l.load)
				wantErr(t, err, errDown)
				time.Sleep(3 * time.Second)
				for range 10 {
					_, err := get(cached, t.Context(), "k", l.load)
					wantErr(t, err, errDown)
				}
				if ttl == 0 {
					l.want(t, 11)
					return
				}
				l.want(t, 1)
				down = false
				time.Sleep(7 * time.Second)
				v, err := get(cached, t.Context(), "k", l.load)
				want(t, v, err, "up")
				if l.want(t, 2); t.Failed() {
					t.Errorf("%s, ErrorTTL %v", pname, ttl)
				}
			})
		}
	}
	synctest.Test(t, func(t *testing.T) {
		cached := newTexts(t, memoryCache(t), &options{
			Pause: 10 * time.Second, ErrorTTL: 2 * time.Second,
		})
		_, err := cached.GetOrSet(t.Context(), "k", func(context.Context) (string, error) {
			return "", errDown
		})
		wantErr(t, err, errDown)
		time.Sleep(2 * time.Second)
		v, err := cached.GetOrSet(t.Context(), "k", (&loader{}).load)
		want(t, v, err, "loaded")
	})
}

// A batch does not ask for keys that pause.
func TestABatchLeavesOutKeysThatPause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, errorTTL := range []time.Duration{0, time.Minute} {
			cached := newTexts(t, memoryCache(t), &options{
				TTL: time.Minute, FailSafe: time.Hour, Pause: 10 * time.Second, ErrorTTL: errorTTL,
			})
			ctx := t.Context()
			wantErr(t, cached.Set(ctx, "kept", "old"), nil)
			time.Sleep(2 * time.Minute)
			var asked []string
			fail := func(_ context.Context, keys []string) (map[string]string, error) {
				asked = append(asked, fmt.Sprint(keys))
				return nil, errDown
			}
			for range 3 {
				got, err := cached.GetOrSetMulti(ctx, []string{"kept", "none"}, fail)
				wantErr(t, err, errDown)
				if len(got) != 1 || got["kept"] != "old" {
					t.Errorf("GetOrSetMulti = %v, want the value that is kept", got)
				}
			}
			wanted := "[[kept none] [none] [none]]"
			if errorTTL != 0 {
				wanted = "[[kept none]]"
			}
			if fmt.Sprint(asked) != wanted {
				t.Errorf("the loader was asked for %v, want %s", asked, wanted)
			}
		}
	})
}

// A load that its callers have left, and one that finds nothing, are no failures.
func TestALoadThatWasLeftOrFoundNothingIsNoFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cached := newTexts(t, memoryCache(t), &options{Pause: time.Hour, ErrorTTL: time.Hour})
		short, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := cached.GetOrSet(short, "k", func(ctx context.Context) (string, error) {
			<-ctx.Done()
			return "", ctx.Err()
		})
		wantErr(t, err, context.DeadlineExceeded)
		synctest.Wait()
		_, err = cached.GetOrSet(t.Context(), "k", func(context.Context) (string, error) {
			return "", patterns.ErrNotFound
		})
		wantErr(t, err, patterns.ErrNotFound)
		v, err := cached.GetOrSet(t.Context(), "k", (&loader{}).load)
		want(t, v, err, "loaded")
	})
}

// A load in the background that takes longer than LockTTL is a failure.
func TestARefreshThatHangsIsAFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cached := newTexts(t, memoryCache(t), &options{
			TTL: time.Hour, SoftTTL: time.Minute, Pause: time.Minute,
		})
		wantErr(t, cached.Set(t.Context(), "k", "old"), nil)
		time.Sleep(2 * time.Minute)
		calls := 0
		hang := func(ctx context.Context) (string, error) {
			calls++
			<-ctx.Done()
			return "", ctx.Err()
		}
		for range 30 {
			v, err := cached.GetOrSet(t.Context(), "k", hang)
			want(t, v, err, "old")
			time.Sleep(time.Second)
		}
		if calls != 1 {
			t.Errorf("the loader was called %d times in 30 seconds, want once", calls)
		}
	})
}

// Forced reloads do not pause.
func TestAReloadIsNotPaused(t *testing.T) {
	cached := newTexts(t, memoryCache(t), &options{Pause: time.Hour, ErrorTTL: time.Hour})
	_, err := cached.GetOrSet(t.Context(), "k", func(context.Context) (string, error) {
		return "", io.EOF
	})
	wantErr(t, err, io.EOF)
	_, err = cached.GetOrSet(t.Context(), "k", (&loader{}).load)
	wantErr(t, err, io.EOF)
	reload := cached.With(patterns.Call{Reload: true})
	v, err := reload.GetOrSet(t.Context(), "k", (&loader{}).load)
	want(t, v, err, "loaded")
}

// Keys that are used once leave nothing behind, whatever becomes of their loads.
func TestACachedDoesNotGrow(t *testing.T) {
	n := 30_000
	if longEnabled {
		n = 1_000_000
	}
	synctest.Test(t, func(t *testing.T) {
		c := memoryCache(t)
		cached := newTexts(t, c, &options{
			TTL: time.Hour, FailSafe: time.Hour, ErrorTTL: time.Minute,
		})
		pass := must(patterns.NewOnePass(c, nil))
		use := func(n int) {
			for i := range n {
				key := fmt.Sprint("key ", i)
				for _, get := range allPatterns {
					_, err := get(cached, t.Context(), key, func(context.Context) (string, error) {
						if i%2 == 0 {
							return "", errDown
						}
						return "v", nil
					})
					if err != nil && err != errDown {
						t.Fatal(err)
					}
				}
				_, err := pass.Try(t.Context(), key) // it is never released
				wantErr(t, err, nil)
				wantErr(t, cached.DeleteMulti(t.Context(), []string{key + "other"}), nil)
			}
			time.Sleep(3 * time.Hour)
			wantErr(t, c.Flush(t.Context()), nil)
			synctest.Wait()
		}
		use(2000)
		before := heap()
		use(n)
		if grown := int64(heap()) - int64(before); grown > int64(8*n) {
			t.Errorf("%d keys leave %d bytes behind", n, grown)
		}
		runtime.KeepAlive(cached)
		runtime.KeepAlive(pass)
	})
}

// heap returns how many bytes are in use after a garbage collection.
func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
