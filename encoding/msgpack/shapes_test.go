package msgpack_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/big"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"

	vmihailenco "github.com/vmihailenco/msgpack/v5"

	"github.com/cachewire/cachewire/encoding/msgpack"
)

type tree struct {
	Kids  map[string]*tree
	Left  *tree
	Tags  []string
	Value any
}

type celsius float64

type base struct {
	ID   int
	Name string
}

// An Other is exported, as a type that is embedded by pointer must be.
type Other struct{ Note string }

type derived struct {
	base
	*Other
	Name2 string `msgpack:"n,omitempty"`
	skip  int
	Skip  int `msgpack:"-"`
}

type pair[K comparable, V any] struct {
	Key   K
	Value V
}

// A row is encoded as an array.
type row struct {
	//lint:ignore U1000 the package looks for a field of this name
	_msgpack struct{} `msgpack:",as_array"`
	A, B     int64
}

// A word is written the first time it occurs. Later its number is written instead.
type word struct {
	Text string `msgpack:",intern"`
	Any  any    `msgpack:",intern"`
}

// A point writes two values in place of one.
type point struct{ x, y int }

func (p *point) EncodeMsgpack(enc *vmihailenco.Encoder) error { return enc.EncodeMulti(p.x, p.y) }
func (p *point) DecodeMsgpack(dec *vmihailenco.Decoder) error { return dec.DecodeMulti(&p.x, &p.y) }

// An emptyValue writes no value in place of one, and cannot be read.
type emptyValue struct{}

func (*emptyValue) EncodeMsgpack(*vmihailenco.Encoder) error { return nil }
func (*emptyValue) DecodeMsgpack(*vmihailenco.Decoder) error { return nil }

// A hiddenMap has a map that its type does not show.
type hiddenMap struct{ v any }

func (h *hiddenMap) EncodeMsgpack(enc *vmihailenco.Encoder) error { return enc.Encode(h.v) }
func (h *hiddenMap) DecodeMsgpack(dec *vmihailenco.Decoder) error {
	m, err := dec.DecodeMap()
	h.v = m
	return err
}

// A buffered has a slice of its own array.
type buffered struct {
	buf [8]byte
	s   []byte
}

func (b *buffered) EncodeMsgpack(enc *vmihailenco.Encoder) error { return enc.EncodeBytes(b.s) }
func (b *buffered) DecodeMsgpack(dec *vmihailenco.Decoder) error {
	s, err := dec.DecodeBytes()
	b.s = append(b.buf[:0], s...)
	return err
}

// A level is encoded as text, even if it is zero.
type level int

func (l level) MarshalText() ([]byte, error) {
	return []byte([]string{"debug", "info", "error"}[l+1]), nil
}

func (l *level) UnmarshalText(b []byte) error {
	for i, s := range []string{"debug", "info", "error"} {
		if s == string(b) {
			*l = level(i - 1)
			return nil
		}
	}
	return fmt.Errorf("no level: %q", b)
}

// An optional writes nil if it has no number.
type optional struct {
	n  int
	ok bool
}

func (o *optional) EncodeMsgpack(enc *vmihailenco.Encoder) error {
	if !o.ok {
		return enc.EncodeNil()
	}
	return enc.EncodeInt(int64(o.n))
}

func (o *optional) DecodeMsgpack(dec *vmihailenco.Decoder) (err error) {
	o.ok = true
	o.n, err = dec.DecodeInt()
	return err
}

// A doubled is stored as twice its number.
type doubled int

func (d *doubled) EncodeMsgpack(enc *vmihailenco.Encoder) error {
	return enc.EncodeInt(2 * int64(*d))
}
func (d *doubled) DecodeMsgpack(dec *vmihailenco.Decoder) error {
	n, err := dec.DecodeInt()
	*d = doubled(n / 2)
	return err
}

func pointer[T any](v T) *T { return &v }

// roundTrip returns a test that a codec decodes each of values as it was encoded. The
// codec does so when it is new, and when it has been used.
func roundTrip[T any](values ...T) func(*testing.T) {
	return func(t *testing.T) {
		codec := msgpack.Codec[T]()
		for range 2 {
			for _, v := range values {
				data := encode(t, codec, v)
				before := bytes.Clone(data)
				got, err := codec.Decode(data, 0)
				fresh, freshErr := msgpack.Codec[T]().Decode(data, 0)
				if !reflect.DeepEqual(fresh, got) || freshErr != nil {
					t.Errorf("%.100v is decoded as %.100v, %v by a new codec",
						v, fresh, freshErr)
				}
				if err != nil || !reflect.DeepEqual(got, v) {
					t.Errorf("%.100v is decoded as %.100v, %v", v, got, err)
				}
				if !bytes.Equal(data, before) {
					t.Errorf("Decode of %.100v writes to the data", v)
				}
				clear(data) // the value must not refer to it
				if !reflect.DeepEqual(got, v) {
					t.Errorf("%.100v changes to %.100v with the data", v, got)
				}
			}
		}
	}
}

