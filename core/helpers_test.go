package core_test

import (
	"errors"
	"maps"
	"slices"
	"sync"
	"testing"

	"github.com/cachewire/cachewire/core"
)

// open answers a Cache over b that is closed when the test ends.
func open(t testing.TB, b core.Backend, opts *core.Options) *core.Cache {
	t.Helper()
	c, err := core.New(b, opts)
	if err != nil {
		t.Fatalf("New: %v", err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// must returns v, and panics if there is an error.
func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// view answers c.WithPrefix(prefix).
func view(t testing.TB, c *core.Cache, prefix string) *core.Cache {
	t.Helper()
	v, err := c.WithPrefix(prefix)
	if err != nil {
		t.Fatalf("WithPrefix: %v", err)
	}
	return v
}

// put stores value under key.
func put(t testing.TB, c *core.Cache, key, value string) {
	t.Helper()
	if err := c.Set(t.Context(), key, []byte(value), 0); err != nil {
		t.Fatalf("Set %.100q: %v", key, err)
	}
}

// wantValue fails if key does not hold value.
func wantValue(t testing.TB, c *core.Cache, key, value string) {
	t.Helper()
	got, err := c.Get(t.Context(), key)
	if err != nil || string(got) != value {
		t.Errorf("Get %.100q = %q, %v; want %q", key, got, err, value)
	}
}

// wantErr fails if err is not, by errors.Is, target; nil is nil.
func wantErr(t testing.TB, err, target error) {
	t.Helper()
	if !errors.Is(err, target) {
		t.Errorf("error is %v, want %v", err, target)
	}
}

// failedKeys answers the errors by key in err, a *MultiError.
func failedKeys(t testing.TB, err error) map[string]error {
	t.Helper()
	var multi *core.MultiError
	if !errors.As(err, &multi) || multi == nil {
		t.Fatalf("error is %v, want a *MultiError", err)
	}
	return multi.Errors
}

// wantFailed fails if err is not a *MultiError with these keys and errors.
func wantFailed(t testing.TB, err error, want map[string]error) {
	t.Helper()
	got := failedKeys(t, err)
	if !slices.Equal(slices.Sorted(maps.Keys(got)), slices.Sorted(maps.Keys(want))) {
		t.Errorf("failed keys: %.1000v, want %.1000v", got, want)
		return
	}
	for key, target := range want {
		if !errors.Is(got[key], target) {
			t.Errorf("error of %.100q is %v, want %v", key, got[key], target)
		}
	}
}

// together calls do in n goroutines at once, with their numbers, and waits.
func together(n int, do func(i int)) {
	var wg sync.WaitGroup
	start := make(chan struct{})
	for i := range n {
		wg.Go(func() {
			<-start
			do(i)
		})
	}
	close(start)
	wg.Wait()
}
