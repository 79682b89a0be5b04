package core_test

import (
	"context"
	"errors"
	"io"
	"testing"

	"github.com/cachewire/cachewire/core"
)

// closedCache returns a closed Cache over b, with the key k. It forgets the calls of base.
func closedCache(t *testing.T, b core.Backend, base *backend) *core.Cache {
	t.Helper()
	c := open(t, b, nil)
	put(t, c, "k", "5")
	if err := c.Close(); err != nil {
		t.Fatalf("Close: %v", err)
	}
	base.takeCalls()
	return c
}

func TestEveryVerbAfterCloseIsErrClosed(t *testing.T) {
	eachBackend(t, func(t *testing.T, b core.Backend, base *backend) {
		c := closedCache(t, b, base)
		eachVerb(t, nil, func(t *testing.T, v verb) {
			for _, key := range []string{"k", "absent"} {
				wantErr(t, v.call(t.Context(), c, key, 0), core.ErrClosed)
			}
			wantNoCalls(t, base)
		})
	})
}

// A program that uses a Cache after Close gets an error that says so, even if the arguments
// are wrong, too.
func TestErrClosedTakesPrecedenceOverOtherErrors(t *testing.T) {
	done, cancel := context.WithCancel(context.Background())
	cancel()
	b := newBackend()
	c := closedCache(t, b, b)
	eachVerb(t, nil, func(t *testing.T, v verb) {
		wantErr(t, v.call(t.Context(), c, "", 0), core.ErrClosed)
		wantErr(t, v.call(t.Context(), c, "k", -1), core.ErrClosed)
		wantErr(t, v.call(done, c, "k", 0), core.ErrClosed)
	})
}

func TestGetMultiAfterCloseReturnsAnEmptyMap(t *testing.T) {
	eachBackend(t, func(t *testing.T, b core.Backend, base *backend) {
		c := closedCache(t, b, base)
		const want = "want an empty map that is not nil, and an error"
		values, err := c.GetMulti(t.Context(), []string{"k"})
		if values == nil || len(values) != 0 || err == nil {
			t.Errorf("Cache: GetMulti = %v, %v; %s", values, err, want)
		}
		typed := must(core.NewTyped(c, stringCodec{}))
		encoded, err := typed.GetMulti(t.Context(), []string{"k"})
		if encoded == nil || len(encoded) != 0 || err == nil {
			t.Errorf("Typed: GetMulti = %v, %v; %s", encoded, err, want)
		}
		if _, ok := b.(core.SharedStorer); !ok {
			return
		}
		typedShared := must(core.NewTyped(c, core.Shared[int]()))
		shared, err := typedShared.GetMulti(t.Context(), []string{"k"})
		if shared == nil || len(shared) != 0 || err == nil {
			t.Errorf("Typed with Shared: GetMulti = %v, %v; %s", shared, err, want)
		}
	})
}

func TestEveryVerbOfTypedAfterCloseIsErrClosed(t *testing.T) {
	eachBackend(t, func(t *testing.T, b core.Backend, base *backend) {
		c := closedCache(t, b, base)
		all := map[string]*core.Typed[string]{"strings": must(core.NewTyped(c, stringCodec{}))}
		if _, ok := b.(core.SharedStorer); ok {
			all["shared"] = must(core.NewTyped(c, core.Shared[string]()))
		}
		for name, typed := range all {
			t.Run(name, func(t *testing.T) {
				eachTypedVerb(t, func(t *testing.T, v typedVerb) {
					wantErr(t, v.call(t.Context(), typed, "k", "hello", 0), core.ErrClosed)
					wantNoCalls(t, base)
				})
			})
		}
	})
}

// The value cannot be encoded, but the error is that of the closed Cache, the context or the
// key.
func TestTypedChecksTheCallBeforeItEncodes(t *testing.T) {
	b := newBackend()
	closed := must(core.NewTyped(closedCache(t, b, b), stringCodec{}))
	opened := must(core.NewTyped(open(t, newBackend(), nil), stringCodec{}))
	done, cancel := context.WithCancel(context.Background())
	cancel()
	wantErr(t, closed.Set(t.Context(), "k", unencodable, 0), core.ErrClosed)
	wantErr(t, opened.Set(done, "k", unencodable, 0), context.Canceled)
	wantErr(t, opened.Set(t.Context(), "", unencodable, 0), core.ErrInvalidKey)
}

func TestCloseTwiceClosesTheBackendOnce(t *testing.T) {
	b := newBackend()
	c := open(t, b, nil)
	for range 3 {
		wantErr(t, c.Close(), nil)
	}
	if n := b.closeCount(); n != 1 {
		t.Errorf("the backend was closed %d times, want once", n)
	}
}

func TestCloseByManyGoroutinesClosesTheBackendOnce(t *testing.T) {
	b := newBackend()
	c := open(t, b, nil)
	runConcurrently(100, func(int) { wantErr(t, c.Close(), nil) })
	if n := b.closeCount(); n != 1 {
		t.Errorf("the backend was closed %d times, want once", n)
	}
}

func TestCloseReturnsTheErrorOfTheBackendOnce(t *testing.T) {
	b := newBackend()
	b.before = func(context.Context, string, string) error { return io.ErrUnexpectedEOF }
	c := open(t, b, nil)
	err := c.Close()
	wantErr(t, err, io.ErrUnexpectedEOF)
	var e *core.Error
	if !errors.As(err, &e) || e.Verb != "Close" || e.Driver != "core_test" || e.Key != "" {
		t.Errorf("error is %#v, want an *Error of Close", err)
	}
	wantErr(t, c.Close(), nil)
	wantErr(t, c.Ping(t.Context()), core.ErrClosed)
}

func TestClosingAPrefixedCacheLeavesItsParentOpen(t *testing.T) {
	b := newBackend()
	c := open(t, b, nil)
	child, other := withPrefix(t, c, "child:"), withPrefix(t, c, "other:")
	for range 2 {
		wantErr(t, child.Close(), nil)
	}
	eachVerb(t, nil, func(t *testing.T, v verb) {
		wantErr(t, v.call(t.Context(), child, "k", 0), core.ErrClosed)
	})
	for _, open := range []*core.Cache{c, other} {
		put(t, open, "k", "v")
		wantValue(t, open, "k", "v")
	}
	if n := b.closeCount(); n != 0 {
		t.Errorf("the backend was closed %d times, want 0", n)
	}
}

func TestClosingTheParentClosesItsPrefixedCaches(t *testing.T) {
	b := newBackend()
	c := open(t, b, nil)
	before := withPrefix(t, c, "before:")
	nested := withPrefix(t, before, "nested:")
	wantErr(t, c.Close(), nil)
	b.takeCalls()
	for _, child := range []*core.Cache{before, nested, withPrefix(t, c, "after:")} {
		eachVerb(t, nil, func(t *testing.T, v verb) {
			wantErr(t, v.call(t.Context(), child, "k", 0), core.ErrClosed)
		})
		wantErr(t, child.Close(), nil)
	}
	wantNoCalls(t, b)
	if n := b.closeCount(); n != 1 {
		t.Errorf("the backend was closed %d times, want once", n)
	}
}

// The parent has a prefix itself.
func TestClosingAPrefixedCacheClosesThoseMadeFromIt(t *testing.T) {
	c := open(t, newBackend(), nil)
	parent := withPrefix(t, c, "parent:")
	child := withPrefix(t, parent, "child:")
	wantErr(t, parent.Close(), nil)
	_, err := child.Get(t.Context(), "k")
	wantErr(t, err, core.ErrClosed)
	put(t, c, "k", "v")
}
