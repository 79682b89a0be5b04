package msgpack_test

import (
	"errors"
	"math"
	"math/big"
	"reflect"
	"strings"
	"testing"
	"time"

	vmihailenco "github.com/vmihailenco/msgpack/v5"

	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/encoding"
	"github.com/cachewire/cachewire/encoding/codectest"
	"github.com/cachewire/cachewire/encoding/msgpack"
)

// suite returns a test of the codec with values.
func suite[T any](values ...T) func(*testing.T) {
	return suiteOf(codectest.Config[T]{Values: values})
}

func suiteOf[T any](cfg codectest.Config[T]) func(*testing.T) {
	return func(t *testing.T) {
		cfg.New = msgpack.Codec[T]
		codectest.Run(t, cfg)
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
	Any   any
}

func TestTheCodecKeepsItsContract(t *testing.T) {
	moment := time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC)
	price, seven := 1.5, big.NewInt(7)
	ann := &user{"Ann", 40}
	g := gadget{
		"grüße", -1, &price, []string{"a", ""}, map[string]int{"": 0, "b": 1}, []byte{0, 255},
		moment, &moment, &gadget{Name: "spare"}, []gadget{{}, {Count: 7}}, [4]byte{1, 0, 2}, "any",
	}
	type userWithEmail struct {
		Name, Email string
		Age         int `msgpack:"age"`
	}
	type userWithoutAge struct{ Name string }
	for name, test := range map[string]func(*testing.T){
		"struct": suiteOf(codectest.Config[user]{
			Values: []user{*ann, {}, {"Ann", math.MinInt}},
			Versions: []codectest.Version[user]{
				codectest.Written(msgpack.Codec[userWithEmail](),
					userWithEmail{"Ann", "ann@example.org", 40}, *ann),
				codectest.Written(msgpack.Codec[userWithoutAge](), userWithoutAge{"Ann"},
					user{Name: "Ann"}),
			},
		}),
		"pointer": suite(ann, &user{}, nil),
		"pointer to pointer": suiteOf(codectest.Config[**user]{
			Values: []**user{&ann, nil}, Refused: []**user{new(*user)}}),
		"fields":          suite(g, gadget{}),
		"map to fields":   suite(map[string]*gadget{"a": &g, "b": nil}),
		"slice":           suite([]user{*ann, {}}, []user{}, nil),
		"map":             suite(map[string]user{"": {}, "a": *ann}, map[string]user{}, nil),
		"map of anything": suite(map[string]any{"a": int8(1), "b": nil, "c": "d"}),
		"map by numbers":  suite(map[int8]string{0: "a", -1: ""}),
		"text":            suite("", "grüße", "\xff"),
		"bytes":           suite([]byte{0, 1, 255}, []byte{}, nil),
		"number":          suite[int64](0, 53, math.MinInt64, math.MaxInt64),
		"unsigned":        suite[uint64](0, 53, math.MaxUint64),
		"float":           suite(0, -0.5, math.NaN(), math.Inf(1), math.MaxFloat64),
		"generic": suite(pair[string, *pair[int, []float32]]{
			"a", &pair[int, []float32]{1, []float32{1.5, float32(math.NaN())}}},
			pair[string, *pair[int, []float32]]{}),
		"recursive": suite(tree{
			Kids: map[string]*tree{"a": {Tags: []string{"x"}}}, Left: &tree{Value: "v"}}, tree{}),
		"time":       suite(moment, time.Unix(1, 0)),
		"big number": suite(seven, new(big.Int).Lsh(seven, 3000), nil),
		"interface": suiteOf(codectest.Config[any]{
			Values: []any{
				nil, true, "x", 1.5, int8(53), []byte{1}, []any{nil, map[string]any{"a": "b"}},
			},
			Refused: []any{make(chan int), func() {}},
			// Damaged data may be decoded as a number that is stored as a smaller type.
			Equal: func(x, y any) bool { return same(reflect.ValueOf(&x), reflect.ValueOf(&y)) },
		}),
		"own format": suite(level(0), level(1)),
		"array":      suite([2]int{1, 0}, [2]int{}),
		"as array":   suite(row{A: 1, B: math.MaxInt64}, row{}),
		"embedded":   suite(derived{base: base{1, "Ann"}, Other: &Other{"x"}, Name2: "y"}),
		"errors that encode": suiteOf(codectest.Config[*failing]{
			Values: []*failing{{}}, Refused: []*failing{{errors.New("no ink")}},
		}),
	} {
		t.Run(name, test)
	}
}

func TestTheCodecKeepsItsContractInOtherCodecs(t *testing.T) {
	values := []user{{"Ann", 40}, {}}
	for name, wrap := range map[string]func(core.Codec[user]) core.Codec[user]{
		"Compress": func(c core.Codec[user]) core.Codec[user] {
			return encoding.Compress(c, &encoding.CompressOptions{Threshold: 1, MaxSize: 5000})
		},
		"AsBytes": encoding.AsBytes[user],
	} {
		t.Run(name, func(t *testing.T) {
			cfg := codectest.Config[user]{
				New:    func() core.Codec[user] { return wrap(msgpack.Codec[user]()) },
				Values: values, Reads: []uint32{encoding.FlagMsgPack},
			}
			if name == "Compress" {
				cfg.Reads, cfg.MaxSize = nil, 5000
			}
			codectest.Run(t, cfg)
		})
	}
}

