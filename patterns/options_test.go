package patterns_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/patterns"
)

// byValue is a TTLOf for texts that are durations.
func byValue(_, v string) time.Duration {
	ttl, _ := time.ParseDuration(v)
	return ttl
}

// wantTTL fails the test if the item under key does not live for ttl.
func wantTTL(t *testing.T, c *core.Cache, key string, ttl time.Duration) {
	t.Helper()
	if got, err := c.TTL(t.Context(), key); got != ttl || err != nil {
		t.Errorf("%s lives for %v, %v; want %v", key, got, err, ttl)
	}
}

// TTLOf decides how long each value lives, however it is stored.
func TestAValueDecidesHowLongItLives(t *testing.T) {
	for pname, get := range allLoads {
		synctest.Test(t, func(t *testing.T) {
			c := memoryCache(t)
			cached := newTexts(t, c, &options{TTL: time.Hour, TTLOf: byValue})
			for text, wanted := range map[string]time.Duration{
				"5m": 5 * time.Minute, "2h": 2 * time.Hour, "0s": time.Hour,
			} {
				load := func(context.Context) (string, error) { return text, nil }
				v, err := get(cached, t.Context(), text, load)
				want(t, v, err, text)
				wantTTL(t, c, text, wanted)
			}
			for range 2 { // it has expired already, and is not stored
				l := loader{result: func(int64) (string, error) { return "-1s", nil }}
				v, err := get(cached, t.Context(), "expired", l.load)
				want(t, v, err, "-1s")
				if l.want(t, 1); t.Failed() {
					t.Log(pname)
				}
			}
		})
	}
	synctest.Test(t, func(t *testing.T) {
		c := memoryCache(t)
		cached := newTexts(t, c, &options{TTL: time.Hour, TTLOf: byValue})
		ctx := t.Context()
		wantErr(t, cached.Set(ctx, "a", "5m"), nil)
		wantErr(t, cached.Add(ctx, "b", "6m"), nil)
		wantErr(t, cached.SetMulti(ctx, map[string]string{"c": "7m", "d": "8m"}), nil)
		for key, ttl := range map[string]time.Duration{"a": 5, "b": 6, "c": 7, "d": 8} {
			wantTTL(t, c, key, ttl*time.Minute)
		}
		wantErr(t, cached.Set(ctx, "a", "-1s"), core.ErrInvalidTTL)
		var multi *core.MultiError
		err := cached.SetMulti(ctx, map[string]string{"a": "-1s", "b": "1m"})
		if !errors.As(err, &multi) || !errors.Is(multi.Errors["a"], core.ErrInvalidTTL) {
			t.Errorf("SetMulti: %v, want ErrInvalidTTL for a", err)
		}
		wantTTL(t, c, "b", time.Minute)
	})
}

