package observe_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/memory"
	"github.com/cachewire/cachewire/observe"
	"github.com/cachewire/cachewire/patterns"
)

func newCache(t *testing.T, name string) *core.Cache {
	t.Helper()
	b, err := memory.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	c, err := core.New(b, &core.Options{Name: name})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// An outcomes is a hook that records the outcomes of verbs.
type outcomes struct{ got []string }

func (o *outcomes) After(_ context.Context, op *core.Op) {
	o.got = append(o.got, observe.OutcomeOf(op.Verb, op.Hits, op.Misses, op.Err).String())
}

func TestVerbsHaveTheOutcomesOfTheirResults(t *testing.T) {
	var o outcomes
	b, _ := memory.New(nil)
	c, err := core.New(b, &core.Options{Hooks: []core.Hook{&o}})
	if err != nil {
		t.Fatal(err)
	}
	ctx, v := t.Context(), []byte("v")
	done, cancel := context.WithCancel(ctx)
	cancel()
	item := core.Item{Key: "k", Value: v, Token: new(int)}
	for _, test := range []struct {
		want string
		do   func()
	}{
		{"stored", func() { _ = c.Set(ctx, "k", v, 0) }},
		{"hit", func() { _, _ = c.Get(ctx, "k") }},
		{"miss", func() { _, _ = c.Get(ctx, "x") }},
		{"miss", func() { _, _ = c.Exists(ctx, "x") }},
		{"hit", func() { _, _ = c.GetMulti(ctx, []string{"k"}) }},
		{"partial", func() { _, _ = c.GetMulti(ctx, []string{"k", "x"}) }},
		{"ok", func() { _, _ = c.GetMulti(ctx, nil) }},
		{"exists", func() { _ = c.Add(ctx, "k", v, 0) }},
		{"exists", func() { _ = c.AddMulti(ctx, map[string][]byte{"k": v, "y": v}, 0) }},
		{"miss", func() { _ = c.ReplaceMulti(ctx, map[string][]byte{"absent": v}, 0) }},
		{"miss", func() { _ = c.Replace(ctx, "x", v, 0) }},
		{"conflict", func() { _ = c.CompareAndSwap(ctx, item) }},
		{"not_number", func() { _, _ = c.Incr(ctx, "k", 1) }},
		{"stored", func() { _, _ = c.IncrFrom(ctx, "n", 1, 0, 0) }},
		{"stored", func() { _ = c.Touch(ctx, "k", 0) }},
		{"invalid_key", func() { _ = c.Set(ctx, "", v, 0) }},
		{"invalid_ttl", func() { _ = c.Set(ctx, "k", v, -1) }},
		{"mixed", func() {
			_ = c.StoreMulti(ctx, core.Set, []core.Item{{Key: ""}, {Key: "k", TTL: -1}})
		}},
		{"invalid_key", func() {
			_ = c.StoreMulti(ctx, core.Add, []core.Item{{Key: ""}, {Key: "k"}})
		}},
		{"canceled", func() { _, _ = c.Get(done, "k") }},
		{"canceled", func() { _, _ = c.GetMulti(done, []string{"k", "x"}) }},
		{"ok", func() { _, _ = c.Stats(ctx) }},
		{"deleted", func() { _ = c.Delete(ctx, "k") }},
		{"miss", func() { _ = c.Delete(ctx, "k") }},
		{"deleted", func() { _ = c.DeleteMulti(ctx, []string{"k"}) }},
		{"deleted", func() { _ = c.Flush(ctx) }},
		{"closed", func() { c.Close(); _ = c.Set(ctx, "k", v, 0) }},
		{"closed", func() { _ = c.SetMulti(ctx, map[string][]byte{"k": v}, 0) }},
	} {
		o.got = nil
		test.do()
		if want := []string{test.want}; !slices.Equal(o.got, want) {
			t.Errorf("outcomes are %v, want %v", o.got, want)
		}
	}
}

func TestErrorsHaveOutcomesByTheirSentinels(t *testing.T) {
	for want, err := range map[string]error{
		"unavailable": fmt.Errorf("%w: %w", core.ErrUnavailable, io.EOF),
		"timeout":     fmt.Errorf("%w: %w", core.ErrUnavailable, context.DeadlineExceeded),
		"too_large":   core.ErrTooLarge,
		"codec":       fmt.Errorf("%w: %w", core.ErrCodec, core.ErrMiss),
		"unsupported": errors.ErrUnsupported,
		"error":       io.EOF,
	} {
		o := observe.OutcomeOf("Get", 0, 0, &core.Error{Verb: "Get", Err: err})
		if o.String() != want || !o.IsError() {
			t.Errorf("outcome of %v is %v, want the error %s", err, o, want)
		}
	}
	for o := range observe.Outcome(observe.NumOutcomes) {
		if o.String() == "" || strings.Contains(o.String(), "unknown") {
			t.Errorf("outcome %d has no name", o)
		}
	}
	for range 20 { // in any order of the keys
		err := &core.MultiError{Errors: map[string]error{
			"a": core.ErrConflict, "b": core.ErrMiss, "c": core.ErrConflict,
		}}
		if o := observe.OutcomeOf("StoreMulti", 0, 0, err); o != observe.Conflict {
			t.Fatalf("outcome of conflicts and a miss is %v, want conflict", o)
		}
		err.Errors["d"] = core.ErrUnavailable
		if o := observe.OutcomeOf("StoreMulti", 0, 0, err); o != observe.Unavailable {
			t.Fatalf("outcome of conflicts and an unreachable key is %v, want unavailable", o)
		}
	}
	if empty := observe.OutcomeOf("GetMulti", 1, 0, &core.MultiError{}); empty != observe.Failed {
		t.Errorf("outcome of a MultiError without errors is %v, want error", empty)
	}
}

// A new verb of core.Cache must be added to the verbs of this package.
func TestEveryVerbOfCacheHasANumber(t *testing.T) {
	others := []string{"As", "Close", "DefaultTTL", "Driver", "Name", "Traits", "URL", "WithPrefix"}
	typ := reflect.TypeFor[*core.Cache]()
	verbs := 0
	for i := range typ.NumMethod() {
		name := typ.Method(i).Name
		v := observe.VerbOf(name)
		switch isOther := slices.Contains(others, name); {
		case isOther != (v == 0):
			t.Errorf("VerbOf(%q) = %d", name, v)
		case !isOther && v.String() != name:
			t.Errorf("VerbOf(%q).String() = %q", name, v)
		case !isOther:
			verbs++
		}
	}
	if verbs != observe.NumVerbs-1 {
		t.Errorf("%d of %d verbs are methods of Cache", verbs, observe.NumVerbs-1)
	}
}

func TestEveryOutcomeOfPatternsHasANumber(t *testing.T) {
	all := map[string]bool{ // whether it is served from the cache
		patterns.Hit: true, patterns.Stale: true, patterns.Negative: true, patterns.Miss: false,
		patterns.Loaded: false, patterns.Waited: false, patterns.LoadError: false,
		patterns.TimedOut: false,
	}
	for outcome, fromCache := range all {
		s := observe.ServedOf(outcome)
		if s == 0 || s.String() != outcome || s.FromCache() != fromCache {
			t.Errorf("ServedOf(%q) is %v, from the cache: %v", outcome, s, s.FromCache())
		}
	}
	if len(all) != observe.NumServed-1 {
		t.Errorf("%d outcomes, want %d", observe.NumServed-1, len(all))
	}
	if s := observe.ServedOf("nonsense"); s != 0 || s.String() != "other" || s.FromCache() {
		t.Errorf("ServedOf of nonsense is %v", s)
	}
}

type figures struct{ name, driver string }

func newCaches() *observe.Caches[figures] {
	return observe.NewCaches(func(name, driver string) *figures { return &figures{name, driver} })
}

func TestACacheIsAddedOnceUnderItsName(t *testing.T) {
	cs := newCaches()
	one, two := newCache(t, "users"), newCache(t, "users")
	for _, err := range []error{cs.Add(nil), cs.Add(one), cs.Add(one), cs.Add(two)} {
		if err != nil && !errors.Is(err, core.ErrConfig) {
			t.Errorf("error is %v, want ErrConfig", err)
		}
	}
	if cs.Add(nil) == nil || cs.Add(one) == nil || cs.Add(two) == nil {
		t.Error("Add accepts nil, or a name twice")
	}
	if cs.Remove(two) != nil || cs.Remove(nil) != nil {
		t.Error("Remove removes a cache that was not added")
	}
	if f := cs.Remove(one); f == nil || *f != (figures{"users", "memory"}) {
		t.Errorf("Remove returned %v", f)
	}
	if err := cs.Add(two); err != nil {
		t.Errorf("Add after Remove: %v", err)
	}
	if all := cs.All(); len(all) != 1 || all[0].Cache != two {
		t.Errorf("All has %d entries", len(all))
	}
}

func TestNamesThatWereNotAddedAreBounded(t *testing.T) {
	cs := newCaches()
	if err := cs.Add(newCache(t, "users")); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]figures{
		"users":        {"users", "memory"},
		"users/a:":     {"users", "memory"},
		"users/a:/b/c": {"users", "memory"},
		"seen":         {"seen", ""},
		"seen/a:":      {"seen/a:", ""}, // seen was not added
	} {
		if got := cs.Of(name); *got != want || got != cs.Of(name) {
			t.Errorf("Of(%q) = %v, want %v", name, *got, want)
		}
	}
	var all sync.WaitGroup
	for g := range 4 {
		all.Go(func() {
			for i := range 1000 {
				cs.Of(fmt.Sprint("tenant", g, "-", i))
			}
		})
	}
	all.Wait()
	if n := len(cs.All()); n != 1+1000+1 {
		t.Errorf("the set has %d names, want the one added, 1000, and the others", n)
	}
	if got := *cs.Of("one more"); got.name != observe.Other {
		t.Errorf("a name without room has the figures of %q", got.name)
	}
	if err := cs.Add(newCache(t, "one more")); err != nil || cs.Of("one more").driver != "memory" {
		t.Errorf("a name without room cannot be added: %v", err)
	}
}

