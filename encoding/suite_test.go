package encoding_test

import (
	"encoding/gob"
	"errors"
	"math"
	"math/big"
	"reflect"
	"testing"
	"time"

	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/encoding"
	"github.com/cachewire/cachewire/encoding/codectest"
)

// suite returns a test of JSON, Gob and Compress with the configuration cfg. Written are the
// values of other versions of T, by the name of the codec.
func suite[T any](
	cfg codectest.Config[T], written func(name string) []codectest.Version[T],
) func(*testing.T) {
	return func(t *testing.T) {
		for _, name := range []string{"JSON", "Gob", "Compress"} {
			cfg := cfg
			cfg.New = func() core.Codec[T] { return codecFor[T](t, name) }
			if written != nil {
				cfg.Versions = written(name)
			}
			switch name {
			case "Gob":
				cfg.NilIsEmpty = true // see the documentation of Gob
				cfg.Bare = false
			case "Compress":
				cfg.MaxSize = 64 << 10
			}
			t.Run(name, func(t *testing.T) { codectest.Run(t, cfg) })
		}
	}
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
	On    bool
}

func TestCodecsKeepTheirContract(t *testing.T) {
	moment := time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC)
	price := 1.5
	seven := big.NewInt(7)
	ann := &user{"Ann", 40}
	g := gadget{
		"grüße", -1, &price, []string{"a", ""}, map[string]int{"": 0, "b": 1}, []byte{0, 255},
		moment, &moment, &gadget{Name: "spare"}, []gadget{{}, {On: true}}, [4]byte{1, 0, 2}, true,
	}
	type userWithEmail struct {
		Name, Email string
		Age         int `json:"age"`
	}
	type userWithoutAge struct{ Name string }
	for name, test := range map[string]func(*testing.T){
		"struct": suite(codectest.Config[user]{Values: []user{{"Ann", 40}, {}}},
			func(name string) []codectest.Version[user] {
				return []codectest.Version[user]{
					codectest.Written(codecFor[userWithEmail](t, name),
						userWithEmail{"Ann", "ann@example.org", 40}, user{"Ann", 40}),
					codectest.Written(codecFor[userWithoutAge](t, name),
						userWithoutAge{"Ann"}, user{Name: "Ann"}),
					codectest.Written(codecFor[*user](t, name), ann, user{"Ann", 40}),
				}
			}),
		"pointer": suite(codectest.Config[*user]{Values: []*user{ann, {}, nil}}, nil),
		"pointer to pointer": suite(codectest.Config[**user]{
			Values: []**user{&ann, nil}, Refused: []**user{new(*user)}}, nil),
		"fields":            suite(codectest.Config[gadget]{Values: []gadget{g, {}}}, nil),
		"pointer to fields": suite(codectest.Config[*gadget]{Values: []*gadget{&g, {}}}, nil),
		"map to fields": suite(codectest.Config[map[string]*gadget]{
			Values: []map[string]*gadget{{"a": &g}}}, nil),
		"map to maps": suite(codectest.Config[map[string]map[int][]string]{
			Values: []map[string]map[int][]string{{"a": {1: {"x"}}}}}, nil),
		"slice": suite(codectest.Config[[]user]{
			Values: [][]user{{*ann, {}}, {}, nil}}, nil),
		"map": suite(codectest.Config[map[string]user]{
			Values: []map[string]user{{"": {}, "a": *ann}, {}, nil}}, nil),
		"map by numbers": suite(codectest.Config[map[int8][]string]{
			Values: []map[int8][]string{{0: {"a"}, -1: {}}}}, nil),
		"text": suite(codectest.Config[string]{
			Values: []string{"", "grüße", "<&>\u2028\ufffd"}}, nil),
		"number": suite(codectest.Config[int64]{
			Values: []int64{0, 53, math.MinInt64, math.MaxInt64}, Bare: true}, nil),
		"generic": suite(codectest.Config[pair[string, *pair[int, []float32]]]{
			Values: []pair[string, *pair[int, []float32]]{
				{"a", &pair[int, []float32]{1, []float32{1.5, math.MaxFloat32}}}, {}}}, nil),
		"recursive": suite(codectest.Config[tree]{Values: []tree{
			{Kids: map[string]*tree{"a": {Tags: []string{"x"}}},
				When: moment, N: seven, Raw: []byte{1}},
			{},
		}}, nil),
		"array": suite(codectest.Config[[3]int]{Values: [][3]int{{1, 0, 2}, {}}}, nil),
		"float": suite(codectest.Config[celsius]{
			Values: []celsius{0, -0.5, math.MaxFloat64}, Bare: true}, nil),
		"bool":  suite(codectest.Config[bool]{Values: []bool{true, false}}, nil),
		"bytes": suite(codectest.Config[[]byte]{Values: [][]byte{{0, 1, 255}}}, nil),
		"time":  suite(codectest.Config[time.Time]{Values: []time.Time{moment, {}}}, nil),
		"big number": suite(codectest.Config[*big.Int]{
			Values: []*big.Int{seven, new(big.Int).Lsh(seven, 3000)}, Bare: true}, nil),
		"own format": suite(codectest.Config[point]{Values: []point{{1, 2}, {}}}, nil),
	} {
		t.Run(name, test)
	}
}

