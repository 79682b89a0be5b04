package patterns_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/dependency"
	"github.com/cachewire/cachewire/encoding"
	"github.com/cachewire/cachewire/memcache/memcachetest"
	"github.com/cachewire/cachewire/memory"
	"github.com/cachewire/cachewire/null"
	"github.com/cachewire/cachewire/patterns"
)

func TestAnAbsentValueIsLoadedAndStored(t *testing.T) {
	for name, c := range caches(t) {
		for pname, get := range allPatterns {
			t.Run(name+" "+pname, func(t *testing.T) {
				cached := newTexts(t, c, &patterns.Options[string]{TTL: time.Hour})
				ctx := t.Context()
				var l loader
				for range 3 {
					v, err := get(cached, ctx, pname, l.load)
					want(t, v, err, "loaded")
				}
				l.want(t, 1)
				v, err := cached.Get(ctx, pname)
				want(t, v, err, "loaded")
				wantErr(t, cached.Close(), nil)
				if ok, err := c.Exists(ctx, "~cw:lock:"+pname); ok || err != nil {
					t.Errorf("the pass is still in the cache, %v", err)
				}
			})
		}
	}
}

// A load does not replace what another program has stored meanwhile, and wires nothing.
func TestAValueStoredDuringTheLoadStays(t *testing.T) {
	for pname, get := range allPatterns {
		c := memoryCache(t)
		d := must(dependency.New(c, nil))
		cached := newTexts(t, c, &patterns.Options[string]{Dependency: d})
		ctx := t.Context()
		v, err := get(cached, ctx, pname, func(context.Context) (string, error) {
			return "loaded", c.Set(ctx, pname, []byte("another's"), 0)
		}, "mk:")
		want(t, v, err, "loaded")
		v, err = cached.Get(ctx, pname)
		want(t, v, err, "another's")
		if keys, err := d.Keys(ctx, "mk:"); len(keys) != 0 || err != nil {
			t.Errorf("%v are wired, %v; want none", keys, err)
		}
	}
}

// The caller that gets the pass loads a value even if one is stored. The other caller returns
// the new value.
func TestOnePassCreateLoadsOnceAmongProcesses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := memoryCache(t)
		ctx := t.Context()
		local, remote := newTexts(t, c, nil), newTexts(t, c, nil) // like two processes
		wantErr(t, local.Set(ctx, "k", "old"), nil)
		got := make(chan string)
		var other loader
		v, err := local.OnePassCreate(ctx, "k", func(context.Context) (string, error) {
			go func() {
				v, _ := remote.OnePassCreate(ctx, "k", other.load)
				got <- v
			}()
			time.Sleep(3 * time.Second)
			return "new", nil
		})
		want(t, v, err, "new")
		want(t, <-got, nil, "new")
		other.want(t, 0)
	})
}

