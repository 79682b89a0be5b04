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
	before func(ctx context.Context, op *core.Op) context.Context // returns nil if nil
	after  func(ctx context.Context, op *core.Op)

	mu    sync.Mutex
	begun []core.Op // guarded by mu
	ops   []core.Op // guarded by mu
}

func (r *recorder) Before(ctx context.Context, op *core.Op) context.Context {
	r.mu.Lock()
	r.begun = append(r.begun, *op)
	r.mu.Unlock()
	if r.before == nil {
		return nil
	}
	return r.before(ctx, op)
}

func (r *recorder) After(ctx context.Context, op *core.Op) {
	r.mu.Lock()
	r.ops = append(r.ops, *op)
	r.mu.Unlock()
	if r.after != nil {
		r.after(ctx, op)
	}
}

func TestHooksAreCalledInTheirOrderAndBackInReverse(t *testing.T) {
	var log []string
	note := func(name string) *recorder {
		return &recorder{
			before: func(context.Context, *core.Op) context.Context { log = append(log, "before "+name); return nil },
			after:  func(context.Context, *core.Op) { log = append(log, "after "+name) },
		}
	}
	b := newBackend()
	b.before = func(_ context.Context, verb, _ string) error { log = append(log, verb); return nil }
	c := open(t, b, &core.Options{Hooks: []core.Hook{note("a"), note("b"), note("c")}})
	put(t, c, "k", "v")
	want := []string{"before a", "before b", "before c", "Set", "after c", "after b", "after a"}
	if !slices.Equal(log, want) {
		t.Errorf("calls were %q, want %q", log, want)
	}
}

type ctxKey string

func TestContextGoesFromHookToHookToTheBackendAndBack(t *testing.T) {
	adds := func(name string) *recorder {
		return &recorder{before: func(ctx context.Context, _ *core.Op) context.Context {
			return context.WithValue(ctx, ctxKey(name), name)
		}}
	}
	first, keeps, last := adds("first"), &recorder{}, adds("last")
	seen := func(ctx context.Context) string {
		return fmt.Sprint(ctx.Value(ctxKey("caller")), ctx.Value(ctxKey("first")), ctx.Value(ctxKey("last")))
	}
	var inKeeps, inBackend, inAfter string
	keeps.before = func(ctx context.Context, _ *core.Op) context.Context {
		inKeeps = seen(ctx)
		return nil // the context stays as it is
	}
	first.after = func(ctx context.Context, _ *core.Op) { inAfter = seen(ctx) }
	f := newFull()
	f.before = func(ctx context.Context, verb, _ string) error {
		if verb != "Close" {
			inBackend = seen(ctx)
		}
		return nil
	}
	c := open(t, f, &core.Options{Hooks: []core.Hook{first, keeps, last}})
	eachVerb(t, nil, func(t *testing.T, v verb) {
		inKeeps, inBackend, inAfter = "", "", ""
		_ = v.call(context.WithValue(t.Context(), ctxKey("caller"), "caller"), c, "k", 0)
		if want := "callerfirst<nil>"; inKeeps != want {
			t.Errorf("the second hook saw %q, want %q", inKeeps, want)
		}
		if want := "callerfirstlast"; inBackend != want || inAfter != want {
			t.Errorf("the backend saw %q and After %q, want %q", inBackend, inAfter, want)
		}
	})
}

func TestVerbEndsWithTheContextThatAHookAnswers(t *testing.T) {
	done, cancel := context.WithCancel(context.Background())
	cancel()
	b := newBackend()
	hook := &recorder{before: func(context.Context, *core.Op) context.Context { return done }}
	c := open(t, b, &core.Options{Hooks: []core.Hook{hook}})
	_, err := c.Get(t.Context(), "k")
	wantErr(t, err, context.Canceled)
	wantUntouched(t, b)
}

