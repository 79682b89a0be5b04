package patterns_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
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
	"github.com/cachewire/cachewire/patterns"
)

// A repo has methods to memoize, and keeps their calls.
type repo struct{ calls []string }

func (r *repo) call(args ...any) (string, error) {
	r.calls = append(r.calls, fmt.Sprint(args...))
	return fmt.Sprintf("%q", args), nil
}

func (r *repo) All(context.Context) (string, error) { return r.call() }

func (r *repo) Item(_ context.Context, id int) (string, error) { return r.call(id) }

func (r *repo) ListItems(_ context.Context, locale string, order int) (string, error) {
	return r.call(locale, order)
}

func (r *repo) Find(_ context.Context, locale string, exact bool, score float64) (string, error) {
	return r.call(locale, exact, score)
}

func TestMemoizedFunctionsCacheTheirResults(t *testing.T) {
	c := memoryCache(t)
	d := must(dependency.New(c, nil))
	cached := newTexts(t, c, &options{TTL: time.Hour, KeyPrefix: "repo", Dependency: d})
	var r repo
	all := must(patterns.Memoize0(cached, "all", r.All, "mk:"))
	item := must(patterns.Memoize1(cached, "item", r.Item, "mk:"))
	list := must(patterns.Memoize2(cached, "list_items", r.ListItems, "mk:"))
	find := must(patterns.Memoize3(cached, "find", r.Find, "mk:"))
	for range 2 {
		for _, call := range []func() (string, error){
			func() (string, error) { return all(t.Context()) },
			func() (string, error) { return item(t.Context(), 7) },
			func() (string, error) { return item(t.Context(), 8) },
			func() (string, error) { return list(t.Context(), "en", 1) },
			func() (string, error) { return find(t.Context(), "en", true, 0.5) },
		} {
			if _, err := call(); err != nil {
				t.Error(err)
			}
		}
	}
	if len(r.calls) != 5 {
		t.Errorf("the methods were called %d times, want 5", len(r.calls))
	}
	for _, key := range []string{
		"repo-all",
		"repo-item:7",
		"repo-item:8",
		"repo-list_items:'en':1",
		"repo-find:'en':True:0.5",
	} {
		if ok, err := c.Exists(t.Context(), key); !ok || err != nil {
			t.Errorf("%s is not in the cache, %v", key, err)
		}
	}
	_, err := list(t.Context(), "\xff", 1)
	wantErr(t, err, core.ErrInvalidKey)
	wantErr(t, d.Delete(t.Context(), "mk:"), nil)
	if _, err := list(t.Context(), "en", 1); err != nil || len(r.calls) != 6 {
		t.Errorf("after the Delete the methods were called %d times, %v; want 6", len(r.calls), err)
	}
}

func TestMemoizeMultiLoadsOnlyMissingResults(t *testing.T) {
	c := memoryCache(t)
	cached := newTexts(t, c, &patterns.Options[string]{KeyPrefix: "repo"})
	var requested []string
	load := func(_ context.Context, ids []int) (map[int]string, error) {
		slices.Sort(ids)
		requested = append(requested, fmt.Sprint(ids))
		all := map[int]string{}
		for _, id := range ids {
			if id < 10 {
				all[id] = fmt.Sprint("account ", id)
			}
		}
		return all, nil
	}
	accounts := must(patterns.MemoizeMulti(cached, "account", load))
	for _, ids := range [][]int{{1, 2}, {2, 3, 1}, {3, 3}, {}, {1, 99}} {
		got, err := accounts(t.Context(), ids)
		wanted := map[int]string{}
		for _, id := range ids {
			if id < 10 {
				wanted[id] = fmt.Sprint("account ", id)
			}
		}
		if fmt.Sprint(got) != fmt.Sprint(wanted) || err != nil {
			t.Errorf("accounts(%v) = %v, %v; want %v", ids, got, err, wanted)
		}
	}
	if got := strings.Join(requested, " "); got != "[1 2] [3] [99]" {
		t.Errorf("loaded %s, want [1 2] [3] [99]", got)
	}
	if ok, err := c.Exists(t.Context(), "repo-account:3"); !ok || err != nil {
		t.Errorf("repo-account:3 is not in the cache, %v", err)
	}
	loadNames := func(context.Context, []string) (map[string]string, error) { return nil, nil }
	names := must(patterns.MemoizeMulti(cached, "name", loadNames))
	_, err := names(t.Context(), []string{"a", "\xff"})
	wantErr(t, err, core.ErrInvalidKey)
}

// A counter is a hook that keeps the calls of a cache.
type counter struct{ calls []string }

func (c *counter) Before(ctx context.Context, op *core.Op) context.Context {
	c.calls = append(c.calls, op.Verb)
	return ctx
}
func (c *counter) After(context.Context, *core.Op) {}