func TestVerbsUseTheCommonSettings(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := memoryCache(t)
		cached := newTexts(t, c, &patterns.Options[string]{TTL: time.Minute})
		ctx := t.Context()
		wantErr(t, cached.Set(ctx, "set", "v"), nil)
		wantErr(t, cached.Add(ctx, "add", "v"), nil)
		wantErr(t, cached.Add(ctx, "add", "w"), core.ErrExists)
		wantErr(t, cached.Replace(ctx, "add", "x"), nil)
		wantErr(t, cached.Replace(ctx, "none", "x"), core.ErrMiss)
		wantErr(t, cached.SetMulti(ctx, map[string]string{"a": "1", "b": "2"}), nil)
		wantErr(t, cached.ReplaceMulti(ctx, map[string]string{"a": "3"}), nil)
		var multi *core.MultiError
		err := cached.AddMulti(ctx, map[string]string{"a": "4", "c": "5"})
		if !errors.As(err, &multi) || multi.Errors["a"] == nil {
			t.Errorf("AddMulti: error is %v, want one for a", err)
		}
		n, err := cached.IncrFrom(ctx, "n", 5, 10)
		if n != 15 || err != nil {
			t.Errorf("IncrFrom = %d, %v", n, err)
		}
		if n, err = cached.DecrFrom(ctx, "n", 1, 0); n != 14 || err != nil {
			t.Errorf("DecrFrom = %d, %v", n, err)
		}
		got, err := cached.GetMulti(ctx, []string{"set", "add", "a", "b", "c", "none"})
		if fmt.Sprint(got) != "map[a:3 add:x b:2 c:5 set:v]" || err != nil {
			t.Errorf("GetMulti = %v, %v", got, err)
		}
		for _, key := range []string{"set", "add", "a", "c", "n"} {
			if ttl, err := c.TTL(ctx, key); ttl != time.Minute || err != nil {
				t.Errorf("%s lives for %v, %v; want a minute", key, ttl, err)
			}
		}
		wantErr(t, cached.Delete(ctx, "set"), nil)
		wantErr(t, cached.Delete(ctx, "set"), core.ErrMiss)
		wantErr(t, cached.DeleteMulti(ctx, []string{"a", "none"}), nil)
		_, err = cached.Get(ctx, "a")
		wantErr(t, err, core.ErrMiss)
	})
}

// Items are dropped if one of the names with which they were stored is.
func TestItemsAreDroppedByTheirNames(t *testing.T) {
	for name, c := range caches(t) {
		for kind, opts := range kindsOfNames(c) {
			t.Run(name+" "+kind, func(t *testing.T) {
				cached := newTexts(t, c, &opts)
				ctx := t.Context()
				dropItems := func(name string) {
					t.Helper()
					wantErr(t, dropName(ctx, opts, name), nil)
				}
				for pname, get := range allPatterns {
					var l loader
					key := kind + pname
					for range 2 {
						v, err := get(cached, ctx, key, l.load, "order:", "customer:")
						want(t, v, err, "loaded")
					}
					l.want(t, 1)
					dropItems("customer:")
					v, err := get(cached, ctx, key, l.load, "order:", "customer:")
					want(t, v, err, "loaded")
					l.want(t, 2)
				}
				key := kind + "many"
				wantErr(t, cached.Set(ctx, key, "v", "order:"), nil)
				values := map[string]string{key + "2": "v", key + "3": "w"}
				wantErr(t, cached.SetMulti(ctx, values, "order:"), nil)
				keys := []string{key, key + "2", key + "3"}
				if got, err := cached.GetMulti(ctx, keys); len(got) != 3 || err != nil {
					t.Errorf("GetMulti = %v, %v; want 3 values", got, err)
				}
				dropItems("order:")
				if got, err := cached.GetMulti(ctx, keys); len(got) != 0 || err != nil {
					t.Errorf("GetMulti = %v, %v; want none", got, err)
				}
			})
		}
	}
}

// A value whose tag is invalidated during the load is not served afterwards.
func TestAValueLoadedDuringAnInvalidationIsStale(t *testing.T) {
	c := memoryCache(t)
	tags := must(dependency.NewTags(c, nil))
	for pname, get := range allPatterns {
		cached := newTexts(t, c, &patterns.Options[string]{Tags: tags})
		v, err := get(cached, t.Context(), pname, func(ctx context.Context) (string, error) {
			return "old", tags.Invalidate(ctx, "tag")
		}, "tag")
		want(t, v, err, "old")
		_, err = cached.Get(t.Context(), pname)
		wantErr(t, err, core.ErrMiss)
	}
}

