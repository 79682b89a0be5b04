package null_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/cachewire/cachewire/conformance"
	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/null"
)

// In the profile Null, reads and counters miss, and stores and deletes succeed.
func TestConformance(t *testing.T) {
	conformance.Run(t, conformance.Config{
		New:      func(testing.TB) core.Backend { return null.New() },
		Profile:  conformance.Null,
		Synctest: true,
	})
}

func TestOptionalVerbsKeepNothing(t *testing.T) {
	cache, err := core.Open(t.Context(), "null://?prefix=p:", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer cache.Close()
	ctx := t.Context()
	if err := cache.Ping(ctx); err != nil {
		t.Errorf("Ping = %v, want nil", err)
	}
	if s, err := cache.Stats(ctx); err != nil || s != (core.Stats{}) {
		t.Errorf("Stats = %+v, %v; want zeros and nil", s, err)
	}
	if err := cache.Flush(ctx); err != nil {
		t.Errorf("Flush of a prefix = %v, want nil", err)
	}
	shared := must(core.NewTyped(cache, core.Shared[*int]()))
	if err := shared.Set(ctx, "k", new(int), 0); err != nil {
		t.Errorf("Set of core.Shared = %v, want nil", err)
	}
	if _, err := shared.Get(ctx, "k"); err != core.ErrMiss {
		t.Errorf("Get of core.Shared: error is %v, want %v", err, core.ErrMiss)
	}
	if _, err := cache.TTL(ctx, "k"); err != core.ErrMiss {
		t.Errorf("TTL: error is %v, want %v", err, core.ErrMiss)
	}
}

func TestURLHasNoParameters(t *testing.T) {
	for rawURL, want := range map[string]string{
		"null://?size=1":   `unknown parameter "size"; known: prefix, default_ttl`,
		"null://localhost": "want null://, then nothing or ?name=value",
	} {
		_, err := core.Open(t.Context(), rawURL, nil)
		if !errors.Is(err, core.ErrConfig) || !strings.Contains(err.Error(), want) {
			t.Errorf("Open(%q): error is %v, want %v that contains %s",
				rawURL, err, core.ErrConfig, want)
		}
	}
}

// must returns v, and panics if there is an error.
func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}
