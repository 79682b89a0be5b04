package zstd_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"

	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/encoding/zstd"
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

// compressed returns what Append appends for src. It fails unless the bytes that were in
// the slice before stay unchanged.
func compressed(t testing.TB, src []byte) []byte {
	t.Helper()
	dst := append(make([]byte, 0, 1<<10), "before"...)
	dst, err := zstd.New().Append(dst, src)
	if err != nil {
		t.Fatalf("Append of %d bytes: %v", len(src), err)
	}
	if !strings.HasPrefix(string(dst), "before") {
		t.Fatalf("Append = %.20q, which does not begin with the bytes in dst", dst)
	}
	return bytes.Clone(dst[len("before"):])
}

// decompressed returns all bytes that Reader reads from src.
func decompressed(src []byte) ([]byte, error) {
	r, err := zstd.New().Reader(src)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return io.ReadAll(r)
}

// text returns n bytes that become shorter.
func text(n int) []byte {
	r := rand.New(rand.NewPCG(1, uint64(n)))
	words := strings.Fields("a cache keeps results that are slow to compute close to their users")
	b := make([]byte, 0, n+10)
	for len(b) < n {
		b = append(append(b, words[r.IntN(len(words))]...), ' ')
	}
	return b[:n]
}

// noise returns n bytes that do not become shorter.
func noise(n int) []byte {
	r := rand.New(rand.NewPCG(2, uint64(n)))
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
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