func TestArgumentsOfVerbsAreChecked(t *testing.T) {
	c := memoryCache(t)
	d, tags := must(dependency.New(c, nil)), must(dependency.NewTags(c, nil))
	cached := newTexts(t, c, nil)
	ctx := t.Context()
	var l loader
	for pname, get := range allPatterns {
		_, err := get(cached, ctx, "", l.load)
		wantErr(t, err, core.ErrInvalidKey)
		_, err = get(cached, ctx, pname, l.load, "name")
		wantErr(t, err, core.ErrConfig)
		wired := newTexts(t, c, &patterns.Options[string]{Dependency: d})
		_, err = get(wired, ctx, pname, l.load, "ends in 1")
		wantErr(t, err, core.ErrInvalidKey)
		tagged := newTexts(t, c, &patterns.Options[string]{Tags: tags})
		_, err = get(tagged, ctx, pname, l.load, "")
		wantErr(t, err, core.ErrInvalidKey)
		_, err = get(cached, ctx, pname, nil)
		wantNilLoader(t, err)
	}
	_, err := cached.OnePassCreate(ctx, "k", nil)
	wantNilLoader(t, err)
	load := func(context.Context, []string) (map[string]string, error) { return nil, nil }
	_, err = patterns.GetOrSetMulti(ctx, cached, []string{"k"}, strings.ToLower, nil)
	wantErr(t, err, core.ErrConfig)
	_, err = patterns.GetOrSetMulti(ctx, cached, []string{"k"}, nil, load)
	wantErr(t, err, core.ErrConfig)
	_, err = patterns.Optimistic(ctx, cached.Typed(), "k", 0, nil)
	wantErr(t, err, core.ErrConfig)
}

// wantNilLoader fails the test if err does not say that the loader is nil, or if it is a
// PanicError.
func wantNilLoader(t *testing.T, err error) {
	t.Helper()
	const want = "cachewire: invalid configuration: patterns: the loader is nil"
	var p *patterns.PanicError
	if err == nil || err.Error() != want || errors.As(err, &p) {
		t.Errorf("error is %v, want %s", err, want)
	}
}

// A TTL of 0 is the default of the cache, and Forever never expires, even if the cache has a
// default.
func TestItemsLiveForTheTTLOfOptions(t *testing.T) {
	for _, tt := range []struct{ cache, opts, want time.Duration }{
		{0, 0, core.Forever},
		{time.Hour, 0, time.Hour},
		{time.Hour, time.Minute, time.Minute},
		{time.Hour, core.Forever, core.Forever},
	} {
		synctest.Test(t, func(t *testing.T) {
			c := must(core.New(must(memory.New(nil)), &core.Options{DefaultTTL: tt.cache}))
			defer c.Close()
			cached := newTexts(t, c, &patterns.Options[string]{TTL: tt.opts})
			var l loader
			for _, store := range []func() error{
				func() error { _, err := cached.GetOrCreate(t.Context(), "k", l.load); return err },
				func() error { return cached.Set(t.Context(), "k", "v") },
				func() error { return cached.SetMulti(t.Context(), map[string]string{"k": "v"}) },
				func() error { _, err := cached.IncrFrom(t.Context(), "k", 1, 1); return err },
			} {
				_ = c.Flush(t.Context())
				wantErr(t, store(), nil)
				if ttl, err := c.TTL(t.Context(), "k"); ttl != tt.want || err != nil {
					t.Errorf("default %v, TTL %v: an item lives for %v, %v; want %v",
						tt.cache, tt.opts, ttl, err, tt.want)
				}
			}
		})
	}
}

// FailSafe accepts the default of the cache as a TTL, and so do SoftTTL and Early.
func TestTheDefaultTTLOfTheCacheIsEnoughForFailSafe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := must(core.New(must(memory.New(nil)), &core.Options{DefaultTTL: time.Minute}))
		defer c.Close()
		cached := newTexts(t, c, &patterns.Options[string]{FailSafe: time.Hour})
		l := loader{result: func(n int64) (string, error) {
			if n > 1 {
				return "", io.EOF
			}
			return "v", nil
		}}
		for range 2 {
			v, err := cached.GetOrSet(t.Context(), "k", l.load)
			want(t, v, err, "v")
			time.Sleep(2 * time.Minute)
		}
		l.want(t, 2)
	})
}

