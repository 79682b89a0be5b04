package patterns_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/dependency"
	"github.com/cachewire/cachewire/memory"
	"github.com/cachewire/cachewire/patterns"
)

// A hookedBackend calls functions before and after reads, and before stores. If one returns
// an error, the verb returns that error.
type hookedBackend struct {
	core.Backend
	beforeGet   func(ctx context.Context, key string) error
	afterGet    func(ctx context.Context, key string) // before the verb returns
	beforeStore func(ctx context.Context, mode core.Mode, item core.Item) error
}

func (b *hookedBackend) GetItem(ctx context.Context, key string) (core.Item, error) {
	if b.beforeGet != nil {
		if err := b.beforeGet(ctx, key); err != nil {
			return core.Item{}, err
		}
	}
	item, err := b.Backend.GetItem(ctx, key)
	if b.afterGet != nil {
		b.afterGet(ctx, key)
	}
	return item, err
}

func (b *hookedBackend) Store(ctx context.Context, mode core.Mode, item core.Item) error {
	if b.beforeStore != nil {
		if err := b.beforeStore(ctx, mode, item); err != nil {
			return err
		}
	}
	return b.Backend.Store(ctx, mode, item)
}

// loadSlowly is a loader that takes a minute, even if its context is done.
func loadSlowly(context.Context) (string, error) {
	time.Sleep(time.Minute)
	return "old", nil
}

// A cancelled load that goes on nevertheless does not replace what was written since.
func TestAWriteWinsOverACancelledLoad(t *testing.T) {
	for name, write := range map[string]func(c *patterns.Cached[string]) error{
		"Set": func(c *patterns.Cached[string]) error {
			return c.Set(context.Background(), "k", "new")
		},
		"Delete": func(c *patterns.Cached[string]) error {
			return c.DeleteMulti(context.Background(), []string{"k"})
		},
		"another load": func(c *patterns.Cached[string]) error {
			load := func(context.Context) (string, error) { return "new", nil }
			_, err := c.GetOrSet(context.Background(), "k", load)
			return err
		},
	} {
		synctest.Test(t, func(t *testing.T) {
			c := newTexts(t, memoryCache(t), nil)
			short, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			_, err := c.GetOrSet(short, "k", loadSlowly)
			wantErr(t, err, context.DeadlineExceeded)
			wantErr(t, write(c), nil)
			time.Sleep(2 * time.Minute)
			v, err := c.Get(t.Context(), "k")
			if name == "Delete" {
				wantErr(t, err, core.ErrMiss)
			} else {
				want(t, v, err, "new")
			}
		})
	}
}

// If the store of a loaded value takes long, writes wait for it, but not longer than their
// contexts allow.
func TestWritesWaitForAStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &hookedBackend{Backend: must(memory.New(nil))}
		b.beforeStore = func(_ context.Context, _ core.Mode, item core.Item) error {
			if string(item.Value) == "loaded" {
				time.Sleep(9 * time.Second)
			}
			return nil
		}
		c := newTexts(t, cacheOf(t, b), nil)
		var l loader
		go c.GetOrSet(t.Context(), "k", l.load)
		time.Sleep(time.Second)
		short, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start := time.Now()
		wantErr(t, c.Delete(short, "k"), context.DeadlineExceeded)
		if waited := time.Since(start); waited != time.Second {
			t.Errorf("waited %v, want a second", waited)
		}
		wantErr(t, c.Set(t.Context(), "k", "new"), nil)
		v, err := c.Get(t.Context(), "k")
		want(t, v, err, "new")
	})
}

// OnError may call the Cached.
func TestOnErrorMayWrite(t *testing.T) {
	b := &hookedBackend{Backend: must(memory.New(nil))}
	b.beforeStore = func(context.Context, core.Mode, core.Item) error { return core.ErrUnavailable }
	var c *patterns.Cached[string]
	reported := 0
	c = newTexts(t, cacheOf(t, b), &patterns.Options[string]{
		OnError: func(ctx context.Context, err error) {
			reported++
			wantErr(t, c.Delete(ctx, "k"), core.ErrMiss)
		},
	})
	v, err := c.GetOrSet(t.Context(), "k", (&loader{}).load)
	want(t, v, err, "loaded")
	if reported != 1 {
		t.Errorf("OnError was called %d times, want once", reported)
	}
}

