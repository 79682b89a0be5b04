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

func TestNewRefusesWhatCannotWork(t *testing.T) {
	for _, test := range []struct {
		name    string
		backend core.Backend
		opts    core.Options
		says    string // part of the error
	}{
		{"nil backend", nil, core.Options{}, "backend is nil"},
		{"long prefix", newBackend(), core.Options{Prefix: strings.Repeat("p", core.MaxPrefixLen+1)}, "251 bytes"},
		{"negative time to live", newBackend(), core.Options{DefaultTTL: -1}, "-1ns"},
		{"most negative time to live", newBackend(), core.Options{DefaultTTL: math.MinInt64}, "time to live"},
		{"negative time-out", newBackend(), core.Options{Timeout: -time.Second}, "-1s"},
		{"nil hook", newBackend(), core.Options{Hooks: []core.Hook{&recorder{}, nil}}, "hook 1 is nil"},
	} {
		t.Run(test.name, func(t *testing.T) {
			c, err := core.New(test.backend, &test.opts)
			wantErr(t, err, core.ErrConfig)
			if c != nil {
				t.Error("New answers a Cache beside the error")
			}
			if err != nil && !strings.Contains(err.Error(), test.says) {
				t.Errorf("error %q does not say %q", err, test.says)
			}
		})
	}
}

func TestNewTakesWhatIsJustInRange(t *testing.T) {
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
	want := []called{{verb: "Set", keys: []string{"k"}, ttl: 0}}
	if got := b.log(); !reflect.DeepEqual(got, want) {
		t.Errorf("the backend saw %v, want %v", got, want)
	}
}

func TestDefaultTTLIsForeverUnlessItIsSet(t *testing.T) {
	for _, test := range []struct{ set, want time.Duration }{{0, core.Forever}, {core.Forever, core.Forever}, {time.Hour, time.Hour}} {
		c := open(t, newBackend(), &core.Options{DefaultTTL: test.set})
		if got := c.DefaultTTL(); got != test.want {
			t.Errorf("DefaultTTL of Options{DefaultTTL: %v} = %v, want %v", test.set, got, test.want)
		}
		if got := view(t, c, "p:").DefaultTTL(); got != test.want {
			t.Errorf("DefaultTTL of its view = %v, want %v", got, test.want)
		}
	}
}

func TestNewKeepsItsOwnListOfHooks(t *testing.T) {
	first, second := &recorder{}, &recorder{}
	hooks := []core.Hook{first}
	c := open(t, newBackend(), &core.Options{Hooks: hooks})
	hooks[0] = second
	put(t, c, "k", "v")
	if len(first.ops) != 1 || len(second.ops) != 0 {
		t.Errorf("the hooks saw %d and %d verbs, want 1 and 0", len(first.ops), len(second.ops))
	}
}

func TestNewLooksUpAbilitiesOnce(t *testing.T) {
	b := newFull()
	b.traits = core.Traits{MaxValue: 1}
	c := open(t, b, nil)
	if got, want := b.log(), []called{{verb: "Traits"}}; !reflect.DeepEqual(got, want) {
		t.Fatalf("New called %v, want %v", got, want)
	}
	b.traits.MaxValue = 2 // of which the Cache does not hear
	v := view(t, c, "p:")
	for _, cache := range []*core.Cache{c, v} {
		if got := cache.Traits(); got != (core.Traits{MaxValue: 1}) {
			t.Errorf("Traits = %+v, want those from when the Cache was made", got)
		}
	}
	eachVerb(t, nil, func(t *testing.T, v verb) {
		_ = v.call(t.Context(), c, "k", 0)
		for _, call := range b.log() {
			if call.verb == "Traits" {
				t.Error("the verb asked for the traits again")
			}
		}
	})
}

func TestTraitsOfABackendThatReportsNoneAreZero(t *testing.T) {
	if got := open(t, newBackend(), nil).Traits(); got != (core.Traits{}) {
		t.Errorf("Traits = %+v, want the zero value", got)
	}
}

