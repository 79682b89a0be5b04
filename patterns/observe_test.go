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

// A recorder is an Observer that keeps its calls.
type recorder struct {
	mu       sync.Mutex
	outcomes map[string]int // guarded by mu
	loads    []string       // guarded by mu: keys, time and error
}

func (o *recorder) Served(cache, outcome string, keys int) {
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

func (o *recorder) Loaded(cache string, keys int, took time.Duration, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.loads = append(o.loads, fmt.Sprint(cache, " ", keys, " ", took, " ", err))
}

// want fails the test if outcomes or loads since the last want are not these.
func (o *recorder) want(t *testing.T, outcomes map[string]int, loads ...string) {
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

// slowLoader returns a loader that returns v and err, and takes a second.
func slowLoader(v string, err error) func(context.Context) (string, error) {
	return func(context.Context) (string, error) {
		time.Sleep(time.Second)
		return v, err
	}
}

func TestAnObserverGetsTheOutcomeOfEachCall(t *testing.T) {
	for pname, get := range allPatterns {
		t.Run(pname, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := must(core.New(must(memory.New(nil)), &core.Options{Name: "users"}))
				defer c.Close()
				tags := must(dependency.NewTags(c, nil))
				o := &recorder{}
				cached := newTexts(t, c, &patterns.Options[string]{
					Tags:        tags,
					TTL:         time.Hour,
					SoftTTL:     time.Minute,
					FailSafe:    time.Hour,
					SoftTimeout: 2 * time.Second,
					NegativeTTL: time.Hour,
					LockTTL:     10 * time.Second,
					Observer:    o,
				})
				ctx := t.Context()
				const loaded = "users 1 1s <nil>"

				_, _ = get(cached, ctx, "k", slowLoader("v", nil), "tag")
				o.want(t, map[string]int{patterns.Loaded: 1}, loaded)
				_, _ = get(cached, ctx, "k", slowLoader("v", nil), "tag")
				_, _ = cached.Get(ctx, "k")
				o.want(t, map[string]int{patterns.Hit: 2})

				time.Sleep(2 * time.Minute) // due
				_, _ = cached.Get(ctx, "k")
				_, _ = get(cached, ctx, "k", slowLoader("v", nil), "tag")
				time.Sleep(2 * time.Second)
				o.want(t, map[string]int{patterns.Stale: 2}, loaded)

				time.Sleep(90 * time.Minute) // expired, and the loader fails, then takes too long
				_, _ = get(cached, ctx, "k", slowLoader("", io.EOF), "tag")
				o.want(t, map[string]int{patterns.Stale: 1}, "users 1 1s EOF")
				_, _ = get(cached, ctx, "k", slowLoader("", io.EOF), "tag") // it pauses
				o.want(t, map[string]int{patterns.Stale: 1})
				time.Sleep(2 * time.Second)
				_, _ = get(cached, ctx, "k", func(context.Context) (string, error) {
					time.Sleep(5 * time.Second)
					return "v", nil
				}, "tag")
				o.want(t, map[string]int{patterns.Stale: 1})
				time.Sleep(5 * time.Second)
				o.want(t, nil, "users 1 5s <nil>")

				wantErr(t, tags.Invalidate(ctx, "tag"), nil) // in the cache, but stale
				_, _ = cached.Get(ctx, "k")
				o.want(t, map[string]int{patterns.Miss: 1})
				_, _ = get(cached, ctx, "k", slowLoader("", io.EOF), "tag")
				o.want(t, map[string]int{patterns.LoadError: 1}, "users 1 1s EOF")

				_, _ = get(cached, ctx, "none", slowLoader("", patterns.ErrNotFound))
				o.want(t, map[string]int{patterns.Loaded: 1}, loaded)
				_, _ = get(cached, ctx, "none", slowLoader("", nil))
				_, _ = cached.Get(ctx, "none")
				o.want(t, map[string]int{patterns.Negative: 2})

				var all sync.WaitGroup
				for range 5 {
					all.Go(func() { _, _ = get(cached, ctx, "shared", slowLoader("v", nil)) })
				}
				all.Wait()
				o.want(t, map[string]int{patterns.Loaded: 1, patterns.Waited: 4}, loaded)
				for range 5 {
					all.Go(func() { _, _ = get(cached, ctx, "fails", slowLoader("", io.EOF)) })
				}
				all.Wait()
				o.want(t, map[string]int{patterns.LoadError: 5}, "users 1 1s EOF")

				short, cancel := context.WithTimeout(ctx, time.Millisecond)
				defer cancel()
				_, _ = get(cached, short, "late", func(ctx context.Context) (string, error) {
					<-ctx.Done()
					return "", ctx.Err()
				})
				o.want(t, map[string]int{patterns.TimedOut: 1}, "users 1 1ms context canceled")

				_, err := get(cached, ctx, "", slowLoader("v", nil)) // an error of the caller
				wantErr(t, err, core.ErrInvalidKey)
				o.want(t, nil)
			})
		})
	}
}