func TestCodecsOfInterfacesAndNumbersKeepTheirContract(t *testing.T) {
	t.Run("JSON of any", func(t *testing.T) {
		codectest.Run(t, codectest.Config[any]{
			New: encoding.JSON[any], Bare: true,
			Values:  []any{nil, 1.5, "x", true, []any{nil, map[string]any{"a": []any{}}}},
			Refused: []any{make(chan int), math.NaN(), "\xff", func() {}},
		})
	})
	t.Run("JSON of fields that are interfaces", func(t *testing.T) {
		codectest.Run(t, codectest.Config[pair[string, any]]{
			New:     encoding.JSON[pair[string, any]],
			Values:  []pair[string, any]{{"a", 1.5}, {"b", nil}, {"c", map[string]any{"d": "e"}}},
			Refused: []pair[string, any]{{"a", math.Inf(1)}},
		})
	})
	gob.Register(user{})
	gob.Register(gadget{})
	gob.Register([]any{})
	t.Run("Gob of any", func(t *testing.T) {
		codectest.Run(t, codectest.Config[any]{
			New:     encoding.Gob[any],
			Values:  []any{nil, 7, math.NaN(), user{"Ann", 40}, []any{1, "x", user{}, nil}},
			Refused: []any{make(chan int), struct{ Unregistered int }{1}},
		})
	})
	t.Run("Gob of fields that are interfaces", func(t *testing.T) {
		codectest.Run(t, codectest.Config[pair[string, any]]{
			New: encoding.Gob[pair[string, any]], NilIsEmpty: true,
			Values: []pair[string, any]{
				{"a", 7},
				{"b", nil},
				{"c", gadget{Name: "d"}},
				{"e", user{}},
			},
			Refused: []pair[string, any]{{"a", &struct{ X int }{1}}},
		})
	})
	t.Run("Gob of floats", func(t *testing.T) {
		codectest.Run(t, codectest.Config[[]float64]{
			New: encoding.Gob[[]float64],
			Values: [][]float64{
				{math.NaN(), math.Inf(-1), 0, math.SmallestNonzeroFloat64},
				{},
				nil,
			},
		})
	})
	t.Run("JSON of floats", func(t *testing.T) {
		codectest.Run(t, codectest.Config[[]float64]{
			New:     encoding.JSON[[]float64],
			Values:  [][]float64{{0, math.SmallestNonzeroFloat64, math.MaxFloat64}, {}, nil},
			Refused: [][]float64{{math.NaN()}, {math.Inf(1)}},
		})
	})
	t.Run("Gob of complex numbers", func(t *testing.T) {
		codectest.Run(t, codectest.Config[map[string]complex128]{
			New: encoding.Gob[map[string]complex128], NilIsEmpty: true,
			Values: []map[string]complex128{
				{"": 0, "i": complex(0, 1)},
				{"nan": complex(math.NaN(), 0)},
			},
		})
	})
	t.Run("JSON of errors that encode", func(t *testing.T) {
		codectest.Run(t, codectest.Config[*failing]{
			New: encoding.JSON[*failing], Values: []*failing{{}},
			Refused: []*failing{{errors.New("no ink")}},
		})
	})
}

