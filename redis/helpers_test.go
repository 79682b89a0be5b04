package redis_test

import (
	"context"
	"errors"
	"flag"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/redis"
)

// Cases of the suite mostly wait for a time to live to end, many at once.
func TestMain(m *testing.M) {
	flag.Parse()
	if err := flag.Set("test.parallel", "12"); err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}

// patient are options for servers that respond, on a busy machine.
func patient(addrs ...string) *redis.Options {
	return &redis.Options{Addrs: addrs, Timeout: 20 * time.Second, MaxValue: 4 << 20}
}

// impatient are options for servers that do not respond.
func impatient(addrs ...string) *redis.Options {
	return &redis.Options{Addrs: addrs, Timeout: 300 * time.Millisecond}
}

// open returns a Backend, which the caller closes.
func open(t testing.TB, opts *redis.Options) *redis.Backend {
	t.Helper()
	b, err := redis.New(opts)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// openCache returns a Cache, which is closed when the test ends.
func openCache(t testing.TB, opts *redis.Options) *core.Cache {
	t.Helper()
	return cacheOf(t, open(t, opts))
}

func cacheOf(t testing.TB, b core.Backend) *core.Cache {
	t.Helper()
	c, err := core.New(b, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func wantErr(t testing.TB, what string, err, target error) {
	t.Helper()
	if !errors.Is(err, target) {
		t.Errorf("%s: error is %v, want %v", what, err, target)
	}
}

func wantText(t testing.TB, what string, err error, texts ...string) {
	t.Helper()
	for _, text := range texts {
		if err == nil || !strings.Contains(err.Error(), text) {
			t.Errorf("%s: error is %v, want one with %q", what, err, text)
		}
	}
}

func set(t testing.TB, c *core.Cache, key, value string) {
	t.Helper()
	wantErr(t, "Set "+key, c.Set(context.Background(), key, []byte(value), 0), nil)
}

func wantValue(t testing.TB, c *core.Cache, key, value string) {
	t.Helper()
	if got, err := c.Get(context.Background(), key); string(got) != value || err != nil {
		t.Errorf("Get %s: %.80q, %v; want %.80q", key, got, err, value)
	}
}

// eventually fails unless done becomes true.
func eventually(t testing.TB, what string, done func() bool) {
	t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for pause := time.Millisecond; !done(); pause = min(2*pause, 50*time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not after 20 s: %s", what)
		}
		time.Sleep(pause)
	}
}

// keyError returns the error of key in the error of a multi verb.
func keyError(err error, key string) error {
	var multi *core.MultiError
	if errors.As(err, &multi) {
		return multi.Errors[key]
	}
	return err
}

// must returns v, and panics if there is an error.
func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// lines returns the lines of text.
func lines(text string) []string { return strings.Split(strings.TrimSpace(text), "\n") }
