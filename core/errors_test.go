package core_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/cachewire/cachewire/core"
)

// failing answers a Cache whose backend answers every verb with err.
func failing(t *testing.T, err error) *core.Cache {
	t.Helper()
	b := newBackend()
	c := open(t, b, nil)
	b.before = func(_ context.Context, verb, _ string) error {
		if verb == "Close" {
			return nil
		}
		return err
	}
	return c
}

func TestMissComesBackBare(t *testing.T) {
	b := newFull()
	c := open(t, b, nil)
	for name, set := range map[string]error{
		"as the backend has it": nil,
		"wrapped":               fmt.Errorf("no such row: %w", core.ErrMiss),
		"joined":                errors.Join(io.EOF, core.ErrMiss),
	} {
		t.Run(name, func(t *testing.T) {
			b.before = func(context.Context, string, string) error { return set }
			eachVerb(t, func(v verb) bool { return v.kind == single }, func(t *testing.T, v verb) {
				switch v.name {
				case "Set", "Add", "Store", "Exists", "IncrFrom", "DecrFrom":
					t.Skip("a verb without a miss")
				}
				if err := v.call(t.Context(), c, "absent", 0); err != core.ErrMiss { // not errors.Is: bare
					t.Errorf("error is %#v, want ErrMiss itself", err)
				}
			})
		})
	}
	b.before = nil
	err := c.ReplaceMulti(t.Context(), map[string][]byte{"absent": nil}, 0)
	if got := failedKeys(t, err)["absent"]; got != core.ErrMiss {
		t.Errorf("error of the key is %#v, want ErrMiss itself", got)
	}
}

func TestErrorTellsVerbKeyAndDriver(t *testing.T) {
	cause := &net.OpError{Op: "dial", Net: "tcp", Err: io.ErrUnexpectedEOF}
	c := failing(t, fmt.Errorf("%w: %w", core.ErrUnavailable, cause))
	eachVerb(t, func(v verb) bool { return v.kind == single && v.name != "TTL" || v.name == "Flush" }, func(t *testing.T, v verb) {
		err := v.call(t.Context(), c, "k", 0)
		var e *core.Error
		if !errors.As(err, &e) {
			t.Fatalf("error is %#v, want an *Error", err)
		}
		key := "k"
		if v.kind == keyless {
			key = ""
		}
		if e.Verb != v.name || e.Key != key || e.Driver != "core_test" {
			t.Errorf("error is of %s %q (%s), want %s %q (core_test)", e.Verb, e.Key, e.Driver, v.name, key)
		}
		wantErr(t, err, core.ErrUnavailable)
		wantErr(t, err, io.ErrUnexpectedEOF)
		var op *net.OpError
		if !errors.As(err, &op) || op != cause {
			t.Errorf("errors.As finds %v, want the cause", op)
		}
		if errors.Is(err, core.ErrMiss) {
			t.Error("a backend that cannot be reached looks like a miss")
		}
	})
}

// Nothing but the error comes back from a verb that failed, and nothing but the
// value from one that did not.
func TestVerbsThatFailAnswerZeroBesideTheError(t *testing.T) {
	c := failing(t, io.EOF)
	ctx := t.Context()
	value, err1 := c.Get(ctx, "k")
	item, err2 := c.GetItem(ctx, "k")
	exists, err3 := c.Exists(ctx, "k")
	count, err4 := c.Count(ctx, "k")
	sum, err5 := c.Incr(ctx, "k", 7)
	first, err6 := c.IncrFrom(ctx, "k", 7, 7, 0)
	if value != nil || item.Key != "" || item.Value != nil || exists || count+sum+first != 0 {
		t.Errorf("got %q, %v, %v, %d, %d, %d beside errors", value, item, exists, count, sum, first)
	}
	for _, err := range []error{err1, err2, err3, err4, err5, err6} {
		wantErr(t, err, io.EOF)
	}
}