func TestValuesOfAnyShapeRoundTrip(t *testing.T) {
	moment := time.Unix(1_767_323_045, 678_901_234)
	var deep any
	for range 9_000 {
		deep = []any{deep}
	}
	words := make([]word, 300)
	for i := range words {
		words[i] = word{fmt.Sprint("word ", i), i%2 == 0}
	}
	words = append(words, words...)
	x := func(n int) string { return strings.Repeat("x", n) }
	parent := tree{
		Kids: map[string]*tree{"a": {Tags: []string{"x", ""}}, "nil": nil},
		Left: &tree{Left: &tree{}},
	}
	child := derived{base: base{1, "Ann"}, Other: &Other{"x"}, Name2: "y"}
	mixed := map[string]any{"a": nil, "b": []any{"c", true, 1.5}, "m": map[string]any{}}
	for name, test := range map[string]func(*testing.T){
		"struct": roundTrip(
			user{"Ann", 40}, user{}, user{Name: x(70_000)}, user{Age: math.MinInt}),
		"pointer":  roundTrip(&user{"Ann", 40}, &user{}, nil),
		"pointers": roundTrip(pointer(&user{"Ann", 40}), nil),
		"tree":     roundTrip(parent, tree{}, tree{Value: "x"}),
		"embedded": roundTrip(child, derived{base: base{ID: 1}}),
		"generic": roundTrip(
			pair[string, []pair[int, bool]]{"k", []pair[int, bool]{{1, true}, {}}}),
		"array":       roundTrip([3]int{1, 0, 2}, [3]int{}),
		"empty array": roundTrip([0]int{}),
		"byte array":  roundTrip([16]byte{1, 15: 2}, [16]byte{}),
		"as array":    roundTrip(row{A: 1, B: -1}, row{}),
		"interned": roundTrip(
			words, []word{{"", "a word"}, {"a word", "a word"}, {"a word", 1.5}}),
		"interned inside": roundTrip(pair[int, *[1][]word]{1, &[1][]word{words}}),
		"interned first": roundTrip(struct {
			Words []word
			N     int
		}{words, 1}),
		"interned alone":  roundTrip(word{"text", "text"}),
		"slice":           roundTrip([]user{{"Ann", 40}, {}}, []user{{}}, []user{}, nil),
		"strings":         roundTrip([]string{"", "a"}, []string{}, nil),
		"map":             roundTrip(map[string]int{"a": 1, "": 0}, map[string]int{}, nil),
		"map of strings":  roundTrip(map[string]string{"a": "", "": "b"}, map[string]string{}, nil),
		"map of anything": roundTrip(mixed, map[string]any{}, nil),
		"map by numbers":  roundTrip(map[int8]celsius{-1: 0.5}, map[int8]celsius{}),
		"map by structs":  roundTrip(map[user]bool{{"Ann", 1}: true}),
		"string":          roundTrip("", "a", x(31), x(32), x(256), x(1<<16)),
		"bytes": roundTrip(
			[]byte{0, 1, 255}, []byte{}, nil, bytes.Repeat([]byte{0xc1}, 3<<20)),
		"bool":            roundTrip(true, false),
		"int":             roundTrip(0, 1, -1, 127, 128, -32, -33, math.MaxInt, math.MinInt),
		"int8":            roundTrip[int8](0, 127, -128),
		"int16":           roundTrip[int16](0, 255, 256, math.MaxInt16, math.MinInt16),
		"int32":           roundTrip[int32](0, 65_536, math.MaxInt32, math.MinInt32),
		"int64":           roundTrip[int64](0, math.MaxUint32, math.MaxInt64, math.MinInt64),
		"uint8":           roundTrip[uint8](0, 127, 128, 255),
		"uint64":          roundTrip[uint64](0, math.MaxInt64, math.MaxUint64),
		"pointer to uint": roundTrip(pointer(uint16(0)), pointer(uint16(math.MaxUint16))),
		"float32":         roundTrip[float32](0, -0.5, math.MaxFloat32, float32(math.Inf(-1))),
		"float64":         roundTrip(celsius(0), celsius(-0.5), celsius(math.MaxFloat64)),
		"duration":        roundTrip(time.Duration(0), time.Minute, -time.Hour),
		"time": roundTrip(
			moment, time.Time{}, time.Unix(0, 0), time.Unix(-1, 5), time.Unix(1<<35, 7)),
		"times": roundTrip(
			pair[string, time.Time]{"a", moment}, pair[string, time.Time]{}),
		"no time":        roundTrip(pair[string, *time.Time]{"a", nil}),
		"two values":     roundTrip(point{1, -2}, point{}, point{math.MinInt, math.MinInt}),
		"its own map":    roundTrip(hiddenMap{map[string]any{"a": true}}),
		"its own text":   roundTrip(level(0), level(-1), level(1)),
		"zero text":      roundTrip(pair[level, level]{}, pair[level, level]{1, 0}),
		"its own number": roundTrip(doubled(0), doubled(100), doubled(-100)),
		"its own nil":    roundTrip(optional{}, optional{5, true}),
		"address":        roundTrip(netip.MustParseAddr("::1"), netip.Addr{}),
		"big":            roundTrip(big.NewInt(7), new(big.Int).Lsh(big.NewInt(1), 3000), nil),
		"raw":            roundTrip(vmihailenco.RawMessage{0x93, 1, 2, 3}),
		"any": roundTrip[any](nil, true, "x", 1.5, float32(1.5), []byte{1}, []any{nil},
			map[string]any{"a": "b"}, moment),
		"any number": roundTrip[any](int8(5), int8(-5), uint8(200), uint16(256), int16(-200),
			uint32(1<<31), uint64(1<<63), int64(math.MinInt64)),
		"deep":         roundTrip(deep),
		"empty struct": roundTrip(struct{}{}),
	} {
		t.Run(name, test)
	}
}

