package msgpack_test

import (
	"bytes"
	"context"
	"fmt"
	"reflect"
	"runtime"
	"strings"
	"testing"

	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/encoding"
	"github.com/cachewire/cachewire/memory"
)

// An order is what benchmarks store, here and in package encoding: small takes about 100
// bytes as JSON, and large 10 kB.
type order struct {
	ID       int64
	Customer string
	Paid     bool
	Lines    []line
}

type line struct {
	Product string
	Count   int
	Price   float64
}

var (
	small = order{7_000_001, "Ann Miller", true, []line{{"tea, green", 2, 4.5}}}
	large = func() order {
		o := order{ID: 7_000_002, Customer: "Bob Miller"}
		for i := range 180 {
			o.Lines = append(o.Lines, line{
				fmt.Sprint("product number ", i*7919%1000), i % 10, float64(i) * 1.25,
			})
		}
		return o
	}()
)

// A user is what most tests store.
type user struct {
	Name string
	Age  int `msgpack:"age"`
}

// A flagless is a backend that keeps no flags.
type flagless struct{ core.Backend }

func (flagless) Traits() core.Traits { return core.Traits{NoFlags: true} }

func (f flagless) GetItem(ctx context.Context, key string) (core.Item, error) {
	item, err := f.Backend.GetItem(ctx, key)
	item.Flags = 0
	return item, err
}

// newCache returns a cache in memory. If wrap is not nil, the backend is the result of
// wrap.
func newCache(t testing.TB, wrap func(core.Backend) core.Backend) *core.Cache {
	t.Helper()
	b := core.Backend(must(memory.New(nil)))
	if wrap != nil {
		b = wrap(b)
	}
	c, err := core.New(b, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// encode returns what codec appends for v. It fails unless the bytes that were in the slice
// before stay unchanged, and the flags are encoding.FlagMsgPack.
func encode[T any](t testing.TB, codec core.Codec[T], v T) []byte {
	t.Helper()
	dst := append(make([]byte, 0, 1<<10), "before"...)
	data, flags, err := codec.Append(dst, v)
	if err != nil {
		t.Fatalf("Append(%.100v): %v", v, err)
	}
	if !strings.HasPrefix(string(data), "before") || flags != encoding.FlagMsgPack {
		t.Fatalf("Append(%v) = %.100q with flags %d, want the bytes in dst first and %d",
			v, data, flags, encoding.FlagMsgPack)
	}
	return bytes.Clone(data[len("before"):])
}

// wantDecodeErr fails unless codec returns the zero value and an error whose text contains
// part.
func wantDecodeErr[T any](
	t *testing.T, codec core.Codec[T], data string, flags uint32, part string,
) {
	t.Helper()
	v, err := codec.Decode([]byte(data), flags)
	if err == nil || !strings.Contains(err.Error(), part) ||
		!reflect.ValueOf(&v).Elem().IsZero() {
		t.Errorf("%T: Decode(%.50q, %d) = %.100v, %v; want an error with %q",
			codec, data, flags, v, err, part)
	}
}

// wantAppendErr fails unless codec returns dst unchanged, and an error whose text
// contains part, for v, and does so again.
func wantAppendErr[T any](t *testing.T, codec core.Codec[T], v T, part string) {
	t.Helper()
	dst := append(make([]byte, 0, 100), "dst"...)
	for range 2 {
		data, _, err := codec.Append(dst, v)
		if err == nil || !strings.Contains(err.Error(), part) || string(data) != "dst" {
			t.Errorf("Append(%v) = %q, %v; want an error with %q", v, data, err, part)
		}
	}
}

// allocated returns how many bytes f allocates.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// heap returns how many bytes are in use, including those in a sync.Pool.
func heap() uint64 {
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return stats.HeapAlloc
}

// must returns v, and panics if there is an error.
func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}
