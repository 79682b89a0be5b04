package memory_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/memory"
)

func open(t *testing.T, rawURL string) *core.Cache {
	t.Helper()
	cache, err := core.Open(t.Context(), rawURL, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cache.Close() })
	return cache
}

func TestURLSetsOptions(t *testing.T) {
	cache := open(t, "memory://?buckets=30&interval=1s&max_items=10&max_bytes=64MiB&prefix=p:")
	for i := range 20 {
		if err := cache.Set(t.Context(), fmt.Sprint(i), nil, 0); err != nil {
			t.Fatal(err)
		}
	}
	if s, err := cache.Stats(t.Context()); err != nil || s.Items != 10 || s.Evictions != 10 {
		t.Errorf("Stats after 20 items with max_items=10: %+v and error %v, want 10 items", s, err)
	}
	err := open(t, "memory://?max_bytes=2KiB").Set(t.Context(), "k", make([]byte, 2048), 0)
	if !errors.Is(err, core.ErrTooLarge) {
		t.Errorf("Set of 2 KiB with max_bytes=2KiB: error is %v, want %v", err, core.ErrTooLarge)
	}
}

func TestErrorOfAWrongURLSaysWhatIsRight(t *testing.T) {
	const (
		wantBuckets  = "want a whole number from 1 to 3600"
		wantInterval = "parameter interval: want a duration like 250ms, 15s or 1h30m"
		wantBytes    = "want a number of bytes like 65536, 512KiB, 64MiB or 2GiB"
		wantURL      = "want memory://, then nothing or ?name=value"
	)
	for rawURL, want := range map[string]string{
		"memory://?bucket=60": `unknown parameter "bucket"; ` +
			"known: buckets, idle_ttl, interval, max_bytes, max_items, prefix, default_ttl",
		"memory://?buckets=0":               "parameter buckets: " + wantBuckets,
		"memory://?buckets=3601":            "parameter buckets: too large; " + wantBuckets,
		"memory://?buckets=many":            "parameter buckets: " + wantBuckets,
		"memory://?interval=15":             wantInterval,
		"memory://?interval=-1s":            wantInterval + ", and at least 10ms",
		"memory://?interval=0":              "and at least 10ms",
		"memory://?max_items=-1":            "parameter max_items: want a whole number, 0 or more",
		"memory://?max_bytes=64MB":          "parameter max_bytes: " + wantBytes,
		"memory://?max_items=1&max_items=2": "parameter max_items is given 2 times, want one",
		"memory://localhost":                wantURL,
		"memory://localhost:11211/db":       wantURL,
		"memory:///path":                    wantURL,
		"memory:mine":                       wantURL,
		"memory://me:secret@":               wantURL,
		"memory://?default_ttl=soon":        "parameter default_ttl: want a duration",
	} {
		cache, err := core.Open(t.Context(), rawURL, nil)
		if err == nil {
			cache.Close()
		}
		if !errors.Is(err, core.ErrConfig) || !strings.Contains(err.Error(), want) ||
			strings.Contains(err.Error(), "secret") {
			t.Errorf("Open(%q): error is %v, want %v with the text: %s",
				rawURL, err, core.ErrConfig, want)
		}
	}
}

func TestNewRefusesOptionsOutOfRange(t *testing.T) {
	const (
		wantBuckets  = "; want 1 to 3600, or 0 for 60"
		wantInterval = "; want 10ms or more, or 0 for 15s"
		wantBound    = "; want 1 or more, or 0 for no bound"
		wantWeight   = "; want 1 to 1125899906842624, because there is a Weight"
		wantIdle     = "; want 1s or more, or 0 for no limit"
	)
	for want, opts := range map[string]memory.Options{
		"Options.Buckets is -1" + wantBuckets:          {Buckets: -1},
		"Options.Buckets is 3601" + wantBuckets:        {Buckets: 3601},
		"Options.BucketInterval is -1s" + wantInterval: {BucketInterval: -time.Second},
		"Options.BucketInterval is 9.999999ms" + wantInterval: {
			BucketInterval: 10*time.Millisecond - 1,
		},
		"Options.MaxItems is -1" + wantBound:  {MaxItems: -1},
		"Options.MaxBytes is -1" + wantBound:  {MaxBytes: -1},
		"Options.IdleTTL is 999ms" + wantIdle: {IdleTTL: 999 * time.Millisecond},
		"Options.MaxBytes is 0" + wantWeight: {
			Weight: func(memory.Item) int64 { return 1 },
		},
		"Options.MaxBytes is 1125899906842625" + wantWeight: {
			Weight:   func(memory.Item) int64 { return 1 },
			MaxBytes: 1<<50 + 1,
		},
		"Options.IdleTTL is -1ns" + wantIdle: {IdleTTL: -1},
	} {
		b, err := memory.New(&opts)
		want = "cachewire: invalid configuration: memory: " + want
		if !errors.Is(err, core.ErrConfig) || err.Error() != want || b != nil {
			t.Errorf("New(%+v) = %v, %v; want nil and %s", opts, b, err, want)
		}
	}
}