// Every verb, with what a hook is told of it. The backend takes 2 seconds for a
// call. Held are n (a counter), word and old.
func TestOpTellsOfEveryVerb(t *testing.T) {
	const call = 2 * time.Second
	one := func(value string) map[string][]byte { return map[string][]byte{"word": []byte(value)} }
	items := []core.Item{{Key: "word"}, {Key: "old"}}
	for _, test := range []struct {
		do   func(ctx context.Context, c *core.Cache) error
		want core.Op // Start is not compared
	}{
		{func(ctx context.Context, c *core.Cache) error { _, err := c.Get(ctx, "word"); return err },
			core.Op{Verb: "Get", Key: "word", Hits: 1, Duration: call}},
		{func(ctx context.Context, c *core.Cache) error { _, err := c.Get(ctx, "absent"); return err },
			core.Op{Verb: "Get", Key: "absent", Misses: 1, Err: core.ErrMiss, Duration: call}},
		{func(ctx context.Context, c *core.Cache) error { _, err := c.Get(ctx, "broken"); return err },
			core.Op{Verb: "Get", Key: "broken", Err: io.EOF, Duration: call}},
		{func(ctx context.Context, c *core.Cache) error { _, err := c.GetItem(ctx, "word"); return err },
			core.Op{Verb: "GetItem", Key: "word", Hits: 1, Duration: call}},
		{func(ctx context.Context, c *core.Cache) error {
			_, err := c.GetMulti(ctx, []string{"word", "absent", "word", "n"})
			return err
		}, core.Op{Verb: "GetMulti", Keys: []string{"word", "absent", "word", "n"}, Hits: 2, Misses: 1, Duration: call}},
		{func(ctx context.Context, c *core.Cache) error {
			_, err := c.GetMulti(ctx, []string{"word", "broken", "", "absent", "gone"})
			return err
		}, core.Op{Verb: "GetMulti", Keys: []string{"word", "broken", "", "absent", "gone"}, Hits: 1, Misses: 2, Err: errMulti, Duration: call}},
		{func(ctx context.Context, c *core.Cache) error { _, err := c.Exists(ctx, "word"); return err },
			core.Op{Verb: "Exists", Key: "word", Hits: 1, Duration: call}},
		{func(ctx context.Context, c *core.Cache) error { _, err := c.Exists(ctx, "absent"); return err },
			core.Op{Verb: "Exists", Key: "absent", Misses: 1, Duration: call}},
		{func(ctx context.Context, c *core.Cache) error { _, err := c.TTL(ctx, "word"); return err },
			core.Op{Verb: "TTL", Key: "word", Hits: 1, Duration: call}},
		{func(ctx context.Context, c *core.Cache) error { _, err := c.Count(ctx, "n"); return err },
			core.Op{Verb: "Count", Key: "n", Hits: 1, Duration: call}},
		{func(ctx context.Context, c *core.Cache) error { _, err := c.Count(ctx, "word"); return err },
			core.Op{Verb: "Count", Key: "word", Err: core.ErrNotNumber, Duration: call}},
		{func(ctx context.Context, c *core.Cache) error { return c.Set(ctx, "word", nil, 0) },
			core.Op{Verb: "Set", Key: "word", Duration: call}},
		{func(ctx context.Context, c *core.Cache) error { return c.Set(ctx, "word", nil, -1) },
			core.Op{Verb: "Set", Key: "word", Err: core.ErrInvalidTTL}},
		{func(ctx context.Context, c *core.Cache) error { return c.SetMulti(ctx, one("v"), 0) },
			core.Op{Verb: "SetMulti", Keys: []string{"word"}, Duration: call}},
		{func(ctx context.Context, c *core.Cache) error { return c.Add(ctx, "word", nil, 0) },
			core.Op{Verb: "Add", Key: "word", Err: core.ErrExists, Duration: call}},
		{func(ctx context.Context, c *core.Cache) error { return c.AddMulti(ctx, one("v"), 0) },
			core.Op{Verb: "AddMulti", Keys: []string{"word"}, Err: errMulti, Duration: call}},
		{func(ctx context.Context, c *core.Cache) error { return c.Replace(ctx, "absent", nil, 0) },
			core.Op{Verb: "Replace", Key: "absent", Err: core.ErrMiss, Duration: call}},
		{func(ctx context.Context, c *core.Cache) error { return c.ReplaceMulti(ctx, one("v"), 0) },
			core.Op{Verb: "ReplaceMulti", Keys: []string{"word"}, Duration: call}},
		{func(ctx context.Context, c *core.Cache) error { return c.CompareAndSwap(ctx, core.Item{Key: "word"}) },
			core.Op{Verb: "CompareAndSwap", Key: "word", Err: core.ErrConflict}},
		{func(ctx context.Context, c *core.Cache) error {
			return c.CompareAndDelete(ctx, core.Item{Key: "word", Token: new(int)})
		}, core.Op{Verb: "CompareAndDelete", Key: "word", Err: core.ErrConflict, Duration: call}},
		{func(ctx context.Context, c *core.Cache) error { return c.Store(ctx, core.Set, items[0]) },
			core.Op{Verb: "Store", Key: "word", Duration: call}},
		{func(ctx context.Context, c *core.Cache) error { return c.StoreMulti(ctx, core.Set, items) },
			core.Op{Verb: "StoreMulti", Keys: []string{"word", "old"}, Duration: call}},
		{func(ctx context.Context, c *core.Cache) error { return c.Delete(ctx, "old") },
			core.Op{Verb: "Delete", Key: "old", Duration: call}},
		{func(ctx context.Context, c *core.Cache) error { return c.DeleteMulti(ctx, []string{"old", "absent"}) },
			core.Op{Verb: "DeleteMulti", Keys: []string{"old", "absent"}, Duration: call}},
		{func(ctx context.Context, c *core.Cache) error { return c.Touch(ctx, "word", 0) },
			core.Op{Verb: "Touch", Key: "word", Duration: call}},
		{func(ctx context.Context, c *core.Cache) error { _, err := c.Incr(ctx, "n", 1); return err },
			core.Op{Verb: "Incr", Key: "n", Duration: call}},
		{func(ctx context.Context, c *core.Cache) error { _, err := c.Decr(ctx, "absent", 1); return err },
			core.Op{Verb: "Decr", Key: "absent", Err: core.ErrMiss, Duration: call}},
		{func(ctx context.Context, c *core.Cache) error { _, err := c.IncrFrom(ctx, "n", 1, 0, 0); return err },
			core.Op{Verb: "IncrFrom", Key: "n", Duration: call}},
		{func(ctx context.Context, c *core.Cache) error {
			_, err := c.DecrFrom(ctx, "absent", 1, 0, 0)
			return err
		},
			core.Op{Verb: "DecrFrom", Key: "absent", Duration: 2 * call}}, // Decr, then Add
		{func(ctx context.Context, c *core.Cache) error { return c.Flush(ctx) },
			core.Op{Verb: "Flush", Duration: call}},
		{func(ctx context.Context, c *core.Cache) error { return c.Ping(ctx) },
			core.Op{Verb: "Ping", Duration: call}},
		{func(ctx context.Context, c *core.Cache) error { _, err := c.Stats(ctx); return err },
			core.Op{Verb: "Stats", Duration: call}},
	} {
		t.Run(fmt.Sprint(test.want.Verb, " ", test.want.Key, test.want.Keys), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f, hook := newFull(), &recorder{}
				hooked := open(t, onePath{f.backend, f, f, f}, &core.Options{Hooks: []core.Hook{hook}})
				for key, value := range map[string]string{"n": "5", "word": "hello", "old": ""} {
					put(t, hooked, key, value)
				}
				hook.begun, hook.ops = nil, nil
				f.before = func(_ context.Context, verb, key string) error {
					if verb != "Close" {
						<-time.After(call)
					}
					if key == "broken" {
						return io.EOF
					}
					return nil
				}
				began := time.Now()
				_ = test.do(t.Context(), hooked)
				if len(hook.begun) != 1 || len(hook.ops) != 1 {
					t.Fatalf("Before was called %d times, After %d times; want once each", len(hook.begun), len(hook.ops))
				}
				begun := hook.begun[0]
				if begun.Verb != test.want.Verb || begun.Key != test.want.Key || !slices.Equal(begun.Keys, test.want.Keys) || !begun.Start().Equal(began) {
					t.Errorf("Before was called with %s %q %q at %v", begun.Verb, begun.Key, begun.Keys, begun.Start())
				}
				if begun.Hits != 0 || begun.Misses != 0 || begun.Err != nil || begun.Duration != 0 {
					t.Errorf("Before was told what was not yet known: %+v", begun)
				}
				wantOp(t, hook.ops[0], test.want)
				if !hook.ops[0].Start().Equal(began) {
					t.Errorf("Start is %v, want %v", hook.ops[0].Start(), began)
				}
			})
		})
	}
}

