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

// A repo is one whose methods are memoized.
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

func TestMemoize(t *testing.T) {
	c := cacheOf(t, must(memory.New(nil)))
	d := must(dependency.New(c, nil))
	cached := texts(t, c, &patterns.Options{TTL: time.Hour, KeyPrefix: "repo", Dependency: d})
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
	for _, key := range []string{"repo-all", "repo-item:7", "repo-item:8", "repo-list_items:'en':1", "repo-find:'en':True:0.5"} {
		if ok, err := c.Exists(t.Context(), key); !ok || err != nil {
			t.Errorf("%s is not there, %v", key, err)
		}
	}
	_, err := list(t.Context(), "\xff", 1)
	wantErr(t, err, core.ErrInvalidKey)
	wantErr(t, d.Delete(t.Context(), "mk:"), nil)
	if _, err := list(t.Context(), "en", 1); err != nil || len(r.calls) != 6 {
		t.Errorf("%v; after the Delete the methods were called %d times, want 6", err, len(r.calls))
	}
}

func TestMemoizeMulti(t *testing.T) {
	c := cacheOf(t, must(memory.New(nil)))
	cached := texts(t, c, &patterns.Options{KeyPrefix: "repo"})
	var asked []string
	accounts := must(patterns.MemoizeMulti(cached, "account", func(_ context.Context, ids []int) (map[int]string, error) {
		slices.Sort(ids)
		asked = append(asked, fmt.Sprint(ids))
		all := map[int]string{}
		for _, id := range ids {
			if id < 10 {
				all[id] = fmt.Sprint("account ", id)
			}
		}
		return all, nil
	}))
	for _, ids := range [][]int{{1, 2}, {2, 3, 1}, {3, 3}, {}, {1, 99}} {
		got, err := accounts(t.Context(), ids)
		wanted := map[int]string{}
		for _, id := range ids {
			if id < 10 {
				wanted[id] = fmt.Sprint("account ", id)
			}
		}
		if fmt.Sprint(got) != fmt.Sprint(wanted) || err != nil {
			t.Errorf("accounts(%v) = %v, %v", ids, got, err)
		}
	}
	if got := strings.Join(asked, " "); got != "[1 2] [3] [99]" {
		t.Errorf("asked for %s", got)
	}
	if ok, err := c.Exists(t.Context(), "repo-account:3"); !ok || err != nil {
		t.Errorf("the key is another one, %v", err)
	}
	names := must(patterns.MemoizeMulti(cached, "name", func(context.Context, []string) (map[string]string, error) { return nil, nil }))
	_, err := names(t.Context(), []string{"a", "\xff"})
	wantErr(t, err, core.ErrInvalidKey)
}

// A counter counts the calls of a cache's verbs.
type counter struct{ calls []string }

func (c *counter) Before(ctx context.Context, op *core.Op) context.Context {
	c.calls = append(c.calls, op.Verb)
	return ctx
}
func (c *counter) After(context.Context, *core.Op) {}

func TestGetOrSetMultiTakesTwoCalls(t *testing.T) {
	var count counter
	c := cacheOf(t, must(memory.New(nil)), &count)
	cached := texts(t, c, nil)
	load := func(_ context.Context, args []string) (map[string]string, error) {
		all := map[string]string{}
		for _, arg := range args {
			all[arg] = strings.ToUpper(arg)
		}
		return all, nil
	}
	key := func(arg string) string { return "key:" + arg }
	for _, wanted := range []string{"GetMulti SetMulti", "GetMulti"} {
		count.calls = nil
		got, err := patterns.GetOrSetMulti(t.Context(), cached, []string{"a", "b", "c"}, key, load)
		if fmt.Sprint(got) != "map[a:A b:B c:C]" || err != nil {
			t.Errorf("%v, %v", got, err)
		}
		if calls := strings.Join(count.calls, " "); calls != wanted {
			t.Errorf("calls are %s, want %s", calls, wanted)
		}
	}
}

