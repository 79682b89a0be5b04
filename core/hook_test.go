package core_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cachewire/cachewire/core"
)

// A recorder is a BeforeHook that keeps every Op.
type recorder struct {
	// before and after are called by Before and After. If before is nil, Before returns
	// nil. If after is nil, it is not called.
	before func(ctx context.Context, op *core.Op) context.Context
	after  func(ctx context.Context, op *core.Op)

	mu        sync.Mutex
	beforeOps []core.Op // guarded by mu
	afterOps  []core.Op // guarded by mu
}

func (r *recorder) Before(ctx context.Context, op *core.Op) context.Context {
	r.mu.Lock()
	r.beforeOps = append(r.beforeOps, *op)
	r.mu.Unlock()
	if r.before == nil {
		return nil
	}
	return r.before(ctx, op)
}

func (r *recorder) After(ctx context.Context, op *core.Op) {
	r.mu.Lock()
	r.afterOps = append(r.afterOps, *op)
	r.mu.Unlock()
	if r.after != nil {
		r.after(ctx, op)
	}
}

func TestBeforeIsCalledInOrderAndAfterInReverse(t *testing.T) {
	var log []string
	hook := func(name string) *recorder {
		return &recorder{
			before: func(context.Context, *core.Op) context.Context {
				log = append(log, "before "+name)
				return nil
			},
			after: func(context.Context, *core.Op) { log = append(log, "after "+name) },
		}
	}
	b := newBackend()
	b.before = func(_ context.Context, verb, _ string) error { log = append(log, verb); return nil }
	c := open(t, b, &core.Options{Hooks: []core.Hook{hook("a"), hook("b"), hook("c")}})
	put(t, c, "k", "v")
	want := []string{"before a", "before b", "before c", "Set", "after c", "after b", "after a"}
	if !slices.Equal(log, want) {
		t.Errorf("the calls were %q, want %q", log, want)
	}
}

type ctxKey string

func TestVerbRunsUnderTheContextsOfItsHooks(t *testing.T) {
	addsValue := func(name string) *recorder {
		return &recorder{before: func(ctx context.Context, _ *core.Op) context.Context {
			return context.WithValue(ctx, ctxKey(name), name)
		}}
	}
	first, second, third := addsValue("first"), &recorder{}, addsValue("third")
	values := func(ctx context.Context) string {
		return fmt.Sprint(
			ctx.Value(ctxKey("caller")), ctx.Value(ctxKey("first")), ctx.Value(ctxKey("third")))
	}
	var inSecond, inBackend, inAfter string
	second.before = func(ctx context.Context, _ *core.Op) context.Context {
		inSecond = values(ctx)
		return nil // leaves the context as it is
	}
	first.after = func(ctx context.Context, _ *core.Op) { inAfter = values(ctx) }
	f := newFullBackend()
	f.before = func(ctx context.Context, verb, _ string) error {
		if verb != "Close" {
			inBackend = values(ctx)
		}
		return nil
	}
	c := open(t, f, &core.Options{Hooks: []core.Hook{first, second, third}})
	eachVerb(t, nil, func(t *testing.T, v verb) {
		inSecond, inBackend, inAfter = "", "", ""
		_ = v.call(context.WithValue(t.Context(), ctxKey("caller"), "caller"), c, "k", 0)
		if want := "callerfirst<nil>"; inSecond != want {
			t.Errorf("the second hook got the values %q, want %q", inSecond, want)
		}
		if want := "callerfirstthird"; inBackend != want || inAfter != want {
			t.Errorf("the backend got the values %q and After %q, want %q",
				inBackend, inAfter, want)
		}
	})
}

func TestVerbReturnsTheErrorOfAContextThatAHookReturned(t *testing.T) {
	done, cancel := context.WithCancel(context.Background())
	cancel()
	b := newBackend()
	hook := &recorder{before: func(context.Context, *core.Op) context.Context { return done }}
	c := open(t, b, &core.Options{Hooks: []core.Hook{hook}})
	_, err := c.Get(t.Context(), "k")
	wantErr(t, err, context.Canceled)
	wantNoCalls(t, b)
}