// The ages of SoftTTL and FailSafe follow the time to live of each value.
func TestAValueThatDecidesHowLongItLivesAgesByThat(t *testing.T) {
	for _, tt := range []struct {
		ttl  string
		ages []time.Duration // the last moments in which it is fresh, due and expired
	}{
		{"1h", []time.Duration{10 * time.Minute, time.Hour, 2 * time.Hour}},
		{"0s", []time.Duration{10 * time.Minute, 20 * time.Minute, 80 * time.Minute}},
		{"15m", []time.Duration{10 * time.Minute, 15 * time.Minute, 75 * time.Minute}},
		{"5m", []time.Duration{5 * time.Minute, 5 * time.Minute, 65 * time.Minute}},
	} {
		synctest.Test(t, func(t *testing.T) {
			c := memoryCache(t)
			cached := newTexts(t, c, &options{
				TTL: 20 * time.Minute, SoftTTL: 10 * time.Minute, FailSafe: time.Hour,
				TTLOf: byValue, Pause: 1,
			})
			start := time.Now()
			wantErr(t, cached.Set(t.Context(), "k", tt.ttl), nil)
			var loads loader
			fail := func(ctx context.Context) (string, error) {
				_, _ = loads.load(ctx)
				return "", errDown
			}
			// state returns what a caller gets: fresh, due, expired or absent.
			state := func() string {
				before := loads.calls.Load()
				_, err := cached.Get(t.Context(), "k")
				v, loadErr := cached.GetOrSet(t.Context(), "k", fail)
				synctest.Wait()
				switch loaded := loads.calls.Load() != before; {
				case err == nil && !loaded:
					return "fresh"
				case err == nil:
					return "due"
				case v == tt.ttl && loadErr == nil:
					return "expired"
				}
				return "absent"
			}
			states := []string{"fresh", "due", "expired", "absent"}
			for i, age := range tt.ages {
				if i > 0 && age == tt.ages[i-1] {
					continue // there is no such state
				}
				time.Sleep(time.Until(start.Add(age - time.Second)))
				if got := state(); got != states[i] {
					t.Errorf("%s: just before %v the value is %s, want %s",
						tt.ttl, age, got, states[i])
				}
			}
			time.Sleep(2 * time.Second)
			if got := state(); got != "absent" {
				t.Errorf("%s: after all the value is %s, want absent", tt.ttl, got)
			}
		})
	}
}

// With Jitter, values that are stored together expire at different times, and none too early or
// too late.
func TestJitterSpreadsTheEndsOfValues(t *testing.T) {
	for what, opts := range map[string]options{
		"TTL":         {TTL: time.Hour, Jitter: 0.25},
		"NegativeTTL": {NegativeTTL: time.Hour, Jitter: 0.25},
		"TTLOf": {TTL: time.Minute, Jitter: 0.25, TTLOf: func(_, _ string) time.Duration {
			return time.Hour
		}},
	} {
		synctest.Test(t, func(t *testing.T) {
			c := memoryCache(t)
			cached := newTexts(t, c, &opts)
			keys := make([]string, 400)
			for i := range keys {
				keys[i] = fmt.Sprint(what, i)
			}
			load := func(_ context.Context, keys []string) (map[string]string, error) {
				all := map[string]string{}
				for _, key := range keys {
					if what != "NegativeTTL" {
						all[key] = "v"
					}
				}
				return all, nil
			}
			_, err := cached.GetOrSetMulti(t.Context(), keys, load)
			wantErr(t, err, nil)
			var ttls []time.Duration
			for _, key := range keys {
				ttl, err := c.TTL(t.Context(), key)
				wantErr(t, err, nil)
				ttls = append(ttls, ttl)
			}
			slices.Sort(ttls)
			first, middle, last := ttls[0], ttls[200], ttls[399]
			if first < 45*time.Minute || first > 46*time.Minute ||
				middle < 50*time.Minute || middle > 55*time.Minute ||
				last > time.Hour || last < 59*time.Minute {
				t.Errorf("%s: they live for %v to %v, half of them for %v; want 45m to 60m",
					what, first, last, middle)
			}
		})
	}
	synctest.Test(t, func(t *testing.T) {
		c := memoryCache(t)
		forever := newTexts(t, c, &options{Jitter: 0.5})
		wantErr(t, forever.Set(t.Context(), "k", "v"), nil)
		wantTTL(t, c, "k", core.Forever)
		// Values become due at different times as well, and are due for as long as without
		// Jitter.
		soft := newTexts(t, c, &options{
			TTL: 2 * time.Hour, SoftTTL: time.Hour, Jitter: 0.5, FailSafe: time.Hour,
		})
		values := map[string]string{}
		for i := range 100 {
			values[fmt.Sprint(i)] = "v"
		}
		wantErr(t, soft.SetMulti(t.Context(), values), nil)
		time.Sleep(45 * time.Minute)
		due := 0
		for key := range values {
			before := time.Now()
			_, _ = soft.GetOrSet(t.Context(), key, func(context.Context) (string, error) {
				due++
				return "", errDown
			})
			synctest.Wait()
			if time.Now() != before {
				t.Error("a caller waited")
			}
		}
		if due < 30 || due > 70 {
			t.Errorf("after three quarters of the time %d of 100 values are due, want half", due)
		}
	})
}