// A value that is not there costs what its comment says.
func TestCallsOfGetOrCreate(t *testing.T) {
	var count counter
	c := cacheOf(t, must(memory.New(nil)), &count)
	cached := must(patterns.New(must(core.NewTyped(c, encoding.Text())), nil))
	_, err := cached.GetOrCreate(t.Context(), "k", (&loader{}).load)
	wantErr(t, err, nil)
	wantErr(t, cached.Close(), nil) // the pass is released
	if calls := strings.Join(count.calls, " "); calls != "Get Store Get Set GetItem Store" {
		t.Errorf("calls are %s", calls)
	}
}

// One dead server costs its own keys only.
func TestABatchStoresWhatCanBeStored(t *testing.T) {
	servers := memcachetest.StartN(t, 2, nil)
	b, err := memcachepure.New([]memcache.Server{{Addr: servers[0].Addr()}, {Addr: servers[1].Addr()}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	var told errs
	c := cacheOf(t, b)
	cached := must(patterns.New(must(core.NewTyped(c, encoding.Int[int]())), &patterns.Options{OnError: told.add}))
	defer cached.Close()
	servers[0].Kill()
	args := make([]int, 100)
	for i := range args {
		args[i] = i
	}
	asked := 0
	for range 2 {
		got, err := patterns.GetOrSetMulti(t.Context(), cached, args, strconv.Itoa, func(_ context.Context, args []int) (map[int]int, error) {
			asked = len(args)
			all := map[int]int{}
			for _, n := range args {
				all[n] = n
			}
			return all, nil
		})
		if len(got) != 100 || err != nil {
			t.Errorf("%d values, %v", len(got), err)
		}
	}
	if asked == 0 || asked == 100 || len(told.list()) != 2 {
		t.Errorf("the second time %d of 100 are asked for; told %v", asked, told.list())
	}
}

// Errors of a batch reach all its callers, and what others load is waited for.
func TestBatchesShareLoads(t *testing.T) {
	c := cacheOf(t, must(memory.New(nil)))
	cached := must(patterns.New(must(core.NewTyped(c, encoding.Int[int]())), nil))
	defer cached.Close()
	key := func(n int) string { return fmt.Sprint(n) }
	began, release := make(chan struct{}), make(chan struct{})
	first := make(chan map[int]int)
	go func() {
		got, err := patterns.GetOrSetMulti(context.Background(), cached, []int{1, 2}, key, func(context.Context, []int) (map[int]int, error) {
			close(began)
			<-release
			return map[int]int{1: 10, 2: 20}, nil
		})
		wantErr(t, err, nil)
		first <- got
	}()
	<-began
	second := make(chan map[int]int)
	go func() {
		got, err := patterns.GetOrSetMulti(context.Background(), cached, []int{2, 3}, key, func(_ context.Context, args []int) (map[int]int, error) {
			if !slices.Equal(args, []int{3}) {
				t.Errorf("asked for %v", args)
			}
			close(release)
			return map[int]int{3: 30}, nil
		})
		wantErr(t, err, nil)
		second <- got
	}()
	if got := <-first; got[1] != 10 || got[2] != 20 {
		t.Errorf("%v", got)
	}
	if got := <-second; got[2] != 20 || got[3] != 30 {
		t.Errorf("%v", got)
	}
	broken := errors.New("broken")
	got, err := patterns.GetOrSetMulti(t.Context(), cached, []int{1, 4}, key, func(context.Context, []int) (map[int]int, error) { return nil, broken })
	if len(got) != 1 || !errors.Is(err, broken) {
		t.Errorf("%v, %v", got, err)
	}
	_, err = patterns.GetOrSetMulti(t.Context(), cached, []int{5}, key, func(context.Context, []int) (map[int]int, error) { panic("no") })
	var p *patterns.PanicError
	if !errors.As(err, &p) {
		t.Errorf("%v", err)
	}
	_, err = patterns.GetOrSetMulti(t.Context(), cached, []int{6}, func(int) string { return "" }, func(context.Context, []int) (map[int]int, error) { return nil, nil })
	wantErr(t, err, core.ErrInvalidKey)
}

// upper loads many texts at once, and counts.
func (l *loader) upper(_ context.Context, args []string) (map[string]string, error) {
	n := l.calls.Add(1)
	all := map[string]string{}
	for _, arg := range args {
		all[arg] = fmt.Sprint(strings.ToUpper(arg), n)
	}
	return all, nil
}

func self(key string) string { return key }

// Values of a batch that are due are served, and loaded anew together; unless somebody
// else has done so meanwhile.
func TestABatchOfWhatIsDue(t *testing.T) {
	for _, elsewhere := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			b := &hookedBackend{Backend: must(memory.New(nil))}
			opts := &patterns.Options{TTL: time.Hour, SoftTTL: time.Minute}
			here, there := texts(t, cacheOf(t, b), opts), texts(t, cacheOf(t, b.Backend), opts)
			var l loader
			next := func(wanted string) {
				t.Helper()
				got, err := patterns.GetOrSetMulti(t.Context(), here, []string{"a", "b"}, self, l.upper)
				if fmt.Sprint(got) != wanted || err != nil {
					t.Errorf("%v, %v; want %s", got, err, wanted)
				}
				synctest.Wait()
			}
			next("map[a:A1 b:B1]")
			time.Sleep(2 * time.Minute)
			if elsewhere {
				var reads atomic.Int64
				b.after = func(context.Context, string) {
					if reads.Add(1) == 2 { // both were read
						wantErr(t, there.SetMulti(t.Context(), map[string]string{"a": "theirs", "b": "theirs"}), nil)
					}
				}
			}
			next("map[a:A1 b:B1]")
			if elsewhere {
				next("map[a:theirs b:theirs]")
				l.want(t, 1)
			} else {
				next("map[a:A2 b:B2]")
				l.want(t, 2)
			}
		})
	}
}