// An item that cannot be served does not keep a load from storing a value.
func TestALoadReplacesAnUnusableItem(t *testing.T) {
	for name, spoil := range map[string]func(t *testing.T, c *core.Cache, tags *dependency.Tags){
		"stale": func(t *testing.T, _ *core.Cache, tags *dependency.Tags) {
			wantErr(t, tags.Invalidate(t.Context(), "tag"), nil)
		},
		"expired": func(t *testing.T, _ *core.Cache, _ *dependency.Tags) {
			time.Sleep(2 * time.Minute)
		},
		"undecodable": func(t *testing.T, c *core.Cache, _ *dependency.Tags) {
			item := core.Item{Key: "k", Value: []byte("junk"), Flags: core.FlagEnvelope}
			wantErr(t, c.Store(t.Context(), core.Set, item), nil)
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := memoryCache(t)
				tags := must(dependency.NewTags(c, nil))
				cached := newTexts(t, c, &patterns.Options[string]{
					TTL: time.Minute, FailSafe: time.Hour, Tags: tags,
				})
				var l loader
				for round := range int64(2) {
					for range 3 {
						v, err := cached.GetOrSet(t.Context(), "k", l.load, "tag")
						want(t, v, err, "loaded")
					}
					l.want(t, round+1)
					spoil(t, c, tags)
				}
			})
		})
	}
}

// If the loader returns ErrNotFound, a value that another process has stored
// meanwhile stays.
func TestErrNotFoundKeepsAStoredValue(t *testing.T) {
	for _, opts := range []patterns.Options[string]{
		{NegativeTTL: time.Minute},
		{TTL: time.Minute, FailSafe: time.Minute},
	} {
		c := memoryCache(t)
		local, remote := newTexts(t, c, &opts), newTexts(t, c, &opts)
		_, err := local.GetOrSet(t.Context(), "k", func(ctx context.Context) (string, error) {
			wantErr(t, remote.Set(ctx, "k", "theirs"), nil)
			return "", patterns.ErrNotFound
		})
		wantErr(t, err, patterns.ErrNotFound)
		v, err := local.Get(t.Context(), "k")
		want(t, v, err, "theirs")
	}
}

// Once a loader has returned ErrNotFound, the old value is not served any more.
func TestErrNotFoundReplacesTheOldValue(t *testing.T) {
	loadNothing := func(context.Context) (string, error) { return "", patterns.ErrNotFound }
	c := newTexts(t, memoryCache(t), nil)
	wantErr(t, c.Set(t.Context(), "k", "old"), nil)
	_, err := c.OnePassCreate(t.Context(), "k", loadNothing)
	wantErr(t, err, patterns.ErrNotFound)
	_, err = c.Get(t.Context(), "k")
	wantErr(t, err, core.ErrMiss)
	synctest.Test(t, func(t *testing.T) {
		c := newTexts(t, memoryCache(t), &patterns.Options[string]{
			TTL: time.Minute, FailSafe: time.Hour,
		})
		broken := errors.New("broken")
		loadNone := func(context.Context, []string) (map[string]string, error) { return nil, nil }
		for _, multi := range []bool{false, true} {
			wantErr(t, c.Set(t.Context(), "k", "old"), nil)
			time.Sleep(2 * time.Minute)
			var err error
			if multi {
				keys := []string{"k"}
				all, err := patterns.GetOrSetMulti(t.Context(), c, keys, identity, loadNone)
				if len(all) != 0 || err != nil {
					t.Errorf("GetOrSetMulti = %v, %v; want no values", all, err)
				}
			} else {
				_, err = c.GetOrSet(t.Context(), "k", loadNothing) // not the old value
				wantErr(t, err, patterns.ErrNotFound)
			}
			_, err = c.GetOrSet(t.Context(), "k", func(context.Context) (string, error) {
				return "", broken
			})
			wantErr(t, err, broken)
		}
	})
}

// With core.Shared, a value of another type cannot be decoded.
func TestASharedValueOfAnotherTypeIsErrCodec(t *testing.T) {
	c := memoryCache(t)
	texts := must(core.NewTyped(c, core.Shared[string]()))
	wantErr(t, texts.Set(t.Context(), "k", "text", 0), nil)
	numbers := must(core.NewTyped(c, core.Shared[int]()))
	cached := must(patterns.New(numbers,
		&patterns.Options[int]{TTL: time.Hour, SoftTTL: time.Minute}))
	defer cached.Close()
	_, err := cached.Get(t.Context(), "k")
	wantErr(t, err, core.ErrCodec)
	if all, err := cached.GetMulti(t.Context(), []string{"k"}); len(all) != 0 || err == nil {
		t.Errorf("GetMulti = %v, %v; want no values and an error", all, err)
	}
	load := func(context.Context) (int, error) { return 7, nil }
	if v, err := cached.GetOrSet(t.Context(), "k", load); v != 7 || err != nil {
		t.Errorf("GetOrSet = %d, %v; want 7", v, err)
	}
	typed := must(core.NewTyped(c, core.Shared[error]()))
	errorValues := must(patterns.New(typed, &patterns.Options[error]{NegativeTTL: time.Minute}))
	defer errorValues.Close()
	wantErr(t, errorValues.Set(t.Context(), "nil", nil), nil)
	if v, err := errorValues.Get(t.Context(), "nil"); v != nil || err != nil {
		t.Errorf("Get = %v, %v; want nil", v, err)
	}
}

