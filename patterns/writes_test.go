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

// A hookedBackend has something done before each read and each store; an error of it is
// that of the verb.
type hookedBackend struct {
	core.Backend
	get   func(ctx context.Context, key string) error
	after func(ctx context.Context, key string) // after a read, before its answer
	store func(ctx context.Context, mode core.Mode, item core.Item) error
}

func (b *hookedBackend) GetItem(ctx context.Context, key string) (core.Item, error) {
	if b.get != nil {
		if err := b.get(ctx, key); err != nil {
			return core.Item{}, err
		}
	}
	item, err := b.Backend.GetItem(ctx, key)
	if b.after != nil {
		b.after(ctx, key)
	}
	return item, err
}

func (b *hookedBackend) Store(ctx context.Context, mode core.Mode, item core.Item) error {
	if b.store != nil {
		if err := b.store(ctx, mode, item); err != nil {
			return err
		}
	}
	return b.Backend.Store(ctx, mode, item)
}

// old is a loader that takes a minute, whatever its context says.
func old(context.Context) (string, error) {
	time.Sleep(time.Minute)
	return "old", nil
}

// What nobody waits for any more is not stored over what was written since.
func TestAWriteWinsOverALoadThatWasGivenUp(t *testing.T) {
	for name, write := range map[string]func(c *patterns.Cached[string]) error{
		"Set":    func(c *patterns.Cached[string]) error { return c.Set(context.Background(), "k", "new") },
		"Delete": func(c *patterns.Cached[string]) error { return c.DeleteMulti(context.Background(), []string{"k"}) },
		"another load": func(c *patterns.Cached[string]) error {
			_, err := c.GetOrSet(context.Background(), "k", func(context.Context) (string, error) { return "new", nil })
			return err
		},
	} {
		synctest.Test(t, func(t *testing.T) {
			c := texts(t, cacheOf(t, must(memory.New(nil))), nil)
			short, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			_, err := c.GetOrSet(short, "k", old)
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

// A store takes long. All that write meanwhile come after it, and none of them waits
// longer than its context says.
func TestWritesWaitForAStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &hookedBackend{Backend: must(memory.New(nil))}
		b.store = func(_ context.Context, _ core.Mode, item core.Item) error {
			if string(item.Value) == "loaded" {
				time.Sleep(9 * time.Second)
			}
			return nil
		}
		c := texts(t, cacheOf(t, b), nil)
		var l loader
		go c.GetOrSet(t.Context(), "k", l.load)
		time.Sleep(time.Second)
		short, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start := time.Now()
		wantErr(t, c.Delete(short, "k"), context.DeadlineExceeded)
		if waited := time.Since(start); waited != time.Second {
			t.Errorf("waited %v", waited)
		}
		wantErr(t, c.Set(t.Context(), "k", "new"), nil)
		v, err := c.Get(t.Context(), "k")
		want(t, v, err, "new")
	})
}

// OnError may use the Cached.
func TestOnErrorMayWrite(t *testing.T) {
	b := &hookedBackend{Backend: must(memory.New(nil))}
	b.store = func(context.Context, core.Mode, core.Item) error { return core.ErrUnavailable }
	var c *patterns.Cached[string]
	told := 0
	c = texts(t, cacheOf(t, b), &patterns.Options{OnError: func(ctx context.Context, err error) {
		told++
		wantErr(t, c.Delete(ctx, "k"), core.ErrMiss)
	}})
	v, err := c.GetOrSet(t.Context(), "k", (&loader{}).load)
	want(t, v, err, "loaded")
	if told != 1 {
		t.Errorf("OnError was told %d times", told)
	}
}

// An item that is of no use does not keep GetOrAdd from storing.
func TestGetOrAddStoresOverWhatIsOfNoUse(t *testing.T) {
	for name, spoil := range map[string]func(t *testing.T, c *core.Cache, tags *dependency.Tags){
		"stale": func(t *testing.T, _ *core.Cache, tags *dependency.Tags) {
			wantErr(t, tags.Invalidate(t.Context(), "tag"), nil)
		},
		"expired": func(t *testing.T, _ *core.Cache, _ *dependency.Tags) { time.Sleep(2 * time.Minute) },
		"junk": func(t *testing.T, c *core.Cache, _ *dependency.Tags) {
			wantErr(t, c.Store(t.Context(), core.Set, core.Item{Key: "k", Value: []byte("junk"), Flags: core.FlagEnvelope}), nil)
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := cacheOf(t, must(memory.New(nil)))
				tags := must(dependency.NewTags(c, nil))
				cached := texts(t, c, &patterns.Options{TTL: time.Minute, FailSafe: time.Hour, Tags: tags})
				var l loader
				for round := range int64(2) {
					for range 3 {
						v, err := cached.GetOrAdd(t.Context(), "k", l.load, "tag")
						want(t, v, err, "loaded")
					}
					l.want(t, round+1)
					spoil(t, c, tags)
				}
			})
		})
	}
}