// A batch that looked before another load ended, and comes after it, looks again; and
// what cannot be decoded it stores over.
func TestALateBatchLooksAgain(t *testing.T) {
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
				got, err := patterns.GetOrSetMulti(t.Context(), c, []string{"a"}, self, l.upper)
				if got["a"] != "A1" || err != nil {
					t.Errorf("%v, %v", got, err)
				}
			})
			synctest.Wait()
		}
		all.Wait()
		l.want(t, 1)
	})
	c := cacheOf(t, must(memory.New(nil)))
	numbers := must(patterns.New(must(core.NewTyped(c, encoding.Int[int]())), nil))
	defer numbers.Close()
	wantErr(t, c.Set(t.Context(), "a", []byte("junk"), 0), nil)
	for range 2 {
		got, err := patterns.GetOrSetMulti(t.Context(), numbers, []string{"a"}, self,
			func(context.Context, []string) (map[string]int, error) { return map[string]int{"a": 7}, nil })
		if got["a"] != 7 || err != nil {
			t.Errorf("%v, %v", got, err)
		}
	}
	if v, err := numbers.Get(t.Context(), "a"); v != 7 || err != nil {
		t.Errorf("junk is still there: %v, %v", v, err)
	}
}

// A batch waits once for what is late, and not once for each key.
func TestSoftTimeoutOfABatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := texts(t, cacheOf(t, must(memory.New(nil))), &patterns.Options{TTL: time.Minute, FailSafe: time.Hour, SoftTimeout: time.Second})
		wantErr(t, c.SetMulti(t.Context(), map[string]string{"a": "old", "b": "old", "c": "old"}), nil)
		time.Sleep(2 * time.Minute)
		var l loader
		start := time.Now()
		got, err := patterns.GetOrSetMulti(t.Context(), c, []string{"a", "b", "c"}, self, func(ctx context.Context, args []string) (map[string]string, error) {
			time.Sleep(5 * time.Second)
			return l.upper(ctx, args)
		})
		if fmt.Sprint(got) != "map[a:old b:old c:old]" || err != nil {
			t.Errorf("%v, %v", got, err)
		}
		if waited := time.Since(start); waited != time.Second {
			t.Errorf("waited %v", waited)
		}
		wantErr(t, c.Close(), nil)
		if got, err := c.GetMulti(t.Context(), []string{"a", "b", "c"}); fmt.Sprint(got) != "map[a:A1 b:B1 c:C1]" || err != nil {
			t.Errorf("the load did not go on: %v, %v", got, err)
		}
	})
}
