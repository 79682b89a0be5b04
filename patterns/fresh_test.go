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
	"github.com/cachewire/cachewire/patterns"
)

// numberedLoader returns a loader that returns "1", "2" and so on, and takes this long.
func numberedLoader(took time.Duration) *loader {
	return &loader{result: func(n int64) (string, error) {
		time.Sleep(took)
		return fmt.Sprint(n), nil
	}}
}

// A value that is due is served while one caller loads it again.
func TestADueValueIsServedWhileItIsLoadedAgain(t *testing.T) {
	for pname, get := range allPatterns {
		synctest.Test(t, func(t *testing.T) {
			c := memoryCache(t)
			cached := newTexts(t, c, &options{TTL: time.Hour, SoftTTL: time.Minute})
			l := numberedLoader(time.Second)
			check := func(wanted string) {
				t.Helper()
				v, err := get(cached, t.Context(), "k", l.load)
				want(t, v, err, wanted)
			}
			check("1")
			time.Sleep(time.Minute - 2*time.Second)
			check("1")
			l.want(t, 1)
			time.Sleep(2 * time.Second)
			start := time.Now()
			for range 10 {
				check("1")
			}
			if waited := time.Since(start); waited != 0 {
				t.Errorf("%s: a caller waited for %v", pname, waited)
			}
			time.Sleep(2 * time.Second)
			check("2")
			l.want(t, 2)
			time.Sleep(time.Hour) // now the value has expired
			check("3")
			l.want(t, 3)
		})
	}
}

// If a refresh fails, the value stays until its TTL ends, and OnError is called.
func TestAFailedRefreshKeepsTheValue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var reported errorLog
		broken := errors.New("broken")
		cached := newTexts(t, memoryCache(t), &patterns.Options[string]{
			TTL: time.Hour, SoftTTL: time.Minute, OnError: reported.add,
		})
		l := loader{result: func(n int64) (string, error) {
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
		if all := reported.list(); len(all) != 3 || !errors.Is(all[0], broken) {
			t.Errorf("OnError was called with %v, want %v three times", all, broken)
		}
		time.Sleep(time.Minute)
		_, err := cached.GetOrCreate(t.Context(), "k", l.load)
		wantErr(t, err, broken)
	})
}

