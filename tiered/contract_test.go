package tiered_test

import (
	"context"
	"errors"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/memory"
	"github.com/cachewire/cachewire/null"
	"github.com/cachewire/cachewire/tiered"
)

// T1: what another process has replaced is read for at most NearTTL.
func TestACopyIsServedForNearTTL(t *testing.T) {
	for read, get := range reads {
		t.Run(read, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				far := newGated()
				b := newTier(far, nil)
				defer b.Close()
				set(t, b, "k", "1", 0)
				wantValue(t, b, "k", "1")
				set(t, far.Backend, "k", "2", 0)
				time.Sleep(1900 * time.Millisecond)
				if got, err := get(t.Context(), b, "k"); got != "1" || err != nil {
					t.Errorf("within NearTTL: %q, %v, want the copy", got, err)
				}
				time.Sleep(100 * time.Millisecond)
				if got, err := get(t.Context(), b, "k"); got != "2" || err != nil {
					t.Errorf("after NearTTL: %q, %v, want what far holds", got, err)
				}
			})
		})
	}
}

// T5: these verbs go far, whatever near holds, and see what another process has written.
func TestWritesAndCountersActOnFar(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		far := newMemory()
		b := newTier(far, &tiered.Options{NearTTL: time.Hour, NegativeTTL: time.Hour})
		defer b.Close()
		ctx := t.Context()
		for _, key := range []string{"n", "absent"} {
			if key == "n" {
				set(t, b, key, "1", 0)
			}
			get(t, b, key) // there is a copy
		}
		set(t, far, "n", "41", time.Minute) // another process
		set(t, far, "absent", "v", 0)
		if n, err := b.Incr(ctx, "n", 1); n != 42 || err != nil {
			t.Errorf("Incr: %d, %v, want 42", n, err)
		}
		wantValue(t, b, "n", "42")
		if ttl, err := b.TTL(ctx, "n"); ttl != time.Minute || err != nil {
			t.Errorf("TTL: %v, %v, want a minute", ttl, err)
		}
		item := core.Item{Key: "absent", Value: []byte("2")}
		wantErr(t, "Add of a key that was absent", b.Store(ctx, core.Add, item), core.ErrExists)
		wantValue(t, b, "absent", "v") // ErrExists has dropped the memory of the miss
	})
}

// T6: the token of a copy is that of far. An old one is refused, and the copy dropped.
func TestTokensOfCopiesAreThoseOfFar(t *testing.T) {
	far := newMemory()
	b := newTier(far, &tiered.Options{NearTTL: time.Hour})
	defer b.Close()
	ctx := t.Context()
	set(t, b, "k", "1", 0)
	get(t, b, "k")
	item, err := b.GetItem(ctx, "k") // the copy
	wantErr(t, "GetItem", err, nil)
	set(t, far, "k", "2", 0)
	item.Key, item.Value = "k", []byte("3")
	wantErr(t, "CompareAndSwap with an old token", b.Store(ctx, core.CompareAndSwap, item),
		core.ErrConflict)
	get(t, b, "k")
	item, err = b.GetItem(ctx, "k")
	wantErr(t, "GetItem after the conflict", err, nil)
	if string(item.Value) != "2" {
		t.Errorf("the value after a conflict is %q, want \"2\"", item.Value)
	}
	item.Key, item.Value = "k", []byte("3")
	wantErr(t, "CompareAndSwap with the token of a copy",
		b.Store(ctx, core.CompareAndSwap, item), nil)
	wantValue(t, b, "k", "3")
}

// A withoutItemTTL is a far that does not know how long an item has left, as memcached.
type withoutItemTTL struct{ core.Backend }

// T7: a copy ends with its item.
func TestACopyDoesNotOutliveItsItem(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newTier(newMemory(), &tiered.Options{NearTTL: time.Hour})
		defer b.Close()
		set(t, b, "k", "1", 10*time.Second)
		for range 9 {
			wantValue(t, b, "k", "1")
			time.Sleep(time.Second)
		}
		_, err := b.GetItems(t.Context(), []string{"k", "j"})
		wantErr(t, "GetItems", err, nil)
		time.Sleep(time.Second)
		wantValue(t, b, "k", "")
		if r := b.Traits().Resolution; r != 0 {
			t.Errorf("Resolution is %v, want that of far", r)
		}
	})
}

// Without core.ItemTTLReader it outlives its item by at most NearTTL, as Traits say.
func TestTraitsSayHowLongACopyMayOutliveItsItem(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newTier(withoutItemTTL{newMemory()}, &tiered.Options{NearTTL: 5 * time.Second})
		defer b.Close()
		if r, want := b.Traits().Resolution, 5*time.Second+10*time.Millisecond; r != want {
			t.Errorf("Resolution is %v, want %v", r, want)
		}
		set(t, b, "k", "1", 10*time.Second)
		time.Sleep(9 * time.Second)
		wantValue(t, b, "k", "1")
		time.Sleep(4900 * time.Millisecond)
		wantValue(t, b, "k", "1")
		time.Sleep(100 * time.Millisecond)
		wantValue(t, b, "k", "")
		for _, ability := range []any{(*core.TTLReader)(nil), (*core.MultiGetter)(nil),
			(*core.CounterStarter)(nil), (*core.KeyLister)(nil)} {
			if !b.Declines(ability) {
				t.Errorf("%T is not declined, although far lacks it", ability)
			}
		}
	})
}