// The data of such types do not show where a map ends.
func TestTypesThatWriteSeveralValuesRoundTrip(t *testing.T) {
	type line struct {
		From, To point
		Via      []point
	}
	roundTrip(line{point{1, 2}, point{3, 4}, []point{{5, 6}, {7, 8}}}, line{Via: []point{}})(t)
	roundTrip(map[string]*point{"a": {1, 2}, "b": {3, 4}})(t)
}

// A time is decoded as the same moment, in the zone of the reader.
func TestTimesKeepTheirMoment(t *testing.T) {
	zone := time.FixedZone("east", 7200)
	for _, want := range []time.Time{
		time.Date(2026, 1, 2, 3, 4, 5, 6, zone),
		time.Date(1, 1, 1, 0, 0, 0, 0, time.UTC),
		time.Date(9999, 12, 31, 23, 59, 59, 999_999_999, zone),
	} {
		codec := msgpack.Codec[pair[time.Time, *time.Time]]()
		got, err := codec.Decode(encode(t, codec, pair[time.Time, *time.Time]{want, &want}), 0)
		if err != nil || !got.Key.Equal(want) || !got.Value.Equal(want) {
			t.Errorf("%v is decoded as %v and %v, %v", want, got.Key, got.Value, err)
		}
	}
}

// The content of an extension may begin with any byte, including those of a map or nil.
func TestTimesNextToMapsRoundTrip(t *testing.T) {
	type event struct {
		At   time.Time
		Tags map[string]any
		Pod  map[string]string
	}
	codec := msgpack.Codec[[]event]()
	var events []event
	for i := range 256 {
		for _, at := range []time.Time{
			time.Unix(int64(i)<<24, 0),
			time.Unix(0, int64(i)<<22),
			time.Unix(1<<40, int64(i)<<22),
		} {
			events = append(events, event{at, map[string]any{"n": at}, map[string]string{"a": "b"}})
		}
	}
	got, err := codec.Decode(encode(t, codec, events), 0)
	if err != nil || !reflect.DeepEqual(got, events) {
		t.Errorf("%d events are decoded as %d others, %v", len(events), len(got), err)
	}
}

func TestNumbersTakeAsFewBytesAsTheyNeed(t *testing.T) {
	type numbers struct {
		A int64         `msgpack:"a"`
		B uint32        `msgpack:"b"`
		C time.Duration `msgpack:"c"`
	}
	const want = "\x83\xa1a\x05\xa1b\xcc\xc8\xa1c\xff"
	if got := encode(t, msgpack.Codec[numbers](), numbers{5, 200, -1}); string(got) != want {
		t.Errorf("stored as %q, want %q", got, want)
	}
	if got := encode(t, msgpack.Codec[int64](), 5); string(got) != "\x05" {
		t.Errorf("5 is stored as %q, want one byte", got)
	}
}