func TestAnObserverGetsTheOutcomesOfManyKeys(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := must(core.New(must(memory.New(nil)), &core.Options{Name: "users"}))
		defer c.Close()
		o := &recorder{}
		cached := newTexts(t, c, &patterns.Options[string]{
			TTL: time.Hour, SoftTTL: time.Minute, NegativeTTL: time.Hour, Observer: o,
		})
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
		getMulti := func(keys ...string) {
			_, _ = patterns.GetOrSetMulti(t.Context(), cached, keys, strings.ToLower, load)
		}
		getMulti("a", "b", "none", "a")
		o.want(t, map[string]int{patterns.Loaded: 3}, "users 3 1s <nil>")
		getMulti("a", "b", "none", "c")
		o.want(t, map[string]int{patterns.Hit: 2, patterns.Negative: 1, patterns.Loaded: 1},
			"users 1 1s <nil>")
		_, _ = cached.GetMulti(t.Context(), []string{"a", "none", "x", "a", "x"})
		o.want(t, map[string]int{patterns.Hit: 1, patterns.Negative: 1, patterns.Miss: 1})
		time.Sleep(2 * time.Minute)
		getMulti("a", "d")
		time.Sleep(2 * time.Second)
		o.want(t, map[string]int{patterns.Stale: 1, patterns.Loaded: 1},
			"users 1 1s <nil>", "users 1 1s <nil>")
	})
}

// If another process loads, the outcome is Waited, or TimedOut after WaitTimeout.
func TestAnObserverGetsWaitsForOtherProcesses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := must(core.New(must(memory.New(nil)), &core.Options{Name: "users"}))
		defer c.Close()
		o := &recorder{}
		remote := newTexts(t, c, nil)
		local := newTexts(t, c, &options{Observer: o, WaitTimeout: 5 * time.Second})
		for took, outcome := range map[time.Duration]string{
			2 * time.Second: patterns.Waited,
			8 * time.Second: patterns.TimedOut,
		} {
			key := outcome
			go remote.GetOrCreate(t.Context(), key, func(context.Context) (string, error) {
				time.Sleep(took)
				return "v", nil
			})
			synctest.Wait()
			_, _ = local.GetOrCreate(t.Context(), key, slowLoader("v", nil))
			o.want(t, map[string]int{outcome: 1})
			time.Sleep(took)
		}
	})
}

func TestHitRatioHasLookUpsAndServedValues(t *testing.T) {
	ratio := new(hooks.HitRatio)
	c := must(core.New(must(memory.New(nil)), &core.Options{
		Name: "users", Hooks: []core.Hook{ratio},
	}))
	defer c.Close()
	tags := must(dependency.NewTags(must(core.New(must(memory.New(nil)), nil)), nil))
	cached := newTexts(t, c, &patterns.Options[string]{Tags: tags, Observer: ratio})
	var l loader
	for range 100 { // the item is in the cache but stale, so each call loads
		_, err := cached.GetOrSet(t.Context(), "k", l.load, "tag")
		wantErr(t, err, nil)
		wantErr(t, tags.Invalidate(t.Context(), "tag"), nil)
	}
	l.want(t, 100)
	got := ratio.Snapshot()["users"]
	if got.Lookups.Ratio.Ratio != 0.99 {
		t.Errorf("the ratio of look-ups is %v, want 0.99", got.Lookups.Ratio.Ratio)
	}
	if s := got.Served; s == nil || s.Ratio != 0 || s.Outcomes[patterns.Loaded] != 100 ||
		s.Loads != 100 || s.LoadErrors != 0 {
		t.Errorf("Served is %+v, want a ratio of 0 and 100 loads", s)
	}
}

