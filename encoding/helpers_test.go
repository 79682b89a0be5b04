package encoding_test

import (
	"bytes"
	"compress/zlib"
	"context"
	"strings"
	"testing"

	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/memory"
)

// A flagless is a backend that keeps no flags.
type flagless struct{ core.Backend }

func (flagless) Traits() core.Traits { return core.Traits{NoFlags: true} }

func (f flagless) GetItem(ctx context.Context, key string) (core.Item, error) {
	item, err := f.Backend.GetItem(ctx, key)
	item.Flags = 0
	return item, err
}

// newCache returns a cache in memory. It keeps flags if flags is true.
func newCache(t testing.TB, flags bool) *core.Cache {
	t.Helper()
	var b core.Backend = must(memory.New(nil))
	if !flags {
		b = flagless{b}
	}
	c, err := core.New(b, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// encode returns what codec appends for v. It fails unless the bytes that were in the slice
// before stay unchanged.
func encode[T any](t testing.TB, codec core.Codec[T], v T) ([]byte, uint32) {
	t.Helper()
	dst := append(make([]byte, 0, 1<<10), "before"...)
	data, flags, err := codec.Append(dst, v)
	if err != nil {
		t.Fatalf("Append(%.100v): %v", v, err)
	}
	if !strings.HasPrefix(string(data), "before") {
		t.Fatalf("Append(%.100v) = %.100q, which does not begin with the bytes in dst", v, data)
	}
	return bytes.Clone(data[len("before"):]), flags
}

// wantDecodeErr fails unless codec returns the zero value and an error whose text contains
// part.
func wantDecodeErr[T comparable](
	t testing.TB, codec core.Codec[T], data string, flags uint32, part string,
) {
	t.Helper()
	v, err := codec.Decode([]byte(data), flags)
	if err == nil || !strings.Contains(err.Error(), part) {
		t.Errorf("Decode(%.60q, %d) = %v, %v; want an error with %q", data, flags, v, err, part)
	}
	if v != *new(T) {
		t.Errorf("Decode(%.60q, %d) returns %v with the error", data, flags, v)
	}
}

// deflate returns data, compressed by zlib.
func deflate(t testing.TB, data string) string {
	t.Helper()
	var out bytes.Buffer
	w := zlib.NewWriter(&out)
	if _, err := w.Write([]byte(data)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// must returns v, and panics if there is an error.
func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}
