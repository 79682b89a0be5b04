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

// A scripted backend answers its multi verbs as the test says, right or wrong.
type scripted struct {
	core.Backend
	items []core.Item
	err   error
}

func (s scripted) GetItems(context.Context, []string) ([]core.Item, error)  { return s.items, s.err }
func (s scripted) StoreMulti(context.Context, core.Mode, []core.Item) error { return s.err }
func (s scripted) DeleteMulti(context.Context, []string) error              { return s.err }

// What is no *MultiError that names a key stands for all keys, so that no failure
// is lost.
var (
	errWrapped   = fmt.Errorf("server 2: %w", &core.MultiError{Errors: map[string]error{"a": io.EOF}})
	errJoined    = errors.Join(&core.MultiError{Errors: map[string]error{"a": io.EOF}}, core.ErrUnavailable)
	wrappedNil   = wrapped{(*core.MultiError)(nil)}
	emptyMulti   = &core.MultiError{}
	foreignMulti = &core.MultiError{Errors: map[string]error{"z": io.EOF, "": io.EOF}}
)

// multiErrors are errors that a backend may answer for the keys a and b, and
// what they mean for them.
var multiErrors = []struct {
	name string
	err  error
	want map[string]error // nil is no error
}{
	{"none", nil, nil},
	{"of one key", &core.MultiError{Errors: map[string]error{"a": io.EOF}}, map[string]error{"a": io.EOF}},
	{"wrapped", errWrapped, map[string]error{"a": errWrapped, "b": errWrapped}},
	{"joined", errJoined, map[string]error{"a": core.ErrUnavailable, "b": core.ErrUnavailable}},
	{"of the whole", io.EOF, map[string]error{"a": io.EOF, "b": io.EOF}},
	{"nil pointer", (*core.MultiError)(nil), nil},
	{"wrapped nil pointer", wrappedNil, map[string]error{"a": wrappedNil, "b": wrappedNil}},
	{"no keys", emptyMulti, map[string]error{"a": emptyMulti, "b": emptyMulti}},
	{"keys never asked for", foreignMulti, map[string]error{"a": foreignMulti, "b": foreignMulti}},
	{"keys asked for and not", &core.MultiError{Errors: map[string]error{"z": io.EOF, "b": io.EOF}}, map[string]error{"b": io.EOF}},
	{"nil error of a key", &core.MultiError{Errors: map[string]error{"a": nil, "b": io.EOF}}, map[string]error{"b": io.EOF}},
}

// wrapped wraps without a look at what it wraps.
type wrapped struct{ err error }

func (wrapped) Error() string   { return "wrapped" }
func (w wrapped) Unwrap() error { return w.err }

func TestBackendsMultiErrorIsReadKeyByKey(t *testing.T) {
	ctx := t.Context()
	for _, test := range multiErrors {
		c := open(t, scripted{newBackend(), nil, test.err}, nil)
		for name, call := range map[string]func() error{
			"GetMulti": func() error { _, err := c.GetMulti(ctx, []string{"a", "b"}); return err },
			"SetMulti": func() error { return c.SetMulti(ctx, map[string][]byte{"a": nil, "b": nil}, 0) },
			"AddMulti": func() error { return c.AddMulti(ctx, map[string][]byte{"a": nil, "b": nil}, 0) },
			"StoreMulti": func() error {
				return c.StoreMulti(ctx, core.Replace, []core.Item{{Key: "a"}, {Key: "b"}})
			},
			"DeleteMulti": func() error { return c.DeleteMulti(ctx, []string{"a", "b"}) },
			"typed GetMulti": func() error {
				_, err := must(core.NewTyped(c, words{})).GetMulti(ctx, []string{"a", "b"})
				return err
			},
			"typed SetMulti": func() error {
				return must(core.NewTyped(c, words{})).SetMulti(ctx, map[string]string{"a": "x", "b": "x"}, 0)
			},
		} {
			t.Run(name+" "+test.name, func(t *testing.T) {
				err := call()
				if test.want == nil {
					if err != nil { // also a typed nil
						t.Errorf("error is %#v, want nil", err)
					}
					return
				}
				wantFailed(t, err, test.want)
			})
		}
	}
}

func TestBackendsMultiErrorBearsItsKeysBehindThePrefix(t *testing.T) {
	c := open(t, scripted{newBackend(), nil, &core.MultiError{Errors: map[string]error{"p:a": io.EOF, "b": io.EOF}}}, &core.Options{Prefix: "p:"})
	want := map[string]error{"a": io.EOF}
	_, err := c.GetMulti(t.Context(), []string{"a", "b"})
	wantFailed(t, err, want)
	wantFailed(t, c.SetMulti(t.Context(), map[string][]byte{"a": nil, "b": nil}, 0), want)
	wantFailed(t, c.DeleteMulti(t.Context(), []string{"a", "b"}), want)
}

