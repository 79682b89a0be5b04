package core_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"testing"

	"github.com/cachewire/cachewire/core"
)

// A scriptedBackend returns items and err from its multi verbs, even if they are wrong.
type scriptedBackend struct {
	core.Backend
	items []core.Item
	err   error
}

func (b scriptedBackend) GetItems(context.Context, []string) ([]core.Item, error) {
	return b.items, b.err
}

func (b scriptedBackend) StoreMulti(context.Context, core.Mode, []core.Item) error {
	return b.err
}

func (b scriptedBackend) DeleteMulti(context.Context, []string) error { return b.err }

type errorsByKey = map[string]error

// An error other than a *MultiError with one of the keys applies to all keys, so that no
// failure is lost. These are such errors.
var (
	errWrapped   = fmt.Errorf("server 2: %w", multiError(errorsByKey{"a": io.EOF}))
	errJoined    = errors.Join(multiError(errorsByKey{"a": io.EOF}), core.ErrUnavailable)
	wrappedNil   = errWrapper{(*core.MultiError)(nil)}
	emptyMulti   = &core.MultiError{}
	unknownMulti = multiError(errorsByKey{"z": io.EOF, "": io.EOF})
)

// multiErrors are errors that a backend may return for the keys a and b, and the errors of
// these keys.
var multiErrors = []struct {
	name string
	err  error
	want errorsByKey // nil if there must be no error
}{
	{"nil", nil, nil},
	{"of one key", multiError(errorsByKey{"a": io.EOF}), errorsByKey{"a": io.EOF}},
	{"wrapped", errWrapped, errorsByKey{"a": errWrapped, "b": errWrapped}},
	{"joined", errJoined, errorsByKey{"a": core.ErrUnavailable, "b": core.ErrUnavailable}},
	{"of the whole verb", io.EOF, errorsByKey{"a": io.EOF, "b": io.EOF}},
	{"nil pointer", (*core.MultiError)(nil), nil},
	{"wrapped nil pointer", wrappedNil, errorsByKey{"a": wrappedNil, "b": wrappedNil}},
	{"no keys", emptyMulti, errorsByKey{"a": emptyMulti, "b": emptyMulti}},
	{"unknown keys", unknownMulti, errorsByKey{"a": unknownMulti, "b": unknownMulti}},
	{"known and unknown keys",
		multiError(errorsByKey{"z": io.EOF, "b": io.EOF}), errorsByKey{"b": io.EOF}},
	{"nil error of a key",
		multiError(errorsByKey{"a": nil, "b": io.EOF}), errorsByKey{"b": io.EOF}},
}

// An errWrapper wraps any error, including a nil pointer.
type errWrapper struct{ err error }

func (errWrapper) Error() string   { return "wrapped" }
func (w errWrapper) Unwrap() error { return w.err }

func TestErrorOfABackendAppliesToItsKeys(t *testing.T) {
	ctx := t.Context()
	for _, test := range multiErrors {
		c := open(t, scriptedBackend{newBackend(), nil, test.err}, nil)
		for name, call := range map[string]func() error{
			"GetMulti": func() error { _, err := c.GetMulti(ctx, []string{"a", "b"}); return err },
			"SetMulti": func() error {
				return c.SetMulti(ctx, map[string][]byte{"a": nil, "b": nil}, 0)
			},
			"AddMulti": func() error {
				return c.AddMulti(ctx, map[string][]byte{"a": nil, "b": nil}, 0)
			},
			"StoreMulti": func() error {
				return c.StoreMulti(ctx, core.Replace, []core.Item{{Key: "a"}, {Key: "b"}})
			},
			"DeleteMulti": func() error { return c.DeleteMulti(ctx, []string{"a", "b"}) },
			"typed GetMulti": func() error {
				typed := must(core.NewTyped(c, stringCodec{}))
				_, err := typed.GetMulti(ctx, []string{"a", "b"})
				return err
			},
			"typed SetMulti": func() error {
				typed := must(core.NewTyped(c, stringCodec{}))
				return typed.SetMulti(ctx, map[string]string{"a": "x", "b": "x"}, 0)
			},
		} {
			t.Run(name+" "+test.name, func(t *testing.T) {
				err := call()
				if test.want == nil {
					if err != nil { // a nil *MultiError as well
						t.Errorf("error is %#v, want nil", err)
					}
					return
				}
				wantFailed(t, err, test.want)
			})
		}
	}
}

func TestKeysInTheMultiErrorOfABackendLoseThePrefix(t *testing.T) {
	err := multiError(errorsByKey{"p:a": io.EOF, "b": io.EOF})
	c := open(t, scriptedBackend{newBackend(), nil, err}, &core.Options{Prefix: "p:"})
	want := errorsByKey{"a": io.EOF}
	_, err = c.GetMulti(t.Context(), []string{"a", "b"})
	wantFailed(t, err, want)
	wantFailed(t, c.SetMulti(t.Context(), map[string][]byte{"a": nil, "b": nil}, 0), want)
	wantFailed(t, c.DeleteMulti(t.Context(), []string{"a", "b"}), want)
}

// openHooked returns a Cache over a scriptedBackend, and its hook.
func openHooked(t *testing.T, b scriptedBackend, prefix string) (*core.Cache, *recorder) {
	t.Helper()
	hook := &recorder{}
	return open(t, b, &core.Options{Prefix: prefix, Hooks: []core.Hook{hook}}), hook
}