// The other codecs do not read a number of MessagePack that is a digit in ASCII.
func TestNoOtherCodecReadsMessagePack(t *testing.T) {
	data, flags, err := msgpack.Codec[int]().Append(nil, 53)
	if string(data) != "5" || flags != encoding.FlagMsgPack || err != nil {
		t.Fatalf("53 is stored as %q with flags %#x, %v", data, flags, err)
	}
	wantDecodeErr(t, encoding.Int[int](), "5", flags, "is MessagePack, want an integer")
	wantDecodeErr(t, encoding.Text(), "5", flags, "is MessagePack, want text")
	wantDecodeErr(t, encoding.JSON[int](), "5", flags, "is MessagePack, want text")
	wantDecodeErr(t, encoding.Bytes(), "5", flags, "is MessagePack, want bytes")
	wantDecodeErr(t, encoding.Gob[int](), "5", flags, "is MessagePack, want a gob")
}

// Module encoding has values of all codecs in package codectest.
func TestTheCodecWritesTheValuesInCodectest(t *testing.T) {
	for want, v := range map[string]any{
		"\x81\xa9codectest\xa7foreign": map[string]string{"codectest": "foreign"},
		"5":                            53,
	} {
		if got := encode(t, msgpack.Codec[any](), v); string(got) != want {
			t.Errorf("%v is stored as %q, want %q", v, got, want)
		}
	}
}

type (
	hidden   struct{ x int }
	Hidden   struct{ x int }
	extended struct{ x int }
	byCode   struct{ x int }
)

// For staticcheck, which otherwise reports fields that no code uses.
var _ = []int{hidden{}.x, Hidden{}.x}

func (e *extended) MarshalMsgpack() ([]byte, error) { return []byte{byte(e.x)}, nil }
func (e *extended) UnmarshalMsgpack(b []byte) error { e.x = int(b[0]); return nil }

func TestATypeWhoseFieldsAreAllUnexportedIsRefused(t *testing.T) {
	wantRefused(t, msgpack.Codec[hidden](), "x")
	wantRefused(t, msgpack.Codec[[]*hidden](), "[].x")
	wantRefused(t, msgpack.Codec[map[string]hidden](), "[].x")
	wantRefused(t, msgpack.Codec[map[hidden]int](), "[key].x")
	wantRefused(t, msgpack.Codec[pair[string, hidden]](), "Value.x")
	wantRefused(t, msgpack.Codec[struct {
		hidden
		Name string
	}](), "hidden.x")
	wantRefused(t, msgpack.Codec[struct {
		Hidden
		Name string
	}](), "Hidden.x")
	wantRefused(t, msgpack.Codec[struct {
		*base
		More string
	}](), "base")
	for _, codec := range []core.CodecChecker{
		checker(msgpack.Codec[derived]()), checker(msgpack.Codec[tree]()),
		checker(msgpack.Codec[*big.Int]()), checker(msgpack.Codec[point]()),
		checker(msgpack.Codec[hiddenMap]()), checker(msgpack.Codec[extended]()),
		checker(msgpack.Codec[struct{}]()), checker(msgpack.Codec[row]()),
		checker(msgpack.Codec[struct {
			Hidden hidden `msgpack:"-"`
			Name   string
		}]()),
	} {
		if err := codec.Check(core.Traits{}); err != nil {
			t.Errorf("%T: %v", codec, err)
		}
	}
}

// wantRefused fails unless NewTyped and Append refuse T, and name the field.
func wantRefused[T any](t *testing.T, codec core.Codec[T], field string) {
	t.Helper()
	_, err := core.NewTyped(newCache(t, nil), codec)
	_, _, appendErr := codec.Append(nil, *new(T))
	for _, err := range []error{err, appendErr} {
		if !errors.Is(err, core.ErrConfig) || !strings.Contains(err.Error(), " "+field+" ") {
			t.Errorf("%T: error is %v, want ErrConfig with the field %s", codec, err, field)
		}
	}
}

func checker[T any](codec core.Codec[T]) core.CodecChecker { return codec.(core.CodecChecker) }

// A type may be registered after a codec was made for it.
func TestARegisteredTypeIsAccepted(t *testing.T) {
	codec := msgpack.Codec[pair[string, byCode]]()
	vmihailenco.RegisterExtEncoder(
		77,
		byCode{},
		func(_ *vmihailenco.Encoder, v reflect.Value) ([]byte, error) {
			return []byte{byte(v.Field(0).Int())}, nil
		},
	)
	vmihailenco.RegisterExtDecoder(
		77,
		byCode{},
		func(d *vmihailenco.Decoder, v reflect.Value, _ int) error {
			var b [1]byte
			err := d.ReadFull(b[:])
			v.Set(reflect.ValueOf(byCode{int(b[0])}))
			return err
		},
	)
	t.Cleanup(func() { vmihailenco.UnregisterExt(77) })
	if err := checker(codec).Check(core.Traits{}); err != nil {
		t.Fatal(err)
	}
	want := pair[string, byCode]{"a", byCode{7}}
	if got, err := codec.Decode(encode(t, codec, want), 0); got != want || err != nil {
		t.Errorf("Decode = %v, %v; want %v", got, err, want)
	}
}

func TestAPanicOfTheEncoderBecomesAnError(t *testing.T) {
	type wrong struct {
		N int `msgpack:",intern"`
	}
	wantAppendErr(t, msgpack.Codec[wrong](), wrong{1}, "intern")
}
