package msgpack_test

import (
	"testing"
	"time"

	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/encoding"
	"github.com/cachewire/cachewire/encoding/msgpack"
)

// The codec, and JSON for comparison, encode orders that take 100 bytes and 10 kB as JSON.

func BenchmarkMsgPack(b *testing.B) { benchOrders(b, msgpack.Codec[order]()) }
func BenchmarkJSON(b *testing.B)    { benchOrders(b, encoding.JSON[order]()) }

func benchOrders(b *testing.B, codec core.Codec[order]) {
	b.Run("100B", func(b *testing.B) { benchCodec(b, codec, small) })
	b.Run("10kB", func(b *testing.B) { benchCodec(b, codec, large) })
}

// benchCodec measures codec by itself, and a Typed with codec over package memory.
func benchCodec[T any](b *testing.B, codec core.Codec[T], v T) {
	data, flags, err := codec.Append(nil, v)
	if err != nil {
		b.Fatal(err)
	}
	b.Run("Append", func(b *testing.B) {
		b.ReportAllocs()
		dst := make([]byte, 0, 2*len(data))
		for b.Loop() {
			if _, _, err := codec.Append(dst, v); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(len(data)), "bytes")
	})
	b.Run("Decode", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := codec.Decode(data, flags); err != nil {
				b.Fatal(err)
			}
		}
	})
	typed := must(core.NewTyped(newCache(b, nil), codec))
	b.Run("Set", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if err := typed.Set(b.Context(), "key", v, time.Minute); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("Get", func(b *testing.B) {
		b.ReportAllocs()
		if err := typed.Set(b.Context(), "key", v, time.Hour); err != nil {
			b.Fatal(err)
		}
		for b.Loop() {
			if _, err := typed.Get(b.Context(), "key"); err != nil {
				b.Fatal(err)
			}
		}
	})
}