// A load in the background is cancelled after LockTTL, and Close waits no longer than that.
func TestALoadInTheBackgroundIsCancelledAfterLockTTL(t *testing.T) {
	for name, opts := range map[string]patterns.Options[string]{
		"a refresh":    {TTL: time.Hour, SoftTTL: time.Minute},
		"soft timeout": {TTL: time.Minute, FailSafe: time.Hour, SoftTimeout: time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newTexts(t, memoryCache(t), &opts)
				wantErr(t, c.Set(t.Context(), "k", "old"), nil)
				time.Sleep(2 * time.Minute)
				start := time.Now()
				var took time.Duration
				v, err := c.GetOrSet(t.Context(), "k", func(ctx context.Context) (string, error) {
					<-ctx.Done()
					took = time.Since(start)
					return "", ctx.Err()
				})
				want(t, v, err, "old")
				wantErr(t, c.Close(), nil)
				if took < 10*time.Second || took > 12*time.Second {
					t.Errorf("the load was cancelled after %v, want 10 to 12 seconds", took)
				}
			})
		})
	}
}

// If a codec panics, all waiters get the error, and nothing stays locked.
func TestAPanicOfACodecReachesAllCallers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := must(patterns.New(must(core.NewTyped(memoryCache(t), panickingCodec{})), nil))
		load, loadMulti := (&loader{}).load, (&loader{}).loadUpper
		for range 2 {
			_, err := c.GetOrCreate(t.Context(), "k", load)
			keys := []string{"m"}
			_, multiErr := patterns.GetOrSetMulti(t.Context(), c, keys, identity, loadMulti)
			for _, err := range []error{err, multiErr} {
				var p *patterns.PanicError
				if !errors.As(err, &p) || p.Value != "codec" {
					t.Errorf("error is %v, want a PanicError of codec", err)
				}
			}
		}
		short, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		wantErr(t, c.Delete(short, "k"), core.ErrMiss)
		wantErr(t, c.Delete(short, "m"), core.ErrMiss)
		wantErr(t, c.Close(), nil)
	})
}

// A panickingCodec panics when it encodes a value.
type panickingCodec struct{}

func (panickingCodec) Append([]byte, string) ([]byte, uint32, error) { panic("codec") }
func (panickingCodec) Decode([]byte, uint32) (string, error)         { return "", nil }

// A nil context is context.Background().
func TestANilContextIsTheBackgroundContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var nilContext context.Context
		c := memoryCache(t)
		tags := must(dependency.NewTags(c, nil))
		cached := newTexts(t, c, &patterns.Options[string]{
			TTL: time.Hour, SoftTTL: time.Minute, Tags: tags,
		})
		for _, get := range allPatterns {
			for range 2 {
				v, err := get(cached, nilContext, "k", (&loader{}).load, "tag")
				want(t, v, err, "loaded")
				time.Sleep(2 * time.Minute)
			}
		}
		wantErr(t, cached.Set(nilContext, "k", "v", "tag"), nil)
		wantErr(t, cached.Delete(nilContext, "k"), nil)
		pass := must(patterns.NewOnePass(c, &patterns.OnePassOptions{Renew: true}))
		lease, err := pass.Acquire(nilContext, "k")
		wantErr(t, err, nil)
		wantErr(t, lease.Renew(nilContext), nil)
		wantErr(t, lease.Release(nilContext), nil)
		wantErr(t, pass.Wait(nilContext, "k"), nil)
	})
}

// A value is not stored without its tags, because it would never become stale.
func TestAValueIsNotStoredWithoutItsTags(t *testing.T) {
	versions := &hookedBackend{Backend: must(memory.New(nil))}
	versions.beforeGet = func(context.Context, string) error { return core.ErrUnavailable }
	c := memoryCache(t)
	var reported errorLog
	cached := newTexts(t, c, &patterns.Options[string]{
		Tags:    must(dependency.NewTags(cacheOf(t, versions), nil)),
		OnError: reported.add,
	})
	for _, get := range allPatterns {
		v, err := get(cached, t.Context(), "k", (&loader{}).load, "tag")
		want(t, v, err, "loaded")
		if ok, err := c.Exists(t.Context(), "k"); ok || err != nil {
			t.Errorf("the value was stored, %v", err)
		}
	}
	if len(reported.list()) == 0 {
		t.Error("OnError was not called")
	}
	// A Cached without Tags does not serve values with tags, which it cannot check.
	tagged := newTexts(t, c, &patterns.Options[string]{Tags: must(dependency.NewTags(c, nil))})
	wantErr(t, tagged.Set(t.Context(), "k", "v", "tag"), nil)
	soft := newTexts(t, c, &patterns.Options[string]{TTL: time.Hour, SoftTTL: time.Minute})
	_, err := soft.Get(t.Context(), "k")
	wantErr(t, err, core.ErrMiss)
	if all, err := soft.GetMulti(t.Context(), []string{"k"}); len(all) != 0 || err != nil {
		t.Errorf("GetMulti = %v, %v; want no values", all, err)
	}
}

