package dependency_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cachewire/cachewire/backendtest"
	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/dependency"
	"github.com/cachewire/cachewire/encoding"
	"github.com/cachewire/cachewire/memcache"
	memcachepure "github.com/cachewire/cachewire/memcache-pure"
	"github.com/cachewire/cachewire/memcache/memcachetest"
	"github.com/cachewire/cachewire/memory"
	"github.com/cachewire/cachewire/null"
)

const master = "mk:order:100:"

// A callCounter is a hook that counts the calls of a cache.
type callCounter struct{ calls atomic.Int64 }

func (c *callCounter) Before(ctx context.Context, op *core.Op) context.Context {
	c.calls.Add(1)
	return ctx
}
func (c *callCounter) After(context.Context, *core.Op) {}

// callsOf returns how many calls do makes.
func (c *callCounter) callsOf(do func()) int64 {
	before := c.calls.Load()
	do()
	return c.calls.Load() - before
}

func cacheOf(t testing.TB, b core.Backend, hooks ...core.Hook) *core.Cache {
	t.Helper()
	c, err := core.New(b, &core.Options{Hooks: hooks})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// caches returns a cache over each kind of backend.
func caches(t *testing.T) map[string]*core.Cache {
	t.Helper()
	return backendtest.Caches(t)
}

func TestACacheThatComparesValuesHasTagsButNoWires(t *testing.T) {
	c := backendtest.ByValue.Cache(t)
	_, err := dependency.New(c, nil)
	wantErr(t, err, core.ErrConfig)
	if err == nil || !strings.Contains(err.Error(), "ByValue") {
		t.Errorf("New: error is %v, want it to name Traits.ByValue", err)
	}
	ctx := t.Context()
	tagged := must(dependency.NewTagged(c, encoding.Text(), nil))
	at, err := tagged.Versions(ctx, "tag")
	wantErr(t, err, nil)
	wantErr(t, tagged.Set(ctx, "k", "v", 0, at), nil)
	if got, err := tagged.Get(ctx, "k"); got != "v" || err != nil {
		t.Errorf("Get: %q, %v", got, err)
	}
	wantErr(t, tagged.Invalidate(ctx, "tag"), nil)
	_, err = tagged.Get(ctx, "k")
	wantErr(t, err, core.ErrMiss)
}

func wantErr(t testing.TB, err, target error) {
	t.Helper()
	if !errors.Is(err, target) {
		t.Errorf("error is %v, want %v", err, target)
	}
}

func set(t testing.TB, c *core.Cache, keys ...string) {
	t.Helper()
	values := make(map[string][]byte, len(keys))
	for _, key := range keys {
		values[key] = []byte("value")
	}
	if err := c.SetMulti(context.Background(), values, 0); err != nil {
		t.Fatal(err)
	}
}

func exists(t testing.TB, c *core.Cache, key string) bool {
	t.Helper()
	ok, err := c.Exists(context.Background(), key)
	wantErr(t, err, nil)
	return ok
}

func wantDropped(t *testing.T, c *core.Cache, keys ...string) {
	t.Helper()
	left, err := c.GetMulti(context.Background(), keys)
	wantErr(t, err, nil)
	for key := range left {
		t.Errorf("%s survived", key)
	}
}

func TestDeleteDropsTheItemsThatAreWired(t *testing.T) {
	for name, c := range caches(t) {
		t.Run(name, func(t *testing.T) {
			ctx := t.Context()
			d := must(dependency.New(c, nil))
			set(t, c, "k1", "k2", "k3", "k4", "other")
			wantErr(t, d.Add(ctx, master, "k1"), nil)
			wantErr(t, d.AddMulti(ctx, master, []string{"k2", "k3"}), nil)
			wantErr(t, must(dependency.New(c, nil)).Add(ctx, master, "k4"), nil)
			wantErr(t, d.Add(ctx, "mk:order:101:", "other"), nil)
			keys, err := d.Keys(ctx, master)
			if !slices.Equal(keys, []string{"k1", "k2", "k3", "k4"}) || err != nil {
				t.Errorf("Keys = %v, %v", keys, err)
			}
			keys, err = d.MultiKeys(ctx, []string{"mk:order:101:", master, "mk:none:"})
			if !slices.Equal(keys, []string{"k1", "k2", "k3", "k4", "other"}) || err != nil {
				t.Errorf("MultiKeys = %v, %v", keys, err)
			}
			wantErr(t, d.Delete(ctx, master), nil)
			for _, key := range []string{"k1", "k2", "k3", "k4"} {
				if exists(t, c, key) {
					t.Errorf("%s survived", key)
				}
			}
			if !exists(t, c, "other") {
				t.Error("an item of another master key was deleted")
			}
			keys, err = d.Keys(ctx, master)
			if len(keys) != 0 || err != nil {
				t.Errorf("after Delete, Keys = %v, %v", keys, err)
			}
			wantErr(t, d.Delete(ctx, master), nil)
			wantErr(t, d.DeleteMulti(ctx, []string{"mk:none:", "mk:order:101:"}), nil)
			if exists(t, c, "other") {
				t.Error("DeleteMulti did not delete an item")
			}
		})
	}
}

func TestWiresAreStoredAsInWheezyCaching(t *testing.T) {
	for name, c := range caches(t) {
		t.Run(name, func(t *testing.T) {
			ctx := t.Context()
			d := must(dependency.New(c, nil))
			wantErr(t, d.AddMulti(ctx, master, []string{"page", "grüße"}), nil)
			for key, want := range map[string]core.Item{
				master:       {Value: []byte("2"), Flags: core.FlagInt},
				master + "1": {Value: []byte("page"), Flags: core.FlagText},
				master + "2": {Value: []byte("grüße"), Flags: core.FlagText},
			} {
				item, err := c.GetItem(ctx, key)
				if string(item.Value) != string(want.Value) ||
					item.Flags != want.Flags || err != nil {
					t.Errorf("%s holds %q with flags %d, %v; want %q and %d",
						key, item.Value, item.Flags, err, want.Value, want.Flags)
				}
			}
			keys, err := d.NextKeys(ctx, master, 3)
			want := []string{master + "3", master + "4", master + "5"}
			if !slices.Equal(keys, want) || err != nil {
				t.Errorf("NextKeys = %v, %v; want %v", keys, err, want)
			}
			if key, err := d.NextKey(ctx, master); key != master+"6" || err != nil {
				t.Errorf("NextKey = %q, %v; want %q", key, err, master+"6")
			}
			if keys, err := d.NextKeys(ctx, master, 0); keys != nil || err != nil {
				t.Errorf("NextKeys for 0 keys = %v, %v; want none", keys, err)
			}
		})
	}
}

func TestVerbsTakeFewCalls(t *testing.T) {
	var counter callCounter
	c := cacheOf(t, must(memory.New(nil)), &counter)
	d := must(dependency.New(c, nil))
	ctx := t.Context()
	keys := names("key-", 10_000)
	wantCalls := func(what string, want int64, do func() error) {
		t.Helper()
		if n := counter.callsOf(func() { wantErr(t, do(), nil) }); n > want {
			t.Errorf("%s takes %d calls, want %d", what, n, want)
		}
	}
	for range 3 {
		wantCalls("Add", 2, func() error { return d.Add(ctx, master, "k") })
		wantCalls("AddMulti", 2, func() error { return d.AddMulti(ctx, master, keys[:99]) })
		wantCalls("Delete", 3, func() error { return d.Delete(ctx, master) })
		if counter.callsOf(func() { d.Delete(ctx, "mk:none:") }) > 1 {
			t.Error("Delete without wires takes more than 1 call")
		}
		if keys, err := d.Keys(ctx, master); len(keys) != 0 || err != nil {
			t.Errorf("Keys = %v, %v", keys, err)
		}
	}
	for range 3 { // each time, the numbers begin again
		wantCalls("AddMulti of 10,000 keys", 2, func() error {
			return d.AddMulti(ctx, master, keys)
		})
		wantCalls("Delete of 10,000 keys", 5, func() error { return d.Delete(ctx, master) })
	}
	// An Add has drawn a number: Delete claims it, and Add takes another one.
	wantErr(t, d.AddMulti(ctx, master, keys), nil)
	drawn, err := d.NextKey(ctx, master)
	wantErr(t, err, nil)
	wantCalls("Delete during an Add", 6, func() error { return d.Delete(ctx, master) })
	wantErr(t, c.Add(ctx, drawn, []byte("k"), 0), core.ErrExists)
	_, err = c.IncrFrom(ctx, master, 10_000, 0, 0)
	wantErr(t, err, nil)
	wantCalls("Add during a Delete", 4, func() error { return d.Add(ctx, master, "k") })
}

func TestDeleteDropsInSeveralCaches(t *testing.T) {
	a, b := cacheOf(t, must(memory.New(nil))), cacheOf(t, must(memory.New(nil)))
	d := must(dependency.New(a, nil))
	set(t, a, "k1", "k2")
	set(t, b, "k1", "k2", "k3")
	wantErr(t, d.AddMulti(t.Context(), master, []string{"k1", "k2"}), nil)
	wantErr(t, d.Delete(t.Context(), master, b), nil)
	for _, key := range []string{"k1", "k2"} {
		if exists(t, a, key) || exists(t, b, key) {
			t.Errorf("%s survived", key)
		}
	}
	if !exists(t, b, "k3") {
		t.Error("an item that is not wired was deleted")
	}
}

func TestAMasterKeyThatEndsInADigitIsRefused(t *testing.T) {
	c := cacheOf(t, must(memory.New(nil)))
	d := must(dependency.New(c, nil))
	ctx := t.Context()
	tooLong := strings.Repeat("m", core.MaxKeyLen-10)
	for _, master := range []string{"", "mk:order:100", "7", tooLong} {
		_, keysErr := d.Keys(ctx, master)
		_, nextErr := d.NextKey(ctx, master)
		addErr, deleteErr := d.Add(ctx, master, "k"), d.Delete(ctx, master)
		for _, err := range []error{addErr, deleteErr, keysErr, nextErr} {
			wantErr(t, err, core.ErrInvalidKey)
			if master != "" && master != tooLong && !strings.Contains(err.Error(), master+":") {
				t.Errorf("error is %v, want one that proposes %s:", err, master)
			}
		}
	}
	anyMaster := must(dependency.New(c, &dependency.Options{AnyMaster: true}))
	set(t, c, "k")
	wantErr(t, anyMaster.Add(ctx, "mk:7", "k"), nil)
	wantErr(t, anyMaster.Delete(ctx, "mk:7"), nil)
	if exists(t, c, "k") {
		t.Error("k survived")
	}
	for _, key := range []string{"", strings.Repeat("k", core.MaxKeyLen+1)} {
		wantErr(t, d.AddMulti(ctx, master, []string{"good", key}), core.ErrInvalidKey)
	}
	if keys, _ := d.Keys(ctx, master); len(keys) != 0 {
		t.Errorf("%v were wired together with an invalid key", keys)
	}
}

func TestNothingIsWiredAndNothingFailsOverNull(t *testing.T) {
	d := must(dependency.New(cacheOf(t, null.New()), nil))
	ctx := t.Context()
	wantErr(t, d.Add(ctx, master, "k"), nil)
	wantErr(t, d.AddMulti(ctx, master, []string{"k", "l"}), nil)
	keys, err := d.Keys(ctx, master)
	if len(keys) != 0 || err != nil {
		t.Errorf("Keys = %v, %v", keys, err)
	}
	wantErr(t, d.Delete(ctx, master), nil)
}

// Many goroutines add and delete at once. An item that is wired before a Delete begins is
// deleted by it; one that is wired meanwhile is deleted by that Delete or the next one.
func TestNoItemSurvivesADelete(t *testing.T) {
	const workers = 16
	for name, c := range caches(t) {
		for _, n := range []int{1, 30} {
			t.Run(fmt.Sprintf("%s, %d at a time", name, n), func(t *testing.T) {
				rounds := 60 / min(n, 4)
				if !longEnabled {
					rounds /= 3
				}
				ctx := context.Background()
				d := must(dependency.New(c, nil))
				var lock sync.Mutex
				var all []string // guarded by lock: the keys that were wired
				var adding sync.WaitGroup
				for w := range workers {
					adding.Go(func() {
						for i := range rounds {
							keys := names(fmt.Sprintf("item-%d-%d-", w, i), n)
							set(t, c, keys...)
							if err := d.AddMulti(ctx, master, keys); err != nil {
								t.Errorf("AddMulti: %v", err)
								return
							}
							lock.Lock()
							all = append(all, keys...)
							lock.Unlock()
							if i%3 != w%3 {
								continue // these are left to the Delete of another worker
							}
							if err := d.Delete(ctx, master); err != nil {
								t.Errorf("Delete: %v", err)
								return
							}
							wantDropped(t, c, keys...)
						}
					})
				}
				adding.Wait()
				wantErr(t, d.Delete(ctx, master), nil)
				wantDropped(t, c, all...)
			})
		}
	}
}

func TestNoItemIsLostIfTheCounterIs(t *testing.T) {
	for _, n := range []int{1, 200, 3000} {
		c := cacheOf(t, must(memory.New(nil)))
		d := must(dependency.New(c, nil))
		ctx := t.Context()
		keys := names("key-", n)
		set(t, c, keys...)
		wantErr(t, d.AddMulti(ctx, master, keys), nil)
		wantErr(t, c.Delete(ctx, master), nil)
		if n > 100 { // an Add makes the counter cover the old wires
			wantErr(t, d.Add(ctx, master, "more"), nil)
		}
		wantErr(t, d.Delete(ctx, master), nil)
		left := 0
		for _, key := range keys {
			if exists(t, c, key) {
				left++
			}
		}
		if left != 0 {
			t.Errorf("%d of %d items survived", left, n)
		}
	}
}

func TestACounterThatIsNotANumberIsAnError(t *testing.T) {
	c := cacheOf(t, must(memory.New(nil)))
	d := must(dependency.New(c, nil))
	ctx := t.Context()
	wantErr(t, c.Set(ctx, master, []byte("text"), 0), nil)
	_, keysErr := d.Keys(ctx, master)
	for _, err := range []error{keysErr, d.Delete(ctx, master), d.Add(ctx, master, "k")} {
		wantErr(t, err, core.ErrNotNumber)
	}
}

// If one of two caches cannot be reached, the error names the items that are left there. The
// next Delete deletes them.
func TestItemsThatCannotBeDeletedAreNamedAndStayWired(t *testing.T) {
	server := memcachetest.Start(t, nil)
	proxy := memcachetest.StartProxy(t, server.Addr(), nil)
	b, err := memcachepure.New([]memcache.Server{{Addr: proxy.Addr()}},
		&memcachepure.Options{Options: memcache.Options{Timeout: 30 * time.Second}})
	if err != nil {
		t.Fatal(err)
	}
	near, far := cacheOf(t, must(memory.New(nil))), cacheOf(t, b)
	d := must(dependency.New(near, nil))
	ctx := t.Context()
	set(t, near, "k1", "k2")
	set(t, far, "k1") // one at a time, so that there is only one connection to cut
	set(t, far, "k2")
	wantErr(t, d.AddMulti(ctx, master, []string{"k1", "k2"}), nil)
	proxy.Set(&memcachetest.ProxyOptions{Refuse: true})
	proxy.Cut()
	err = d.Delete(ctx, master, far)
	var multi *core.MultiError
	if !errors.As(err, &multi) || len(multi.Errors) != 2 ||
		!errors.Is(multi.Errors["k1"], core.ErrUnavailable) {
		t.Errorf("error is %v, want one with k1 and k2", err)
	}
	if exists(t, near, "k1") {
		t.Error("k1 survived in the cache that can be reached")
	}
	proxy.Set(nil)
	wantErr(t, d.Delete(ctx, master, far), nil)
	if exists(t, far, "k1") || exists(t, far, "k2") {
		t.Error("an item survived a Delete after the server was back")
	}
}

func TestConstructorsRefuseWrongArguments(t *testing.T) {
	c := cacheOf(t, must(memory.New(nil)))
	_, noCache := dependency.New(nil, nil)
	_, negative := dependency.New(c, &dependency.Options{TTL: -time.Second})
	_, noTagsCache := dependency.NewTags(nil, nil)
	_, negativeTags := dependency.NewTags(c, &dependency.TagOptions{TTL: -1})
	long := &dependency.TagOptions{Prefix: strings.Repeat("p", core.MaxKeyLen-60)}
	_, longPrefix := dependency.NewTags(c, long)
	_, noTaggedCache := dependency.NewTagged(nil, encoding.Text(), nil)
	_, otherCache := dependency.NewTagged(nil, encoding.Text(), must(dependency.NewTags(c, nil)))
	_, noCodec := dependency.NewTagged[string](c, nil, nil)
	const wantCache = "dependency: the cache is nil; core.Open returns one"
	const wantTTL = "; want 0 (the default of the cache) or more"
	for err, want := range map[error]string{
		noCache:      wantCache,
		negative:     "dependency: Options.TTL is -1s" + wantTTL,
		noTagsCache:  wantCache,
		negativeTags: "dependency: TagOptions.TTL is -1ns" + wantTTL,
		longPrefix: "dependency: TagOptions.Prefix is 65476 bytes long; " +
			"want at most 65471",
		noTaggedCache: wantCache,
		otherCache:    wantCache,
		noCodec: "encoding: Envelope: the codec is nil; " +
			"want one like encoding.JSON[T]()",
	} {
		want = "cachewire: invalid configuration: " + want
		if !errors.Is(err, core.ErrConfig) || err.Error() != want {
			t.Errorf("error is %v, want %s", err, want)
		}
	}
}

// If the counter of a master key expired, wires would be lost. So it never expires, whatever
// the default of the cache is.
func TestWiresHaveTheTTLOfTheOptionsAndCountersNone(t *testing.T) {
	for _, tt := range []struct{ opts, want time.Duration }{
		{0, time.Hour}, {time.Minute, time.Minute}, {core.Forever, core.Forever},
	} {
		synctest.Test(t, func(t *testing.T) {
			opts := &core.Options{DefaultTTL: time.Hour}
			c := must(core.New(must(memory.New(nil)), opts))
			defer c.Close()
			d := must(dependency.New(c, &dependency.Options{TTL: tt.opts}))
			wantErr(t, d.Add(t.Context(), "mk:", "k"), nil)
			tags := must(dependency.NewTags(c, &dependency.TagOptions{TTL: tt.opts}))
			_, err := tags.Versions(t.Context(), "a")
			wantErr(t, err, nil)
			for key, want := range map[string]time.Duration{
				"mk:": core.Forever, "mk:1": tt.want, "~cw:tag:a": tt.want,
			} {
				if ttl, err := c.TTL(t.Context(), key); ttl != want || err != nil {
					t.Errorf("TTL %v: %s lives for %v, %v; want %v", tt.opts, key, ttl, err, want)
				}
			}
		})
	}
}

// must returns v, and panics if there is an error.
func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}
