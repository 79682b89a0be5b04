package core_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"testing"

	"github.com/cachewire/cachewire/core"
)

func TestSharedReturnsThePointerThatWasStored(t *testing.T) {
	for _, prefix := range []string{"", "p:"} {
		c := open(t, newFullBackend(), &core.Options{Prefix: prefix})
		users := must(core.NewTyped(c, core.Shared[*user]()))
		ctx := t.Context()
		one, two := &user{"Ann", 40}, &user{"Ann", 40}
		wantErr(t, users.Set(ctx, "one", one, 0), nil)
		wantErr(t, users.SetMulti(ctx, map[string]*user{"two": two}, 0), nil)
		got, err := users.Get(ctx, "one")
		if got != one || err != nil {
			t.Errorf("Get = %p, %v; want %p", got, err, one)
		}
		item, err := users.GetItem(ctx, "one")
		if item.Value != one || err != nil {
			t.Errorf("GetItem = %p, %v; want %p", item.Value, err, one)
		}
		many, err := users.GetMulti(ctx, []string{"one", "two"})
		if many["one"] != one || many["two"] != two || err != nil {
			t.Errorf("GetMulti = %v, %v; want %p and %p", many, err, one, two)
		}
	}
}

// Reading a nil value is a hit.
func TestSharedKeepsNilValues(t *testing.T) {
	ctx := t.Context()
	c := open(t, newFullBackend(), nil)

	pointers := must(core.NewTyped(c, core.Shared[*user]()))
	wantErr(t, pointers.Set(ctx, "pointer", nil, 0), nil)
	if got, err := pointers.Get(ctx, "pointer"); got != nil || err != nil {
		t.Errorf("pointer: Get = %v, %v; want nil", got, err)
	}
	errs := must(core.NewTyped(c, core.Shared[error]()))
	wantErr(t, errs.Set(ctx, "interface", nil, 0), nil)
	if got, err := errs.Get(ctx, "interface"); got != nil || err != nil {
		t.Errorf("interface: Get = %v, %v; want nil", got, err)
	}
	many, err := errs.GetMulti(ctx, []string{"interface"})
	if len(many) != 1 || many["interface"] != nil || err != nil {
		t.Errorf("interface: GetMulti = %v, %v; want nil under its key", many, err)
	}
	anything := must(core.NewTyped(c, core.Shared[any]()))
	wantErr(t, anything.Set(ctx, "any", nil, 0), nil)
	if got, err := anything.Get(ctx, "any"); got != nil || err != nil {
		t.Errorf("any: Get = %v, %v; want nil", got, err)
	}
	slices := must(core.NewTyped(c, core.Shared[[]int]()))
	wantErr(t, slices.Set(ctx, "slice", nil, 0), nil)
	if got, err := slices.Get(ctx, "slice"); got != nil || err != nil {
		t.Errorf("slice: Get = %v, %v; want nil", got, err)
	}
}

func TestSharedInterfaceKeepsAnyTypeThatImplementsIt(t *testing.T) {
	errs := must(core.NewTyped(open(t, newFullBackend(), nil), core.Shared[error]()))
	wantErr(t, errs.Set(t.Context(), "k", io.EOF, 0), nil)
	if got, err := errs.Get(t.Context(), "k"); got != io.EOF || err != nil {
		t.Errorf("Get = %v, %v; want EOF", got, err)
	}
}

func TestSharedValueOfAnotherTypeIsErrCodec(t *testing.T) {
	ctx := t.Context()
	c := open(t, newFullBackend(), nil)
	numbers := must(core.NewTyped(c, core.Shared[int]()))
	names := must(core.NewTyped(c, core.Shared[string]()))
	wantErr(t, numbers.Set(ctx, "number", 7, 0), nil)
	wantErr(t, names.Set(ctx, "name", "Ann", 0), nil)
	wantErr(t, must(core.NewTyped(c, core.Shared[any]())).Set(ctx, "nil", nil, 0), nil)
	put(t, c, "bytes", "abc")

	for _, key := range []string{"number", "nil", "bytes"} {
		got, err := names.Get(ctx, key)
		wantErr(t, err, core.ErrCodec)
		if got != "" {
			t.Errorf("Get %s = %q with the error, want an empty string", key, got)
		}
	}
	got, err := names.GetMulti(ctx, []string{"number", "name", "absent", "bytes"})
	wantFailed(t, err, map[string]error{"number": core.ErrCodec, "bytes": core.ErrCodec})
	if len(got) != 1 || got["name"] != "Ann" {
		t.Errorf("GetMulti = %q, want Ann for name alone", got)
	}
	_, err = names.Get(ctx, "number")
	wantErrText(t, err, `cachewire: Get "number" (core_test): `+
		`codec: the value is a int, want string`)
}

func TestSharedValueHasNoBytes(t *testing.T) {
	ctx := t.Context()
	c := open(t, newFullBackend(), nil)
	wantErr(t, must(core.NewTyped(c, core.Shared[int]())).Set(ctx, "k", 7, 0), nil)
	_, get := c.Get(ctx, "k")
	_, item := c.GetItem(ctx, "k")
	_, count := c.Count(ctx, "k")
	_, typed := must(core.NewTyped(c, stringCodec{})).Get(ctx, "k")
	for _, err := range []error{get, item, count, typed} {
		wantErr(t, err, core.ErrCodec)
	}
	_, err := c.GetMulti(ctx, []string{"k"})
	wantFailed(t, err, map[string]error{"k": core.ErrCodec})
	if ok, err := c.Exists(ctx, "k"); !ok || err != nil {
		t.Errorf("Exists = %t, %v; want true", ok, err)
	}
	wantErr(t, c.Delete(ctx, "k"), nil)
}

