package core_test

import (
	"context"
	"errors"
	"io"
	"testing"

	"github.com/cachewire/cachewire/core"
)

// shut answers a Cache over b that is closed, with a log that is empty.
func shut(t *testing.T, b core.Backend, watched *backend) *core.Cache {
	t.Helper()
	c := open(t, b, nil)
	put(t, c, "k", "5")
	if err := c.Close(); err != nil {
		t.Fatalf("Close: %v", err)
	}
	watched.log()
	return c
}

func TestEveryVerbAfterCloseIsErrClosed(t *testing.T) {
	abilities(t, func(t *testing.T, b core.Backend, watched *backend) {
		c := shut(t, b, watched)
		eachVerb(t, nil, func(t *testing.T, v verb) {
			for _, key := range []string{"k", "absent"} {
				wantErr(t, v.call(t.Context(), c, key, 0), core.ErrClosed)
			}
			wantUntouched(t, watched)
		})
	})
}

// Closed comes before all that could be said of the arguments: a program that
// goes on after Close hears of that, and of nothing that leads it astray.
func TestErrClosedComesBeforeEveryOtherError(t *testing.T) {
	done, cancel := context.WithCancel(context.Background())
	cancel()
	b := newBackend()
	c := shut(t, b, b)
	eachVerb(t, nil, func(t *testing.T, v verb) {
		wantErr(t, v.call(t.Context(), c, "", 0), core.ErrClosed)
		wantErr(t, v.call(t.Context(), c, "k", -1), core.ErrClosed)
		wantErr(t, v.call(done, c, "k", 0), core.ErrClosed)
	})
}

func TestMultiVerbsAfterCloseAnswerAMapThatIsNotNil(t *testing.T) {
	abilities(t, func(t *testing.T, b core.Backend, watched *backend) {
		c := shut(t, b, watched)
		if values, err := c.GetMulti(t.Context(), []string{"k"}); values == nil || len(values) != 0 || err == nil {
			t.Errorf("Cache: GetMulti = %v, %v", values, err)
		}
		encoded, err := must(core.NewTyped(c, words{})).GetMulti(t.Context(), []string{"k"})
		if encoded == nil || len(encoded) != 0 || err == nil {
			t.Errorf("Typed: GetMulti = %v, %v", encoded, err)
		}
		if _, ok := b.(core.SharedStorer); !ok {
			return
		}
		shared, err := must(core.NewTyped(c, core.Shared[int]())).GetMulti(t.Context(), []string{"k"})
		if shared == nil || len(shared) != 0 || err == nil {
			t.Errorf("Typed over Shared: GetMulti = %v, %v", shared, err)
		}
	})
}

func TestEveryVerbOfTypedAfterCloseIsErrClosed(t *testing.T) {
	abilities(t, func(t *testing.T, b core.Backend, watched *backend) {
		c := shut(t, b, watched)
		all := map[string]*core.Typed[string]{"words": must(core.NewTyped(c, words{}))}
		if _, ok := b.(core.SharedStorer); ok {
			all["shared"] = must(core.NewTyped(c, core.Shared[string]()))
		}
		for name, typed := range all {
			t.Run(name, func(t *testing.T) {
				eachTypedVerb(t, func(t *testing.T, v typedVerb) {
					wantErr(t, v.call(t.Context(), typed, "k", "hello", 0), core.ErrClosed)
					wantUntouched(t, watched)
				})
			})
		}
	})
}

// Whether a value can be encoded is nothing that a closed cache, a done context
// or an illegal key has to find out.
func TestTypedChecksTheCallBeforeItEncodes(t *testing.T) {
	b := newBackend()
	closed := must(core.NewTyped(shut(t, b, b), words{}))
	opened := must(core.NewTyped(open(t, newBackend(), nil), words{}))
	done, cancel := context.WithCancel(context.Background())
	cancel()
	wantErr(t, closed.Set(t.Context(), "k", unsayable, 0), core.ErrClosed)
	wantErr(t, opened.Set(done, "k", unsayable, 0), context.Canceled)
	wantErr(t, opened.Set(t.Context(), "", unsayable, 0), core.ErrInvalidKey)
}

func TestCloseTwiceClosesTheBackendOnce(t *testing.T) {
	b := newBackend()
	c := open(t, b, nil)
	for range 3 {
		wantErr(t, c.Close(), nil)
	}
	if n := b.closed(); n != 1 {
		t.Errorf("the backend was closed %d times", n)
	}
}

func TestCloseByManyGoroutinesClosesTheBackendOnce(t *testing.T) {
	b := newBackend()
	c := open(t, b, nil)
	together(100, func(int) { wantErr(t, c.Close(), nil) })
	if n := b.closed(); n != 1 {
		t.Errorf("the backend was closed %d times", n)
	}
}

func TestCloseAnswersTheBackendsErrorOnce(t *testing.T) {
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

func TestClosingAViewLeavesItsParentOpen(t *testing.T) {
	b := newBackend()
	c := open(t, b, nil)
	v, other := view(t, c, "v:"), view(t, c, "o:")
	for range 2 {
		wantErr(t, v.Close(), nil)
	}
	eachVerb(t, nil, func(t *testing.T, verb verb) {
		wantErr(t, verb.call(t.Context(), v, "k", 0), core.ErrClosed)
	})
	for _, open := range []*core.Cache{c, other} {
		put(t, open, "k", "v")
		wantValue(t, open, "k", "v")
	}
	if n := b.closed(); n != 0 {
		t.Errorf("the backend was closed %d times", n)
	}
}

func TestClosingTheParentClosesItsViews(t *testing.T) {
	b := newBackend()
	c := open(t, b, nil)
	before := view(t, c, "v:")
	nested := view(t, before, "w:")
	wantErr(t, c.Close(), nil)
	b.log()
	for _, v := range []*core.Cache{before, nested, view(t, c, "after:")} {
		eachVerb(t, nil, func(t *testing.T, verb verb) {
			wantErr(t, verb.call(t.Context(), v, "k", 0), core.ErrClosed)
		})
		wantErr(t, v.Close(), nil)
	}
	wantUntouched(t, b)
	if n := b.closed(); n != 1 {
		t.Errorf("the backend was closed %d times", n)
	}
}

// WithPrefix promises that the view is closed once the Cache that it was made
// from is, and that may be a view itself.
func TestClosingAViewClosesTheViewsMadeFromIt(t *testing.T) {
	c := open(t, newBackend(), nil)
	parent := view(t, c, "v:")
	child := view(t, parent, "w:")
	wantErr(t, parent.Close(), nil)
	_, err := child.Get(t.Context(), "k")
	wantErr(t, err, core.ErrClosed)
	put(t, c, "k", "v")
}
