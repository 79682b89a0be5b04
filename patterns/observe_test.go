package patterns_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/core/hooks"
	"github.com/cachewire/cachewire/dependency"
	"github.com/cachewire/cachewire/encoding"
	"github.com/cachewire/cachewire/memory"
	"github.com/cachewire/cachewire/patterns"
)

var _ patterns.Observer = (*hooks.HitRatio)(nil)

// An observed keeps what an Observer is called with.
type observed struct {
	mu       sync.Mutex
	outcomes map[string]int // guarded by mu
	loads    []string       // guarded by mu: keys, time and error
}

func (o *observed) Served(cache, outcome string, keys int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.outcomes == nil {
		o.outcomes = map[string]int{}
	}
	if cache != "users" {
		outcome = cache + " " + outcome
	}
	o.outcomes[outcome] += keys
}

func (o *observed) Loaded(cache string, keys int, took time.Duration, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.loads = append(o.loads, fmt.Sprint(cache, " ", keys, " ", took, " ", err))
}

// want fails if the outcomes since the last call were others, or if there were other loads.
func (o *observed) want(t *testing.T, outcomes map[string]int, loads ...string) {
	t.Helper()
	synctest.Wait() // for loads in the background
	o.mu.Lock()
	defer o.mu.Unlock()
	if !maps.Equal(o.outcomes, outcomes) {
		t.Errorf("outcomes are %v, want %v", o.outcomes, outcomes)
	}
	if fmt.Sprint(o.loads) != fmt.Sprint(loads) {
		t.Errorf("loads are %v, want %v", o.loads, loads)
	}
	o.outcomes, o.loads = nil, nil
}

// slowly returns a loader that takes a second.
func slowly(v string, err error) func(context.Context) (string, error) {
	return func(context.Context) (string, error) {
		time.Sleep(time.Second)
		return v, err
	}
}

func TestAnObserverIsCalledWithWhatIsServed(t *testing.T) {
	for pname, get := range allPatterns {
		t.Run(pname, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := must(core.New(must(memory.New(nil)), &core.Options{Name: "users"}))
				defer c.Close()
				tags := must(dependency.NewTags(c, nil))
				o := &observed{}
				cached := texts(t, c, &patterns.Options{
					Tags: tags, TTL: time.Hour, SoftTTL: time.Minute, FailSafe: time.Hour, SoftTimeout: 2 * time.Second,
					NegativeTTL: time.Hour, LockTTL: 10 * time.Second, Observer: o,
				})
				ctx := t.Context()
				const loaded = "users 1 1s <nil>"

				_, _ = get(cached, ctx, "k", slowly("v", nil), "tag")
				o.want(t, map[string]int{patterns.Loaded: 1}, loaded)
				_, _ = get(cached, ctx, "k", slowly("v", nil), "tag")
				_, _ = cached.Get(ctx, "k")
				o.want(t, map[string]int{patterns.Hit: 2})

				time.Sleep(2 * time.Minute) // due
				_, _ = cached.Get(ctx, "k")
				_, _ = get(cached, ctx, "k", slowly("v", nil), "tag")
				time.Sleep(2 * time.Second)
				o.want(t, map[string]int{patterns.Stale: 2}, loaded)

				time.Sleep(90 * time.Minute) // expired, and the loader fails, or takes too long
				_, _ = get(cached, ctx, "k", slowly("", io.EOF), "tag")
				o.want(t, map[string]int{patterns.Stale: 1}, "users 1 1s EOF")
				_, _ = get(cached, ctx, "k", func(context.Context) (string, error) { time.Sleep(5 * time.Second); return "v", nil }, "tag")
				o.want(t, map[string]int{patterns.Stale: 1})
				time.Sleep(5 * time.Second)
				o.want(t, nil, "users 1 5s <nil>")

				wantErr(t, tags.Invalidate(ctx, "tag"), nil) // in the cache, and of no use
				_, _ = cached.Get(ctx, "k")
				o.want(t, map[string]int{patterns.Miss: 1})
				_, _ = get(cached, ctx, "k", slowly("", io.EOF), "tag")
				o.want(t, map[string]int{patterns.LoadError: 1}, "users 1 1s EOF")

				_, _ = get(cached, ctx, "none", slowly("", patterns.ErrNotFound))
				o.want(t, map[string]int{patterns.Loaded: 1}, loaded)
				_, _ = get(cached, ctx, "none", slowly("", nil))
				_, _ = cached.Get(ctx, "none")
				o.want(t, map[string]int{patterns.Negative: 2})

				var all sync.WaitGroup
				for range 5 {
					all.Go(func() { _, _ = get(cached, ctx, "shared", slowly("v", nil)) })
				}
				all.Wait()
				o.want(t, map[string]int{patterns.Loaded: 1, patterns.Waited: 4}, loaded)
				for range 5 {
					all.Go(func() { _, _ = get(cached, ctx, "fails", slowly("", io.EOF)) })
				}
				all.Wait()
				o.want(t, map[string]int{patterns.LoadError: 5}, "users 1 1s EOF")

				short, cancel := context.WithTimeout(ctx, time.Millisecond)
				defer cancel()
				_, _ = get(cached, short, "late", func(ctx context.Context) (string, error) { <-ctx.Done(); return "", ctx.Err() })
				o.want(t, map[string]int{patterns.TimedOut: 1}, "users 1 1ms context canceled")

				_, err := get(cached, ctx, "", slowly("v", nil)) // the caller's mistake
				wantErr(t, err, core.ErrInvalidKey)
				o.want(t, nil)
			})
		})
	}
}

