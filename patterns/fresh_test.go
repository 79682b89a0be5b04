package patterns_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/dependency"
	"github.com/cachewire/cachewire/encoding"
	"github.com/cachewire/cachewire/memory"
	"github.com/cachewire/cachewire/patterns"
)

// numbered answers "1", "2" and so on, after as long.
func numbered(took time.Duration) *loader {
	return &loader{answer: func(n int64) (string, error) {
		time.Sleep(took)
		return fmt.Sprint(n), nil
	}}
}

// A value that is due is served while one caller has it loaded anew.
func TestAValueThatIsDueIsServed(t *testing.T) {
	for pname, get := range allPatterns {
		synctest.Test(t, func(t *testing.T) {
			c := cacheOf(t, must(memory.New(nil)))
			cached := texts(t, c, &patterns.Options{TTL: time.Hour, SoftTTL: time.Minute})
			l := numbered(time.Second)
			next := func(wanted string) {
				t.Helper()
				v, err := get(cached, t.Context(), "k", l.load)
				want(t, v, err, wanted)
			}
			next("1")
			time.Sleep(time.Minute - 2*time.Second)
			next("1")
			l.want(t, 1)
			time.Sleep(2 * time.Second)
			start := time.Now()
			for range 10 {
				next("1")
			}
			if waited := time.Since(start); waited != 0 {
				t.Errorf("%s: a caller waited for %v", pname, waited)
			}
			time.Sleep(2 * time.Second)
			next("2")
			l.want(t, 2)
			time.Sleep(time.Hour) // over
			next("3")
			l.want(t, 3)
		})
	}
}

// A refresh that fails leaves the value for as long as it lives, and is told of.
func TestARefreshThatFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var told errs
		broken := errors.New("broken")
		cached := texts(t, cacheOf(t, must(memory.New(nil))), &patterns.Options{TTL: time.Hour, SoftTTL: time.Minute, OnError: told.add})
		l := loader{answer: func(n int64) (string, error) {
			if n > 1 {
				return "", broken
			}
			return "1", nil
		}}
		for range 4 {
			v, err := cached.GetOrCreate(t.Context(), "k", l.load)
			want(t, v, err, "1")
			synctest.Wait()
			time.Sleep(14*time.Minute + 59*time.Second)
		}
		if all := told.list(); len(all) != 3 || !errors.Is(all[0], broken) {
			t.Errorf("OnError was told %v", all)
		}
		time.Sleep(time.Minute)
		_, err := cached.GetOrCreate(t.Context(), "k", l.load)
		wantErr(t, err, broken)
	})
}

// A value of which a refresh finds out that it is no more is not served again.
func TestARefreshThatFindsNothing(t *testing.T) {
	for _, negative := range []time.Duration{0, time.Minute} {
		synctest.Test(t, func(t *testing.T) {
			cached := texts(t, cacheOf(t, must(memory.New(nil))), &patterns.Options{TTL: time.Hour, SoftTTL: time.Minute, FailSafe: time.Hour, NegativeTTL: negative})
			l := loader{answer: func(n int64) (string, error) {
				if n > 1 {
					return "", patterns.ErrNotFound
				}
				return "1", nil
			}}
			v, err := cached.GetOrCreate(t.Context(), "k", l.load)
			want(t, v, err, "1")
			time.Sleep(2 * time.Minute)
			v, err = cached.GetOrCreate(t.Context(), "k", l.load)
			want(t, v, err, "1")
			synctest.Wait()
			_, err = cached.GetOrCreate(t.Context(), "k", l.load)
			wantErr(t, err, patterns.ErrNotFound)
		})
	}
}

// In another process one refreshes, and this one does not.
func TestOneProcessRefreshes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := cacheOf(t, must(memory.New(nil)))
		opts := patterns.Options{TTL: time.Hour, SoftTTL: time.Minute}
		here, there := texts(t, c, &opts), texts(t, c, &opts)
		l := numbered(time.Second)
		for _, cached := range []*patterns.Cached[string]{here, there} {
			v, err := cached.GetOrCreate(t.Context(), "k", l.load)
			want(t, v, err, "1")
		}
		time.Sleep(2 * time.Minute)
		for _, cached := range []*patterns.Cached[string]{here, there} {
			v, err := cached.GetOrCreate(t.Context(), "k", l.load)
			want(t, v, err, "1")
			synctest.Wait()
		}
		time.Sleep(2 * time.Second)
		l.want(t, 2)
	})
}

// Early refreshes begin the more probably the nearer the end is, and the longer a load
// takes.
func TestEarly(t *testing.T) {
	// share answers how many of a thousand values are loaded anew when left is left.
	share := func(took, left time.Duration, beta float64) (n int) {
		synctest.Test(t, func(t *testing.T) {
			cached := texts(t, cacheOf(t, must(memory.New(nil))), &patterns.Options{TTL: time.Minute, Early: beta})
			for i := range 1000 {
				l := numbered(took)
				key := fmt.Sprint(i)
				v, err := cached.GetOrSet(t.Context(), key, l.load)
				want(t, v, err, "1")
				time.Sleep(time.Minute - left)
				v, err = cached.GetOrSet(t.Context(), key, l.load)
				want(t, v, err, "1")
				synctest.Wait()
				n += int(l.calls.Load()) - 1
			}
			time.Sleep(time.Minute)
		})
		return n
	}
	// exp(-left / (took * beta)) of them are: 37, 14 and 0.2 %.
	for _, tt := range []struct {
		took, left  time.Duration
		beta        float64
		least, most int
	}{
		{time.Second, time.Second, 1, 280, 460},
		{time.Second, 2 * time.Second, 1, 75, 205},
		{time.Second, 2 * time.Second, 2, 280, 460},
		{time.Second, 6 * time.Second, 1, 0, 15},
		{0, time.Second, 1, 0, 0},
	} {
		if n := share(tt.took, tt.left, tt.beta); n < tt.least || n > tt.most {
			t.Errorf("%+v: %d of 1000", tt, n)
		}
	}
}