// Durations near Forever behave like Forever: each value is loaded once, and then served.
func TestLongDurationsDoNotOverflow(t *testing.T) {
	const century = 100 * 365 * 24 * time.Hour
	for name, opts := range map[string]patterns.Options[string]{
		"TTL and FailSafe":      {TTL: core.Forever - 1, FailSafe: core.Forever},
		"TTL and Early":         {TTL: core.Forever - 1, Early: 1},
		"TTL, Early, FailSafe":  {TTL: 2 * century, Early: 1, FailSafe: 2 * century},
		"SoftTTL":               {TTL: core.Forever, SoftTTL: core.Forever - 1},
		"SoftTTL below Forever": {TTL: core.Forever - 1, SoftTTL: core.Forever - 2, FailSafe: 1},
		"after 2262":            {TTL: core.Forever, SoftTTL: 250 * 365 * 24 * time.Hour},
		"NegativeTTL":           {NegativeTTL: core.Forever},
		"LockTTL":               {LockTTL: core.Forever},
		"LockTTL below Forever": {LockTTL: core.Forever - 1},
		"WaitTimeout":           {WaitTimeout: core.Forever, LoadOnTimeout: true},
		"SoftTimeout": {
			TTL: time.Hour, FailSafe: core.Forever, SoftTimeout: core.Forever,
		},
		"all that may be Forever": {
			TTL: core.Forever, SoftTTL: century, LockTTL: core.Forever,
			WaitTimeout: core.Forever, NegativeTTL: core.Forever, Early: 1,
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := memoryCache(t)
				reported := &errorLog{}
				opts.OnError = reported.add
				cached := newTexts(t, c, &opts)
				for pname, get := range allPatterns {
					var l loader
					for range 3 {
						v, err := get(cached, t.Context(), pname, l.load)
						want(t, v, err, "loaded")
						time.Sleep(10 * time.Minute)
					}
					l.want(t, 1)
				}
				if all := reported.list(); len(all) != 0 {
					t.Errorf("OnError was called with %v", all)
				}
			})
		})
	}
}

func TestANullCacheLoadsEachTime(t *testing.T) {
	c := cacheOf(t, null.New())
	for name, opts := range map[string]*patterns.Options[string]{
		"plain":    nil,
		"wires":    {Dependency: must(dependency.New(c, nil))},
		"tags":     {Tags: must(dependency.NewTags(c, nil))},
		"stale":    {TTL: time.Minute, SoftTTL: time.Second, FailSafe: time.Minute, Early: 1},
		"negative": {NegativeTTL: time.Minute},
	} {
		var reported errorLog
		if opts == nil {
			opts = &patterns.Options[string]{}
		}
		opts.OnError = reported.add
		cached := newTexts(t, c, opts)
		var l loader
		var names []string
		if opts.Dependency != nil || opts.Tags != nil {
			names = []string{"name:"}
		}
		for _, get := range allPatterns {
			for range 2 {
				v, err := get(cached, t.Context(), "k", l.load, names...)
				want(t, v, err, "loaded")
			}
		}
		l.want(t, int64(2*len(allPatterns)))
		cached.Close()
		if all := reported.list(); len(all) != 0 {
			t.Errorf("%s: OnError was called with %v", name, all)
		}
	}
}