// GetOrAdd that finds out that there is nothing leaves what somebody stored meanwhile.
func TestGetOrAddThatFindsNothing(t *testing.T) {
	for _, opts := range []patterns.Options{{NegativeTTL: time.Minute}, {TTL: time.Minute, FailSafe: time.Minute}} {
		c := cacheOf(t, must(memory.New(nil)))
		here, there := texts(t, c, &opts), texts(t, c, &opts)
		_, err := here.GetOrAdd(t.Context(), "k", func(ctx context.Context) (string, error) {
			wantErr(t, there.Set(ctx, "k", "theirs"), nil)
			return "", patterns.ErrNotFound
		})
		wantErr(t, err, patterns.ErrNotFound)
		v, err := here.Get(t.Context(), "k")
		want(t, v, err, "theirs")
	}
}

// What is found to be nothing is not served any more, whatever there was.
func TestNothingTakesTheOldValuesPlace(t *testing.T) {
	nothing := func(context.Context) (string, error) { return "", patterns.ErrNotFound }
	c := texts(t, cacheOf(t, must(memory.New(nil))), nil)
	wantErr(t, c.Set(t.Context(), "k", "old"), nil)
	_, err := c.OnePassCreate(t.Context(), "k", nothing)
	wantErr(t, err, patterns.ErrNotFound)
	_, err = c.Get(t.Context(), "k")
	wantErr(t, err, core.ErrMiss)
	synctest.Test(t, func(t *testing.T) {
		c := texts(t, cacheOf(t, must(memory.New(nil))), &patterns.Options{TTL: time.Minute, FailSafe: time.Hour})
		broken := errors.New("broken")
		for _, multi := range []bool{false, true} {
			wantErr(t, c.Set(t.Context(), "k", "old"), nil)
			time.Sleep(2 * time.Minute)
			var err error
			if multi {
				all, err := patterns.GetOrSetMulti(t.Context(), c, []string{"k"}, func(k string) string { return k },
					func(context.Context, []string) (map[string]string, error) { return nil, nil })
				if len(all) != 0 || err != nil {
					t.Errorf("%v, %v", all, err)
				}
			} else {
				_, err = c.GetOrSet(t.Context(), "k", nothing) // not the old value
				wantErr(t, err, patterns.ErrNotFound)
			}
			_, err = c.GetOrSet(t.Context(), "k", func(context.Context) (string, error) { return "", broken })
			wantErr(t, err, broken)
		}
	})
}

// Where Go values are kept, one of another type is junk, too.
func TestSharedJunk(t *testing.T) {
	c := cacheOf(t, must(memory.New(nil)))
	wantErr(t, must(core.NewTyped(c, core.Shared[string]())).Set(t.Context(), "k", "text", 0), nil)
	cached := must(patterns.New(must(core.NewTyped(c, core.Shared[int]())), &patterns.Options{TTL: time.Hour, SoftTTL: time.Minute}))
	defer cached.Close()
	_, err := cached.Get(t.Context(), "k")
	wantErr(t, err, core.ErrCodec)
	if all, err := cached.GetMulti(t.Context(), []string{"k"}); len(all) != 0 || err == nil {
		t.Errorf("GetMulti = %v, %v", all, err)
	}
	if v, err := cached.GetOrSet(t.Context(), "k", func(context.Context) (int, error) { return 7, nil }); v != 7 || err != nil {
		t.Errorf("GetOrSet = %d, %v", v, err)
	}
	anything := must(patterns.New(must(core.NewTyped(c, core.Shared[error]())), &patterns.Options{NegativeTTL: time.Minute}))
	defer anything.Close()
	wantErr(t, anything.Set(t.Context(), "nil", nil), nil)
	if v, err := anything.Get(t.Context(), "nil"); v != nil || err != nil {
		t.Errorf("a nil error is %v, %v", v, err)
	}
}