// Where the loader fails, the last value is served for some time.
func TestFailSafe(t *testing.T) {
	for pname, get := range allPatterns {
		synctest.Test(t, func(t *testing.T) {
			var told errs
			broken := errors.New("broken")
			cached := texts(t, cacheOf(t, must(memory.New(nil))), &patterns.Options{TTL: time.Minute, FailSafe: time.Hour, OnError: told.add})
			l := loader{answer: func(n int64) (string, error) {
				if n > 1 && n < 4 {
					return "", broken
				}
				return fmt.Sprint(n), nil
			}}
			next := func() (string, error) { return get(cached, t.Context(), "k", l.load) }
			v, err := next()
			want(t, v, err, "1")
			time.Sleep(2 * time.Minute)
			_, err = cached.Get(t.Context(), "k")
			wantErr(t, err, core.ErrMiss)
			v, err = next()
			want(t, v, err, "1")
			if all := told.list(); len(all) != 1 || !errors.Is(all[0], broken) {
				t.Errorf("%s: OnError was told %v", pname, all)
			}
			time.Sleep(time.Hour)
			_, err = next()
			wantErr(t, err, broken)
			v, err = next()
			want(t, v, err, "4")
		})
	}
}

func TestSoftTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cached := texts(t, cacheOf(t, must(memory.New(nil))), &patterns.Options{TTL: time.Minute, FailSafe: time.Hour, SoftTimeout: time.Second})
		l := numbered(5 * time.Second)
		next := func(wanted string, wait time.Duration) {
			t.Helper()
			start := time.Now()
			v, err := cached.GetOrCreate(t.Context(), "k", l.load)
			want(t, v, err, wanted)
			if waited := time.Since(start); waited != wait {
				t.Errorf("waited %v, want %v", waited, wait)
			}
		}
		next("1", 5*time.Second) // there is nothing else to be served
		time.Sleep(2 * time.Minute)
		next("1", time.Second)
		next("1", time.Second)
		time.Sleep(10 * time.Second)
		next("2", 0)
		l.want(t, 2)
	})
}

// What a tag makes stale is not served by any of these.
func TestWhatIsInvalidatedIsNotServedForLackOfBetter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := cacheOf(t, must(memory.New(nil)))
		tags := must(dependency.NewTags(c, nil))
		broken := errors.New("broken")
		cached := texts(t, c, &patterns.Options{TTL: time.Hour, SoftTTL: time.Minute, FailSafe: time.Hour, Tags: tags})
		v, err := cached.GetOrCreate(t.Context(), "k", (&loader{}).load, "tag")
		want(t, v, err, "loaded")
		wantErr(t, tags.Invalidate(t.Context(), "tag"), nil)
		_, err = cached.GetOrCreate(t.Context(), "k", func(context.Context) (string, error) { return "", broken }, "tag")
		wantErr(t, err, broken)
	})
}

// A value without an envelope reads, and one that has one is a miss to whoever knows none.
func TestPlainValuesRead(t *testing.T) {
	for name, c := range caches(t) {
		t.Run(name, func(t *testing.T) {
			ctx := t.Context()
			old := texts(t, c, &patterns.Options{TTL: time.Hour, SoftTTL: time.Minute, Early: 1, FailSafe: time.Hour})
			wantErr(t, must(core.NewTyped(c, encoding.Text())).Set(ctx, "plain", "v", time.Hour), nil)
			v, err := old.GetOrCreate(ctx, "plain", (&loader{}).load)
			want(t, v, err, "v")
			wantErr(t, old.Set(ctx, "k", "v"), nil)
			plain := texts(t, c, nil)
			v, err = plain.GetOrCreate(ctx, "k", (&loader{}).load)
			want(t, v, err, "loaded")
		})
	}
}

// Close waits for what is loaded in the background.
func TestCloseWaitsForRefreshes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := cacheOf(t, must(memory.New(nil)))
		cached := texts(t, c, &patterns.Options{TTL: time.Hour, SoftTTL: time.Minute})
		l := numbered(5 * time.Second)
		v, err := cached.GetOrCreate(t.Context(), "k", l.load)
		want(t, v, err, "1")
		time.Sleep(2 * time.Minute)
		v, err = cached.GetOrCreate(t.Context(), "k", l.load)
		want(t, v, err, "1")
		start := time.Now()
		wantErr(t, cached.Close(), nil)
		if took := time.Since(start); took != 5*time.Second {
			t.Errorf("Close took %v", took)
		}
		v, err = cached.Get(t.Context(), "k")
		want(t, v, err, "2")
	})
}
