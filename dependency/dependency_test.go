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

// A counter counts the calls of a cache's verbs.
type counter struct{ calls atomic.Int64 }

func (c *counter) Before(ctx context.Context, op *core.Op) context.Context {
	c.calls.Add(1)
	return ctx
}
func (c *counter) After(context.Context, *core.Op) {}

// took answers how many calls do takes.
func (c *counter) took(do func()) int64 {
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

// caches are one over each kind of backend.
func caches(t *testing.T) map[string]*core.Cache {
	t.Helper()
	servers := memcachetest.StartN(t, 2, nil)
	b, err := memcachepure.New([]memcache.Server{{Addr: servers[0].Addr()}, {Addr: servers[1].Addr()}},
		&memcachepure.Options{Options: memcache.Options{Timeout: 30 * time.Second}})
	if err != nil {
		t.Fatal(err)
	}
	return map[string]*core.Cache{"memory": cacheOf(t, must(memory.New(nil))), "memcached": cacheOf(t, b)}
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

func there(t testing.TB, c *core.Cache, key string) bool {
	t.Helper()
	ok, err := c.Exists(context.Background(), key)
	wantErr(t, err, nil)
	return ok
}

func TestDeleteDropsWhatIsWired(t *testing.T) {
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
				if there(t, c, key) {
					t.Errorf("%s is still there", key)
				}
			}
			if !there(t, c, "other") {
				t.Error("an item of another master key is gone")
			}
			keys, err = d.Keys(ctx, master)
			if len(keys) != 0 || err != nil {
				t.Errorf("after Delete, Keys = %v, %v", keys, err)
			}
			wantErr(t, d.Delete(ctx, master), nil)
			wantErr(t, d.DeleteMulti(ctx, []string{"mk:none:", "mk:order:101:"}), nil)
			if there(t, c, "other") {
				t.Error("DeleteMulti left an item")
			}
		})
	}
}

// The stored form is wheezy.caching's.
func TestWhatIsStored(t *testing.T) {
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
				if string(item.Value) != string(want.Value) || item.Flags != want.Flags || err != nil {
					t.Errorf("%s holds %q with flags %d, %v; want %q and %d", key, item.Value, item.Flags, err, want.Value, want.Flags)
				}
			}
			keys, err := d.NextKeys(ctx, master, 3)
			if !slices.Equal(keys, []string{master + "3", master + "4", master + "5"}) || err != nil {
				t.Errorf("NextKeys = %v, %v", keys, err)
			}
			if key, err := d.NextKey(ctx, master); key != master+"6" || err != nil {
				t.Errorf("NextKey = %q, %v", key, err)
			}
			if keys, err := d.NextKeys(ctx, master, 0); keys != nil || err != nil {
				t.Errorf("NextKeys of none = %v, %v", keys, err)
			}
		})
	}
}

func TestVerbsTakeFewCalls(t *testing.T) {
	var count counter
	c := cacheOf(t, must(memory.New(nil)), &count)
	d := must(dependency.New(c, nil))
	ctx := t.Context()
	keys := names("key-", 10_000)
	calls := func(what string, want int64, do func() error) {
		t.Helper()
		if n := count.took(func() { wantErr(t, do(), nil) }); n > want {
			t.Errorf("%s takes %d calls, want %d", what, n, want)
		}
	}
	for range 3 {
		calls("Add", 2, func() error { return d.Add(ctx, master, "k") })
		calls("AddMulti", 2, func() error { return d.AddMulti(ctx, master, keys[:99]) })
		calls("Delete", 3, func() error { return d.Delete(ctx, master) })
		if count.took(func() { d.Delete(ctx, "mk:none:") }) > 1 {
			t.Error("Delete of nothing takes more than a call")
		}
		if keys, err := d.Keys(ctx, master); len(keys) != 0 || err != nil {
			t.Errorf("Keys = %v, %v", keys, err)
		}
	}
	for range 3 { // each time the numbers begin anew
		calls("AddMulti of 10,000 keys", 2, func() error { return d.AddMulti(ctx, master, keys) })
		calls("Delete of 10,000 keys", 5, func() error { return d.Delete(ctx, master) })
	}
	// An Add is under way: Delete claims its number, and it takes another.
	wantErr(t, d.AddMulti(ctx, master, keys), nil)
	late, err := d.NextKey(ctx, master)
	wantErr(t, err, nil)
	calls("Delete beside an Add", 6, func() error { return d.Delete(ctx, master) })
	wantErr(t, c.Add(ctx, late, []byte("k"), 0), core.ErrExists)
	_, err = c.IncrFrom(ctx, master, 10_000, 0, 0)
	wantErr(t, err, nil)
	calls("Add beside a Delete", 4, func() error { return d.Add(ctx, master, "k") })
}