func TestNewTypedRefusesSharedIfTheBackendKeepsBytes(t *testing.T) {
	wantRefused(t, open(t, newBackend(), nil), core.Shared[string](), "keeps bytes only")
}

// wantRefused fails the test unless NewTyped refuses codec over raw with errors.ErrUnsupported
// and a text that contains want.
func wantRefused(t *testing.T, raw *core.Cache, codec core.Codec[string], want string) {
	t.Helper()
	c, err := core.NewTyped(raw, codec)
	wantErr(t, err, core.ErrConfig)
	wantErr(t, err, errors.ErrUnsupported)
	wantErrContains(t, err, want)
	if c != nil {
		t.Error("NewTyped returned a Typed with the error")
	}
}

func TestNewTypedRefusesNil(t *testing.T) {
	raw := open(t, newFullBackend(), nil)
	for want, newTyped := range map[string]func() (*core.Typed[string], error){
		"the cache is nil": func() (*core.Typed[string], error) {
			return core.NewTyped[string](nil, stringCodec{})
		},
		"the codec is nil": func() (*core.Typed[string], error) {
			return core.NewTyped[string](raw, nil)
		},
	} {
		c, err := newTyped()
		wantErr(t, err, core.ErrConfig)
		wantErrContains(t, err, want)
		if c != nil {
			t.Error("NewTyped returned a Typed with the error")
		}
	}
}

func TestVerbsWithSharedCheckTheirArgumentsFirst(t *testing.T) {
	f := newFullBackend()
	c := must(core.NewTyped(open(t, f, nil), core.Shared[string]()))
	done, cancel := context.WithCancel(context.Background())
	cancel()
	f.takeCalls()
	eachTypedVerb(t, func(t *testing.T, v typedVerb) {
		keyError := func(key string, err error) error {
			var m *core.MultiError
			if errors.As(err, &m) {
				return m.Errors[key]
			}
			return err
		}
		err := v.call(t.Context(), c, "", "hello", 0)
		wantErr(t, keyError("", err), core.ErrInvalidKey)
		err = v.call(done, c, "k", "hello", 0)
		wantErr(t, keyError("k", err), context.Canceled)
		switch v.name {
		case "Set", "SetMulti", "Add", "AddMulti", "Replace", "ReplaceMulti",
			"CompareAndSwap", "Touch", "IncrFrom", "DecrFrom":
			err = v.call(t.Context(), c, "k", "hello", -1)
			wantErr(t, keyError("k", err), core.ErrInvalidTTL)
		}
		wantNoCalls(t, f.backend)
	})
}

func TestErrorsOfASharedStorerAreReturned(t *testing.T) {
	f := newFullBackend()
	c := must(core.NewTyped(open(t, f, nil), core.Shared[string]()))
	ctx := t.Context()
	wantErr(t, c.Set(ctx, "good", "v", 0), nil)
	f.before = func(_ context.Context, _, key string) error {
		if key == "bad" {
			return fmt.Errorf("%w: %w", core.ErrUnavailable, io.EOF)
		}
		return nil
	}
	_, err := c.Get(ctx, "bad")
	wantErr(t, err, core.ErrUnavailable)
	got, err := c.GetMulti(ctx, []string{"good", "bad"})
	wantFailed(t, err, map[string]error{"bad": io.EOF})
	if len(got) != 1 || got["good"] != "v" {
		t.Errorf("GetMulti = %q, want v for good alone", got)
	}
	err = c.SetMulti(ctx, map[string]string{"good": "w", "bad": "w"}, 0)
	wantFailed(t, err, map[string]error{"bad": io.EOF})
	if got, _ := c.Get(ctx, "good"); got != "w" {
		t.Errorf("Get = %q, want w", got)
	}
}

// Each goroutine adds 1 to the value, and tries CompareAndSwap until it succeeds.
func TestCompareAndSwapOfASharedValueByManyGoroutinesLosesNone(t *testing.T) {
	const n = 50
	c := must(core.NewTyped(open(t, newFullBackend(), nil), core.Shared[int]()))
	ctx := t.Context()
	wantErr(t, c.Set(ctx, "k", 0, 0), nil)
	runConcurrently(n, func(int) {
		for {
			item, err := c.GetItem(ctx, "k")
			if err != nil {
				t.Error(err)
				return
			}
			item.Value++
			if err = c.CompareAndSwap(ctx, item); err == nil {
				return
			}
			if !errors.Is(err, core.ErrConflict) {
				t.Error(err)
				return
			}
		}
	})
	if got, err := c.Get(ctx, "k"); got != n || err != nil {
		t.Errorf("Get = %d, %v; want %d", got, err, n)
	}
}

// NewTyped does not recognize Shared inside of another codec, so that its methods are called.
func TestCodecThatWrapsSharedIsUnsupported(t *testing.T) {
	type wrappingCodec struct{ core.Codec[string] }
	raw := open(t, newFullBackend(), nil)
	c := must(core.NewTyped(raw, wrappingCodec{core.Shared[string]()}))
	err := c.Set(t.Context(), "k", "v", 0)
	wantErr(t, err, errors.ErrUnsupported)
	wantErrContains(t, err, "no codec can wrap it")
	if errors.Is(err, core.ErrCodec) {
		t.Errorf("error is %v, want no ErrCodec", err)
	}
	put(t, raw, "k", "v")
	_, err = c.Get(t.Context(), "k")
	wantErr(t, err, errors.ErrUnsupported)
}