// T8: misses are remembered only if NegativeTTL says so, and for no longer.
func TestMissesAreRememberedForNegativeTTL(t *testing.T) {
	for _, ttl := range []time.Duration{0, time.Second} {
		synctest.Test(t, func(t *testing.T) {
			far := newMemory()
			b := newTier(far, &tiered.Options{NearTTL: time.Hour, NegativeTTL: ttl})
			defer b.Close()
			wantValue(t, b, "k", "")
			set(t, far, "k", "1", 0)
			if ttl > 0 {
				wantValue(t, b, "k", "")
				time.Sleep(ttl)
			}
			wantValue(t, b, "k", "1")
		})
	}
}

// T10: while far fails, copies are served within their life, and every other read has its error.
func TestWhileFarIsDownCopiesAreServedForTheirLife(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		far := &switched{Backend: newMemory()}
		b := newTier(far, nil)
		defer b.Close()
		set(t, b, "k", "1", 0)
		set(t, b, "j", "1", 0)
		wantValue(t, b, "k", "1")
		far.down = true
		wantValue(t, b, "k", "1")
		_, err := b.GetItem(t.Context(), "j")
		wantErr(t, "GetItem without a copy", err, core.ErrUnavailable)
		time.Sleep(2 * time.Second)
		_, err = b.Get(t.Context(), "k")
		wantErr(t, "Get after the life of the copy", err, core.ErrUnavailable)
		_, err = b.GetItems(t.Context(), []string{"k", "j"})
		for _, key := range []string{"k", "j"} {
			var multi *core.MultiError
			if !errors.As(err, &multi) || !errors.Is(multi.Errors[key], core.ErrUnavailable) {
				t.Errorf("GetItems: error is %v, want ErrUnavailable for each key", err)
			}
		}
		far.down = false
		wantValue(t, b, "k", "1")
	})
}

// A switched is a far that can be down. Tests with one goroutine use it.
type switched struct {
	*memory.Backend
	down bool
}

func (s *switched) GetItemTTL(ctx context.Context, key string) (core.Item, error) {
	if s.down {
		return core.Item{}, core.ErrUnavailable
	}
	return s.Backend.GetItemTTL(ctx, key)
}

func (s *switched) GetItemsTTL(ctx context.Context, keys []string) ([]core.Item, error) {
	if s.down {
		return nil, core.ErrUnavailable
	}
	return s.Backend.GetItemsTTL(ctx, keys)
}

// A closed or full near cache costs speed and nothing else.
func TestWithoutRoomNearReadsGoFar(t *testing.T) {
	near := must(memory.New(&memory.Options{MaxBytes: 500}))
	far := newGated()
	b := must(tiered.New(near, far, nil))
	defer b.Close()
	set(t, b, "k", strings.Repeat("v", 500), 0)
	for range 2 {
		wantValue(t, b, "k", strings.Repeat("v", 500))
	}
	if n := far.farReads(); n != 2 {
		t.Errorf("%d reads reached far, want 2", n)
	}
}

func TestBypassAndMaxValueLimitWhatIsCopied(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		far := newGated()
		b := newTier(far, &tiered.Options{MaxValue: 10, Bypass: []string{"lock:", "n"}})
		defer b.Close()
		for key, c := range map[string]struct {
			value  string
			copied bool
		}{
			"k":      {"0123456789", true},
			"large":  {"0123456789a", false},
			"lock:a": {"1", false},
			"n":      {"1", false},
			"lock":   {"1", true},
		} {
			set(t, b, key, c.value, 0)
			for read, get := range reads {
				_, _ = get(t.Context(), b, key)
				before := far.farReads()
				if got, err := get(t.Context(), b, key); got != c.value || err != nil {
					t.Errorf("%s of %q: %q, %v", read, key, got, err)
				}
				if copied := far.farReads() == before; copied != c.copied {
					t.Errorf("%s of %q: served by a copy is %v, want %v",
						read, key, copied, c.copied)
				}
			}
			before := far.farReads()
			set(t, far.Backend, key, "new", 0)
			if !c.copied {
				wantValue(t, b, key, "new")
			}
			if far.farReads() == before && !c.copied {
				t.Errorf("%q: a read did not reach far", key)
			}
		}
	})
}

