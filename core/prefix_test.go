package core_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/cachewire/cachewire/core"
)

// Every verb is called with one prefix, on an absent key and on a present one. The items
// without a prefix and with another prefix stay as they are.
func TestPrefixSeparatesCachesInEveryVerb(t *testing.T) {
	eachBackend(t, func(t *testing.T, b core.Backend, base *backend) {
		raw := open(t, b, nil)
		c, other := withPrefix(t, raw, "p:"), withPrefix(t, raw, "other:")
		put(t, raw, "k", "raw")
		put(t, other, "k", "other")
		eachVerb(t, verb.takesKeys, func(t *testing.T, v verb) {
			for _, present := range []bool{false, true} {
				if present {
					put(t, c, "k", "1")
				}
				base.takeCalls()
				_ = v.call(t.Context(), c, "k", 0)
				for _, call := range base.takeCalls() {
					for _, key := range call.keys {
						if key != "p:k" {
							t.Errorf("%s of the backend was called with %q, want p:k",
								call.verb, key)
						}
					}
				}
				_ = c.Delete(t.Context(), "k")
			}
			wantValue(t, raw, "k", "raw")
			wantValue(t, other, "k", "other")
		})
	})
}

func TestPrefixIsVisibleOnlyToTheBackend(t *testing.T) {
	eachBackend(t, func(t *testing.T, b core.Backend, base *backend) {
		hook := &recorder{}
		c := open(t, b, &core.Options{Prefix: "p:", Hooks: []core.Hook{hook}})
		ctx := t.Context()
		put(t, c, "a", "1")
		put(t, c, "p:a", "2") // a key that begins like the prefix
		if got, want := base.keys(), []string{"p:a", "p:p:a"}; !slices.Equal(got, want) {
			t.Errorf("the backend has the keys %q, want %q", got, want)
		}
		item, err := c.GetItem(ctx, "p:a")
		if err != nil || item.Key != "p:a" || string(item.Value) != "2" {
			t.Errorf("GetItem = %+v, %v; want 2 under p:a", item, err)
		}
		got, err := c.GetMulti(ctx, []string{"a", "p:a", "absent"})
		wantErr(t, err, nil)
		if want := map[string]string{"a": "1", "p:a": "2"}; !maps.Equal(toStrings(got), want) {
			t.Errorf("GetMulti = %q, want %q", got, want)
		}
		var e *core.Error
		if err := c.Add(ctx, "p:a", nil, 0); !errors.As(err, &e) || e.Key != "p:a" {
			t.Errorf("error is %v, want an *Error of p:a", err)
		}
		err = c.AddMulti(ctx, map[string][]byte{"a": nil, "p:a": nil}, 0)
		wantFailed(t, err, map[string]error{"a": core.ErrExists, "p:a": core.ErrExists})
		for _, op := range hook.afterOps {
			for _, key := range op.Keys {
				if key != "a" && key != "p:a" && key != "absent" {
					t.Errorf("the hook was called with %s of %q", op.Verb, key)
				}
			}
		}
	})
}

func TestNestedPrefixesAreJoinedInOrder(t *testing.T) {
	b := newBackend()
	c := open(t, b, &core.Options{Prefix: "a:"})
	inner := withPrefix(t, withPrefix(t, c, "b:"), "c:")
	put(t, inner, "k", "v")
	if got := b.keys(); !slices.Equal(got, []string{"a:b:c:k"}) {
		t.Errorf("the backend has the keys %q, want a:b:c:k", got)
	}
	wantValue(t, c, "b:c:k", "v")
}

func TestPrefixesTogetherAreAtMost250Bytes(t *testing.T) {
	c := open(t, newBackend(), &core.Options{Prefix: strings.Repeat("a", 200)})
	longest := withPrefix(t, c, strings.Repeat("b", 50))
	put(t, longest, "k", "v")
	for _, parent := range []*core.Cache{c, longest} {
		v, err := parent.WithPrefix(strings.Repeat("b", 51))
		wantErr(t, err, core.ErrConfig)
		if v != nil {
			t.Error("WithPrefix returned a Cache with the error")
		}
	}
}

