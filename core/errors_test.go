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

// failingCache returns a Cache whose backend returns err from every verb except Close.
func failingCache(t *testing.T, err error) *core.Cache {
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

func TestMissIsReturnedBare(t *testing.T) {
	b := newFullBackend()
	c := open(t, b, nil)
	for name, backendErr := range map[string]error{
		"of the test's backend": nil,
		"wrapped":               fmt.Errorf("no such row: %w", core.ErrMiss),
		"joined":                errors.Join(io.EOF, core.ErrMiss),
	} {
		t.Run(name, func(t *testing.T) {
			b.before = func(context.Context, string, string) error { return backendErr }
			isSingle := func(v verb) bool { return v.kind == single }
			eachVerb(t, isSingle, func(t *testing.T, v verb) {
				switch v.name {
				case "Set", "Add", "Store", "Exists", "IncrFrom", "DecrFrom":
					t.Skip("the verb does not return ErrMiss")
				}
				if err := v.call(t.Context(), c, "absent", 0); err != core.ErrMiss {
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

func TestErrorHasVerbKeyAndDriver(t *testing.T) {
	cause := &net.OpError{Op: "dial", Net: "tcp", Err: io.ErrUnexpectedEOF}
	c := failingCache(t, fmt.Errorf("%w: %w", core.ErrUnavailable, cause))
	supported := func(v verb) bool {
		return v.kind == single && v.name != "TTL" || v.name == "Flush"
	}
	eachVerb(t, supported, func(t *testing.T, v verb) {
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
			t.Errorf("error is of %s %q (%s), want %s %q (core_test)",
				e.Verb, e.Key, e.Driver, v.name, key)
		}
		wantErr(t, err, core.ErrUnavailable)
		wantErr(t, err, io.ErrUnexpectedEOF)
		var op *net.OpError
		if !errors.As(err, &op) || op != cause {
			t.Errorf("errors.As found %v, want the cause", op)
		}
		if errors.Is(err, core.ErrMiss) {
			t.Error("the error is ErrMiss, although the backend cannot be reached")
		}
	})
}

func TestVerbsThatFailReturnZeroWithTheError(t *testing.T) {
	c := failingCache(t, io.EOF)
	ctx := t.Context()
	value, err1 := c.Get(ctx, "k")
	item, err2 := c.GetItem(ctx, "k")
	exists, err3 := c.Exists(ctx, "k")
	count, err4 := c.Count(ctx, "k")
	sum, err5 := c.Incr(ctx, "k", 7)
	first, err6 := c.IncrFrom(ctx, "k", 7, 7, 0)
	if value != nil || item.Key != "" || item.Value != nil || exists || count+sum+first != 0 {
		t.Errorf("the verbs returned %q, %v, %v, %d, %d, %d with their errors, want zeros",
			value, item, exists, count, sum, first)
	}
	for _, err := range []error{err1, err2, err3, err4, err5, err6} {
		wantErr(t, err, io.EOF)
	}
}

func TestErrorTexts(t *testing.T) {
	ctx := t.Context()
	c := open(t, newBackend(), nil)
	put(t, c, "word", "hello")
	closed := open(t, newBackend(), nil)
	closed.Close()
	down := failingCache(t, fmt.Errorf("%w: %w", core.ErrUnavailable, io.EOF))
	unknown := failingCache(t, errors.New("disk on fire"))
	get := func(c *core.Cache, key string) error { _, err := c.Get(ctx, key); return err }
	count := func(c *core.Cache, key string) error { _, err := c.Count(ctx, key); return err }
	x100 := strings.Repeat("x", 100)

	for _, test := range []struct {
		err  error
		want string // without "cachewire: " at the beginning
	}{
		{get(c, "absent"),
			`miss`},
		{get(c, ""),
			`Get (core_test): invalid key: empty; a key has 1 to 65536 bytes`},
		{get(c, strings.Repeat("x", 65537)),
			`Get "` + x100 + `"… (65537 bytes) (core_test): ` +
				`invalid key: 65537 bytes; a key has 1 to 65536`},
		{get(down, "k"),
			`Get "k" (core_test): unavailable: EOF`},
		{get(down, "a b\n\xff☃"),
			`Get "a b\n\xff☃" (core_test): unavailable: EOF`},
		{get(down, x100),
			`Get "` + x100 + `" (core_test): unavailable: EOF`},
		{get(down, x100+"x"),
			`Get "` + x100 + `"… (101 bytes) (core_test): unavailable: EOF`},
		{get(unknown, "k"),
			`Get "k" (core_test): disk on fire`},
		{get(closed, "k"),
			`Get "k" (core_test): closed`},
		{c.Add(ctx, "word", nil, 0),
			`Add "word" (core_test): key exists`},
		{c.Set(ctx, "k", nil, -1),
			`Set "k" (core_test): invalid time to live: ` +
				`-1ns; want more than 0, 0 (the default) or Forever`},
		{c.CompareAndSwap(ctx, core.Item{Key: "word"}),
			`CompareAndSwap "word" (core_test): ` +
				`changed since it was read: the token is nil; GetItem returns one`},
		{c.Store(ctx, 9, core.Item{Key: "k"}),
			`Store "k" (core_test): invalid configuration: unknown mode Mode(9)`},
		{count(c, "word"),
			`Count "word" (core_test): not a number`},
		{c.Ping(ctx),
			`Ping (core_test): unsupported operation: this backend has no Ping`},
		{withPrefix(t, c, "p:").Flush(ctx),
			`Flush (core_test): unsupported operation: ` +
				`this backend cannot list the keys with prefix "p:": ` +
				`delete them by name, or flush the whole cache`},
		{c.AddMulti(ctx, map[string][]byte{"word": nil, "new": nil}, 0),
			`AddMulti (core_test): 1 of 2 keys failed: "word": key exists`},
		{down.DeleteMulti(ctx, []string{"b", "a"}),
			`DeleteMulti (core_test): 2 of 2 keys failed: ` +
				`"a": unavailable: EOF; "b": unavailable: EOF`},
		{down.DeleteMulti(ctx, []string{"c", "a", "b"}),
			`DeleteMulti (core_test): 3 of 3 keys failed: ` +
				`"a": unavailable: EOF; "b": unavailable: EOF; "c": unavailable: EOF`},
		{down.DeleteMulti(ctx, []string{"d", "c", "a", "b"}),
			`DeleteMulti (core_test): 4 of 4 keys failed: ` +
				`"a": unavailable: EOF; "b": unavailable: EOF; "c": unavailable: EOF; …`},
		{c.StoreMulti(ctx, core.Set, []core.Item{{Key: "k"}, {Key: "k"}, {Key: "k"}}),
			`StoreMulti (core_test): 1 of 3 keys failed: ` +
				`"k": invalid key: given 3 times in one call`},
		{must(core.NewTyped(c, stringCodec{})).Set(ctx, "k", unencodable, 0),
			`Set "k" (core_test): codec: cannot be encoded`},
	} {
		want := "cachewire: " + test.want
		if test.err == nil {
			t.Errorf("error is nil, want %q", want)
		} else if got := test.err.Error(); got != want {
			t.Errorf("error is\n%q, want\n%q", got, want)
		}
	}
}

func TestMultiErrorDoesNotUnwrap(t *testing.T) {
	c := open(t, newBackend(), nil)
	err := c.ReplaceMulti(t.Context(), map[string][]byte{"absent": nil}, 0)
	wantFailed(t, err, map[string]error{"absent": core.ErrMiss})
	if errors.Is(err, core.ErrMiss) {
		t.Error("the MultiError is ErrMiss because one key was absent")
	}
	err = failingCache(t, io.EOF).DeleteMulti(t.Context(), []string{"a", "b"})
	if errors.Is(err, io.EOF) || errors.Unwrap(err) != nil {
		t.Error("the MultiError unwraps to the error of its keys")
	}
}

func TestMultiErrorHasVerbDriverAndTotal(t *testing.T) {
	eachBackend(t, func(t *testing.T, b core.Backend, _ *backend) {
		c := open(t, b, nil)
		eachVerb(t, verb.isMulti, func(t *testing.T, v verb) {
			err := v.call(t.Context(), c, "", 0)
			var m *core.MultiError
			if !errors.As(err, &m) {
				t.Fatalf("error is %#v, want a *MultiError", err)
			}
			if m.Verb != v.name || m.Driver != "core_test" || m.Total != 1 {
				t.Errorf("MultiError is of %s (%s), total %d; want %s (core_test), total 1",
					m.Verb, m.Driver, m.Total, v.name)
			}
		})
	})
}

func TestTextOfAMultiErrorIsShortAndAlwaysTheSame(t *testing.T) {
	errs := map[string]error{}
	for i := range 10 { // the longest keys sort first
		errs[fmt.Sprintf("%05d", i)+strings.Repeat("\x00", 60_000)] = core.ErrUnavailable
	}
	for i := range 10_000 {
		errs[fmt.Sprintf("%05d", 10+i)] = core.ErrUnavailable
	}
	multi := core.MultiError{Verb: "GetMulti", Driver: "x", Errors: errs, Total: 20_000}
	text := multi.Error()
	if len(text) > 2000 {
		t.Errorf("the text has %d bytes, want at most 2000", len(text))
	}
	for range 5 {
		if again := multi.Error(); again != text {
			t.Fatalf("the text is first %q, then %q", text, again)
		}
	}
}

func TestMultiErrorCollectsErrors(t *testing.T) {
	var failed core.MultiError
	if err := failed.Err(); err != nil {
		t.Errorf("Err of a zero MultiError = %v, want nil", err)
	}
	failed.Add("good", nil)
	if err := failed.Err(); err != nil {
		t.Errorf("Err after Add of nil = %v, want nil", err)
	}
	failed.Add("a", core.ErrExists)
	failed.Add("b", fmt.Errorf("not found: %w", core.ErrMiss))
	err := failed.Err()
	failed.Add("late", core.ErrExists)
	failed.Verb = "later"
	var multi *core.MultiError
	if !errors.As(err, &multi) || multi.Verb != "" ||
		multi.Errors["a"] != core.ErrExists || multi.Errors["b"] != core.ErrMiss {
		t.Errorf("Err = %#v, want ErrExists for a and a bare ErrMiss for b", err)
	}
	allocs := testing.AllocsPerRun(10, func() {
		var none core.MultiError
		none.Add("good", nil)
		if err := none.Err(); err != nil {
			t.Errorf("Err after Add of nil = %v, want nil", err)
		}
	})
	if allocs != 0 && !raceEnabled {
		t.Errorf("Err without errors allocates %v times, want 0", allocs)
	}
}

func TestMissTogetherWithAnotherErrorIsNotAMiss(t *testing.T) {
	for _, err := range []error{
		errors.Join(core.ErrMiss, core.ErrUnavailable),
		fmt.Errorf("%w: %w", core.ErrCodec, core.ErrMiss),
	} {
		c := open(t, carelessBackend{newBackend(), err}, nil)
		if _, got := c.Get(t.Context(), "k"); got == core.ErrMiss || !errors.Is(got, err) {
			t.Errorf("Get over a backend that returns %q: error is %v", err, got)
		}
		if present, got := c.Exists(t.Context(), "k"); !present && got == nil {
			t.Errorf("Exists over a backend that returns %q: false and no error", err)
		}
	}
}

// A carelessBackend returns values together with an error.
type carelessBackend struct {
	core.Backend
	err error
}

func (b carelessBackend) GetItem(context.Context, string) (core.Item, error) {
	return core.Item{}, b.err
}

func (b carelessBackend) TTL(context.Context, string) (time.Duration, error) {
	return time.Hour, b.err
}

func (b carelessBackend) Stats(context.Context) (core.Stats, error) {
	return core.Stats{Items: 1}, b.err
}

func TestValuesThatTheBackendReturnsWithAnErrorAreDropped(t *testing.T) {
	c := open(t, carelessBackend{newBackend(), io.EOF}, nil)
	if ttl, err := c.TTL(t.Context(), "k"); ttl != 0 || !errors.Is(err, io.EOF) {
		t.Errorf("TTL = %v, %v; want 0 and %v", ttl, err, io.EOF)
	}
	if s, err := c.Stats(t.Context()); s != (core.Stats{}) || !errors.Is(err, io.EOF) {
		t.Errorf("Stats = %+v, %v; want zeros and %v", s, err, io.EOF)
	}
}

// ErrMiss is among the errors because a codec may keep a dictionary in a cache.
func TestEveryErrorOfACodecIsErrCodec(t *testing.T) {
	for _, err := range []error{
		io.EOF,
		core.ErrMiss,
		fmt.Errorf("no dictionary: %w", core.ErrMiss),
		errors.ErrUnsupported,
		core.ErrCodec,
	} {
		c := open(t, newBackend(), nil)
		if err := c.Set(t.Context(), "k", []byte("v"), 0); err != nil {
			t.Fatal(err)
		}
		typed := must(core.NewTyped(c, failingCodec[string]{err}))
		_, got := typed.Get(t.Context(), "k")
		for verb, got := range map[string]error{
			"Get": got,
			"Set": typed.Set(t.Context(), "k", "v", 0),
		} {
			if !errors.Is(got, core.ErrCodec) || !errors.Is(got, err) {
				t.Errorf("%s with a codec that returns %q: error is %v, want %v around it",
					verb, err, got, core.ErrCodec)
			}
		}
		_, got = typed.GetMulti(t.Context(), []string{"k"})
		wantFailed(t, got, map[string]error{"k": core.ErrCodec})
	}
}