// A load in the background is cancelled when LockTTL is over, and Close waits no longer.
func TestALoadInTheBackgroundIsBounded(t *testing.T) {
	for name, opts := range map[string]patterns.Options{
		"a refresh":    {TTL: time.Hour, SoftTTL: time.Minute},
		"soft timeout": {TTL: time.Minute, FailSafe: time.Hour, SoftTimeout: time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := texts(t, cacheOf(t, must(memory.New(nil))), &opts)
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
					t.Errorf("it took %v", took)
				}
			})
		})
	}
}

// A codec that panics is an error to all who wait, and leaves nothing locked.
func TestAPanicBesideTheLoader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := must(patterns.New(must(core.NewTyped(cacheOf(t, must(memory.New(nil))), panicking{})), nil))
		for range 2 {
			_, err := c.GetOrCreate(t.Context(), "k", (&loader{}).load)
			_, multiErr := patterns.GetOrSetMulti(t.Context(), c, []string{"m"}, self, (&loader{}).upper)
			for _, err := range []error{err, multiErr} {
				var p *patterns.PanicError
				if !errors.As(err, &p) || p.Value != "codec" {
					t.Errorf("error is %v", err)
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

type panicking struct{}

func (panicking) Append([]byte, string) ([]byte, uint32, error) { panic("codec") }
func (panicking) Decode([]byte, uint32) (string, error)         { return "", nil }

// A nil context is context.Background().
func TestANilContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var none context.Context
		c := cacheOf(t, must(memory.New(nil)))
		tags := must(dependency.NewTags(c, nil))
		cached := texts(t, c, &patterns.Options{TTL: time.Hour, SoftTTL: time.Minute, Tags: tags})
		for _, get := range allPatterns {
			for range 2 {
				v, err := get(cached, none, "k", (&loader{}).load, "tag")
				want(t, v, err, "loaded")
				time.Sleep(2 * time.Minute)
			}
		}
		wantErr(t, cached.Set(none, "k", "v", "tag"), nil)
		wantErr(t, cached.Delete(none, "k"), nil)
		pass := must(patterns.NewOnePass(c, &patterns.OnePassOptions{Renew: true}))
		lease, err := pass.Acquire(none, "k")
		wantErr(t, err, nil)
		wantErr(t, lease.Renew(none), nil)
		wantErr(t, lease.Release(none), nil)
		wantErr(t, pass.Wait(none, "k"), nil)
	})
}

// A value is not stored without its tags: it would never be stale.
func TestNoValueWithoutItsTags(t *testing.T) {
	versions := &hookedBackend{Backend: must(memory.New(nil))}
	versions.get = func(context.Context, string) error { return core.ErrUnavailable }
	c := cacheOf(t, must(memory.New(nil)))
	var told errs
	cached := texts(t, c, &patterns.Options{Tags: must(dependency.NewTags(cacheOf(t, versions), nil)), OnError: told.add})
	for _, get := range allPatterns {
		v, err := get(cached, t.Context(), "k", (&loader{}).load, "tag")
		want(t, v, err, "loaded")
		if ok, err := c.Exists(t.Context(), "k"); ok || err != nil {
			t.Errorf("it was stored, %v", err)
		}
	}
	if len(told.list()) == 0 {
		t.Error("OnError was told nothing")
	}
	// And what others have tagged is nothing to those who cannot judge it.
	tagged := texts(t, c, &patterns.Options{Tags: must(dependency.NewTags(c, nil))})
	wantErr(t, tagged.Set(t.Context(), "k", "v", "tag"), nil)
	soft := texts(t, c, &patterns.Options{TTL: time.Hour, SoftTTL: time.Minute})
	_, err := soft.Get(t.Context(), "k")
	wantErr(t, err, core.ErrMiss)
	if all, err := soft.GetMulti(t.Context(), []string{"k"}); len(all) != 0 || err != nil {
		t.Errorf("GetMulti = %v, %v", all, err)
	}
}