// A cache that is down is treated as an empty cache, and OnError is called.
func TestValuesAreLoadedIfTheCacheIsDown(t *testing.T) {
	server := memcachetest.Start(t, nil)
	c := memcachedCache(t, server.Addr())
	tags := must(dependency.NewTags(c, nil))
	server.Kill()
	for _, opts := range []patterns.Options[string]{
		{},
		{Tags: tags},
		{Dependency: must(dependency.New(c, nil))},
		{TTL: time.Hour, SoftTTL: time.Minute},
	} {
		var reported errorLog
		opts.OnError = reported.add
		cached := newTexts(t, c, &opts)
		var names []string
		if opts.Tags != nil || opts.Dependency != nil {
			names = []string{"name:"}
		}
		for _, get := range allPatterns {
			var l loader
			v, err := get(cached, t.Context(), "k", l.load, names...)
			want(t, v, err, "loaded")
			l.want(t, 1)
		}
		key := func(n int) string { return fmt.Sprint(n) }
		load := func(context.Context, []int) (map[int]string, error) {
			return map[int]string{1: "one", 2: "two"}, nil
		}
		got, err := patterns.GetOrSetMulti(t.Context(), cached, []int{1, 2}, key, load, names...)
		if len(got) != 2 || err != nil {
			t.Errorf("GetOrSetMulti = %v, %v", got, err)
		}
		all := reported.list()
		if len(all) == 0 || !strings.Contains(all[0].Error(), "unavailable") {
			t.Errorf("OnError was called with %v, want errors that say unavailable", all)
		}
	}
}

func TestAnUndecodableItemIsReplaced(t *testing.T) {
	type point struct{ X int }
	c := memoryCache(t)
	var reported errorLog
	points := must(core.NewTyped(c, encoding.JSON[point]()))
	cached := must(patterns.New(points, &patterns.Options[point]{OnError: reported.add}))
	defer cached.Close()
	wantErr(t, c.Set(t.Context(), "k", []byte("{"), 0), nil)
	for range 2 {
		v, err := cached.GetOrCreate(t.Context(), "k", func(context.Context) (point, error) {
			return point{7}, nil
		})
		if v.X != 7 || err != nil {
			t.Errorf("GetOrCreate = %v, %v; want {7}", v, err)
		}
	}
	if all := reported.list(); len(all) != 1 || !errors.Is(all[0], core.ErrCodec) {
		t.Errorf("OnError was called with %v, want one ErrCodec", all)
	}
}

func TestAfterCloseNothingIsLoaded(t *testing.T) {
	c := memoryCache(t)
	cached := newTexts(t, c, nil)
	wantErr(t, cached.Set(t.Context(), "stored", "v"), nil)
	wantErr(t, cached.Close(), nil)
	wantErr(t, cached.Close(), nil)
	var l loader
	_, err := cached.GetOrSet(t.Context(), "k", l.load)
	wantErr(t, err, core.ErrClosed)
	v, err := cached.GetOrSet(t.Context(), "stored", l.load)
	want(t, v, err, "v")
	wantErr(t, c.Set(t.Context(), "open", nil, 0), nil)
}

// With core.Shared, values with facts are kept as they are, too.
func TestSharedValuesAreReturnedAsTheyAre(t *testing.T) {
	c := memoryCache(t)
	type user struct{ name string }
	users := must(core.NewTyped(c, core.Shared[*user]()))
	tags := must(dependency.NewTags(c, nil))
	for name, opts := range map[string]*patterns.Options[*user]{
		"plain": nil,
		"facts": {TTL: time.Hour, SoftTTL: time.Minute, Tags: tags},
	} {
		cached := must(patterns.New(users, opts))
		defer cached.Close()
		ann := &user{"Ann"}
		load := func(context.Context) (*user, error) { return ann, nil }
		for range 2 {
			got, err := cached.GetOrCreate(t.Context(), name, load)
			if got != ann || err != nil {
				t.Errorf("%s: GetOrCreate = %v, %v; want %v", name, got, err, ann)
			}
		}
		bob := &user{"Bob"}
		wantErr(t, users.Set(t.Context(), "bob"+name, bob, 0), nil) // without facts
		if got, err := cached.Get(t.Context(), "bob"+name); got != bob || err != nil {
			t.Errorf("%s: Get = %v, %v; want %v", name, got, err, bob)
		}
	}
}