// If a refresh returns ErrNotFound, the value is not served again.
func TestARefreshThatReturnsErrNotFoundEndsTheValue(t *testing.T) {
	for _, negative := range []time.Duration{0, time.Minute} {
		synctest.Test(t, func(t *testing.T) {
			cached := newTexts(t, memoryCache(t), &patterns.Options[string]{
				TTL: time.Hour, SoftTTL: time.Minute, FailSafe: time.Hour, NegativeTTL: negative,
			})
			l := loader{result: func(n int64) (string, error) {
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

// If one process refreshes a value, another one does not.
func TestOneProcessRefreshes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := memoryCache(t)
		opts := patterns.Options[string]{TTL: time.Hour, SoftTTL: time.Minute}
		local, remote := newTexts(t, c, &opts), newTexts(t, c, &opts)
		l := numberedLoader(time.Second)
		for _, cached := range []*patterns.Cached[string]{local, remote} {
			v, err := cached.GetOrCreate(t.Context(), "k", l.load)
			want(t, v, err, "1")
		}
		time.Sleep(2 * time.Minute)
		for _, cached := range []*patterns.Cached[string]{local, remote} {
			v, err := cached.GetOrCreate(t.Context(), "k", l.load)
			want(t, v, err, "1")
			synctest.Wait()
		}
		time.Sleep(2 * time.Second)
		l.want(t, 2)
	})
}

// An early refresh is more likely the nearer the end is, and the longer a load takes.
func TestEarlyRefreshesAreAsLikelyAsXFetchSays(t *testing.T) {
	// refreshed returns how many of a thousand values are loaded again if left remains of
	// their TTL.
	refreshed := func(took, left time.Duration, beta float64) (n int) {
		synctest.Test(t, func(t *testing.T) {
			cached := newTexts(t, memoryCache(t), &options{TTL: time.Minute, Early: beta})
			for i := range 1000 {
				l := numberedLoader(took)
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
	// The expected share is exp(-left / (took * beta)): 37, 14 and 0.2 percent.
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
		if n := refreshed(tt.took, tt.left, tt.beta); n < tt.least || n > tt.most {
			t.Errorf("%+v: %d of 1000 values are loaded again", tt, n)
		}
	}
}

// If the loader fails, the old value is served until FailSafe ends.
func TestFailSafeServesTheOldValueIfTheLoaderFails(t *testing.T) {
	for pname, get := range allPatterns {
		synctest.Test(t, func(t *testing.T) {
			var reported errorLog
			broken := errors.New("broken")
			cached := newTexts(t, memoryCache(t), &patterns.Options[string]{
				TTL: time.Minute, FailSafe: time.Hour, OnError: reported.add,
			})
			l := loader{result: func(n int64) (string, error) {
				if n > 1 && n < 4 {
					return "", broken
				}
				return fmt.Sprint(n), nil
			}}
			getK := func() (string, error) { return get(cached, t.Context(), "k", l.load) }
			v, err := getK()
			want(t, v, err, "1")
			time.Sleep(2 * time.Minute)
			_, err = cached.Get(t.Context(), "k")
			wantErr(t, err, core.ErrMiss)
			v, err = getK()
			want(t, v, err, "1")
			if all := reported.list(); len(all) != 1 || !errors.Is(all[0], broken) {
				t.Errorf("%s: OnError was called with %v, want %v", pname, all, broken)
			}
			time.Sleep(time.Hour)
			_, err = getK()
			wantErr(t, err, broken)
			v, err = getK()
			want(t, v, err, "4")
		})
	}
}

func TestSoftTimeoutServesTheOldValueWhileTheLoadGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cached := newTexts(t, memoryCache(t), &patterns.Options[string]{
			TTL: time.Minute, FailSafe: time.Hour, SoftTimeout: time.Second,
		})
		l := numberedLoader(5 * time.Second)
		check := func(wanted string, wait time.Duration) {
			t.Helper()
			start := time.Now()
			v, err := cached.GetOrCreate(t.Context(), "k", l.load)
			want(t, v, err, wanted)
			if waited := time.Since(start); waited != wait {
				t.Errorf("waited %v, want %v", waited, wait)
			}
		}
		check("1", 5*time.Second) // there is no old value to serve
		time.Sleep(2 * time.Minute)
		check("1", time.Second)
		check("1", time.Second)
		time.Sleep(10 * time.Second)
		check("2", 0)
		l.want(t, 2)
	})
}

// A value that is stale by its tag is not served, even if the loader fails.
func TestAnInvalidatedValueIsNotServedIfTheLoaderFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := memoryCache(t)
		tags := must(dependency.NewTags(c, nil))
		broken := errors.New("broken")
		cached := newTexts(t, c, &patterns.Options[string]{
			TTL: time.Hour, SoftTTL: time.Minute, FailSafe: time.Hour, Tags: tags,
		})
		v, err := cached.GetOrCreate(t.Context(), "k", (&loader{}).load, "tag")
		want(t, v, err, "loaded")
		wantErr(t, tags.Invalidate(t.Context(), "tag"), nil)
		fail := func(context.Context) (string, error) { return "", broken }
		_, err = cached.GetOrCreate(t.Context(), "k", fail, "tag")
		wantErr(t, err, broken)
	})
}

// A value without an envelope is read, and one with an envelope is loaded again by a Cached
// that uses none.
func TestValuesWithoutEnvelopeAreRead(t *testing.T) {
	for name, c := range caches(t) {
		t.Run(name, func(t *testing.T) {
			ctx := t.Context()
			enveloped := newTexts(t, c, &patterns.Options[string]{
				TTL: time.Hour, SoftTTL: time.Minute, Early: 1, FailSafe: time.Hour,
			})
			typed := must(core.NewTyped(c, encoding.Text()))
			wantErr(t, typed.Set(ctx, "plain", "v", time.Hour), nil)
			v, err := enveloped.GetOrCreate(ctx, "plain", (&loader{}).load)
			want(t, v, err, "v")
			wantErr(t, enveloped.Set(ctx, "k", "v"), nil)
			plain := newTexts(t, c, nil)
			v, err = plain.GetOrCreate(ctx, "k", (&loader{}).load)
			want(t, v, err, "loaded")
		})
	}
}

// Close waits for loads in the background.
func TestCloseWaitsForRefreshes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := memoryCache(t)
		cached := newTexts(t, c, &patterns.Options[string]{TTL: time.Hour, SoftTTL: time.Minute})
		l := numberedLoader(5 * time.Second)
		v, err := cached.GetOrCreate(t.Context(), "k", l.load)
		want(t, v, err, "1")
		time.Sleep(2 * time.Minute)
		v, err = cached.GetOrCreate(t.Context(), "k", l.load)
		want(t, v, err, "1")
		start := time.Now()
		wantErr(t, cached.Close(), nil)
		if took := time.Since(start); took != 5*time.Second {
			t.Errorf("Close took %v, want the 5 seconds of the load", took)
		}
		v, err = cached.Get(t.Context(), "k")
		want(t, v, err, "2")
	})
}
