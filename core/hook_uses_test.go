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

func TestHookIsNotCalledForAnotherCache(t *testing.T) {
	b, hook := newBackend(), &recorder{}
	hooked := open(t, b, &core.Options{Hooks: []core.Hook{hook}})
	other := open(t, b, nil)
	eachVerb(t, nil, func(t *testing.T, v verb) { _ = v.call(t.Context(), other, "k", 0) })
	if len(hook.beforeOps)+len(hook.afterOps) != 0 {
		t.Errorf("the hook was called with %v, want no call", hook.beforeOps)
	}
	put(t, hooked, "k", "v")
	if len(hook.afterOps) != 1 {
		t.Errorf("After was called %d times, want once", len(hook.afterOps))
	}
}

func TestHookIsCalledForVerbsOfAClosedCache(t *testing.T) {
	hook := &recorder{}
	c := open(t, newBackend(), &core.Options{Hooks: []core.Hook{hook}})
	wantErr(t, c.Close(), nil)
	eachVerb(t, nil, func(t *testing.T, v verb) {
		hook.afterOps = nil
		_ = v.call(t.Context(), c, "k", 0)
		if len(hook.afterOps) != 1 {
			t.Fatalf("After was called %d times, want once", len(hook.afterOps))
		}
		op := hook.afterOps[0]
		wantErr(t, op.Err, core.ErrClosed)
		if op.Hits+op.Misses != 0 {
			t.Errorf("op has %d hits and %d misses, want none", op.Hits, op.Misses)
		}
	})
}

func TestOpHasTheErrorThatTheVerbReturns(t *testing.T) {
	b, hook := newBackend(), &recorder{}
	c := open(t, b, &core.Options{Hooks: []core.Hook{hook}})
	for _, backendErr := range []error{nil, io.EOF} {
		b.before = func(_ context.Context, verb, _ string) error {
			if verb == "Close" {
				return nil
			}
			return backendErr
		}
		for _, key := range []string{"k", "absent"} {
			eachVerb(t, nil, func(t *testing.T, v verb) {
				hook.afterOps = nil
				err := v.call(t.Context(), c, key, 0)
				if got := hook.afterOps[0].Err; got != err {
					t.Errorf("the op has the error %v, but the verb returned %v", got, err)
				}
			})
		}
	}
}

func TestHookMayUseItsOwnCache(t *testing.T) {
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
	hook.before = func(ctx context.Context, op *core.Op) context.Context {
		count(ctx, op)
		return nil
	}
	hook.after = count
	c = open(t, newBackend(), &core.Options{Hooks: []core.Hook{hook}})
	put(t, c, "k", "v")
	if n, err := c.Count(inner, "seen"); n != 2 || err != nil {
		t.Errorf("Count = %d, %v; want 2", n, err)
	}
}

