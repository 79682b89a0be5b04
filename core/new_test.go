package core_test

import (
	"context"
	"errors"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/cachewire/cachewire/core"
)

func TestNewRefusesWrongArguments(t *testing.T) {
	b := newBackend()
	tooLong := strings.Repeat("p", core.MaxPrefixLen+1)
	for _, test := range []struct {
		name    string
		backend core.Backend
		opts    core.Options
		want    string // part of the error
	}{
		{"nil backend", nil, core.Options{}, "backend is nil"},
		{"long prefix", b, core.Options{Prefix: tooLong}, "251 bytes"},
		{"negative time to live", b, core.Options{DefaultTTL: -1}, "-1ns"},
		{"least time to live", b, core.Options{DefaultTTL: math.MinInt64}, "time to live"},
		{"negative time-out", b, core.Options{Timeout: -time.Second}, "-1s"},
		{"nil hook", b, core.Options{Hooks: []core.Hook{&recorder{}, nil}}, "hook 1 is nil"},
	} {
		t.Run(test.name, func(t *testing.T) {
			c, err := core.New(test.backend, &test.opts)
			wantErr(t, err, core.ErrConfig)
			wantErrContains(t, err, test.want)
			if c != nil {
				t.Error("New returned a Cache with the error")
			}
		})
	}
}

func TestNewAcceptsTheLongestPrefix(t *testing.T) {
	c := open(t, newBackend(), &core.Options{Prefix: strings.Repeat("p", core.MaxPrefixLen)})
	put(t, c, "k", "v")
	wantValue(t, c, "k", "v")
}

func TestNilOptionsAreTheZeroOptions(t *testing.T) {
	b := newBackend()
	c := open(t, b, nil)
	if err := c.Set(t.Context(), "k", []byte("v"), 0); err != nil {
		t.Fatal(err)
	}
	want := []backendCall{{verb: "Set", keys: []string{"k"}, ttl: 0}}
	if got := b.takeCalls(); !reflect.DeepEqual(got, want) {
		t.Errorf("the calls of the backend are %v, want %v", got, want)
	}
}

func TestDefaultTTLIsForeverUnlessItIsSet(t *testing.T) {
	for set, want := range map[time.Duration]time.Duration{
		0: core.Forever, core.Forever: core.Forever, time.Hour: time.Hour,
	} {
		c := open(t, newBackend(), &core.Options{DefaultTTL: set})
		if got := c.DefaultTTL(); got != want {
			t.Errorf("DefaultTTL with Options{DefaultTTL: %v} = %v, want %v", set, got, want)
		}
		if got := withPrefix(t, c, "p:").DefaultTTL(); got != want {
			t.Errorf("DefaultTTL with a prefix = %v, want %v", got, want)
		}
	}
}

func TestNewCopiesTheHooks(t *testing.T) {
	first, second := &recorder{}, &recorder{}
	hooks := []core.Hook{first}
	c := open(t, newBackend(), &core.Options{Hooks: hooks})
	hooks[0] = second
	put(t, c, "k", "v")
	if len(first.afterOps) != 1 || len(second.afterOps) != 0 {
		t.Errorf("After of the hooks was called %d and %d times, want 1 and 0",
			len(first.afterOps), len(second.afterOps))
	}
}

func TestOnlyNewReadsTheTraits(t *testing.T) {
	b := newFullBackend()
	b.traits = core.Traits{MaxValue: 1}
	c := open(t, b, nil)
	if got, want := b.takeCalls(), []backendCall{{verb: "Traits"}}; !reflect.DeepEqual(got, want) {
		t.Fatalf("New called %v, want %v", got, want)
	}
	b.traits.MaxValue = 2 // has no effect after New
	for _, c := range []*core.Cache{c, withPrefix(t, c, "p:")} {
		if got := c.Traits(); got != (core.Traits{MaxValue: 1}) {
			t.Errorf("Traits = %+v, want those that New read", got)
		}
	}
	eachVerb(t, nil, func(t *testing.T, v verb) {
		_ = v.call(t.Context(), c, "k", 0)
		for _, call := range b.takeCalls() {
			if call.verb == "Traits" {
				t.Error("the verb read the traits again")
			}
		}
	})
}

func TestTraitsOfABackendThatReportsNoneAreZero(t *testing.T) {
	if got := open(t, newBackend(), nil).Traits(); got != (core.Traits{}) {
		t.Errorf("Traits = %+v, want the zero value", got)
	}
}