func TestGetOrSetMultiTakesTwoCalls(t *testing.T) {
	var count counter
	c := memoryCache(t, &count)
	cached := newTexts(t, c, nil)
	load := func(_ context.Context, args []string) (map[string]string, error) {
		all := map[string]string{}
		for _, arg := range args {
			all[arg] = strings.ToUpper(arg)
		}
		return all, nil
	}
	key := func(arg string) string { return "key:" + arg }
	for _, wanted := range []string{"GetMulti StoreMulti", "GetMulti"} {
		count.calls = nil
		got, err := patterns.GetOrSetMulti(t.Context(), cached, []string{"a", "b", "c"}, key, load)
		if fmt.Sprint(got) != "map[a:A b:B c:C]" || err != nil {
			t.Errorf("GetOrSetMulti = %v, %v; want map[a:A b:B c:C]", got, err)
		}
		if calls := strings.Join(count.calls, " "); calls != wanted {
			t.Errorf("calls are %s, want %s", calls, wanted)
		}
	}
}

// A value that is absent takes the calls of the cache that the comment of GetOrCreate says.
func TestGetOrCreateTakesSixCalls(t *testing.T) {
	var count counter
	c := memoryCache(t, &count)
	cached := must(patterns.New(must(core.NewTyped(c, encoding.Text())), nil))
	_, err := cached.GetOrCreate(t.Context(), "k", (&loader{}).load)
	wantErr(t, err, nil)
	wantErr(t, cached.Close(), nil) // the pass is released
	const wanted = "Get Store GetItem GetItem Add Store"
	if calls := strings.Join(count.calls, " "); calls != wanted {
		t.Errorf("calls are %s, want %s", calls, wanted)
	}
}

// If one of two servers is dead, only its keys are loaded again.
func TestABatchStoresTheKeysOfLiveServers(t *testing.T) {
	servers := memcachetest.StartN(t, 2, nil)
	b, err := memcachepure.New([]memcache.Server{
		{Addr: servers[0].Addr()},
		{Addr: servers[1].Addr()},
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	var reported errorLog
	c := cacheOf(t, b)
	numbers := must(core.NewTyped(c, encoding.Int[int]()))
	cached := must(patterns.New(numbers, &patterns.Options[int]{OnError: reported.add}))
	defer cached.Close()
	servers[0].Kill()
	args := make([]int, 100)
	for i := range args {
		args[i] = i
	}
	loaded := 0
	load := func(_ context.Context, args []int) (map[int]int, error) {
		loaded = len(args)
		all := map[int]int{}
		for _, n := range args {
			all[n] = n
		}
		return all, nil
	}
	for range 2 {
		got, err := patterns.GetOrSetMulti(t.Context(), cached, args, strconv.Itoa, load)
		if len(got) != 100 || err != nil {
			t.Errorf("GetOrSetMulti returns %d values, %v; want 100", len(got), err)
		}
	}
	if loaded == 0 || loaded == 100 || len(reported.list()) != 2 {
		t.Errorf("the second call loads %d of 100 values, and OnError was called with %v; "+
			"want some of them, and 2 errors", loaded, reported.list())
	}
}

// A batch waits for keys that another caller loads. It returns the errors of its loader.
func TestBatchesShareLoads(t *testing.T) {
	c := memoryCache(t)
	cached := must(patterns.New(must(core.NewTyped(c, encoding.Int[int]())), nil))
	defer cached.Close()
	key := func(n int) string { return fmt.Sprint(n) }
	began, release := make(chan struct{}), make(chan struct{})
	first := make(chan map[int]int)
	go func() {
		load := func(context.Context, []int) (map[int]int, error) {
			close(began)
			<-release
			return map[int]int{1: 10, 2: 20}, nil
		}
		got, err := patterns.GetOrSetMulti(context.Background(), cached, []int{1, 2}, key, load)
		wantErr(t, err, nil)
		first <- got
	}()
	<-began
	second := make(chan map[int]int)
	go func() {
		load := func(_ context.Context, args []int) (map[int]int, error) {
			if !slices.Equal(args, []int{3}) {
				t.Errorf("the second batch loads %v, want [3]", args)
			}
			close(release)
			return map[int]int{3: 30}, nil
		}
		got, err := patterns.GetOrSetMulti(context.Background(), cached, []int{2, 3}, key, load)
		wantErr(t, err, nil)
		second <- got
	}()
	if got := <-first; got[1] != 10 || got[2] != 20 {
		t.Errorf("the first batch returns %v, want map[1:10 2:20]", got)
	}
	if got := <-second; got[2] != 20 || got[3] != 30 {
		t.Errorf("the second batch returns %v, want map[2:20 3:30]", got)
	}
	broken := errors.New("broken")
	fail := func(context.Context, []int) (map[int]int, error) { return nil, broken }
	got, err := patterns.GetOrSetMulti(t.Context(), cached, []int{1, 4}, key, fail)
	if len(got) != 1 || !errors.Is(err, broken) {
		t.Errorf("GetOrSetMulti = %v, %v; want one value and %v", got, err, broken)
	}
	panics := func(context.Context, []int) (map[int]int, error) { panic("no") }
	_, err = patterns.GetOrSetMulti(t.Context(), cached, []int{5}, key, panics)
	var p *patterns.PanicError
	if !errors.As(err, &p) {
		t.Errorf("error is %v, want a PanicError", err)
	}
	noKey := func(int) string { return "" }
	none := func(context.Context, []int) (map[int]int, error) { return nil, nil }
	_, err = patterns.GetOrSetMulti(t.Context(), cached, []int{6}, noKey, none)
	wantErr(t, err, core.ErrInvalidKey)
}

// loadUpper loads many texts at once: each arg in upper case, with the number of the call.
func (l *loader) loadUpper(_ context.Context, args []string) (map[string]string, error) {
	n := l.calls.Add(1)
	all := map[string]string{}
	for _, arg := range args {
		all[arg] = fmt.Sprint(strings.ToUpper(arg), n)
	}
	return all, nil
}

// identity makes the key of a batch from its arg.
func identity(key string) string { return key }

// Values of a batch that are due are served, and loaded again together, unless another
// process has stored new ones meanwhile.
func TestDueValuesOfABatchAreServedAndLoadedTogether(t *testing.T) {
	for _, remotely := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			b := &hookedBackend{Backend: must(memory.New(nil))}
			opts := &patterns.Options[string]{TTL: time.Hour, SoftTTL: time.Minute}
			local := newTexts(t, cacheOf(t, b), opts)
			remote := newTexts(t, cacheOf(t, b.Backend), opts)
			var l loader
			check := func(wanted string) {
				t.Helper()
				keys := []string{"a", "b"}
				got, err := patterns.GetOrSetMulti(t.Context(), local, keys, identity, l.loadUpper)
				if fmt.Sprint(got) != wanted || err != nil {
					t.Errorf("GetOrSetMulti = %v, %v; want %s", got, err, wanted)
				}
				synctest.Wait()
			}
			check("map[a:A1 b:B1]")
			time.Sleep(2 * time.Minute)
			if remotely {
				var reads atomic.Int64
				b.afterGet = func(context.Context, string) {
					if reads.Add(1) == 2 { // after both were read
						theirs := map[string]string{"a": "theirs", "b": "theirs"}
						wantErr(t, remote.SetMulti(t.Context(), theirs), nil)
					}
				}
			}
			check("map[a:A1 b:B1]")
			if remotely {
				check("map[a:theirs b:theirs]")
				l.want(t, 1)
			} else {
				check("map[a:A2 b:B2]")
				l.want(t, 2)
			}
		})
	}
}

