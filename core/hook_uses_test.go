package core_test

import (
	"context"
	"fmt"
	"io"
	"slices"
	"sync/atomic"
	"testing"

	"github.com/cachewire/cachewire/core"
)

func TestHookOfOneCacheHearsNothingOfAnother(t *testing.T) {
	b, hook := newBackend(), &recorder{}
	hooked := open(t, b, &core.Options{Hooks: []core.Hook{hook}})
	silent := open(t, b, nil)
	eachVerb(t, nil, func(t *testing.T, v verb) { _ = v.call(t.Context(), silent, "k", 0) })
	if len(hook.begun)+len(hook.ops) != 0 {
		t.Errorf("the hook heard of %v", hook.begun)
	}
	put(t, hooked, "k", "v")
	if len(hook.ops) != 1 {
		t.Errorf("the hook heard of %d verbs, want 1", len(hook.ops))
	}
}

func TestHookHearsOfVerbsOnAClosedCache(t *testing.T) {
	hook := &recorder{}
	c := open(t, newBackend(), &core.Options{Hooks: []core.Hook{hook}})
	wantErr(t, c.Close(), nil)
	eachVerb(t, nil, func(t *testing.T, v verb) {
		hook.ops = nil
		_ = v.call(t.Context(), c, "k", 0)
		if len(hook.ops) != 1 {
			t.Fatalf("After was called %d times", len(hook.ops))
		}
		op := hook.ops[0]
		wantErr(t, op.Err, core.ErrClosed)
		if op.Hits+op.Misses != 0 {
			t.Errorf("a closed cache has %d hits and %d misses", op.Hits, op.Misses)
		}
	})
}

// What a verb returns is what its hooks were told that it returned.
func TestOpHasTheVeryErrorThatTheVerbReturns(t *testing.T) {
	b, hook := newBackend(), &recorder{}
	c := open(t, b, &core.Options{Hooks: []core.Hook{hook}})
	for _, fails := range []error{nil, io.EOF} {
		b.before = func(_ context.Context, verb, _ string) error {
			if verb == "Close" {
				return nil
			}
			return fails
		}
		for _, key := range []string{"k", "absent"} {
			eachVerb(t, nil, func(t *testing.T, v verb) {
				hook.ops = nil
				if err := v.call(t.Context(), c, key, 0); err != hook.ops[0].Err {
					t.Errorf("the verb returned %v, the hook was told of %v", err, hook.ops[0].Err)
				}
			})
		}
	}
}

func TestHookMayUseTheCacheItIsToldOf(t *testing.T) {
	var c *core.Cache
	inner := context.WithValue(t.Context(), ctxKey("inner"), true)
	hook := &recorder{}
	count := func(ctx context.Context, op *core.Op) {
		if ctx.Value(ctxKey("inner")) == nil {
			if _, err := c.IncrFrom(inner, "seen", 1, 0, 0); err != nil {
				t.Error(err)
			}
		}
	}
	hook.before = func(ctx context.Context, op *core.Op) context.Context { count(ctx, op); return nil }
	hook.after = count
	c = open(t, newBackend(), &core.Options{Hooks: []core.Hook{hook}})
	put(t, c, "k", "v")
	if n, err := c.Count(inner, "seen"); n != 2 || err != nil {
		t.Errorf("counted %d, %v; want 2", n, err)
	}
}

// Ops are used again and again; each call has one of its own while it lasts.
func TestOpsOfManyGoroutinesAreNotMixedUp(t *testing.T) {
	type mark struct{}
	var calls atomic.Int64
	hook := markHook{
		before: func(ctx context.Context, op *core.Op) context.Context {
			if op.Hits != 0 || op.Misses != 0 || op.Err != nil || op.Duration != 0 {
				t.Errorf("an op begins as %+v", op)
			}
			return context.WithValue(ctx, mark{}, keyOf(op))
		},
		after: func(ctx context.Context, op *core.Op) {
			calls.Add(1)
			if key := ctx.Value(mark{}); keyOf(op) != key {
				t.Errorf("the op of %q ends as that of %q", key, keyOf(op))
			}
			if op.Verb == "Get" && op.Hits+op.Misses != 1 {
				t.Errorf("Get ends with %d hits and %d misses", op.Hits, op.Misses)
			}
		},
	}
	c := open(t, newBackend(), &core.Options{Hooks: []core.Hook{hook}})
	together(16, func(i int) {
		for n := range 200 {
			key := fmt.Sprint(i, " ", n)
			_, _ = c.Get(t.Context(), key)
			_ = c.Set(t.Context(), key, nil, 0)
			_, _ = c.GetMulti(t.Context(), []string{key, "other"})
		}
	})
	if got := calls.Load(); got != 16*200*3 {
		t.Errorf("After was called %d times, want %d", got, 16*200*3)
	}
}

// keyOf returns the key of op, or the first of its keys.
func keyOf(op *core.Op) string {
	if len(op.Keys) > 0 {
		return op.Keys[0]
	}
	return op.Key
}

// A markHook is a Hook of two functions, without a lock.
type markHook struct {
	before func(context.Context, *core.Op) context.Context
	after  func(context.Context, *core.Op)
}

func (h markHook) Before(ctx context.Context, op *core.Op) context.Context { return h.before(ctx, op) }
func (h markHook) After(ctx context.Context, op *core.Op)                  { h.after(ctx, op) }