// Who looked before a load ended, and comes after it, looks again.
func TestALateMissLooksAgain(t *testing.T) {
	for pname, get := range allPatterns {
		synctest.Test(t, func(t *testing.T) {
			b := &hookedBackend{Backend: must(memory.New(nil))}
			var later atomic.Bool
			b.after = func(context.Context, string) {
				if later.CompareAndSwap(false, true) {
					time.Sleep(time.Minute)
				}
			}
			c := texts(t, cacheOf(t, b), nil)
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
				t.Errorf("%s: the loader was asked %d times", pname, n)
			}
		})
	}
}

// Who waits for a refresh that another process makes loads the value, or gets it.
func TestWhoJoinsARefreshThatIsSkipped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &hookedBackend{Backend: must(memory.New(nil))}
		raw := cacheOf(t, b.Backend)
		c := texts(t, cacheOf(t, b), &patterns.Options{TTL: time.Hour, SoftTTL: time.Minute})
		wantErr(t, c.Set(t.Context(), "k", "old"), nil)
		time.Sleep(2 * time.Minute)
		wantErr(t, raw.Set(t.Context(), "one_pass:k", []byte("another's"), 5*time.Second), nil)
		b.store = func(_ context.Context, _ core.Mode, item core.Item) error {
			if item.Key == "one_pass:k" {
				time.Sleep(time.Second)
			}
			return nil
		}
		var l loader
		v, err := c.GetOrCreate(t.Context(), "k", l.load) // and a refresh has begun
		want(t, v, err, "old")
		wantErr(t, raw.Delete(t.Context(), "k"), nil)
		v, err = c.GetOrCreate(t.Context(), "k", l.load)
		want(t, v, err, "loaded")
		l.want(t, 1)
	})
}

// The caller's own cancellation is nobody's failure.
func TestACancelledCallerIsNotReported(t *testing.T) {
	done, cancel := context.WithCancel(t.Context())
	cancel()
	var told errs
	cached := texts(t, cacheOf(t, must(memory.New(nil))), &patterns.Options{OnError: told.add})
	for _, get := range allPatterns {
		var l loader
		_, err := get(cached, done, "k", l.load)
		wantErr(t, err, context.Canceled)
		l.want(t, 0)
	}
	if all := told.list(); len(all) != 0 {
		t.Errorf("OnError was told %v", all)
	}
}

// Only what was stored is wired.
func TestOnlyWhatIsStoredIsWired(t *testing.T) {
	c := cacheOf(t, must(memory.New(nil)))
	d := must(dependency.New(c, nil))
	cached := texts(t, c, &patterns.Options{Dependency: d})
	wantErr(t, cached.Set(t.Context(), "there", "v"), nil)
	if err := cached.AddMulti(t.Context(), map[string]string{"there": "w", "new": "w"}, "mk:"); err == nil {
		t.Error("AddMulti tells nothing")
	}
	wantErr(t, cached.Add(t.Context(), "there", "w", "mk:"), core.ErrExists)
	keys, err := d.Keys(t.Context(), "mk:")
	if len(keys) != 1 || keys[0] != "new" || err != nil {
		t.Errorf("%v is wired, %v", keys, err)
	}
}

// A load that was given up ends, and the one that took its place is still shared.
func TestAnOldLoadDoesNotHideANewOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := texts(t, cacheOf(t, must(memory.New(nil))), nil)
		short, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := c.GetOrSet(short, "k", old) // ends after a minute
		wantErr(t, err, context.DeadlineExceeded)
		l := numbered(2 * time.Minute)
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

// A load in the background for which somebody waits goes on for as long as it takes.
func TestALoadInTheBackgroundThatSomebodyWaitsFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := cacheOf(t, must(memory.New(nil)))
		cached := texts(t, c, &patterns.Options{TTL: time.Hour, SoftTTL: time.Minute})
		wantErr(t, cached.Set(t.Context(), "k", "old"), nil)
		time.Sleep(2 * time.Minute)
		load := func(ctx context.Context) (string, error) {
			select {
			case <-time.After(time.Minute):
				return "new", nil
			case <-ctx.Done():
				return "", ctx.Err()
			}
		}
		v, err := cached.GetOrSet(t.Context(), "k", load)
		want(t, v, err, "old")
		wantErr(t, c.Delete(t.Context(), "k"), nil)
		v, err = cached.GetOrSet(t.Context(), "k", load)
		want(t, v, err, "new")
	})
}