// Every call of the backend takes 2 seconds. The keys n (a counter), word and old are present.
func TestHooksGetAnOpForEveryVerb(t *testing.T) {
	const call = 2 * time.Second
	mixed := []string{"word", "absent", "word", "n"}
	failing := []string{"word", "broken", "", "absent", "absent2"}
	deleted := []string{"old", "absent"}
	word := map[string][]byte{"word": []byte("v")}
	items := []core.Item{{Key: "word"}, {Key: "old"}}
	withToken := core.Item{Key: "word", Token: new(int)}
	for _, test := range []struct {
		want core.Op // its Cache and Start are not compared
		do   func(ctx context.Context, c *core.Cache)
	}{
		{
			core.Op{Verb: "Get", Key: "word", Hits: 1, Duration: call},
			func(ctx context.Context, c *core.Cache) { _, _ = c.Get(ctx, "word") },
		},
		{
			core.Op{Verb: "Get", Key: "absent", Misses: 1, Err: core.ErrMiss, Duration: call},
			func(ctx context.Context, c *core.Cache) { _, _ = c.Get(ctx, "absent") },
		},
		{
			core.Op{Verb: "Get", Key: "broken", Err: io.EOF, Duration: call},
			func(ctx context.Context, c *core.Cache) { _, _ = c.Get(ctx, "broken") },
		},
		{
			core.Op{Verb: "GetItem", Key: "word", Hits: 1, Duration: call},
			func(ctx context.Context, c *core.Cache) { _, _ = c.GetItem(ctx, "word") },
		},
		{
			core.Op{Verb: "GetMulti", Keys: mixed, Hits: 2, Misses: 1, Duration: call},
			func(ctx context.Context, c *core.Cache) { _, _ = c.GetMulti(ctx, mixed) },
		},
		{
			core.Op{
				Verb: "GetMulti", Keys: failing, Hits: 1, Misses: 2, Err: errMulti, Duration: call,
			},
			func(ctx context.Context, c *core.Cache) { _, _ = c.GetMulti(ctx, failing) },
		},
		{
			core.Op{Verb: "Exists", Key: "word", Hits: 1, Duration: call},
			func(ctx context.Context, c *core.Cache) { _, _ = c.Exists(ctx, "word") },
		},
		{
			core.Op{Verb: "Exists", Key: "absent", Misses: 1, Duration: call},
			func(ctx context.Context, c *core.Cache) { _, _ = c.Exists(ctx, "absent") },
		},
		{
			core.Op{Verb: "TTL", Key: "word", Hits: 1, Duration: call},
			func(ctx context.Context, c *core.Cache) { _, _ = c.TTL(ctx, "word") },
		},
		{
			core.Op{Verb: "Count", Key: "n", Hits: 1, Duration: call},
			func(ctx context.Context, c *core.Cache) { _, _ = c.Count(ctx, "n") },
		},
		{
			core.Op{Verb: "Count", Key: "word", Err: core.ErrNotNumber, Duration: call},
			func(ctx context.Context, c *core.Cache) { _, _ = c.Count(ctx, "word") },
		},
		{
			core.Op{Verb: "Set", Key: "word", Duration: call},
			func(ctx context.Context, c *core.Cache) { _ = c.Set(ctx, "word", nil, 0) },
		},
		{
			core.Op{Verb: "Set", Key: "word", Err: core.ErrInvalidTTL},
			func(ctx context.Context, c *core.Cache) { _ = c.Set(ctx, "word", nil, -1) },
		},
		{
			core.Op{Verb: "SetMulti", Keys: []string{"word"}, Duration: call},
			func(ctx context.Context, c *core.Cache) { _ = c.SetMulti(ctx, word, 0) },
		},
		{
			core.Op{Verb: "Add", Key: "word", Err: core.ErrExists, Duration: call},
			func(ctx context.Context, c *core.Cache) { _ = c.Add(ctx, "word", nil, 0) },
		},
		{
			core.Op{Verb: "AddMulti", Keys: []string{"word"}, Err: errMulti, Duration: call},
			func(ctx context.Context, c *core.Cache) { _ = c.AddMulti(ctx, word, 0) },
		},
		{
			core.Op{Verb: "Replace", Key: "absent", Err: core.ErrMiss, Duration: call},
			func(ctx context.Context, c *core.Cache) { _ = c.Replace(ctx, "absent", nil, 0) },
		},
		{
			core.Op{Verb: "ReplaceMulti", Keys: []string{"word"}, Duration: call},
			func(ctx context.Context, c *core.Cache) { _ = c.ReplaceMulti(ctx, word, 0) },
		},
		{
			core.Op{Verb: "CompareAndSwap", Key: "word", Err: core.ErrConflict},
			func(ctx context.Context, c *core.Cache) { _ = c.CompareAndSwap(ctx, items[0]) },
		},
		{
			core.Op{Verb: "CompareAndDelete", Key: "word", Err: core.ErrConflict, Duration: call},
			func(ctx context.Context, c *core.Cache) { _ = c.CompareAndDelete(ctx, withToken) },
		},
		{
			core.Op{Verb: "Store", Key: "word", Duration: call},
			func(ctx context.Context, c *core.Cache) { _ = c.Store(ctx, core.Set, items[0]) },
		},
		{
			core.Op{Verb: "StoreMulti", Keys: []string{"word", "old"}, Duration: call},
			func(ctx context.Context, c *core.Cache) { _ = c.StoreMulti(ctx, core.Set, items) },
		},
		{
			core.Op{Verb: "Delete", Key: "old", Duration: call},
			func(ctx context.Context, c *core.Cache) { _ = c.Delete(ctx, "old") },
		},
		{
			core.Op{Verb: "DeleteMulti", Keys: deleted, Duration: call},
			func(ctx context.Context, c *core.Cache) { _ = c.DeleteMulti(ctx, deleted) },
		},
		{
			core.Op{Verb: "Touch", Key: "word", Duration: call},
			func(ctx context.Context, c *core.Cache) { _ = c.Touch(ctx, "word", 0) },
		},
		{
			core.Op{Verb: "Incr", Key: "n", Duration: call},
			func(ctx context.Context, c *core.Cache) { _, _ = c.Incr(ctx, "n", 1) },
		},
		{
			core.Op{Verb: "Decr", Key: "absent", Err: core.ErrMiss, Duration: call},
			func(ctx context.Context, c *core.Cache) { _, _ = c.Decr(ctx, "absent", 1) },
		},
		{
			core.Op{Verb: "IncrFrom", Key: "n", Duration: call},
			func(ctx context.Context, c *core.Cache) { _, _ = c.IncrFrom(ctx, "n", 1, 0, 0) },
		},
		{
			core.Op{Verb: "DecrFrom", Key: "absent", Duration: 2 * call}, // Decr, then Add
			func(ctx context.Context, c *core.Cache) { _, _ = c.DecrFrom(ctx, "absent", 1, 0, 0) },
		},
		{
			core.Op{Verb: "Flush", Duration: call},
			func(ctx context.Context, c *core.Cache) { _ = c.Flush(ctx) },
		},
		{
			core.Op{Verb: "Ping", Duration: call},
			func(ctx context.Context, c *core.Cache) { _ = c.Ping(ctx) },
		},
		{
			core.Op{Verb: "Stats", Duration: call},
			func(ctx context.Context, c *core.Cache) { _, _ = c.Stats(ctx) },
		},
	} {
		t.Run(fmt.Sprint(test.want.Verb, " ", test.want.Key, test.want.Keys), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f, hook := newFullBackend(), &recorder{}
				opts := &core.Options{Hooks: []core.Hook{hook}}
				c := open(t, singleKeyBackend{f.backend, f, f, f}, opts)
				for key, value := range map[string]string{"n": "5", "word": "hello", "old": ""} {
					put(t, c, key, value)
				}
				hook.beforeOps, hook.afterOps = nil, nil
				f.before = func(_ context.Context, verb, key string) error {
					if verb != "Close" {
						<-time.After(call)
					}
					if key == "broken" {
						return io.EOF
					}
					return nil
				}
				start := time.Now()
				test.do(t.Context(), c)
				if len(hook.beforeOps) != 1 || len(hook.afterOps) != 1 {
					t.Fatalf("Before was called %d times, After %d times; want once each",
						len(hook.beforeOps), len(hook.afterOps))
				}
				before, after := hook.beforeOps[0], hook.afterOps[0]
				if before.Verb != test.want.Verb || before.Key != test.want.Key ||
					!slices.Equal(before.Keys, test.want.Keys) || !before.Start().Equal(start) {
					t.Errorf("Before was called with %s %q %q, started at %v; want %s %q %q at %v",
						before.Verb, before.Key, before.Keys, before.Start(),
						test.want.Verb, test.want.Key, test.want.Keys, start)
				}
				if before.Hits != 0 || before.Misses != 0 || before.Err != nil ||
					before.Duration != 0 {
					t.Errorf("Before was called with results: %+v", before)
				}
				wantOp(t, after, test.want)
				if !after.Start().Equal(start) {
					t.Errorf("Start is %v, want %v", after.Start(), start)
				}
			})
		})
	}
}