func TestStatsCountWhereReadsWereServed(t *testing.T) {
	b := newTier(newMemory(), &tiered.Options{NearTTL: time.Hour, NegativeTTL: time.Hour})
	defer b.Close()
	ctx := t.Context()
	set(t, b, "k", "1", 0)
	for range 3 { // one read of far, two copies
		wantValue(t, b, "k", "1")
		wantValue(t, b, "absent", "")
	}
	_, err := b.GetItems(ctx, []string{"k", "absent", "other"}) // a copy, a remembered miss, far
	wantErr(t, "GetItems", err, nil)
	s, err := b.Stats(ctx)
	wantErr(t, "Stats", err, nil)
	if s.Near.Hits != 3 || s.Near.FarHits != 1 || s.Hits != 4 || s.Misses != 5 {
		t.Errorf("near hits %d, far hits %d, hits %d, misses %d; want 3, 1, 4, 5",
			s.Near.Hits, s.Near.FarHits, s.Hits, s.Misses)
	}
	if s.Items != 1 || s.Near.Items != 3 || s.Near.Bytes == 0 || s.Near.HasBus {
		t.Errorf("items %d, near %+v; want 1 item and 3 copies", s.Items, s.Near)
	}
}

// Cache.As finds the tier, far and near.
func TestAsFindsBothHalves(t *testing.T) {
	far := newGated()
	near := newMemory()
	b := must(tiered.New(near, far, nil))
	c := must(core.New(b, nil))
	defer c.Close()
	var tier *tiered.Backend
	var farHalf *gated
	var nearHalf *memory.Backend
	if !c.As(&tier) || tier != b || !c.As(&farHalf) || farHalf != far || !c.As(&nearHalf) ||
		nearHalf != near {
		t.Errorf("As: %v %v %v", tier, farHalf, nearHalf)
	}
	var none *url.URL
	if c.As(&none) {
		t.Error("As found what is not there")
	}
}

// A near hit through core.Cache allocates no more than memory does.
func TestANearHitDoesNotAllocate(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	c := must(core.New(newTier(newMemory(), &tiered.Options{NearTTL: time.Hour}), nil))
	defer c.Close()
	ctx := t.Context()
	wantErr(t, "Set", c.Set(ctx, "k", []byte("v"), 0), nil)
	for verb, call := range map[string]func() error{
		"Get":     func() error { _, err := c.Get(ctx, "k"); return err },
		"GetItem": func() error { _, err := c.GetItem(ctx, "k"); return err },
	} {
		wantErr(t, verb, call(), nil)
		if n := testing.AllocsPerRun(100, func() { _ = call() }); n != 0 {
			t.Errorf("%s of a copy: %v allocations, want 0", verb, n)
		}
	}
}

func TestNewRefusesWhatCannotWork(t *testing.T) {
	mem := newMemory()
	for _, c := range []struct {
		near, far core.Backend
		opts      tiered.Options
		want      string
	}{
		{nil, mem, tiered.Options{}, "near is nil"},
		{mem, nil, tiered.Options{}, "far is nil"},
		{mem, mem, tiered.Options{}, "the same backend"},
		{withoutItemTTL{mem}, null.New(), tiered.Options{}, "near is a tiered_test.withoutItemTTL"},
		{mem, null.New(), tiered.Options{NearTTL: -1},
			"Options.NearTTL is -1ns; want 10ms or more"},
		{mem, null.New(), tiered.Options{NearTTL: time.Millisecond}, "Options.NearTTL"},
		{mem, null.New(), tiered.Options{NegativeTTL: -1}, "Options.NegativeTTL"},
		{mem, null.New(), tiered.Options{NegativeTTL: time.Hour}, "at most NearTTL, 2s"},
		{mem, null.New(), tiered.Options{MaxValue: -1}, "Options.MaxValue"},
		{mem, null.New(), tiered.Options{MaxStale: time.Second}, "Options.MaxStale is 1s; want 2s"},
		{mem, null.New(), tiered.Options{Bypass: []string{"a", ""}}, "Options.Bypass"},
	} {
		b, err := tiered.New(c.near, c.far, &c.opts)
		wantErr(t, c.want, err, core.ErrConfig)
		if b != nil || err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("New: %v, %v; want an error with %q", b, err, c.want)
		}
	}
	for want, err := range map[string]error{
		"far is nil":                second(tiered.NewPoll(nil, nil)),
		"null.Backend, which keeps": second(tiered.NewPoll(null.New(), nil)),
		"PollOptions.Interval is 2s": second(tiered.NewPoll(mem,
			&tiered.PollOptions{Interval: 2e9})),
		"PollOptions.Prefix is 251": second(tiered.NewPoll(mem,
			&tiered.PollOptions{Prefix: strings.Repeat("p", 251)})),
	} {
		wantErr(t, want, err, core.ErrConfig)
		if err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("NewPoll: %v; want an error with %q", err, want)
		}
	}
}

func second[T any](_ T, err error) error { return err }