// NamesOf gives a value the names that it has itself.
func TestAValueHasNamesOfItsOwn(t *testing.T) {
	ownNames := func(key, v string) []string { return strings.Fields(v) }
	for cname, c := range caches(t) {
		for kind, opts := range kindsOfNames(c) {
			opts.NamesOf = ownNames
			t.Run(cname+" "+kind, func(t *testing.T) {
				cached := newTexts(t, c, &opts)
				ctx := t.Context()
				drop := func(name string) {
					t.Helper()
					wantErr(t, dropName(ctx, opts, name), nil)
				}
				for pname, get := range allLoads {
					key := kind + pname
					for _, name := range []string{"given:", "one:", "two:"} {
						l := loader{result: func(int64) (string, error) { return "one: two:", nil }}
						for range 2 {
							v, err := get(cached, ctx, key, l.load, "given:")
							want(t, v, err, "one: two:")
						}
						if pname != "OnePassCreate" {
							l.want(t, 1)
						}
						v, err := cached.Get(ctx, key)
						want(t, v, err, "one: two:")
						drop(name)
						_, err = cached.Get(ctx, key)
						wantErr(t, err, core.ErrMiss)
					}
				}
				// Each value of many has its own.
				keys := []string{kind + "a", kind + "b", kind + "c"}
				values := map[string]string{keys[0]: "x: y:", keys[1]: "y:", keys[2]: ""}
				load := func(context.Context, []string) (map[string]string, error) {
					return values, nil
				}
				fill := map[string]func(){
					"GetOrSetMulti": func() {
						_, err := cached.GetOrSetMulti(ctx, keys, load)
						wantErr(t, err, nil)
					},
					"SetMulti": func() { wantErr(t, cached.SetMulti(ctx, values), nil) },
					"Set": func() {
						for key, v := range values {
							wantErr(t, cached.Set(ctx, key, v), nil)
						}
					},
				}
				for what, fill := range fill {
					wantErr(t, cached.DeleteMulti(ctx, keys), nil)
					fill()
					for _, step := range []struct {
						name string
						left int
					}{{"none:", 3}, {"x:", 2}, {"y:", 1}} {
						drop(step.name)
						got, err := cached.GetMulti(ctx, keys)
						if len(got) != step.left || err != nil {
							t.Errorf("%s: without %s there are %v, %v; want %d",
								what, step.name, got, err, step.left)
						}
					}
				}
			})
		}
	}
}

// A name that is known only after the load may have been invalidated during the load. Then
// the value is not served, and no later caller joins the load.
func TestANameOfAValueMayBeInvalidatedDuringItsLoad(t *testing.T) {
	for pname, get := range allLoads {
		for _, w := range ways(memoryCache(t)) {
			if w.names == nil {
				continue
			}
			synctest.Test(t, func(t *testing.T) {
				c := memoryCache(t)
				for _, w2 := range ways(c) {
					if w2.name == w.name {
						w = w2
					}
				}
				w.opts.NamesOf = func(_, _ string) []string { return w.names }
				cached := newTexts(t, c, &w.opts)
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				release := make(chan struct{})
				var all sync.WaitGroup
				all.Go(func() {
					v, err := get(cached, ctx, "k", func(context.Context) (string, error) {
						<-release
						return "old", nil
					})
					want(t, v, err, "old")
				})
				synctest.Wait()
				wantErr(t, w.invalidate(ctx, cached, "k"), nil)
				v, err := get(cached, ctx, "k", (&loader{}).load)
				want(t, v, err, "loaded")
				wantErr(t, c.Delete(ctx, "k"), nil) // so that it is absent for the old load
				close(release)
				all.Wait()
				if v, err := cached.Get(ctx, "k"); err != core.ErrMiss {
					t.Errorf("%s, %s: Get = %q, %v; want a miss", pname, w.name, v, err)
				}
			})
		}
	}
}