func TestNewAcceptsTheLimitsOfItsOptions(t *testing.T) {
	for _, opts := range []*memory.Options{
		nil,
		{},
		{
			Buckets:        3600,
			BucketInterval: 10 * time.Millisecond,
			MaxItems:       math.MaxInt,
			MaxBytes:       math.MaxInt64,
			IdleTTL:        math.MaxInt64,
		},
	} {
		cache, err := core.New(must(memory.New(opts)), nil)
		if err != nil {
			t.Fatal(err)
		}
		for i := range 1000 {
			if err := cache.Set(t.Context(), fmt.Sprint(i), nil, time.Hour); err != nil {
				t.Fatal(err)
			}
		}
		if s, _ := cache.Stats(t.Context()); s.Items != 1000 || s.Evictions != 0 {
			t.Errorf("%+v: %+v, want 1000 items", opts, s)
		}
		cache.Close()
	}
}

func TestStatsCountsItemsAndReads(t *testing.T) {
	cache := open(t, "memory://")
	ctx := t.Context()
	cache.Set(ctx, "k", []byte("v"), 0)
	cache.Get(ctx, "k")
	cache.GetMulti(ctx, []string{"k", "a", "b"})
	cache.Incr(ctx, "absent", 1) // does not count as a read
	got, err := cache.Stats(ctx)
	want := core.Stats{Items: 1, Bytes: got.Bytes, Hits: 2, Misses: 2}
	if got != want || err != nil || got.Bytes == 0 {
		t.Errorf("Stats: %+v and error %v, want %+v with more than 0 Bytes", got, err, want)
	}
	if err := cache.Flush(ctx); err != nil {
		t.Fatal(err)
	}
	if got, _ := cache.Stats(ctx); got.Items != 0 || got.Bytes != 0 || got.Hits != 2 {
		t.Errorf("Stats after Flush: %+v, want no Items, no Bytes and 2 Hits", got)
	}
}

func TestAsSetsTheBackend(t *testing.T) {
	b := must(memory.New(nil))
	cache, err := core.New(b, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer cache.Close()
	var got *memory.Backend
	if !cache.As(&got) || got != b {
		t.Errorf("As set %p, want %p", got, b)
	}
}

func TestMultiVerbsDoNothingIfTheContextIsDone(t *testing.T) {
	b := must(memory.New(nil))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var items []core.Item
	var keys []string
	for i := range 1000 {
		keys = append(keys, fmt.Sprint(i))
		items = append(items, core.Item{Key: keys[i]})
	}
	_, getErr := b.GetItems(ctx, keys)
	for verb, err := range map[string]error{
		"GetItems":    getErr,
		"StoreMulti":  b.StoreMulti(ctx, core.Set, items),
		"DeleteMulti": b.DeleteMulti(ctx, keys),
	} {
		var multi *core.MultiError
		if !errors.As(err, &multi) || len(multi.Errors) != len(keys) ||
			!errors.Is(multi.Errors["999"], context.Canceled) {
			t.Errorf("%s: %v, want %v for each of %d keys", verb, err, context.Canceled, len(keys))
		}
	}
	if s, _ := b.Stats(t.Context()); s.Items != 0 {
		t.Errorf("%d items were stored", s.Items)
	}
}

func TestKeysEndsWhenTheContextIsDone(t *testing.T) {
	b := must(memory.New(&memory.Options{MaxItems: 100})) // one shard
	for i := range 100 {
		if err := b.Store(t.Context(), core.Set, core.Item{Key: fmt.Sprint(i)}); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	n := 0
	for _, err := range b.Keys(ctx, "") {
		cancel()
		if n++; err != nil {
			if !errors.Is(err, context.Canceled) || n != 2 {
				t.Errorf("iteration %d: error is %v, want %v in iteration 2",
					n, err, context.Canceled)
			}
			return
		}
	}
	t.Errorf("%d keys and no error, want %v", n, context.Canceled)
}

// must returns v, and panics if there is an error.
func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}