func TestGetMultiReturnsItemsTogetherWithTheErrorOfTheBackend(t *testing.T) {
	items := []core.Item{{Key: "a", Value: []byte("1")}}
	for name, err := range map[string]error{
		"of the whole verb":      io.EOF,
		"of the missing item":    multiError(errorsByKey{"b": io.EOF}),
		"of the present one too": multiError(errorsByKey{"a": io.EOF, "b": io.EOF}),
	} {
		t.Run(name, func(t *testing.T) {
			c, hook := openHooked(t, scriptedBackend{newBackend(), items, err}, "")
			got, err := c.GetMulti(t.Context(), []string{"a", "b"})
			wantFailed(t, err, errorsByKey{"b": io.EOF})
			if want := map[string]string{"a": "1"}; !maps.Equal(toStrings(got), want) {
				t.Errorf("GetMulti = %q, want %q", got, want)
			}
			if op := hook.afterOps[0]; op.Hits != 1 || op.Misses != 0 {
				t.Errorf("op has %d hits and %d misses, want 1 and 0", op.Hits, op.Misses)
			}
		})
	}
}

// A backend may leave out absent keys, or report them as ErrMiss.
func TestMissInTheErrorOfABackendIsNoFailureOfReadsAndDeletes(t *testing.T) {
	wrappedMiss := fmt.Errorf("row 7: %w", core.ErrMiss)
	for name, err := range map[string]error{
		"of one key":        multiError(errorsByKey{"absent": core.ErrMiss}),
		"wrapped":           multiError(errorsByKey{"absent": wrappedMiss}),
		"of the whole verb": core.ErrMiss,
	} {
		items := []core.Item{{Key: "a", Value: []byte("1")}}
		t.Run("GetMulti "+name, func(t *testing.T) {
			c, hook := openHooked(t, scriptedBackend{newBackend(), items, err}, "")
			got, err := c.GetMulti(t.Context(), []string{"a", "absent"})
			wantErr(t, err, nil)
			if want := map[string]string{"a": "1"}; !maps.Equal(toStrings(got), want) {
				t.Errorf("GetMulti = %q, want %q", got, want)
			}
			if op := hook.afterOps[0]; op.Hits != 1 || op.Misses != 1 {
				t.Errorf("op has %d hits and %d misses, want 1 and 1", op.Hits, op.Misses)
			}
		})
		t.Run("DeleteMulti "+name, func(t *testing.T) {
			c := open(t, scriptedBackend{newBackend(), nil, err}, nil)
			wantErr(t, c.DeleteMulti(t.Context(), []string{"a", "absent"}), nil)
		})
	}
}

func TestMissInTheErrorOfABackendIsTheErrorOfAReplace(t *testing.T) {
	err := multiError(errorsByKey{"a": fmt.Errorf("row 7: %w", core.ErrMiss)})
	c := open(t, scriptedBackend{newBackend(), nil, err}, nil)
	err = c.ReplaceMulti(t.Context(), map[string][]byte{"a": nil, "b": nil}, 0)
	if got := failedKeys(t, err); len(got) != 1 || got["a"] != core.ErrMiss {
		t.Errorf("the errors of the keys are %v, want a bare ErrMiss for a", got)
	}
}

// A wrong backend returns items for other keys. GetMulti must not panic, must return the item
// for the key, and must not pass negative numbers to hooks.
func TestGetMultiToleratesItemsForOtherKeys(t *testing.T) {
	wrong := []core.Item{
		{Key: "z", Value: []byte("?")},
		{},
		{Key: "a", Value: []byte("1")},
		{Key: "p:z"},
		{Key: "p:a", Value: []byte("2")},
		{Key: "p:"},
	}
	for prefix, want := range map[string]string{"": "1", "p:": "2"} {
		for name, err := range map[string]error{"": nil, "with an error": io.EOF} {
			t.Run(prefix+name, func(t *testing.T) {
				items := append([]core.Item(nil), wrong...)
				c, hook := openHooked(t, scriptedBackend{newBackend(), items, err}, prefix)
				got, _ := c.GetMulti(t.Context(), []string{"absent", "a"})
				if string(got["a"]) != want {
					t.Errorf("GetMulti = %q, want %q for a", got, want)
				}
				if op := hook.afterOps[0]; op.Misses < 0 || op.Hits > 2 {
					t.Errorf("op has %d hits and %d misses for 2 keys", op.Hits, op.Misses)
				}
			})
		}
	}
}

// A driver may return a nil pointer in an error by mistake, and mean no error. The caller
// must be able to print the error that results.
func TestNilPointerInAnErrorCanBePrinted(t *testing.T) {
	for name, err := range map[string]error{
		"MultiError": (*core.MultiError)(nil),
		"Error":      (*core.Error)(nil),
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if p := recover(); p != nil {
					t.Errorf("the error panicked: %v", p)
				}
			}()
			c := failingCache(t, err)
			for _, err := range []error{c.Flush(t.Context()), c.Set(t.Context(), "k", nil, 0)} {
				if err != nil && err.Error() == "" {
					t.Error("the error has no text")
				}
				_ = errors.Is(err, core.ErrMiss)
			}
		})
	}
}