func TestErrorTexts(t *testing.T) {
	ctx := t.Context()
	c := open(t, newBackend(), nil)
	put(t, c, "word", "hello")
	shutCache := open(t, newBackend(), nil)
	shutCache.Close()
	down := failing(t, fmt.Errorf("%w: %w", core.ErrUnavailable, io.EOF))
	foreign := failing(t, errors.New("disk on fire"))
	get := func(c *core.Cache, key string) error { _, err := c.Get(ctx, key); return err }
	incr := func(c *core.Cache, key string) error { _, err := c.Count(ctx, key); return err }

	for _, test := range []struct {
		err  error
		want string
	}{
		{get(c, "absent"), `cachewire: miss`},
		{get(c, ""), `cachewire: Get (core_test): invalid key: empty; a key has 1 to 65536 bytes`},
		{get(c, strings.Repeat("x", 65537)), `cachewire: Get "` + strings.Repeat("x", 100) +
			`"… (65537 bytes) (core_test): invalid key: 65537 bytes; a key has 1 to 65536`},
		{get(down, "k"), `cachewire: Get "k" (core_test): unavailable: EOF`},
		{get(down, "a b\n\xff☃"), `cachewire: Get "a b\n\xff☃" (core_test): unavailable: EOF`},
		{get(down, strings.Repeat("x", 100)), `cachewire: Get "` + strings.Repeat("x", 100) + `" (core_test): unavailable: EOF`},
		{get(down, strings.Repeat("x", 101)), `cachewire: Get "` + strings.Repeat("x", 100) + `"… (101 bytes) (core_test): unavailable: EOF`},
		{get(foreign, "k"), `cachewire: Get "k" (core_test): disk on fire`},
		{get(shutCache, "k"), `cachewire: Get "k" (core_test): closed`},
		{c.Add(ctx, "word", nil, 0), `cachewire: Add "word" (core_test): key exists`},
		{c.Set(ctx, "k", nil, -1), `cachewire: Set "k" (core_test): invalid time to live: -1ns; want more than 0, 0 (the default) or Forever`},
		{c.CompareAndSwap(ctx, core.Item{Key: "word"}), `cachewire: CompareAndSwap "word" (core_test): changed since it was read: the token is nil; GetItem returns one`},
		{c.Store(ctx, 9, core.Item{Key: "k"}), `cachewire: Store "k" (core_test): invalid configuration: no such mode as Mode(9)`},
		{incr(c, "word"), `cachewire: Count "word" (core_test): not a number`},
		{c.Ping(ctx), `cachewire: Ping (core_test): unsupported operation: this backend has no Ping`},
		{view(t, c, "p:").Flush(ctx), `cachewire: Flush (core_test): unsupported operation: this backend cannot list the keys with prefix "p:": ` +
			`delete them by name, or flush the whole cache`},
		{c.AddMulti(ctx, map[string][]byte{"word": nil, "new": nil}, 0),
			`cachewire: AddMulti (core_test): 1 of 2 keys failed: "word": key exists`},
		{down.DeleteMulti(ctx, []string{"b", "a"}),
			`cachewire: DeleteMulti (core_test): 2 of 2 keys failed: "a": unavailable: EOF; "b": unavailable: EOF`},
		{down.DeleteMulti(ctx, []string{"c", "a", "b"}),
			`cachewire: DeleteMulti (core_test): 3 of 3 keys failed: "a": unavailable: EOF; "b": unavailable: EOF; "c": unavailable: EOF`},
		{down.DeleteMulti(ctx, []string{"d", "c", "a", "b"}),
			`cachewire: DeleteMulti (core_test): 4 of 4 keys failed: "a": unavailable: EOF; "b": unavailable: EOF; "c": unavailable: EOF; …`},
		{c.StoreMulti(ctx, core.Set, []core.Item{{Key: "k"}, {Key: "k"}, {Key: "k"}}),
			`cachewire: StoreMulti (core_test): 1 of 3 keys failed: "k": invalid key: given 3 times in one call`},
		{must(core.NewTyped(c, words{})).Set(ctx, "k", unsayable, 0), `cachewire: Set "k" (core_test): codec: cannot be said`},
	} {
		if test.err == nil {
			t.Errorf("no error, want %q", test.want)
		} else if got := test.err.Error(); got != test.want {
			t.Errorf("error is\n%q, want\n%q", got, test.want)
		}
	}
}

func TestMultiErrorDoesNotUnwrap(t *testing.T) {
	c := open(t, newBackend(), nil)
	err := c.ReplaceMulti(t.Context(), map[string][]byte{"absent": nil}, 0)
	wantFailed(t, err, map[string]error{"absent": core.ErrMiss})
	if errors.Is(err, core.ErrMiss) {
		t.Error("one key's miss makes the whole look like a miss")
	}
	err = failing(t, io.EOF).DeleteMulti(t.Context(), []string{"a", "b"})
	if errors.Is(err, io.EOF) || errors.Unwrap(err) != nil {
		t.Error("a MultiError unwraps")
	}
}

func TestMultiErrorTellsVerbDriverAndTotal(t *testing.T) {
	abilities(t, func(t *testing.T, b core.Backend, _ *backend) {
		c := open(t, b, nil)
		eachVerb(t, verb.isMulti, func(t *testing.T, v verb) {
			err := v.call(t.Context(), c, "", 0)
			var m *core.MultiError
			if !errors.As(err, &m) {
				t.Fatalf("error is %#v, want a *MultiError", err)
			}
			if m.Verb != v.name || m.Driver != "core_test" || m.Total != 1 {
				t.Errorf("MultiError is of %s (%s), total %d", m.Verb, m.Driver, m.Total)
			}
		})
	})
}