func TestAnObserverIsCalledWithWhatManyKeysAreServed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := must(core.New(must(memory.New(nil)), &core.Options{Name: "users"}))
		defer c.Close()
		o := &observed{}
		cached := texts(t, c, &patterns.Options{TTL: time.Hour, SoftTTL: time.Minute, NegativeTTL: time.Hour, Observer: o})
		load := func(_ context.Context, args []string) (map[string]string, error) {
			time.Sleep(time.Second)
			found := map[string]string{}
			for _, arg := range args {
				if arg != "none" {
					found[arg] = "v"
				}
			}
			return found, nil
		}
		multi := func(keys ...string) {
			_, _ = patterns.GetOrSetMulti(t.Context(), cached, keys, strings.ToLower, load)
		}
		multi("a", "b", "none", "a")
		o.want(t, map[string]int{patterns.Loaded: 3}, "users 3 1s <nil>")
		multi("a", "b", "none", "c")
		o.want(t, map[string]int{patterns.Hit: 2, patterns.Negative: 1, patterns.Loaded: 1}, "users 1 1s <nil>")
		_, _ = cached.GetMulti(t.Context(), []string{"a", "none", "x", "a", "x"})
		o.want(t, map[string]int{patterns.Hit: 1, patterns.Negative: 1, patterns.Miss: 1})
		time.Sleep(2 * time.Minute)
		multi("a", "d")
		time.Sleep(2 * time.Second)
		o.want(t, map[string]int{patterns.Stale: 1, patterns.Loaded: 1}, "users 1 1s <nil>", "users 1 1s <nil>")
	})
}

// Another process loads: the callers here have waited, or given up waiting.
func TestAnObserverIsCalledWithWaitsForOtherProcesses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := must(core.New(must(memory.New(nil)), &core.Options{Name: "users"}))
		defer c.Close()
		o := &observed{}
		there := texts(t, c, nil)
		here := texts(t, c, &patterns.Options{Observer: o, WaitTimeout: 5 * time.Second})
		for took, outcome := range map[time.Duration]string{2 * time.Second: patterns.Waited, 8 * time.Second: patterns.TimedOut} {
			key := outcome
			go there.GetOrCreate(t.Context(), key, func(context.Context) (string, error) { time.Sleep(took); return "v", nil })
			synctest.Wait()
			_, _ = here.GetOrCreate(t.Context(), key, slowly("v", nil))
			o.want(t, map[string]int{outcome: 1})
			time.Sleep(took)
		}
	})
}