func TestTagsNameFields(t *testing.T) {
	want := "\x82\xa4Name\xa3Ann\xa3age\x28"
	if got := encode(t, msgpack.Codec[user](), user{"Ann", 40}); string(got) != want {
		t.Errorf("stored as %q, want %q", got, want)
	}
	v := derived{base: base{1, "x"}, skip: 1, Skip: 2}
	want = "\x82\xa2ID\x01\xa4Name\xa1x"
	if got := encode(t, msgpack.Codec[derived](), v); string(got) != want {
		t.Errorf("stored as %q, want %q", got, want)
	}
}

func TestMsgPackIsShorterThanJSON(t *testing.T) {
	for _, o := range []order{small, large} {
		text, err := json.Marshal(o)
		if err != nil {
			t.Fatal(err)
		}
		if n := len(encode(t, msgpack.Codec[order](), o)); n > len(text)*9/10 {
			t.Errorf("%d bytes, want at most nine tenths of JSON's %d", n, len(text))
		}
	}
}

func TestAValueThatCannotBeEncodedDoesNotAffectTheNext(t *testing.T) {
	wantAppendErr(t, msgpack.Codec[chan int](), make(chan int), "chan int")
	codec := msgpack.Codec[pair[string, any]]()
	wantAppendErr(t, codec, pair[string, any]{"a", func() {}}, "func()")
	const want = "\x82\xa3Key\xa1a\xa5Value\xc3"
	if data := encode(t, codec, pair[string, any]{"a", true}); string(data) != want {
		t.Errorf("the next value is stored as %q, want %q", data, want)
	}
	v := &failing{errors.New("no ink")}
	wantAppendErr(t, msgpack.Codec[*failing](), v, "no ink")
	v.err = nil
	if data := encode(t, msgpack.Codec[*failing](), v); string(data) != "\x01" {
		t.Errorf("the next value is stored as %q", data)
	}
}

// A failing changes settings of the encoder or the decoder, and returns its error.
type failing struct{ err error }

func (f *failing) EncodeMsgpack(enc *vmihailenco.Encoder) error {
	enc.UseCompactInts(false)
	enc.UseArrayEncodedStructs(true)
	enc.SetOmitEmpty(true)
	enc.UseInternedStrings(true)
	if err := enc.EncodeInt(1); err != nil {
		return err
	}
	return f.err
}

func (f *failing) DecodeMsgpack(dec *vmihailenco.Decoder) error {
	dec.DisallowUnknownFields(true)
	dec.UseLooseInterfaceDecoding(true)
	dec.SetMapDecoder(func(*vmihailenco.Decoder) (any, error) {
		return nil, errors.New("no maps")
	})
	_, err := dec.DecodeInt()
	if err != nil {
		return err
	}
	return f.err
}

func TestAValueThatRefersToItselfDoesNotChange(t *testing.T) {
	codec := msgpack.Codec[buffered]()
	var got [3]buffered
	for i, b := range []string{"one", "two", "three"} {
		var err error
		if got[i], err = codec.Decode([]byte("\xc4"+string(rune(len(b)))+b), 0); err != nil {
			t.Fatal(err)
		}
	}
	if string(got[0].s) != "one" || string(got[1].s) != "two" || string(got[2].s) != "three" {
		t.Errorf("the values are %q, %q and %q", got[0].s, got[1].s, got[2].s)
	}
}

// A type may change settings of the encoder or the decoder while it encodes or decodes
// itself.
func TestSettingsDoNotAffectTheNextValue(t *testing.T) {
	codec := msgpack.Codec[any]()
	for range 10 {
		encode(t, codec, any(pair[*failing, int]{&failing{}, 1}))
		data := encode(t, codec, any(user{Name: "Ann"}))
		if string(data) != "\x82\xa4Name\xa3Ann\xa3age\x00" {
			t.Fatalf("the next value is stored as %q", data)
		}
	}
	type holder struct {
		F *failing `msgpack:",omitempty"`
		V any
	}
	holders := msgpack.Codec[holder]()
	for range 10 {
		if _, err := holders.Decode([]byte("\x81\xa1F\x01"), 0); err != nil {
			t.Fatal(err)
		}
		v, err := holders.Decode([]byte("\x82\xa1V\x81\xa1a\xc4\x01b\xa1x\x01"), 0)
		m, ok := v.V.(map[string]any)
		if !ok || err != nil || !reflect.DeepEqual(m["a"], []byte("b")) {
			t.Fatalf("the next value is decoded as %v, %v", v, err)
		}
	}
}