func TestTextOfAMultiErrorIsBoundedAndAlwaysTheSame(t *testing.T) {
	errs := map[string]error{}
	for i := range 10 { // the first in order, and the longest
		errs[fmt.Sprintf("%05d", i)+strings.Repeat("\x00", 60_000)] = core.ErrUnavailable
	}
	for i := range 10_000 {
		errs[fmt.Sprintf("%05d", 10+i)] = core.ErrUnavailable
	}
	text := (&core.MultiError{Verb: "GetMulti", Driver: "x", Errors: errs, Total: 20_000}).Error()
	if len(text) > 2000 {
		t.Errorf("the text has %d bytes", len(text))
	}
	for range 5 {
		if again := (&core.MultiError{Verb: "GetMulti", Driver: "x", Errors: errs, Total: 20_000}).Error(); again != text {
			t.Fatalf("first %q, then %q", text, again)
		}
	}
}

func TestMultiErrorCollects(t *testing.T) {
	var failed core.MultiError
	if err := failed.Err(); err != nil {
		t.Errorf("Err of nothing: %v, want nil", err)
	}
	failed.Add("fine", nil)
	if err := failed.Err(); err != nil {
		t.Errorf("Err after a nil error: %v, want nil", err)
	}
	failed.Add("a", core.ErrExists)
	failed.Add("b", fmt.Errorf("not found: %w", core.ErrMiss))
	err := failed.Err()
	failed.Add("late", core.ErrExists)
	failed.Verb = "later"
	var multi *core.MultiError
	if !errors.As(err, &multi) || multi.Verb != "" || multi.Errors["a"] != core.ErrExists || multi.Errors["b"] != core.ErrMiss {
		t.Errorf("Err: %#v, want the errors of a and b, a miss bare", err)
	}
	if n := testing.AllocsPerRun(10, func() {
		var none core.MultiError
		none.Add("fine", nil)
		if none.Err() != nil {
			t.Error("an error out of nothing")
		}
	}); n != 0 && !raceEnabled {
		t.Errorf("success costs %v allocations, want none", n)
	}
}

// An error that says more than that the key is absent is no miss.
func TestMissThatIsAlsoAnotherErrorIsNoMiss(t *testing.T) {
	for _, err := range []error{
		errors.Join(core.ErrMiss, core.ErrUnavailable),
		fmt.Errorf("%w: %w", core.ErrCodec, core.ErrMiss),
	} {
		c := open(t, careless{newBackend(), err}, nil)
		if _, got := c.Get(t.Context(), "k"); got == core.ErrMiss || !errors.Is(got, err) {
			t.Errorf("Get of a backend that answers %q: error is %v", err, got)
		}
		if there, got := c.Exists(t.Context(), "k"); !there && got == nil {
			t.Errorf("Exists of a backend that answers %q: false and no error", err)
		}
	}
}

// A careless backend answers values beside its error.
type careless struct {
	core.Backend
	err error
}

func (f careless) GetItem(context.Context, string) (core.Item, error) { return core.Item{}, f.err }

func (f careless) TTL(context.Context, string) (time.Duration, error) { return time.Hour, f.err }

func (f careless) Stats(context.Context) (core.Stats, error) { return core.Stats{Items: 1}, f.err }

func TestNothingIsAnsweredBesideAnError(t *testing.T) {
	c := open(t, careless{newBackend(), io.EOF}, nil)
	if ttl, err := c.TTL(t.Context(), "k"); ttl != 0 || !errors.Is(err, io.EOF) {
		t.Errorf("TTL: %v and error %v", ttl, err)
	}
	if s, err := c.Stats(t.Context()); s != (core.Stats{}) || !errors.Is(err, io.EOF) {
		t.Errorf("Stats: %+v and error %v", s, err)
	}
}

// A codec may keep a dictionary in a cache of its own.
type dictionary struct{ err error }

func (d dictionary) Append(dst []byte, _ string) ([]byte, uint32, error) { return dst, 0, d.err }

func (d dictionary) Decode([]byte, uint32) (string, error) { return "", d.err }

func TestWhateverACodecAnswersIsErrCodec(t *testing.T) {
	for _, err := range []error{io.EOF, core.ErrMiss, fmt.Errorf("no dictionary: %w", core.ErrMiss), errors.ErrUnsupported, core.ErrCodec} {
		c := open(t, newBackend(), nil)
		if err := c.Set(t.Context(), "k", []byte("v"), 0); err != nil {
			t.Fatal(err)
		}
		typed := must(core.NewTyped(c, dictionary{err}))
		_, got := typed.Get(t.Context(), "k")
		for what, got := range map[string]error{"Get": got, "Set": typed.Set(t.Context(), "k", "v", 0)} {
			if !errors.Is(got, core.ErrCodec) || !errors.Is(got, err) {
				t.Errorf("%s with a codec that answers %q: error is %v, want %v around it", what, err, got, core.ErrCodec)
			}
		}
		_, got = typed.GetMulti(t.Context(), []string{"k"})
		wantFailed(t, got, map[string]error{"k": core.ErrCodec})
	}
}