// A countRecorder is a CountHook that keeps the arguments of Count.
type countRecorder struct {
	counted []core.Op
	after   int // how often After was called
}

func (r *countRecorder) After(context.Context, *core.Op) { r.after++ }

func (r *countRecorder) Count(
	cache, verb string, hits, misses int, duration time.Duration, err error,
) {
	r.counted = append(r.counted, core.Op{
		Cache: cache, Verb: verb, Hits: hits, Misses: misses, Duration: duration, Err: err,
	})
}

func TestCountIsCalledWithWhatAfterGets(t *testing.T) {
	b, hook, count := newBackend(), &recorder{}, &countRecorder{}
	b.before = func(_ context.Context, verb, key string) error {
		if key == "broken" {
			return io.EOF
		}
		return nil
	}
	observed := open(t, b, &core.Options{Hooks: []core.Hook{hook}})
	counted := open(t, b, &core.Options{Hooks: []core.Hook{count, count}})
	for _, key := range []string{"k", "broken"} {
		eachVerb(t, nil, func(t *testing.T, v verb) {
			hook.afterOps, count.counted = nil, nil
			_ = v.call(t.Context(), observed, key, 0)
			_ = observed.Flush(t.Context())
			_ = v.call(t.Context(), counted, key, 0)
			_ = counted.Flush(t.Context())
			got, want := count.counted[0], hook.afterOps[0]
			if got.Cache != want.Cache || got.Verb != want.Verb || got.Hits != want.Hits ||
				got.Misses != want.Misses || fmt.Sprint(got.Err) != fmt.Sprint(want.Err) {
				t.Errorf("Count was called with %+v, After with %+v", got, want)
			}
			if len(count.counted) != 4 || count.after != 0 {
				t.Errorf("Count was called %d times, After %d times; want 4 and 0",
					len(count.counted), count.after)
			}
		})
	}
}