func TestHitRatioOfLookupsAndOfWhatIsServed(t *testing.T) {
	ratio := new(hooks.HitRatio)
	c := must(core.New(must(memory.New(nil)), &core.Options{Name: "users", Hooks: []core.Hook{ratio}}))
	defer c.Close()
	tags := must(dependency.NewTags(must(core.New(must(memory.New(nil)), nil)), nil))
	cached := texts(t, c, &patterns.Options{Tags: tags, Observer: ratio})
	var l loader
	for range 100 { // 100 loads after 100 invalidations
		_, err := cached.GetOrSet(t.Context(), "k", l.load, "tag")
		wantErr(t, err, nil)
		wantErr(t, tags.Invalidate(t.Context(), "tag"), nil)
	}
	l.want(t, 100)
	got := ratio.Snapshot()["users"]
	if got.Lookups.Ratio.Ratio != 0.99 {
		t.Errorf("the ratio of lookups is %v, want 0.99: the item is in the cache", got.Lookups.Ratio.Ratio)
	}
	if s := got.Served; s == nil || s.Ratio != 0 || s.Outcomes[patterns.Loaded] != 100 || s.Loads != 100 || s.LoadErrors != 0 {
		t.Errorf("served are %+v, want a ratio of 0 and 100 loads", s)
	}
}

func TestPanicErrorIsOneLine(t *testing.T) {
	cached := texts(t, cacheOf(t, must(memory.New(nil))), nil)
	_, err := cached.GetOrSet(t.Context(), "k", func(context.Context) (string, error) { panic("boom") })
	var p *patterns.PanicError
	if !errors.As(err, &p) || p.Value != "boom" || !strings.Contains(string(p.Stack), "observe_test.go") {
		t.Fatalf("error is %#v", err)
	}
	const line = "patterns: the loader panicked: boom"
	for _, format := range []string{"%v", "%s"} {
		if text := fmt.Sprintf(format, err); text != line {
			t.Errorf("%s is %q, want %q", format, text, line)
		}
	}
	if text := fmt.Sprintf("%q", err); text != `"`+line+`"` {
		t.Errorf("%%q is %s", text)
	}
	if text := fmt.Sprintf("%40s|%-40s|", err, err); text != fmt.Sprintf("%40s|%-40s|", line, line) {
		t.Errorf("with a width it is %q", text)
	}
	if text := fmt.Sprintf("%+v", err); !strings.HasPrefix(text, line+"\n\n") || !strings.Contains(text, "observe_test.go") {
		t.Errorf("%%+v is %q, want the stack as well", text)
	}
	if text := fmt.Sprintf("%#v", err); text != `&patterns.PanicError{Value:"boom"}` {
		t.Errorf("%%#v is %s", text)
	}
}

func TestMemoizeRefusesWrongArguments(t *testing.T) {
	c := cacheOf(t, must(memory.New(nil)))
	cached := must(patterns.New(must(core.NewTyped(c, encoding.Int[int]())), nil))
	f0 := func(context.Context) (int, error) { return 0, nil }
	f1 := func(context.Context, int) (int, error) { return 0, nil }
	f2 := func(context.Context, int, int) (int, error) { return 0, nil }
	f3 := func(context.Context, int, int, int) (int, error) { return 0, nil }
	many := func(context.Context, []int) (map[int]int, error) { return nil, nil }
	second := func(_ any, err error) error { return err }
	for i, err := range []error{
		second(patterns.Memoize0(nil, "f", f0)), second(patterns.Memoize0(cached, "", f0)), second(patterns.Memoize0(cached, "f", (func(context.Context) (int, error))(nil))),
		second(patterns.Memoize1(nil, "f", f1)), second(patterns.Memoize1(cached, "f", f1, "name")), second(patterns.Memoize2(cached, "", f2)),
		second(patterns.Memoize3(cached, "", f3)), second(patterns.MemoizeMulti(cached, "f", many, "name")), second(patterns.MemoizeMulti(nil, "f", many)),
	} {
		if !errors.Is(err, core.ErrConfig) || !strings.HasPrefix(err.Error(), "cachewire: invalid configuration: patterns: ") {
			t.Errorf("%d: error is %v, want ErrConfig", i, err)
		}
	}
}