func TestOfAllocatesNothing(t *testing.T) {
	cs := newCaches()
	if err := cs.Add(newCache(t, "users")); err != nil {
		t.Fatal(err)
	}
	if n := testing.AllocsPerRun(100, func() { cs.Of("users"); cs.Of("users/a:") }); n != 0 {
		t.Errorf("Of allocates %v times", n)
	}
}

// A stalling is a backend whose Stats stall until the context is done.
type stalling struct{ core.Backend }

func (stalling) Stats(ctx context.Context) (core.Stats, error) {
	<-ctx.Done()
	return core.Stats{}, ctx.Err()
}

func TestReadStatsEndsWithItsContextAndKeepsTheOrder(t *testing.T) {
	full := newCache(t, "full")
	if err := full.Set(t.Context(), "k", []byte("v"), 0); err != nil {
		t.Fatal(err)
	}
	caches := []*core.Cache{nil, full}
	got := observe.ReadStats(t.Context(), caches)
	if len(got) != 2 || got[0].Known() || got[0].Down() {
		t.Errorf("a nil cache has %+v, want no Stats", got[0])
	}
	if !got[1].Known() || got[1].Stats.Items != 1 {
		t.Errorf("the cache with an item has %+v", got[1])
	}
	ctx, cancel := context.WithCancel(t.Context())
	caches = nil
	for range 100 {
		b, _ := memory.New(nil)
		c, err := core.New(stalling{b}, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		caches = append(caches, c)
	}
	done := make(chan []observe.Reading)
	go func() { done <- observe.ReadStats(ctx, caches) }()
	cancel()
	for i, r := range <-done {
		if !r.Down() {
			t.Fatalf("stalled cache %d has %+v", i, r)
		}
	}
}