func TestEachOptionalInterfaceIsUsedWithoutTheOthers(t *testing.T) {
	ctx := t.Context()
	for _, test := range []struct {
		method  string // the method of the backend that must be called
		backend func(f *fullBackend) core.Backend
		call    func(c *core.Cache) error
	}{
		{
			"Get",
			func(f *fullBackend) core.Backend { return withValueGetter{f.backend, f} },
			func(c *core.Cache) error { _, err := c.Get(ctx, "k"); return err },
		},
		{
			"GetItems",
			func(f *fullBackend) core.Backend { return withMultiGetter{f.backend, f} },
			func(c *core.Cache) error { _, err := c.GetMulti(ctx, []string{"k"}); return err },
		},
		{
			"SetMulti",
			func(f *fullBackend) core.Backend { return withMultiStorer{f.backend, f} },
			func(c *core.Cache) error { return c.SetMulti(ctx, map[string][]byte{"k": nil}, 0) },
		},
		{
			"DeleteMulti",
			func(f *fullBackend) core.Backend { return withMultiDeleter{f.backend, f} },
			func(c *core.Cache) error { return c.DeleteMulti(ctx, []string{"k"}) },
		},
		{
			"TTL",
			func(f *fullBackend) core.Backend { return withTTLReader{f.backend, f} },
			func(c *core.Cache) error { _, err := c.TTL(ctx, "k"); return err },
		},
		{
			"Ping",
			func(f *fullBackend) core.Backend { return withPinger{f.backend, f} },
			func(c *core.Cache) error { return c.Ping(ctx) },
		},
		{
			"Stats",
			func(f *fullBackend) core.Backend { return withStatsReader{f.backend, f} },
			func(c *core.Cache) error {
				stats, err := c.Stats(ctx)
				if stats.Items != 1 {
					err = errors.Join(err, errors.New("not the figures of the backend"))
				}
				return err
			},
		},
		{
			"Keys",
			func(f *fullBackend) core.Backend { return withKeyLister{f.backend, f} },
			func(c *core.Cache) error {
				v, err := c.WithPrefix("k")
				if err != nil {
					return err
				}
				return v.Flush(ctx)
			},
		},
		{
			"StoreShared",
			func(f *fullBackend) core.Backend { return withSharedStorer{f.backend, f} },
			func(c *core.Cache) error {
				return must(core.NewTyped(c, core.Shared[int]())).Set(ctx, "k", 1, 0)
			},
		},
		{
			"Traits",
			func(f *fullBackend) core.Backend { return withTraitsReporter{f.backend, f} },
			func(*core.Cache) error { return nil },
		},
	} {
		t.Run(test.method, func(t *testing.T) {
			f := newFullBackend()
			c := open(t, test.backend(f), nil)
			put(t, c, "k", "v")
			wantErr(t, test.call(c), nil)
			for _, call := range f.takeCalls() {
				if call.verb == test.method {
					return
				}
			}
			t.Errorf("%s of the backend was not called", test.method)
		})
	}
}

func TestVerbThatTheBackendLacksIsUnsupported(t *testing.T) {
	c := open(t, newBackend(), nil)
	optional := func(v verb) bool {
		return v.name == "TTL" || v.name == "Ping" || v.name == "Stats"
	}
	eachVerb(t, optional, func(t *testing.T, v verb) {
		err := v.call(t.Context(), c, "k", 0)
		wantErr(t, err, errors.ErrUnsupported)
		wantErrContains(t, err, "no "+v.name)
	})
}

func TestDriverInErrorsIsThePackageOfTheBackend(t *testing.T) {
	type local struct{ core.Backend }
	for _, b := range []core.Backend{
		newBackend(),
		local{newBackend()},
		genericBackend[map[string]context.Context]{newBackend()},
	} {
		if got := driverName(t, b); got != "core_test" {
			t.Errorf("the driver of a %T is %q, want core_test", b, got)
		}
	}
}

// The type has neither a name nor a package. Errors must not show its Go syntax.
func TestDriverInErrorsIsAWordIfTheBackendHasNoTypeName(t *testing.T) {
	got := driverName(t, struct{ core.Backend }{newBackend()})
	if strings.ContainsAny(got, " {}*") {
		t.Errorf("the driver is %q, want a word", got)
	}
}

type genericBackend[T any] struct{ core.Backend }

// driverName returns the Driver of an error of a Cache over b.
func driverName(t *testing.T, b core.Backend) string {
	t.Helper()
	err := open(t, b, nil).Set(t.Context(), "", nil, 0)
	var e *core.Error
	if !errors.As(err, &e) {
		t.Fatalf("error is %v, want an *Error", err)
	}
	return e.Driver
}