// Typed's verbs are told of once, under their own names, with what came of the
// decoding.
func TestOpTellsOfTypedVerbs(t *testing.T) {
	ctx := t.Context()
	for _, test := range []struct {
		do   func(c *core.Typed[string]) error
		want core.Op
	}{
		{func(c *core.Typed[string]) error { _, err := c.Get(ctx, "word"); return err },
			core.Op{Verb: "Get", Key: "word", Hits: 1}},
		{func(c *core.Typed[string]) error { _, err := c.Get(ctx, "absent"); return err },
			core.Op{Verb: "Get", Key: "absent", Misses: 1, Err: core.ErrMiss}},
		{func(c *core.Typed[string]) error { _, err := c.Get(ctx, "garbage"); return err },
			core.Op{Verb: "Get", Key: "garbage", Err: core.ErrCodec}},
		{func(c *core.Typed[string]) error { _, err := c.GetItem(ctx, "word"); return err },
			core.Op{Verb: "GetItem", Key: "word", Hits: 1}},
		{func(c *core.Typed[string]) error { _, err := c.GetMulti(ctx, []string{"word", "absent"}); return err },
			core.Op{Verb: "GetMulti", Keys: []string{"word", "absent"}, Hits: 1, Misses: 1}},
		{func(c *core.Typed[string]) error {
			_, err := c.GetMulti(ctx, []string{"word", "garbage", "absent", ""})
			return err
		}, core.Op{Verb: "GetMulti", Keys: []string{"word", "garbage", "absent", ""}, Hits: 1, Misses: 1, Err: errMulti}},
		{func(c *core.Typed[string]) error { return c.Set(ctx, "word", "hello", 0) },
			core.Op{Verb: "Set", Key: "word"}},
		{func(c *core.Typed[string]) error { return c.Set(ctx, "word", unsayable, 0) },
			core.Op{Verb: "Set", Key: "word", Err: core.ErrCodec}},
		{func(c *core.Typed[string]) error { return c.SetMulti(ctx, map[string]string{"word": "hello"}, 0) },
			core.Op{Verb: "SetMulti", Keys: []string{"word"}}},
		{func(c *core.Typed[string]) error { return c.AddMulti(ctx, map[string]string{"word": "hello"}, 0) },
			core.Op{Verb: "AddMulti", Keys: []string{"word"}, Err: errMulti}},
		{func(c *core.Typed[string]) error { return c.ReplaceMulti(ctx, map[string]string{"word": unsayable}, 0) },
			core.Op{Verb: "ReplaceMulti", Keys: []string{"word"}, Err: errMulti}},
		{func(c *core.Typed[string]) error { return c.Add(ctx, "word", "hello", 0) },
			core.Op{Verb: "Add", Key: "word", Err: core.ErrExists}},
		{func(c *core.Typed[string]) error { return c.Replace(ctx, "word", "hello", 0) },
			core.Op{Verb: "Replace", Key: "word"}},
		{func(c *core.Typed[string]) error {
			return c.CompareAndSwap(ctx, core.TypedItem[string]{Key: "word", Value: "hello"})
		}, core.Op{Verb: "CompareAndSwap", Key: "word", Err: core.ErrConflict}},
		{func(c *core.Typed[string]) error {
			return c.CompareAndDelete(ctx, core.TypedItem[string]{Key: "word"})
		}, core.Op{Verb: "CompareAndDelete", Key: "word", Err: core.ErrConflict}},
		{func(c *core.Typed[string]) error { return c.Delete(ctx, "word") },
			core.Op{Verb: "Delete", Key: "word"}},
		{func(c *core.Typed[string]) error { return c.DeleteMulti(ctx, []string{"word", "absent"}) },
			core.Op{Verb: "DeleteMulti", Keys: []string{"word", "absent"}}},
		{func(c *core.Typed[string]) error { return c.Touch(ctx, "word", 0) },
			core.Op{Verb: "Touch", Key: "word"}},
		{func(c *core.Typed[string]) error { _, err := c.Exists(ctx, "word"); return err },
			core.Op{Verb: "Exists", Key: "word", Hits: 1}},
		{func(c *core.Typed[string]) error { _, err := c.TTL(ctx, "word"); return err },
			core.Op{Verb: "TTL", Key: "word", Hits: 1}},
	} {
		for _, codec := range []string{"words", "shared"} {
			if codec == "shared" && test.want.Err != nil && (test.want.Key == "word" || slices.Contains(test.want.Keys, "word")) && test.want.Verb != "Add" &&
				test.want.Verb != "AddMulti" && test.want.Verb != "GetMulti" && test.want.Verb != "CompareAndSwap" {
				continue // what Shared keeps needs no encoding
			}
			t.Run(fmt.Sprint(codec, " ", test.want.Verb, " ", test.want.Key, test.want.Keys), func(t *testing.T) {
				hook := &recorder{}
				c := open(t, newFull(), &core.Options{Hooks: []core.Hook{hook}})
				typed := must(core.NewTyped(c, words{}))
				if codec == "shared" {
					typed = must(core.NewTyped(c, core.Shared[string]()))
				}
				if err := typed.Set(ctx, "word", "hello", 0); err != nil {
					t.Fatal(err)
				}
				put(t, c, "garbage", garbage)
				hook.ops = nil
				_ = test.do(typed)
				if len(hook.ops) != 1 {
					t.Fatalf("After was called %d times, want once", len(hook.ops))
				}
				got := hook.ops[0]
				got.Duration = 0
				wantOp(t, got, test.want)
			})
		}
	}
}
