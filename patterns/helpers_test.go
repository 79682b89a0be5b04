package patterns_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/encoding"
	"github.com/cachewire/cachewire/memcache"
	memcachepure "github.com/cachewire/cachewire/memcache-pure"
	"github.com/cachewire/cachewire/memcache/memcachetest"
	"github.com/cachewire/cachewire/memory"
	"github.com/cachewire/cachewire/patterns"
)

func cacheOf(t testing.TB, b core.Backend, hooks ...core.Hook) *core.Cache {
	t.Helper()
	c, err := core.New(b, &core.Options{Hooks: hooks})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func memcached(t testing.TB, addr string) *core.Cache {
	t.Helper()
	b, err := memcachepure.New([]memcache.Server{{Addr: addr}}, &memcachepure.Options{Options: memcache.Options{Timeout: 30 * time.Second}})
	if err != nil {
		t.Fatal(err)
	}
	return cacheOf(t, b)
}

// caches are one over each kind of backend.
func caches(t testing.TB) map[string]*core.Cache {
	t.Helper()
	return map[string]*core.Cache{
		"memory":    cacheOf(t, must(memory.New(nil))),
		"memcached": memcached(t, memcachetest.Start(t, nil).Addr()),
	}
}

// texts answers a Cached of texts, which is closed at the end.
func texts(t testing.TB, c *core.Cache, opts *patterns.Options) *patterns.Cached[string] {
	t.Helper()
	cached := must(patterns.New(must(core.NewTyped(c, encoding.Text())), opts))
	t.Cleanup(func() { cached.Close() })
	return cached
}

func wantErr(t testing.TB, err, target error) {
	t.Helper()
	if !errors.Is(err, target) {
		t.Errorf("error is %v, want %v", err, target)
	}
}

func want(t testing.TB, got string, err error, wanted string) {
	t.Helper()
	if got != wanted || err != nil {
		t.Errorf("got %q, %v; want %q", got, err, wanted)
	}
}

// A loader answers one text after the other, and counts.
type loader struct {
	calls  atomic.Int64
	answer func(n int64) (string, error)
}

func (l *loader) load(context.Context) (string, error) {
	n := l.calls.Add(1)
	if l.answer == nil {
		return "loaded", nil
	}
	return l.answer(n)
}

func (l *loader) want(t testing.TB, calls int64) {
	t.Helper()
	if n := l.calls.Load(); n != calls {
		t.Errorf("the loader was asked %d times, want %d", n, calls)
	}
}

// errs keeps what Options.OnError is told.
type errs struct{ all atomic.Pointer[[]error] }

func (e *errs) add(_ context.Context, err error) {
	for {
		old := e.all.Load()
		var all []error
		if old != nil {
			all = *old
		}
		all = append(all[:len(all):len(all)], err)
		if e.all.CompareAndSwap(old, &all) {
			return
		}
	}
}

func (e *errs) list() []error {
	if all := e.all.Load(); all != nil {
		return *all
	}
	return nil
}

type pattern func(c *patterns.Cached[string], ctx context.Context, key string, load func(context.Context) (string, error), names ...string) (string, error)

var allPatterns = map[string]pattern{
	"GetOrSet":    (*patterns.Cached[string]).GetOrSet,
	"GetOrAdd":    (*patterns.Cached[string]).GetOrAdd,
	"GetOrCreate": (*patterns.Cached[string]).GetOrCreate,
}

// must returns v, and panics if there is an error.
func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}