// A tally is a CountHook that keeps what it is called with.
type tally struct {
	counted []core.Op
	after   int // how often After was called
}

func (c *tally) After(context.Context, *core.Op) { c.after++ }

func (c *tally) Count(cache, verb string, hits, misses int, duration time.Duration, err error) {
	c.counted = append(c.counted, core.Op{Cache: cache, Verb: verb, Hits: hits, Misses: misses, Duration: duration, Err: err})
}

func TestCountIsCalledWithWhatAfterGets(t *testing.T) {
	b, hook, count := newBackend(), &recorder{}, &tally{}
	b.before = func(_ context.Context, verb, key string) error {
		if key == "broken" {
			return io.EOF
		}
		return nil
	}
	observed, counted := open(t, b, &core.Options{Hooks: []core.Hook{hook}}), open(t, b, &core.Options{Hooks: []core.Hook{count, count}})
	for _, key := range []string{"k", "broken"} {
		eachVerb(t, nil, func(t *testing.T, v verb) {
			hook.ops, count.counted = nil, nil
			_ = v.call(t.Context(), observed, key, 0)
			_ = observed.Flush(t.Context())
			_ = v.call(t.Context(), counted, key, 0)
			_ = counted.Flush(t.Context())
			got, want := count.counted[0], hook.ops[0]
			if got.Cache != want.Cache || got.Verb != want.Verb || got.Hits != want.Hits || got.Misses != want.Misses || fmt.Sprint(got.Err) != fmt.Sprint(want.Err) {
				t.Errorf("Count was called with %+v, After with %+v", got, want)
			}
			if len(count.counted) != 4 || count.after != 0 {
				t.Errorf("Count was called %d times, After %d times; want 4 and 0", len(count.counted), count.after)
			}
		})
	}
}

