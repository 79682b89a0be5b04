package patterns_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cachewire/cachewire/backendtest"
	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/dependency"
	"github.com/cachewire/cachewire/encoding"
	"github.com/cachewire/cachewire/memcache"
	memcachepure "github.com/cachewire/cachewire/memcache-pure"
	"github.com/cachewire/cachewire/memory"
	"github.com/cachewire/cachewire/patterns"
)

// cacheOf returns a cache on b, which is closed at the end of the test.
func cacheOf(t testing.TB, b core.Backend, hooks ...core.Hook) *core.Cache {
	t.Helper()
	c, err := core.New(b, &core.Options{Hooks: hooks})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// memoryCache returns a new cache in memory.
func memoryCache(t testing.TB, hooks ...core.Hook) *core.Cache {
	t.Helper()
	return cacheOf(t, must(memory.New(nil)), hooks...)
}

// memcachedCache returns a cache on the memcached at addr.
func memcachedCache(t testing.TB, addr string) *core.Cache {
	t.Helper()
	b, err := memcachepure.New([]memcache.Server{{Addr: addr}}, &memcachepure.Options{
		Options: memcache.Options{Timeout: 30 * time.Second},
	})
	if err != nil {
		t.Fatal(err)
	}
	return cacheOf(t, b)
}

// caches returns a cache on each kind of backend.
func caches(t testing.TB) map[string]*core.Cache {
	t.Helper()
	return backendtest.AllCaches(t)
}

// newTexts returns a Cached of texts, which is closed at the end of the test.
func newTexts(t testing.TB, c *core.Cache, opts *options) *patterns.Cached[string] {
	t.Helper()
	cached := must(patterns.New(must(core.NewTyped(c, encoding.Text())), opts))
	t.Cleanup(func() { cached.Close() })
	return cached
}

// wantErr fails the test if err is not target.
func wantErr(t testing.TB, err, target error) {
	t.Helper()
	if !errors.Is(err, target) {
		t.Errorf("error is %v, want %v", err, target)
	}
}

// want fails the test if got is not wanted, or err is not nil.
func want(t testing.TB, got string, err error, wanted string) {
	t.Helper()
	if got != wanted || err != nil {
		t.Errorf("got %q, %v; want %q", got, err, wanted)
	}
}

// A loader loads texts and counts its calls.
type loader struct {
	calls  atomic.Int64
	result func(n int64) (string, error) // of the nth call; if nil, "loaded"
}

func (l *loader) load(context.Context) (string, error) {
	n := l.calls.Add(1)
	if l.result == nil {
		return "loaded", nil
	}
	return l.result(n)
}

// want fails the test if the loader was not called this often.
func (l *loader) want(t testing.TB, calls int64) {
	t.Helper()
	if n := l.calls.Load(); n != calls {
		t.Errorf("the loader was called %d times, want %d", n, calls)
	}
}

// An errorLog keeps the errors that Options.OnError is called with.
type errorLog struct{ all atomic.Pointer[[]error] }

func (e *errorLog) add(_ context.Context, err error) {
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

func (e *errorLog) list() []error {
	if all := e.all.Load(); all != nil {
		return *all
	}
	return nil
}

// options are the Options of a Cached of texts.
type options = patterns.Options[string]

// kindsOfNames returns options for each kind of names that c can have.
func kindsOfNames(c *core.Cache) map[string]options {
	kinds := map[string]options{"tags": {Tags: must(dependency.NewTags(c, nil))}}
	if !c.Traits().ByValue {
		kinds["wires"] = options{Dependency: must(dependency.New(c, nil))}
	}
	return kinds
}

// dropName invalidates a name of values that are stored with opts.
func dropName(ctx context.Context, opts options, name string) error {
	if opts.Dependency != nil {
		return opts.Dependency.Delete(ctx, name)
	}
	return opts.Tags.Invalidate(ctx, name)
}

type pattern func(
	c *patterns.Cached[string], ctx context.Context, key string,
	load func(context.Context) (string, error), names ...string,
) (string, error)

var allPatterns = map[string]pattern{
	"GetOrSet":    (*patterns.Cached[string]).GetOrSet,
	"GetOrCreate": (*patterns.Cached[string]).GetOrCreate,
}

// allLoads are the ways to load the text of a key, with that of many keys among them.
var allLoads = map[string]pattern{
	"GetOrSet":      (*patterns.Cached[string]).GetOrSet,
	"GetOrCreate":   (*patterns.Cached[string]).GetOrCreate,
	"OnePassCreate": (*patterns.Cached[string]).OnePassCreate,
	"GetOrSetMulti": getOne,
}

// getOne is a pattern that uses GetOrSetMulti.
func getOne(
	c *patterns.Cached[string], ctx context.Context, key string,
	load func(context.Context) (string, error), names ...string,
) (string, error) {
	loadMulti := func(ctx context.Context, keys []string) (map[string]string, error) {
		v, err := load(ctx)
		if err != nil {
			return nil, err
		}
		return map[string]string{keys[0]: v}, nil
	}
	all, err := patterns.GetOrSetMulti(ctx, c, []string{key}, identity, loadMulti, names...)
	v, ok := all[key]
	if !ok && err == nil {
		err = patterns.ErrNotFound
	}
	return v, err
}

// must returns v, and panics if there is an error.
func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}