func TestPlainCodecsKeepTheirContract(t *testing.T) {
	t.Run("Bytes", func(t *testing.T) {
		codectest.Run(t, codectest.Config[[]byte]{
			New: encoding.Bytes, Values: [][]byte{{}, []byte("bytes"), make([]byte, 3000)},
			Bare: true, Aliases: true, NilIsEmpty: true,
		})
	})
	t.Run("Text", func(t *testing.T) {
		codectest.Run(t, codectest.Config[string]{
			New: encoding.Text, Values: []string{"", "grüße"}, Refused: []string{"\xff"},
			Bare: true,
		})
	})
	t.Run("Int", func(t *testing.T) {
		codectest.Run(t, codectest.Config[int8]{
			New: encoding.Int[int8], Values: []int8{0, 53, -128, 127}, Bare: true,
			Reads: []uint32{flagLong},
		})
		codectest.Run(t, codectest.Config[uint64]{
			New: encoding.Int[uint64], Values: []uint64{0, 53, math.MaxUint64}, Bare: true,
			Reads: []uint32{flagLong},
		})
	})
	t.Run("Compress", func(t *testing.T) {
		codectest.Run(t, codectest.Config[[]byte]{
			New: func() core.Codec[[]byte] {
				return encoding.Compress(
					encoding.Bytes(),
					&encoding.CompressOptions{Threshold: 100, MaxSize: 5000},
				)
			},
			Values: [][]byte{
				{},
				[]byte("bytes"),
				make([]byte, 3000),
			}, Refused: [][]byte{make([]byte, 5001)},
			Bare: true, Aliases: true, NilIsEmpty: true, MaxSize: 5000,
		})
	})
	t.Run("Compress that only reads", func(t *testing.T) {
		codectest.Run(t, codectest.Config[user]{
			New: func() core.Codec[user] {
				return encoding.Compress(
					encoding.JSON[user](),
					&encoding.CompressOptions{Threshold: encoding.Never, MaxSize: 5000},
				)
			},
			Values: []user{{"Ann", 40}}, MaxSize: 5000,
		})
	})
}

func TestEnvelopeKeepsTheContract(t *testing.T) {
	values := []encoding.Enveloped[user]{
		{Value: user{"Ann", 40}}, {Value: user{"Ann", 40}, Facts: allFacts},
		{Facts: encoding.Facts{NotFound: true}},
	}
	same := func(x, y encoding.Enveloped[user]) bool {
		return reflect.DeepEqual(x.Value, y.Value) && sameFacts(&x.Facts, &y.Facts)
	}
	for _, traits := range []core.Traits{{}, {NoFlags: true}} {
		for name, inner := range map[string]func() core.Codec[user]{
			"JSON": encoding.JSON[user], "Gob": encoding.Gob[user],
		} {
			t.Run(name, func(t *testing.T) {
				codectest.Run(t, codectest.Config[encoding.Enveloped[user]]{
					New: func() core.Codec[encoding.Enveloped[user]] {
						return encoding.Envelope(inner(), traits)
					},
					Values:  values,
					Refused: []encoding.Enveloped[user]{{Facts: encoding.Facts{Took: -1}}},
					Equal:   same,
					Aliases: true, // Facts refer to the data for their tags
				})
			})
		}
	}
}