func TestItemsComeBesideTheBackendsError(t *testing.T) {
	items := []core.Item{{Key: "a", Value: []byte("1")}}
	for name, err := range map[string]error{
		"of the whole":        io.EOF,
		"of the others":       &core.MultiError{Errors: map[string]error{"b": io.EOF}},
		"of those there, too": &core.MultiError{Errors: map[string]error{"a": io.EOF, "b": io.EOF}},
	} {
		t.Run(name, func(t *testing.T) {
			hook := &recorder{}
			c := open(t, scripted{newBackend(), items, err}, &core.Options{Hooks: []core.Hook{hook}})
			got, err := c.GetMulti(t.Context(), []string{"a", "b"})
			wantFailed(t, err, map[string]error{"b": io.EOF})
			if want := map[string]string{"a": "1"}; !maps.Equal(texts(got), want) {
				t.Errorf("GetMulti = %q, want %q", got, want)
			}
			if op := hook.ops[0]; op.Hits != 1 || op.Misses != 0 {
				t.Errorf("%d hits and %d misses, want 1 and 0", op.Hits, op.Misses)
			}
		})
	}
}

// An absent key is left out of the map, whichever way the backend says so, and
// DeleteMulti forgives it.
func TestAMissInABackendsMultiErrorIsNoFailureOfReadsAndDeletes(t *testing.T) {
	for name, err := range map[string]error{
		"of one key":   &core.MultiError{Errors: map[string]error{"absent": core.ErrMiss}},
		"wrapped":      &core.MultiError{Errors: map[string]error{"absent": fmt.Errorf("row 7: %w", core.ErrMiss)}},
		"of the whole": core.ErrMiss,
	} {
		items := []core.Item{{Key: "a", Value: []byte("1")}}
		t.Run("GetMulti "+name, func(t *testing.T) {
			hook := &recorder{}
			c := open(t, scripted{newBackend(), items, err}, &core.Options{Hooks: []core.Hook{hook}})
			got, err := c.GetMulti(t.Context(), []string{"a", "absent"})
			wantErr(t, err, nil)
			if want := map[string]string{"a": "1"}; !maps.Equal(texts(got), want) {
				t.Errorf("GetMulti = %q, want %q", got, want)
			}
			if op := hook.ops[0]; op.Hits != 1 || op.Misses != 1 {
				t.Errorf("%d hits and %d misses, want 1 and 1", op.Hits, op.Misses)
			}
		})
		t.Run("DeleteMulti "+name, func(t *testing.T) {
			c := open(t, scripted{newBackend(), nil, err}, nil)
			wantErr(t, c.DeleteMulti(t.Context(), []string{"a", "absent"}), nil)
		})
	}
}

func TestAMissInABackendsMultiErrorIsTheErrorOfAReplace(t *testing.T) {
	c := open(t, scripted{newBackend(), nil, &core.MultiError{Errors: map[string]error{"a": fmt.Errorf("row 7: %w", core.ErrMiss)}}}, nil)
	err := c.ReplaceMulti(t.Context(), map[string][]byte{"a": nil, "b": nil}, 0)
	if got := failedKeys(t, err); len(got) != 1 || got["a"] != core.ErrMiss {
		t.Errorf("errors are %v, want a's ErrMiss, bare", got)
	}
}

// What a wrong backend sends unasked must not panic, nor hide what was asked
// for, nor make a hook count backwards.
func TestItemsThatNobodyAskedForAreSurvived(t *testing.T) {
	wrong := []core.Item{
		{Key: "z", Value: []byte("?")}, {}, {Key: "a", Value: []byte("1")}, {Key: "p:z"}, {Key: "p:a", Value: []byte("2")}, {Key: "p:"},
	}
	for prefix, want := range map[string]string{"": "1", "p:": "2"} {
		for name, err := range map[string]error{"": nil, "beside an error": io.EOF} {
			t.Run(prefix+name, func(t *testing.T) {
				hook := &recorder{}
				items := append([]core.Item(nil), wrong...)
				c := open(t, scripted{newBackend(), items, err}, &core.Options{Prefix: prefix, Hooks: []core.Hook{hook}})
				if got, _ := c.GetMulti(t.Context(), []string{"absent", "a"}); string(got["a"]) != want {
					t.Errorf("GetMulti = %q, want %q for a", got, want)
				}
				if op := hook.ops[0]; op.Misses < 0 || op.Hits > 2 {
					t.Errorf("of 2 keys there were %d hits and %d misses", op.Hits, op.Misses)
				}
			})
		}
	}
}

// A driver may have meant no error, by a nil pointer in an error, in any verb.
// The caller prints what comes of it.
func TestNilPointerInAnErrorCanBePrinted(t *testing.T) {
	for name, err := range map[string]error{"MultiError": (*core.MultiError)(nil), "Error": (*core.Error)(nil)} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if p := recover(); p != nil {
					t.Errorf("panic: %v", p)
				}
			}()
			c := failing(t, err)
			for _, err := range []error{c.Flush(t.Context()), c.Set(t.Context(), "k", nil, 0)} {
				if err != nil && err.Error() == "" {
					t.Error("an error without a text")
				}
				_ = errors.Is(err, core.ErrMiss)
			}
		})
	}
}