// With returns a Cached with options for a call, which shares the loads of the other.
func TestACallHasOptionsOfItsOwn(t *testing.T) {
	for pname, get := range allPatterns {
		synctest.Test(t, func(t *testing.T) {
			c := memoryCache(t)
			cached := newTexts(t, c, &options{TTL: time.Hour, TTLOf: byValue})
			short := cached.With(patterns.Call{TTL: time.Minute})
			ctx := t.Context()
			v, err := get(short, ctx, "k", (&loader{}).load)
			want(t, v, err, "loaded")
			wantTTL(t, c, "k", time.Minute)
			wantErr(t, short.Set(ctx, "k", "2h"), nil)
			wantTTL(t, c, "k", time.Minute)
			_, err = short.IncrFrom(ctx, "n", 1, 0)
			wantErr(t, err, nil)
			wantTTL(t, c, "n", time.Minute)

			l := numberedLoader(time.Second)
			var all sync.WaitGroup
			for _, c := range []*patterns.Cached[string]{cached, short} {
				all.Go(func() {
					v, err := get(c, ctx, "shared", l.load)
					want(t, v, err, "1")
				})
			}
			all.Wait()
			l.want(t, 1)

			// A reload loads even if a value is stored, and joins no load that began before
			// it.
			reload := cached.With(patterns.Call{Reload: true})
			wantErr(t, cached.Set(ctx, "r", "old"), nil)
			l = numberedLoader(time.Second)
			for i := range 2 {
				v, err = get(reload, ctx, "r", l.load)
				want(t, v, err, fmt.Sprint(i+1))
				v, err = cached.Get(ctx, "r")
				want(t, v, err, fmt.Sprint(i+1))
			}
			all.Go(func() {
				_, err := get(cached, ctx, "late", func(context.Context) (string, error) {
					time.Sleep(5 * time.Second)
					return "late", nil
				})
				wantErr(t, err, nil)
			})
			synctest.Wait()
			v, err = get(reload, ctx, "late", (&loader{}).load)
			want(t, v, err, "loaded")
			all.Wait()
			v, err = cached.Get(ctx, "late")
			if v != "loaded" || err != nil {
				t.Errorf("%s: the older load has replaced the reload: %q, %v", pname, v, err)
			}
			// An error of a reload is returned, and what is stored stays.
			_, err = get(reload, ctx, "late", func(context.Context) (string, error) {
				return "", errDown
			})
			wantErr(t, err, errDown)
			v, err = cached.Get(ctx, "late")
			want(t, v, err, "loaded")
		})
	}
}

// A batch loader may return values together with an error. They are returned and stored.
func TestValuesThatABatchLoaderReturnsWithAnErrorAreKept(t *testing.T) {
	cached := newTexts(t, memoryCache(t), nil)
	ctx := t.Context()
	var asked []string
	load := func(_ context.Context, keys []string) (map[string]string, error) {
		asked = append(asked, fmt.Sprint(keys))
		return map[string]string{"a": "A"}, errDown
	}
	got, err := cached.GetOrSetMulti(ctx, []string{"a", "b"}, load)
	if fmt.Sprint(got) != "map[a:A]" || !errors.Is(err, errDown) {
		t.Errorf("GetOrSetMulti = %v, %v; want a and the error", got, err)
	}
	got, err = cached.GetOrSetMulti(ctx, []string{"a", "b"}, load)
	if fmt.Sprint(got) != "map[a:A]" || !errors.Is(err, errDown) ||
		fmt.Sprint(asked) != "[[a b] [b]]" {
		t.Errorf("GetOrSetMulti = %v, %v after it asked for %v", got, err, asked)
	}
	_, err = cached.GetOrSetMulti(ctx, []string{"a"}, nil)
	wantErr(t, err, core.ErrConfig)
}