// A batch that looked into the cache before another load ended, and starts its load after it,
// looks again. It replaces items that cannot be decoded.
func TestALateBatchLooksAgain(t *testing.T) {
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
				keys := []string{"a"}
				got, err := patterns.GetOrSetMulti(t.Context(), c, keys, identity, l.loadUpper)
				if got["a"] != "A1" || err != nil {
					t.Errorf("GetOrSetMulti = %v, %v; want map[a:A1]", got, err)
				}
			})
			synctest.Wait()
		}
		all.Wait()
		l.want(t, 1)
	})
	c := memoryCache(t)
	numbers := must(patterns.New(must(core.NewTyped(c, encoding.Int[int]())), nil))
	defer numbers.Close()
	wantErr(t, c.Set(t.Context(), "a", []byte("junk"), 0), nil)
	load := func(context.Context, []string) (map[string]int, error) {
		return map[string]int{"a": 7}, nil
	}
	for range 2 {
		got, err := patterns.GetOrSetMulti(t.Context(), numbers, []string{"a"}, identity, load)
		if got["a"] != 7 || err != nil {
			t.Errorf("GetOrSetMulti = %v, %v; want map[a:7]", got, err)
		}
	}
	if v, err := numbers.Get(t.Context(), "a"); v != 7 || err != nil {
		t.Errorf("the cache has %v, %v; want 7 in the place of the junk", v, err)
	}
}

// A batch waits for SoftTimeout once, and not once for each key.
func TestABatchWaitsForOneSoftTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newTexts(t, memoryCache(t), &patterns.Options[string]{
			TTL: time.Minute, FailSafe: time.Hour, SoftTimeout: time.Second,
		})
		old := map[string]string{"a": "old", "b": "old", "c": "old"}
		wantErr(t, c.SetMulti(t.Context(), old), nil)
		time.Sleep(2 * time.Minute)
		var l loader
		keys := []string{"a", "b", "c"}
		load := func(ctx context.Context, args []string) (map[string]string, error) {
			time.Sleep(5 * time.Second)
			return l.loadUpper(ctx, args)
		}
		start := time.Now()
		got, err := patterns.GetOrSetMulti(t.Context(), c, keys, identity, load)
		if fmt.Sprint(got) != "map[a:old b:old c:old]" || err != nil {
			t.Errorf("GetOrSetMulti = %v, %v; want %v", got, err, old)
		}
		if waited := time.Since(start); waited != time.Second {
			t.Errorf("waited %v, want a second", waited)
		}
		wantErr(t, c.Close(), nil)
		got, err = c.GetMulti(t.Context(), keys)
		if fmt.Sprint(got) != "map[a:A1 b:B1 c:C1]" || err != nil {
			t.Errorf("after the load GetMulti = %v, %v; want the new values", got, err)
		}
	})
}
