package core_test

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/cachewire/cachewire/core"
)

// open returns a Cache over b that is closed when the test ends.
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

// withPrefix returns c.WithPrefix(prefix).
func withPrefix(t testing.TB, c *core.Cache, prefix string) *core.Cache {
	t.Helper()
	v, err := c.WithPrefix(prefix)
	if err != nil {
		t.Fatalf("WithPrefix: %v", err)
	}
	return v
}

// put stores value under key with the default time to live.
func put(t testing.TB, c *core.Cache, key, value string) {
	t.Helper()
	if err := c.Set(t.Context(), key, []byte(value), 0); err != nil {
		t.Fatalf("Set %.100q: %v", key, err)
	}
}

// wantValue fails the test unless key holds value.
func wantValue(t testing.TB, c *core.Cache, key, value string) {
	t.Helper()
	got, err := c.Get(t.Context(), key)
	if err != nil || string(got) != value {
		t.Errorf("Get %.100q = %q, %v; want %q", key, got, err, value)
	}
}

// wantErr fails the test unless errors.Is(err, target). If target is nil, err must be nil.
func wantErr(t testing.TB, err, target error) {
	t.Helper()
	if !errors.Is(err, target) {
		t.Errorf("error is %v, want %v", err, target)
	}
}

// wantErrText fails the test unless the text of err is want.
func wantErrText(t testing.TB, err error, want string) {
	t.Helper()
	if err == nil || err.Error() != want {
		t.Errorf("error is %v, want %s", err, want)
	}
}

// wantErrContains fails the test unless the text of err contains want.
func wantErrContains(t testing.TB, err error, want string) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("error is %v, want it to contain %s", err, want)
	}
}

// failedKeys returns the errors by key in err, which must be a *MultiError.
func failedKeys(t testing.TB, err error) map[string]error {
	t.Helper()
	var multi *core.MultiError
	if !errors.As(err, &multi) || multi == nil {
		t.Fatalf("error is %v, want a *MultiError", err)
	}
	return multi.Errors
}

// wantFailed fails the test unless err is a *MultiError with exactly the keys of want, and
// their errors by errors.Is.
func wantFailed(t testing.TB, err error, want map[string]error) {
	t.Helper()
	got := failedKeys(t, err)
	if !slices.Equal(slices.Sorted(maps.Keys(got)), slices.Sorted(maps.Keys(want))) {
		t.Errorf("the failed keys are %.1000v, want %.1000v", got, want)
		return
	}
	for key, target := range want {
		if !errors.Is(got[key], target) {
			t.Errorf("error of %.100q is %v, want %v", key, got[key], target)
		}
	}
}

// runConcurrently calls do(0), do(1), …, do(n-1) in n goroutines at once, and waits for them.
func runConcurrently(n int, do func(i int)) {
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