func TestDeleteDropsInSeveralCaches(t *testing.T) {
	a, b := cacheOf(t, must(memory.New(nil))), cacheOf(t, must(memory.New(nil)))
	d := must(dependency.New(a, nil))
	set(t, a, "k1", "k2")
	set(t, b, "k1", "k2", "k3")
	wantErr(t, d.AddMulti(t.Context(), master, []string{"k1", "k2"}), nil)
	wantErr(t, d.Delete(t.Context(), master, b), nil)
	for _, key := range []string{"k1", "k2"} {
		if there(t, a, key) || there(t, b, key) {
			t.Errorf("%s is still there", key)
		}
	}
	if !there(t, b, "k3") {
		t.Error("an item that is not wired is gone")
	}
}

func TestAMasterKeyThatCouldMeetAnotherIsRefused(t *testing.T) {
	c := cacheOf(t, must(memory.New(nil)))
	d := must(dependency.New(c, nil))
	ctx := t.Context()
	for _, master := range []string{"", "mk:order:100", "7", strings.Repeat("m", core.MaxKeyLen-10)} {
		_, keysErr := d.Keys(ctx, master)
		_, nextErr := d.NextKey(ctx, master)
		for _, err := range []error{d.Add(ctx, master, "k"), d.Delete(ctx, master), keysErr, nextErr} {
			wantErr(t, err, core.ErrInvalidKey)
			if master != "" && len(master) < 100 && !strings.Contains(err.Error(), master+":") {
				t.Errorf("the error does not say what would be right: %v", err)
			}
		}
	}
	anyMaster := must(dependency.New(c, &dependency.Options{AnyMaster: true}))
	set(t, c, "k")
	wantErr(t, anyMaster.Add(ctx, "mk:7", "k"), nil)
	wantErr(t, anyMaster.Delete(ctx, "mk:7"), nil)
	if there(t, c, "k") {
		t.Error("k is still there")
	}
	for _, key := range []string{"", strings.Repeat("k", core.MaxKeyLen+1)} {
		wantErr(t, d.AddMulti(ctx, master, []string{"good", key}), core.ErrInvalidKey)
	}
	if keys, _ := d.Keys(ctx, master); len(keys) != 0 {
		t.Errorf("%v were wired beside a key that cannot be", keys)
	}
}

// Above null nothing is wired and nothing fails.
func TestNull(t *testing.T) {
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

// The promise: what was wired before a Delete began is deleted by it, and what was
// wired beside one, by it or the next; with many that add and delete at once.
func TestNoItemSurvives(t *testing.T) {
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
								continue // they are for somebody else's Delete
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

// The counter is lost, and the wires are not.
func TestALostCounterOrphansNothing(t *testing.T) {
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
			if there(t, c, key) {
				left++
			}
		}
		if left != 0 {
			t.Errorf("%d of %d items survived", left, n)
		}
	}
}

// A counter that is none is an error, and nothing is read or deleted by it.
func TestACounterThatIsNone(t *testing.T) {
	c := cacheOf(t, must(memory.New(nil)))
	d := must(dependency.New(c, nil))
	wantErr(t, c.Set(t.Context(), master, []byte("text"), 0), nil)
	_, err := d.Keys(t.Context(), master)
	for _, err := range []error{err, d.Delete(t.Context(), master), d.Add(t.Context(), master, "k")} {
		wantErr(t, err, core.ErrNotNumber)
	}
}

