package tiered_test

import (
	"context"
	"errors"
	"flag"
	"os"
	"testing"
	"time"

	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/memory"
	"github.com/cachewire/cachewire/tiered"
)

// TestMain lets many cases of the suite run in parallel, because they mostly wait for items to
// expire.
func TestMain(m *testing.M) {
	flag.Parse()
	if err := flag.Set("test.parallel", "32"); err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func newMemory() *memory.Backend { return must(memory.New(nil)) }

// newTier returns a tier of a new near over far.
func newTier(far core.Backend, opts *tiered.Options) *tiered.Backend {
	return must(tiered.New(newMemory(), far, opts))
}

// A sharedFar is a backend that several tiers share. They do not close it.
type sharedFar struct{ *memory.Backend }

func (sharedFar) Close() error { return nil }

func set(t testing.TB, b core.Backend, key, value string, ttl time.Duration) {
	t.Helper()
	item := core.Item{Key: key, Value: []byte(value), TTL: ttl}
	err := b.Store(context.Background(), core.Set, item)
	if err != nil {
		t.Errorf("Set of %q: %v", key, err)
	}
}

// get returns the value under key, or "" for a miss.
func get(t testing.TB, b core.Backend, key string) string {
	t.Helper()
	item, err := b.GetItem(context.Background(), key)
	if err != nil && !errors.Is(err, core.ErrMiss) {
		t.Errorf("GetItem of %q: %v", key, err)
	}
	return string(item.Value)
}

func wantValue(t testing.TB, b core.Backend, key, want string) {
	t.Helper()
	if got := get(t, b, key); got != want {
		t.Errorf("the value of %q is %q, want %q", key, got, want)
	}
}

func wantErr(t testing.TB, what string, err, want error) {
	t.Helper()
	if !errors.Is(err, want) || (want == nil) != (err == nil) {
		t.Errorf("%s: error is %v, want %v", what, err, want)
	}
}

func nearStats(t testing.TB, b *tiered.Backend) core.NearStats {
	t.Helper()
	s, err := b.Stats(context.Background())
	if err != nil {
		t.Errorf("Stats: %v", err)
	}
	return s.Near
}

// eventually fails unless done becomes true.
func eventually(t testing.TB, what string, done func() bool) {
	t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for pause := time.Millisecond; !done(); pause = min(2*pause, 20*time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not after 20 s: %s", what)
		}
		time.Sleep(pause)
	}
}