func TestPrefixedCacheHasTheOtherSettingsOfItsParent(t *testing.T) {
	b, hook := newBackend(), &recorder{}
	c := open(t, b, &core.Options{DefaultTTL: 5, Timeout: 1 << 40, Hooks: []core.Hook{hook}})
	deadline := false
	b.before = func(ctx context.Context, verb, _ string) error {
		if verb == "Set" {
			_, deadline = ctx.Deadline()
		}
		return nil
	}
	wantErr(t, withPrefix(t, c, "p:").Set(t.Context(), "k", nil, 0), nil)
	if calls := b.takeCalls(); calls[0].ttl != 5 || !deadline || len(hook.afterOps) != 1 {
		t.Errorf("the time to live is %v, has a deadline: %t, %d ops; want 5ns, true, 1",
			calls[0].ttl, deadline, len(hook.afterOps))
	}
}

func TestFlushWithoutAPrefixDeletesEverything(t *testing.T) {
	b := newBackend()
	c := open(t, b, nil)
	put(t, c, "a", "1")
	put(t, withPrefix(t, c, "p:"), "b", "2")
	wantErr(t, c.Flush(t.Context()), nil)
	if left := b.keys(); len(left) != 0 {
		t.Errorf("Flush left the keys %q, want none", left)
	}
}

func TestFlushWithAPrefixDeletesOnlyItsOwnKeys(t *testing.T) {
	for name, backend := range map[string]func(f *fullBackend) core.Backend{
		"batches":    func(f *fullBackend) core.Backend { return f },
		"one by one": func(f *fullBackend) core.Backend { return withKeyLister{f.backend, f} },
	} {
		for _, n := range []int{0, 1, 999, 1000, 1001, 2000, 2600} {
			t.Run(fmt.Sprint(name, " ", n), func(t *testing.T) {
				f := newFullBackend()
				raw := open(t, backend(f), nil)
				c := withPrefix(t, raw, "users:")
				keys, values := manyKeys(n)
				wantErr(t, c.SetMulti(t.Context(), values, 0), nil)
				put(t, withPrefix(t, raw, "user"), "k", "v")
				put(t, withPrefix(t, raw, "other:"), "k", "v")
				put(t, raw, "k", "v")
				f.takeCalls()
				wantErr(t, c.Flush(t.Context()), nil)
				want := []string{"k", "other:k", "userk"}
				if got := f.keys(); !slices.Equal(got, want) {
					t.Errorf("Flush left the keys %.200q, want %q", got, want)
				}
				calls := f.takeCalls()
				if most := 1 + (n+999)/1000; name == "batches" && len(calls) > most {
					t.Errorf("Flush of %d keys took %d calls, want at most %d",
						len(keys), len(calls), most)
				}
			})
		}
	}
}

func TestFlushWithAPrefixIsUnsupportedIfKeysCannotBeListed(t *testing.T) {
	b := newBackend()
	c := withPrefix(t, open(t, b, nil), "p:")
	put(t, c, "k", "v")
	b.takeCalls()
	wantErr(t, c.Flush(t.Context()), errors.ErrUnsupported)
	wantNoCalls(t, b)
	wantValue(t, c, "k", "v")
}

func TestFlushReportsKeysThatCouldNotBeDeleted(t *testing.T) {
	f := newFullBackend()
	c := open(t, withKeyLister{f.backend, f}, &core.Options{Prefix: "p:"})
	_, values := manyKeys(1500)
	values["stuck"] = nil
	wantErr(t, c.SetMulti(t.Context(), values, 0), nil)
	f.before = func(_ context.Context, verb, key string) error {
		if verb == "Delete" && key == "p:stuck" {
			return io.EOF
		}
		return nil
	}
	err := c.Flush(t.Context())
	wantFailed(t, err, map[string]error{"stuck": io.EOF})
	var m *core.MultiError
	if errors.As(err, &m) && (m.Verb != "Flush" || m.Total != 1501) {
		t.Errorf("MultiError is of %s, total %d; want Flush, 1501", m.Verb, m.Total)
	}
	if got := f.keys(); !slices.Equal(got, []string{"p:stuck"}) {
		t.Errorf("Flush left the keys %.200q, want p:stuck", got)
	}
}