// Of two servers one is dead. What could not be deleted is named, and deleted by
// the next Delete once the server is back.
func TestWhatCannotBeDeletedIsNamedAndStaysWired(t *testing.T) {
	server := memcachetest.Start(t, nil)
	proxy := memcachetest.StartProxy(t, server.Addr(), nil)
	b, err := memcachepure.New([]memcache.Server{{Addr: proxy.Addr()}}, &memcachepure.Options{Options: memcache.Options{Timeout: 30 * time.Second}})
	if err != nil {
		t.Fatal(err)
	}
	wires, far := cacheOf(t, must(memory.New(nil))), cacheOf(t, b)
	d := must(dependency.New(wires, nil))
	ctx := t.Context()
	set(t, wires, "k1", "k2")
	set(t, far, "k1") // one at a time, so that one connection is made, and cut
	set(t, far, "k2")
	wantErr(t, d.AddMulti(ctx, master, []string{"k1", "k2"}), nil)
	proxy.Set(&memcachetest.ProxyOptions{Refuse: true})
	proxy.Cut()
	err = d.Delete(ctx, master, far)
	var multi *core.MultiError
	if !errors.As(err, &multi) || len(multi.Errors) != 2 || !errors.Is(multi.Errors["k1"], core.ErrUnavailable) {
		t.Errorf("error is %v, want that of k1 and k2", err)
	}
	if there(t, wires, "k1") {
		t.Error("k1 is still in the cache that is not dead")
	}
	proxy.Set(nil)
	wantErr(t, d.Delete(ctx, master, far), nil)
	if there(t, far, "k1") || there(t, far, "k2") {
		t.Error("after the server's return an item is still there")
	}
}

func TestConstructorsRefuseWrongArguments(t *testing.T) {
	c := cacheOf(t, must(memory.New(nil)))
	_, noCache := dependency.New(nil, nil)
	_, negative := dependency.New(c, &dependency.Options{TTL: -time.Second})
	_, noTagsCache := dependency.NewTags(nil, nil)
	_, negativeTags := dependency.NewTags(c, &dependency.TagOptions{TTL: -1})
	_, noTaggedCache := dependency.NewTagged(nil, encoding.Text(), nil)
	_, otherCache := dependency.NewTagged(nil, encoding.Text(), must(dependency.NewTags(c, nil)))
	_, noCodec := dependency.NewTagged[string](c, nil, nil)
	for err, want := range map[error]string{
		noCache:       "dependency: the cache is nil; core.Open returns one",
		negative:      "dependency: Options.TTL is -1s, want 0 (the default of the cache) or more",
		noTagsCache:   "dependency: the cache is nil; core.Open returns one",
		negativeTags:  "dependency: TagOptions.TTL is -1ns, want 0 (the default of the cache) or more",
		noTaggedCache: "dependency: the cache is nil; core.Open returns one",
		otherCache:    "dependency: the cache is nil; core.Open returns one",
		noCodec:       "Envelope: the codec is nil",
	} {
		if !errors.Is(err, core.ErrConfig) || err.Error() != "cachewire: invalid configuration: "+want {
			t.Errorf("error is %v, want %s", err, want)
		}
	}
}

// The counter of a master key never expires, whatever the default of the cache: wires would be
// lost with it.
func TestTheTTLOfWiresAndCounters(t *testing.T) {
	for _, tt := range []struct{ opts, want time.Duration }{{0, time.Hour}, {time.Minute, time.Minute}, {core.Forever, core.Forever}} {
		synctest.Test(t, func(t *testing.T) {
			c := must(core.New(must(memory.New(nil)), &core.Options{DefaultTTL: time.Hour}))
			defer c.Close()
			wantErr(t, must(dependency.New(c, &dependency.Options{TTL: tt.opts})).Add(t.Context(), "mk:", "k"), nil)
			for key, want := range map[string]time.Duration{"mk:": core.Forever, "mk:1": tt.want} {
				if ttl, err := c.TTL(t.Context(), key); ttl != want || err != nil {
					t.Errorf("TTL %v: %s lives for %v, %v; want %v", tt.opts, key, ttl, err, want)
				}
			}
			_, err := must(dependency.NewTags(c, &dependency.TagOptions{TTL: tt.opts})).Versions(t.Context(), "a")
			wantErr(t, err, nil)
			if ttl, err := c.TTL(t.Context(), "tag:a"); ttl != tt.want || err != nil {
				t.Errorf("TTL %v: a version lives for %v, %v; want %v", tt.opts, ttl, err, tt.want)
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