// Beside a hook that needs an Op, and beside a Before of its own, After is called.
func TestAfterIsCalledWhereCountIsNotEnough(t *testing.T) {
	alone, beside := &tally{}, &tally{}
	for _, hooks := range [][]core.Hook{
		{beside, &recorder{}},
		{tallyWithBefore{alone}},
	} {
		put(t, open(t, newBackend(), &core.Options{Hooks: hooks}), "k", "v")
	}
	if alone.after != 1 || beside.after != 1 || len(alone.counted)+len(beside.counted) != 0 {
		t.Errorf("After was called %d and %d times, Count %d times; want 1, 1 and 0", alone.after, beside.after, len(alone.counted)+len(beside.counted))
	}
}

type tallyWithBefore struct{ *tally }

func (tallyWithBefore) Before(context.Context, *core.Op) context.Context { return nil }

// A onePath has the abilities of full but for the multi verbs, which are core's:
// each verb is a call of the backend for each key.
type onePath struct {
	core.Backend
	core.TTLReader
	core.StatsReader
	core.Pinger
}

// errMulti stands for any *MultiError in tables.
var errMulti = errors.New("a *MultiError")

func wantOp(t *testing.T, got, want core.Op) {
	t.Helper()
	if got.Verb != want.Verb || got.Key != want.Key || !slices.Equal(got.Keys, want.Keys) || (got.Keys == nil) != (want.Keys == nil) {
		t.Errorf("op is %s %q %q, want %s %q %q", got.Verb, got.Key, got.Keys, want.Verb, want.Key, want.Keys)
	}
	if got.Hits != want.Hits || got.Misses != want.Misses {
		t.Errorf("%d hits, %d misses; want %d and %d", got.Hits, got.Misses, want.Hits, want.Misses)
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