// A caller that looked into the cache before a load ended, and starts its load after it,
// looks again.
func TestALateMissLooksAgain(t *testing.T) {
	for pname, get := range allPatterns {
		synctest.Test(t, func(t *testing.T) {
			b := &hookedBackend{Backend: must(memory.New(nil))}
			var delayed atomic.Bool
			b.afterGet = func(context.Context, string) {
				if delayed.CompareAndSwap(false, true) {
					time.Sleep(time.Minute)
				}
			}
			c := newTexts(t, cacheOf(t, b), nil)
			var l loader
			var all sync.WaitGroup
			for range 2 {
				all.Go(func() {
					v, err := get(c, t.Context(), "k", l.load)
					want(t, v, err, "loaded")
				})
				synctest.Wait()
			}
			all.Wait()
			if n := l.calls.Load(); n != 1 {
				t.Errorf("%s: the loader was called %d times, want once", pname, n)
			}
		})
	}
}

// A caller that waits for a refresh, which is skipped because another process loads, loads
// the value itself or gets that of the other process.
func TestACallerThatJoinsASkippedRefreshLoads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &hookedBackend{Backend: must(memory.New(nil))}
		raw := cacheOf(t, b.Backend)
		c := newTexts(t, cacheOf(t, b), &options{TTL: time.Hour, SoftTTL: time.Minute})
		wantErr(t, c.Set(t.Context(), "k", "old"), nil)
		time.Sleep(2 * time.Minute)
		pass := []byte("another's")
		wantErr(t, raw.Set(t.Context(), "~cw:lock:k", pass, 5*time.Second), nil)
		b.beforeStore = func(_ context.Context, _ core.Mode, item core.Item) error {
			if item.Key == "~cw:lock:k" {
				time.Sleep(time.Second)
			}
			return nil
		}
		var l loader
		v, err := c.GetOrCreate(t.Context(), "k", l.load) // this starts a refresh
		want(t, v, err, "old")
		wantErr(t, raw.Delete(t.Context(), "k"), nil)
		v, err = c.GetOrCreate(t.Context(), "k", l.load)
		want(t, v, err, "loaded")
		l.want(t, 1)
	})
}

// OnError is not called with the error of the caller's own context.
func TestACancelledCallerIsNotReported(t *testing.T) {
	done, cancel := context.WithCancel(t.Context())
	cancel()
	var reported errorLog
	cached := newTexts(t, memoryCache(t), &patterns.Options[string]{OnError: reported.add})
	for _, get := range allPatterns {
		var l loader
		_, err := get(cached, done, "k", l.load)
		wantErr(t, err, context.Canceled)
		l.want(t, 0)
	}
	if all := reported.list(); len(all) != 0 {
		t.Errorf("OnError was called with %v", all)
	}
}

// Only keys that were stored are wired.
func TestOnlyStoredKeysAreWired(t *testing.T) {
	c := memoryCache(t)
	d := must(dependency.New(c, nil))
	cached := newTexts(t, c, &patterns.Options[string]{Dependency: d})
	wantErr(t, cached.Set(t.Context(), "old", "v"), nil)
	values := map[string]string{"old": "w", "new": "w"}
	if err := cached.AddMulti(t.Context(), values, "mk:"); err == nil {
		t.Error("AddMulti returns nil, want an error for old")
	}
	wantErr(t, cached.Add(t.Context(), "old", "w", "mk:"), core.ErrExists)
	keys, err := d.Keys(t.Context(), "mk:")
	if len(keys) != 1 || keys[0] != "new" || err != nil {
		t.Errorf("%v are wired, %v; want [new]", keys, err)
	}
}

// When a cancelled load ends, callers still share the load that has replaced it.
func TestACancelledLoadDoesNotHideANewOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newTexts(t, memoryCache(t), nil)
		short, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := c.GetOrSet(short, "k", loadSlowly) // ends after a minute
		wantErr(t, err, context.DeadlineExceeded)
		l := numberedLoader(2 * time.Minute)
		var all sync.WaitGroup
		for range 2 {
			all.Go(func() {
				v, err := c.GetOrSet(t.Context(), "k", l.load)
				want(t, v, err, "1")
			})
			time.Sleep(90 * time.Second)
		}
		all.Wait()
		l.want(t, 1)
	})
}