// A listerFunc is a KeyLister whose sequence is the function.
type listerFunc func(yield func(string, error) bool)

func (l listerFunc) Keys(context.Context, string) iter.Seq2[string, error] {
	return iter.Seq2[string, error](l)
}

// openWithFailingKeys returns a Cache with the key a, and its backend. Keys of the backend
// yields that key and then an error.
func openWithFailingKeys(t *testing.T) (*core.Cache, *backend) {
	b := newBackend()
	c := open(t, withKeyLister{b, listerFunc(func(yield func(string, error) bool) {
		if yield("p:a", nil) {
			yield("", fmt.Errorf("%w: %w", core.ErrUnavailable, io.EOF))
		}
	})}, &core.Options{Prefix: "p:"})
	put(t, c, "a", "v")
	return c, b
}

func TestFlushReturnsTheErrorOfTheKeyLister(t *testing.T) {
	c, _ := openWithFailingKeys(t)
	err := c.Flush(t.Context())
	wantErr(t, err, core.ErrUnavailable)
	wantErr(t, err, io.EOF)
	var e *core.Error
	if !errors.As(err, &e) || e.Verb != "Flush" {
		t.Errorf("error is %#v, want an *Error of Flush", err)
	}
}

func TestFlushDeletesTheKeysListedBeforeAnError(t *testing.T) {
	c, b := openWithFailingKeys(t)
	wantErr(t, c.Flush(t.Context()), io.EOF)
	if left := b.keys(); len(left) != 0 {
		t.Errorf("Flush left the keys %q, want none", left)
	}
}

// A KeyLister may yield a key more than once, but the keys for a MultiDeleter are distinct.
func TestFlushDeletesAKeyOnceIfItIsListedTwice(t *testing.T) {
	f := newFullBackend()
	type both struct {
		core.Backend
		core.MultiDeleter
		core.KeyLister
	}
	c := open(t, both{f.backend, f, listerFunc(func(yield func(string, error) bool) {
		for _, key := range []string{"p:a", "p:b", "p:a"} {
			if !yield(key, nil) {
				return
			}
		}
	})}, &core.Options{Prefix: "p:"})
	wantErr(t, c.Flush(t.Context()), nil)
	for _, call := range f.takeCalls() {
		if len(slices.Compact(slices.Sorted(slices.Values(call.keys)))) != len(call.keys) {
			t.Errorf("%s of the backend was called with %q, want distinct keys",
				call.verb, call.keys)
		}
	}
}

// An endlessLister lists keys without an end. It keeps the keys with which DeleteMulti was
// called, as a call that the context abandoned may.
type endlessLister struct {
	core.Backend
	deleted  [][]string
	onDelete func(calls int)
}

func (b *endlessLister) Keys(_ context.Context, prefix string) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		for i := 0; yield(fmt.Sprint(prefix, i), nil); i++ {
		}
	}
}

func (b *endlessLister) DeleteMulti(_ context.Context, keys []string) error {
	b.deleted = append(b.deleted, keys)
	b.onDelete(len(b.deleted))
	return nil
}

// Flush must not use a slice of keys again, as the call that was abandoned may still read it.
func TestFlushWithAPrefixEndsWhenTheContextIsDone(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	b := &endlessLister{Backend: newBackend(), onDelete: func(calls int) {
		if calls == 3 {
			cancel()
		}
	}}
	c := open(t, b, &core.Options{Prefix: "p:"})
	if err := c.Flush(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("Flush: error is %v, want %v", err, context.Canceled)
	}
	if len(b.deleted) != 3 {
		t.Errorf("DeleteMulti was called %d times, want 3", len(b.deleted))
	}
	n := 0
	for _, keys := range b.deleted {
		for _, key := range keys {
			if want := fmt.Sprint("p:", n); key != want {
				t.Fatalf("key %d for DeleteMulti has become %q, want %q", n, key, want)
			}
			n++
		}
	}
}
