package zstd_test

import (
	"strings"
	"testing"

	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/encoding"
	"github.com/cachewire/cachewire/encoding/codectest"
	"github.com/cachewire/cachewire/encoding/zstd"
)

// suite returns a test of what Compress makes of a codec.
func suite[T any](codec func() core.Codec[T], cfg codectest.Config[T]) func(*testing.T) {
	return func(t *testing.T) {
		cfg.New = func() core.Codec[T] {
			return encoding.Compress(codec(), &encoding.CompressOptions{
				Threshold: 40, MaxSize: 50_000, With: zstd.New()})
		}
		cfg.MaxSize = 50_000
		codectest.Run(t, cfg)
	}
}

func TestCompressedValuesKeepTheContract(t *testing.T) {
	type pair[K comparable, V any] struct {
		Key   K
		Value V
	}
	type tree struct {
		Kids map[string]*tree
		Text string
	}
	long := strings.Repeat("Ann ", 100)
	for name, test := range map[string]func(*testing.T){
		"struct": suite(encoding.JSON[order], codectest.Config[order]{Values: []order{small, {}}}),
		"gob": suite(encoding.Gob[order], codectest.Config[order]{
			Values: []order{small, {}}, NilIsEmpty: true}),
		"pointer": suite(encoding.JSON[*order],
			codectest.Config[*order]{Values: []*order{&small, nil}}),
		"generic": suite(encoding.JSON[pair[string, []int]], codectest.Config[pair[string, []int]]{
			Values: []pair[string, []int]{{long, []int{1}}, {}}}),
		"recursive": suite(encoding.JSON[tree], codectest.Config[tree]{
			Values: []tree{{Kids: map[string]*tree{"a": {Text: long}}}}}),
		"map": suite(encoding.JSON[map[string]string], codectest.Config[map[string]string]{
			Values: []map[string]string{{"a": long}, nil}}),
		"text": suite(encoding.Text, codectest.Config[string]{
			Values: []string{"", "grüße", long}, Refused: []string{"\xff"}, Bare: true}),
		"bytes": suite(encoding.Bytes, codectest.Config[[]byte]{
			Values:  [][]byte{{}, noise(50), text(2000)},
			Refused: [][]byte{make([]byte, 50_001)},
			Bare:    true, Aliases: true, NilIsEmpty: true}),
	} {
		t.Run(name, test)
	}
}