// Each ability is found on a backend that has no other.
func TestEachAbilityIsUsedWithoutTheOthers(t *testing.T) {
	ctx := t.Context()
	for _, test := range []struct {
		verb    string // what the backend must see
		backend func(f *full) core.Backend
		call    func(c *core.Cache) error
	}{
		{"Get", func(f *full) core.Backend { return withValueGetter{f.backend, f} }, func(c *core.Cache) error {
			_, err := c.Get(ctx, "k")
			return err
		}},
		{"GetItems", func(f *full) core.Backend { return withMultiGetter{f.backend, f} }, func(c *core.Cache) error {
			_, err := c.GetMulti(ctx, []string{"k"})
			return err
		}},
		{"SetMulti", func(f *full) core.Backend { return withMultiStorer{f.backend, f} }, func(c *core.Cache) error {
			return c.SetMulti(ctx, map[string][]byte{"k": nil}, 0)
		}},
		{"DeleteMulti", func(f *full) core.Backend { return withMultiDeleter{f.backend, f} }, func(c *core.Cache) error {
			return c.DeleteMulti(ctx, []string{"k"})
		}},
		{"TTL", func(f *full) core.Backend { return withTTLReader{f.backend, f} }, func(c *core.Cache) error {
			_, err := c.TTL(ctx, "k")
			return err
		}},
		{"Ping", func(f *full) core.Backend { return withPinger{f.backend, f} }, func(c *core.Cache) error {
			return c.Ping(ctx)
		}},
		{"Stats", func(f *full) core.Backend { return withStatsReader{f.backend, f} }, func(c *core.Cache) error {
			stats, err := c.Stats(ctx)
			if stats.Items != 1 {
				err = errors.Join(err, errors.New("not the backend's figures"))
			}
			return err
		}},
		{"Keys", func(f *full) core.Backend { return withKeyLister{f.backend, f} }, func(c *core.Cache) error {
			v, err := c.WithPrefix("k")
			if err != nil {
				return err
			}
			return v.Flush(ctx)
		}},
		{"StoreShared", func(f *full) core.Backend { return withSharedStorer{f.backend, f} }, func(c *core.Cache) error {
			return must(core.NewTyped(c, core.Shared[int]())).Set(ctx, "k", 1, 0)
		}},
		{"Traits", func(f *full) core.Backend { return withTraitsReporter{f.backend, f} }, func(*core.Cache) error {
			return nil
		}},
	} {
		t.Run(test.verb, func(t *testing.T) {
			f := newFull()
			c := open(t, test.backend(f), nil)
			put(t, c, "k", "v")
			wantErr(t, test.call(c), nil)
			for _, call := range f.log() {
				if call.verb == test.verb {
					return
				}
			}
			t.Errorf("the backend's %s was not called", test.verb)
		})
	}
}

func TestWhatTheBackendCannotDoIsUnsupported(t *testing.T) {
	c := open(t, newBackend(), nil)
	eachVerb(t, func(v verb) bool { return v.name == "TTL" || v.name == "Ping" || v.name == "Stats" }, func(t *testing.T, v verb) {
		err := v.call(t.Context(), c, "k", 0)
		wantErr(t, err, errors.ErrUnsupported)
		if err != nil && !strings.Contains(err.Error(), "no "+v.name) {
			t.Errorf("error %q does not say what is lacking", err)
		}
	})
}

// The name of the driver in errors is that of the package of the backend's
// type.
func TestDriverIsNamedAfterThePackageOfTheBackend(t *testing.T) {
	type local struct{ core.Backend }
	for _, b := range []core.Backend{newBackend(), local{newBackend()}, generic[map[string]context.Context]{newBackend()}} {
		if got := driverOf(t, b); got != "core_test" {
			t.Errorf("driver of a %T is %q, want core_test", b, got)
		}
	}
}

// A struct without a name is of no package. What errors show is a name all the
// same, and not a piece of Go.
func TestDriverWithoutATypeNameHasAName(t *testing.T) {
	if got := driverOf(t, struct{ core.Backend }{newBackend()}); strings.ContainsAny(got, " {}*") {
		t.Errorf("driver is %q", got)
	}
}

type generic[T any] struct{ core.Backend }

// driverOf answers the driver that errors of a Cache over b name.
func driverOf(t *testing.T, b core.Backend) string {
	t.Helper()
	err := open(t, b, nil).Set(t.Context(), "", nil, 0)
	var e *core.Error
	if !errors.As(err, &e) {
		t.Fatalf("error is %v, want an *Error", err)
	}
	return e.Driver
}