// Ops come from a pool. A verb must have its own while it runs.
func TestVerbsInManyGoroutinesDoNotShareOps(t *testing.T) {
	type mark struct{}
	var calls atomic.Int64
	hook := hookFuncs{
		before: func(ctx context.Context, op *core.Op) context.Context {
			if op.Hits != 0 || op.Misses != 0 || op.Err != nil || op.Duration != 0 {
				t.Errorf("Before was called with results: %+v", op)
			}
			return context.WithValue(ctx, mark{}, keyOf(op))
		},
		after: func(ctx context.Context, op *core.Op) {
			calls.Add(1)
			if key := ctx.Value(mark{}); keyOf(op) != key {
				t.Errorf("After was called with the key %q, Before with %q", keyOf(op), key)
			}
			if op.Verb == "Get" && op.Hits+op.Misses != 1 {
				t.Errorf("Get has %d hits and %d misses, want one of them",
					op.Hits, op.Misses)
			}
		},
	}
	c := open(t, newBackend(), &core.Options{Hooks: []core.Hook{hook}})
	runConcurrently(16, func(i int) {
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

// hookFuncs is a BeforeHook that calls two functions. Unlike a recorder it has no lock, which
// could hide races.
type hookFuncs struct {
	before func(context.Context, *core.Op) context.Context
	after  func(context.Context, *core.Op)
}

func (h hookFuncs) Before(ctx context.Context, op *core.Op) context.Context {
	return h.before(ctx, op)
}

func (h hookFuncs) After(ctx context.Context, op *core.Op) { h.after(ctx, op) }

// A verb of Typed calls the hooks once, under its own name. Keys that cannot be decoded are
// neither hits nor misses.
func TestHooksGetAnOpForEveryVerbOfTyped(t *testing.T) {
	ctx := t.Context()
	keys := []string{"word", "absent"}
	failing := []string{"word", "undecodable", "absent", ""}
	word := map[string]string{"word": "hello"}
	bad := map[string]string{"unencodable": unencodable}
	item := core.TypedItem[string]{Key: "word", Value: "hello"}
	for _, test := range []struct {
		want core.Op // its Cache, Start and Duration are not compared
		do   func(c *core.Typed[string])
	}{
		{
			core.Op{Verb: "Get", Key: "word", Hits: 1},
			func(c *core.Typed[string]) { _, _ = c.Get(ctx, "word") },
		},
		{
			core.Op{Verb: "Get", Key: "absent", Misses: 1, Err: core.ErrMiss},
			func(c *core.Typed[string]) { _, _ = c.Get(ctx, "absent") },
		},
		{
			core.Op{Verb: "Get", Key: "undecodable", Err: core.ErrCodec},
			func(c *core.Typed[string]) { _, _ = c.Get(ctx, "undecodable") },
		},
		{
			core.Op{Verb: "GetItem", Key: "word", Hits: 1},
			func(c *core.Typed[string]) { _, _ = c.GetItem(ctx, "word") },
		},
		{
			core.Op{Verb: "GetMulti", Keys: keys, Hits: 1, Misses: 1},
			func(c *core.Typed[string]) { _, _ = c.GetMulti(ctx, keys) },
		},
		{
			core.Op{Verb: "GetMulti", Keys: failing, Hits: 1, Misses: 1, Err: errMulti},
			func(c *core.Typed[string]) { _, _ = c.GetMulti(ctx, failing) },
		},
		{
			core.Op{Verb: "Set", Key: "word"},
			func(c *core.Typed[string]) { _ = c.Set(ctx, "word", "hello", 0) },
		},
		{
			core.Op{Verb: "Set", Key: "unencodable", Err: core.ErrCodec},
			func(c *core.Typed[string]) { _ = c.Set(ctx, "unencodable", unencodable, 0) },
		},
		{
			core.Op{Verb: "SetMulti", Keys: []string{"word"}},
			func(c *core.Typed[string]) { _ = c.SetMulti(ctx, word, 0) },
		},
		{
			core.Op{Verb: "AddMulti", Keys: []string{"word"}, Err: errMulti},
			func(c *core.Typed[string]) { _ = c.AddMulti(ctx, word, 0) },
		},
		{
			core.Op{Verb: "ReplaceMulti", Keys: []string{"unencodable"}, Err: errMulti},
			func(c *core.Typed[string]) { _ = c.ReplaceMulti(ctx, bad, 0) },
		},
		{
			core.Op{Verb: "Add", Key: "word", Err: core.ErrExists},
			func(c *core.Typed[string]) { _ = c.Add(ctx, "word", "hello", 0) },
		},
		{
			core.Op{Verb: "Replace", Key: "word"},
			func(c *core.Typed[string]) { _ = c.Replace(ctx, "word", "hello", 0) },
		},
		{
			core.Op{Verb: "CompareAndSwap", Key: "word", Err: core.ErrConflict},
			func(c *core.Typed[string]) { _ = c.CompareAndSwap(ctx, item) },
		},
		{
			core.Op{Verb: "CompareAndDelete", Key: "word", Err: core.ErrConflict},
			func(c *core.Typed[string]) { _ = c.CompareAndDelete(ctx, item) },
		},
		{
			core.Op{Verb: "Delete", Key: "word"},
			func(c *core.Typed[string]) { _ = c.Delete(ctx, "word") },
		},
		{
			core.Op{Verb: "DeleteMulti", Keys: keys},
			func(c *core.Typed[string]) { _ = c.DeleteMulti(ctx, keys) },
		},
		{
			core.Op{Verb: "Touch", Key: "word"},
			func(c *core.Typed[string]) { _ = c.Touch(ctx, "word", 0) },
		},
		{
			core.Op{Verb: "Exists", Key: "word", Hits: 1},
			func(c *core.Typed[string]) { _, _ = c.Exists(ctx, "word") },
		},
		{
			core.Op{Verb: "TTL", Key: "word", Hits: 1},
			func(c *core.Typed[string]) { _, _ = c.TTL(ctx, "word") },
		},
	} {
		for _, codec := range []string{"strings", "shared"} {
			keys := append([]string{test.want.Key}, test.want.Keys...)
			if codec == "shared" && slices.Contains(keys, "unencodable") {
				continue // Shared encodes nothing
			}
			t.Run(fmt.Sprint(codec, " ", test.want.Verb, " ", keys), func(t *testing.T) {
				hook := &recorder{}
				c := open(t, newFullBackend(), &core.Options{Hooks: []core.Hook{hook}})
				typed := must(core.NewTyped(c, stringCodec{}))
				if codec == "shared" {
					typed = must(core.NewTyped(c, core.Shared[string]()))
				}
				if err := typed.Set(ctx, "word", "hello", 0); err != nil {
					t.Fatal(err)
				}
				put(t, c, "unencodable", "old")
				put(t, c, "undecodable", undecodable)
				hook.afterOps = nil
				test.do(typed)
				if len(hook.afterOps) != 1 {
					t.Fatalf("After was called %d times, want once", len(hook.afterOps))
				}
				got := hook.afterOps[0]
				got.Duration = 0
				wantOp(t, got, test.want)
			})
		}
	}
}
