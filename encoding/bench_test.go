package encoding_test

import (
	"testing"
	"time"

	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/encoding"
)

// Each codec encodes an order that takes about 100 bytes as JSON, and one that takes 10 kB.

func BenchmarkJSON(b *testing.B) { benchOrders(b, encoding.JSON[order]()) }
func BenchmarkGob(b *testing.B)  { benchOrders(b, encoding.Gob[order]()) }
func BenchmarkCompress(b *testing.B) {
	benchOrders(b, encoding.Compress(encoding.JSON[order](), nil))
}

func BenchmarkBytes(b *testing.B) {
	data, _ := encode(b, encoding.JSON[order](), large)
	b.Run("100B", func(b *testing.B) { benchCodec(b, encoding.Bytes(), data[:100]) })
	b.Run("10kB", func(b *testing.B) { benchCodec(b, encoding.Bytes(), data) })
}

func BenchmarkText(b *testing.B) {
	data, _ := encode(b, encoding.JSON[order](), large)
	b.Run("100B", func(b *testing.B) { benchCodec(b, encoding.Text(), string(data[:100])) })
	b.Run("10kB", func(b *testing.B) { benchCodec(b, encoding.Text(), string(data)) })
}

func BenchmarkInt(b *testing.B) { benchCodec(b, encoding.Int[int64](), small.ID) }

func BenchmarkEnvelope(b *testing.B) {
	codec := encoding.Envelope(encoding.JSON[order](), core.Traits{})
	some := encoding.Enveloped[order]{Value: small, Facts: allFacts}
	more := encoding.Enveloped[order]{Value: large, Facts: allFacts}
	none := encoding.Enveloped[order]{Value: small}
	b.Run("100B", func(b *testing.B) { benchCodec(b, codec, some) })
	b.Run("10kB", func(b *testing.B) { benchCodec(b, codec, more) })
	b.Run("no facts", func(b *testing.B) { benchCodec(b, codec, none) })
}

func benchOrders(b *testing.B, codec core.Codec[order]) {
	b.Run("100B", func(b *testing.B) { benchCodec(b, codec, small) })
	b.Run("10kB", func(b *testing.B) { benchCodec(b, codec, large) })
}

// benchCodec measures codec by itself, and a Typed with codec over package memory.
func benchCodec[T any](b *testing.B, codec core.Codec[T], v T) {
	data, flags := encode(b, codec, v)
	b.Run("Append", func(b *testing.B) {
		b.ReportAllocs()
		b.SetBytes(int64(len(data)))
		dst := make([]byte, 0, 2*len(data))
		for b.Loop() {
			if _, _, err := codec.Append(dst, v); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("Decode", func(b *testing.B) {
		b.ReportAllocs()
		b.SetBytes(int64(len(data)))
		for b.Loop() {
			if _, err := codec.Decode(data, flags); err != nil {
				b.Fatal(err)
			}
		}
	})
	typed := must(core.NewTyped(newCache(b, true), codec))
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
