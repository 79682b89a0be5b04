package cbor_test

import (
	"errors"
	"math"
	"math/big"
	"testing"
	"time"

	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/encoding"
	"github.com/cachewire/cachewire/encoding/cbor"
	"github.com/cachewire/cachewire/encoding/codectest"
)

// A user is what most tests store.
type user struct {
	Name string
	Age  int `cbor:"age"`
}

// A gadget has fields of most kinds.
type gadget struct {
	Name  string
	Count int
	Price *float64
	Tags  []string
	Sizes map[string]int
	Raw   []byte
	Made  time.Time
	Sold  *time.Time
	Spare *gadget
	Parts []gadget
	Code  [4]byte
	Any   any
	N     *big.Int
}

type pair[K comparable, V any] struct {
	Key   K
	Value V
}

type tree struct {
	Kids map[string]*tree
	Left *tree
	Tags []string
}

// A row is an array in CBOR, and a slim has numbers for names.
type (
	row struct {
		_    struct{} `cbor:",toarray"`
		A, B int64
	}
	slim struct {
		Name string `cbor:"1,keyasint"`
		Note string `cbor:"-"`
		Size int    `json:"size"`
	}
)

// A level encodes itself as text, even if it is zero.
type level int

func (l level) MarshalText() ([]byte, error) {
	if l < -1 || l > 2 {
		return nil, errors.New("no level")
	}
	return []byte{"dite"[l+1]}, nil
}

func (l *level) UnmarshalText(b []byte) error {
	for i, c := range "dite" {
		if string(c) == string(b) {
			*l = level(i - 1)
			return nil
		}
	}
	return errors.New("no level")
}

// suite returns a test of the codec with values.
func suite[T any](values ...T) func(*testing.T) {
	return suiteOf(codectest.Config[T]{Values: values})
}

func suiteOf[T any](cfg codectest.Config[T]) func(*testing.T) {
	return func(t *testing.T) {
		cfg.New = cbor.Codec[T]
		codectest.Run(t, cfg)
	}
}

func TestTheCodecKeepsItsContract(t *testing.T) {
	moment := time.Date(2026, 1, 2, 3, 4, 5, 6, time.FixedZone("east", 7200+32))
	price, seven := 1.5, big.NewInt(7)
	ann := &user{"Ann", 40}
	g := gadget{
		"grüße", -1, &price, []string{"a", ""}, map[string]int{"": 0, "b": 1}, []byte{0, 255},
		moment, &moment, &gadget{Name: "spare"}, []gadget{{}, {Count: 7}}, [4]byte{1, 0, 2},
		"any", seven,
	}
	type userWithEmail struct {
		Name, Email string
		Age         int `cbor:"age"`
	}
	type userWithoutAge struct{ Name string }
	for name, test := range map[string]func(*testing.T){
		"struct": suiteOf(codectest.Config[user]{
			Values: []user{*ann, {}, {"Ann", math.MinInt}},
			Versions: []codectest.Version[user]{
				codectest.Written(cbor.Codec[userWithEmail](),
					userWithEmail{"Ann", "ann@example.org", 40}, *ann),
				codectest.Written(cbor.Codec[userWithoutAge](), userWithoutAge{"Ann"},
					user{Name: "Ann"}),
			},
		}),
		"pointer": suite(ann, &user{}, nil),
		"pointer to pointer": suiteOf(codectest.Config[**user]{
			Values: []**user{&ann, nil}, Refused: []**user{new(*user)}}),
		"fields":         suite(g, gadget{}),
		"map to fields":  suite(map[string]*gadget{"a": &g, "b": nil}),
		"slice":          suite([]user{*ann, {}}, []user{}, nil),
		"map":            suite(map[string]user{"": {}, "a": *ann}, map[string]user{}, nil),
		"map by numbers": suite(map[int8]string{0: "a", -1: ""}),
		"text":           suite("", "grüße", "\xff"),
		"bytes":          suite([]byte{0, 1, 255}, []byte{}, nil),
		"number":         suite[int64](0, 53, math.MinInt64, math.MaxInt64),
		"unsigned":       suite[uint64](0, 53, math.MaxUint64),
		"float":          suite(0, -0.5, math.NaN(), math.Inf(1), math.MaxFloat64),
		"short float":    suite[float32](0, -0.5, float32(math.NaN()), math.MaxFloat32),
		"bool":           suite(true, false),
		"generic": suite(pair[string, *pair[int, []float32]]{
			"a", &pair[int, []float32]{1, []float32{1.5, float32(math.NaN())}}},
			pair[string, *pair[int, []float32]]{}),
		"recursive": suite(tree{Kids: map[string]*tree{"a": {Tags: []string{"x"}}},
			Left: &tree{}}, tree{}),
		"time":       suite(moment, time.Unix(1, 0), time.Time{}),
		"big number": suite(seven, new(big.Int).Lsh(seven, 3000), nil),
		"interface": suiteOf(codectest.Config[any]{
			Values: []any{nil, true, "x", 1.5, int64(53), int64(math.MinInt64), []byte{1}, moment,
				new(big.Int).Lsh(seven, 100), []any{nil, map[string]any{"a": "b"}}},
			Refused: []any{make(chan int), func() {}, 1i},
		}),
		"own format": suite(level(0), level(1)),
		"own fields": suite(pair[level, []level]{1, []level{-1, 2}}, pair[level, []level]{}),
		"array":      suite([2]int{1, 0}, [2]int{}),
		"as array":   suite(row{A: 1, B: math.MaxInt64}, row{}),
		"numbers for names": suiteOf(codectest.Config[slim]{
			Values: []slim{{Name: "a", Size: 7}, {}},
			Equal:  func(x, y slim) bool { return x.Name == y.Name && x.Size == y.Size },
		}),
		"compressed": func(t *testing.T) {
			codectest.Run(t, codectest.Config[user]{
				New: func() core.Codec[user] {
					return encoding.Compress(cbor.Codec[user](),
						&encoding.CompressOptions{Threshold: 1, MaxSize: 5000})
				},
				Values: []user{*ann, {}}, MaxSize: 5000,
			})
		},
	} {
		t.Run(name, test)
	}
}