// One of the CountHooks stands next to a hook that needs an Op. The other one is a BeforeHook
// itself.
func TestAfterOfACountHookIsCalledIfAHookNeedsAnOp(t *testing.T) {
	nextToHook, withBefore := &countRecorder{}, &countRecorder{}
	for _, hooks := range [][]core.Hook{
		{nextToHook, &recorder{}},
		{countRecorderWithBefore{withBefore}},
	} {
		put(t, open(t, newBackend(), &core.Options{Hooks: hooks}), "k", "v")
	}
	counts := len(nextToHook.counted) + len(withBefore.counted)
	if nextToHook.after != 1 || withBefore.after != 1 || counts != 0 {
		t.Errorf("After was called %d and %d times, Count %d times; want 1, 1 and 0",
			nextToHook.after, withBefore.after, counts)
	}
}

// A countRecorderWithBefore is a countRecorder that is a BeforeHook.
type countRecorderWithBefore struct{ *countRecorder }

func (countRecorderWithBefore) Before(context.Context, *core.Op) context.Context { return nil }

// A singleKeyBackend is a backend without multi verbs, so that core calls it for each key.
type singleKeyBackend struct {
	core.Backend
	core.TTLReader
	core.StatsReader
	core.Pinger
}

// errMulti stands for any *MultiError in tables.
var errMulti = errors.New("a *MultiError")

// wantOp fails the test unless got has the fields of want, except Cache and Start.
func wantOp(t *testing.T, got, want core.Op) {
	t.Helper()
	if got.Verb != want.Verb || got.Key != want.Key ||
		!slices.Equal(got.Keys, want.Keys) || (got.Keys == nil) != (want.Keys == nil) {
		t.Errorf("op is %s %q %q, want %s %q %q",
			got.Verb, got.Key, got.Keys, want.Verb, want.Key, want.Keys)
	}
	if got.Hits != want.Hits || got.Misses != want.Misses {
		t.Errorf("op has %d hits and %d misses, want %d and %d",
			got.Hits, got.Misses, want.Hits, want.Misses)
	}
	if got.Duration != want.Duration {
		t.Errorf("duration is %v, want %v", got.Duration, want.Duration)
	}
	if want.Err == errMulti {
		failedKeys(t, got.Err)
	} else if !errors.Is(got.Err, want.Err) {
		t.Errorf("error is %v, want %v", got.Err, want.Err)
	}
}