func TestPanicErrorIsOneLine(t *testing.T) {
	cached := newTexts(t, memoryCache(t), nil)
	_, err := cached.GetOrSet(t.Context(), "k", func(context.Context) (string, error) {
		panic("boom")
	})
	var p *patterns.PanicError
	if !errors.As(err, &p) || p.Value != "boom" ||
		!strings.Contains(string(p.Stack), "observe_test.go") {
		t.Fatalf("error is %#v, want a PanicError of boom with the stack", err)
	}
	const line = "patterns: the load panicked: boom"
	for _, format := range []string{"%v", "%s"} {
		if text := fmt.Sprintf(format, err); text != line {
			t.Errorf("%s is %q, want %q", format, text, line)
		}
	}
	if text, want := fmt.Sprintf("%q", err), `"`+line+`"`; text != want {
		t.Errorf("%%q is %s, want %s", text, want)
	}
	text, want := fmt.Sprintf("%40s|%-40s|", err, err), fmt.Sprintf("%40s|%-40s|", line, line)
	if text != want {
		t.Errorf("with a width the text is %q, want %q", text, want)
	}
	text = fmt.Sprintf("%+v", err)
	if !strings.HasPrefix(text, line+"\n\n") || !strings.Contains(text, "observe_test.go") {
		t.Errorf("%%+v is %q, want the stack as well", text)
	}
	want = `&patterns.PanicError{Value:"boom"}`
	if text := fmt.Sprintf("%#v", err); text != want {
		t.Errorf("%%#v is %s, want %s", text, want)
	}
}

func TestMemoizeRefusesWrongArguments(t *testing.T) {
	c := memoryCache(t)
	cached := must(patterns.New(must(core.NewTyped(c, encoding.Int[int]())), nil))
	f0 := func(context.Context) (int, error) { return 0, nil }
	f1 := func(context.Context, int) (int, error) { return 0, nil }
	f2 := func(context.Context, int, int) (int, error) { return 0, nil }
	f3 := func(context.Context, int, int, int) (int, error) { return 0, nil }
	many := func(context.Context, []int) (map[int]int, error) { return nil, nil }
	errorOf := func(_ any, err error) error { return err }
	const wanted = "cachewire: invalid configuration: patterns: "
	for i, err := range []error{
		errorOf(patterns.Memoize0(nil, "f", f0)),
		errorOf(patterns.Memoize0(cached, "", f0)),
		errorOf(patterns.Memoize0(cached, "f", (func(context.Context) (int, error))(nil))),
		errorOf(patterns.Memoize1(nil, "f", f1)),
		errorOf(patterns.Memoize1(cached, "f", f1, "name")),
		errorOf(patterns.Memoize2(cached, "", f2)),
		errorOf(patterns.Memoize3(cached, "", f3)),
		errorOf(patterns.MemoizeMulti(cached, "f", many, "name")),
		errorOf(patterns.MemoizeMulti(nil, "f", many)),
	} {
		if !errors.Is(err, core.ErrConfig) || !strings.HasPrefix(err.Error(), wanted) {
			t.Errorf("%d: error is %v, want ErrConfig", i, err)
		}
	}
}

// An Observer can distinguish Cacheds that share a cache.
func TestEachCachedHasFiguresOfItsOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := memoryCache(t)
		o := &recorder{}
		for _, name := range []string{"", "people"} {
			cached := newTexts(t, c, &options{Name: name, Observer: o})
			_, err := cached.GetOrSet(t.Context(), "k"+name, (&loader{}).load)
			wantErr(t, err, nil)
		}
		o.want(t, map[string]int{"memory loaded": 1, "people loaded": 1},
			"memory 1 0s <nil>", "people 1 0s <nil>")
	})
}

// A call whose context is done at once counts as timed out, like one whose context ends later.
func TestACallWithADoneContextIsTimedOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := must(core.New(must(memory.New(nil)), &core.Options{Name: "users"}))
		defer c.Close()
		for _, soft := range []time.Duration{0, time.Minute} {
			o := &recorder{}
			cached := newTexts(t, c, &options{TTL: time.Hour, SoftTTL: soft, Observer: o})
			for _, get := range allPatterns {
				_, err := get(cached, cancelledContext(), "k", (&loader{}).load)
				wantErr(t, err, context.Canceled)
			}
			_, err := cached.Get(cancelledContext(), "k")
			wantErr(t, err, context.Canceled)
			load := func(context.Context, []string) (map[string]string, error) { return nil, nil }
			_, err = cached.GetOrSetMulti(cancelledContext(), []string{"a", "b"}, load)
			if err == nil {
				t.Error("GetOrSetMulti returns nil, want an error")
			}
			if _, err = cached.GetMulti(cancelledContext(), []string{"a", "b"}); err == nil {
				t.Error("GetMulti returns nil, want an error")
			}
			o.want(t, map[string]int{patterns.TimedOut: len(allPatterns) + 5})
		}
	})
}
