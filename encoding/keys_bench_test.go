package encoding_test

import (
	"crypto/sha1"
	"strings"
	"testing"

	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/encoding"
)

func BenchmarkKeyEncoder(b *testing.B) {
	const plain = "user:1234:profile:0123456789:abcdefg"
	const spaced = "user 1234 profile 0123456789 abcdefg"
	for _, bench := range []struct {
		name   string
		encode encoding.KeyEncoder
		key    string
	}{
		{"String/legal", encoding.String, plain},
		{"Auto/legal", encoding.Auto, plain},
		{"Auto/legal-250", encoding.Auto, strings.Repeat("k", 250)},
		{"Auto/illegal", encoding.Auto, spaced},
		{"Auto/longest", encoding.Auto, strings.Repeat("k", 250+core.MaxKeyLen)},
		{"Base64", encoding.Base64, spaced},
		{"Hash(sha1)", encoding.Hash(sha1.New), spaced},
		{"Hash(sha256)", encoding.Hash(nil), spaced},
	} {
		b.Run(bench.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := bench.encode(bench.key); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkKeyEncoderRefuses measures the cost of an error.
func BenchmarkKeyEncoderRefuses(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, err := encoding.String("user 1234 profile 0123456789 abcdefg"); err == nil {
			b.Fatal("no error")
		}
	}
}

func BenchmarkEncodeKeys(b *testing.B) {
	legal := hundredKeys("user:%d:profile:0123456789:abcdefg")
	illegal := hundredKeys("user %d profile 0123456789 abcdefg")
	mixed := hundredKeys("user:%d:profile:0123456789:abcdefg")
	mixed[50] = illegal[50]
	for _, bench := range []struct {
		name string
		keys []string
	}{{"legal", legal}, {"one-illegal", mixed}, {"illegal", illegal}} {
		b.Run(bench.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_, _, failed := encoding.EncodeKeys(bench.keys, encoding.Auto)
				if len(failed.Errors) != 0 {
					b.Fatal(failed.Err())
				}
			}
		})
	}
}
