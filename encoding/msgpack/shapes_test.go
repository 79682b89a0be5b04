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

// Other is exported, as what is embedded by pointer must be.
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

// A row is written as an array.
type row struct {
	//lint:ignore U1000 the package looks for a field of this name
	_msgpack struct{} `msgpack:",as_array"`
	A, B     int64
}

// A word is written once, and by its number from then on.
type word struct {
	Text string `msgpack:",intern"`
	Any  any    `msgpack:",intern"`
}

// A point writes itself as two values in the place of one.
type point struct{ x, y int }

func (p *point) EncodeMsgpack(enc *vmihailenco.Encoder) error { return enc.EncodeMulti(p.x, p.y) }
func (p *point) DecodeMsgpack(dec *vmihailenco.Decoder) error { return dec.DecodeMulti(&p.x, &p.y) }

// A silent writes itself as no value at all, and cannot be read.
type silent struct{}

func (*silent) EncodeMsgpack(*vmihailenco.Encoder) error { return nil }
func (*silent) DecodeMsgpack(*vmihailenco.Decoder) error { return nil }

// A hidden has a map, which its type does not show.
type hidden struct{ v any }

func (h *hidden) EncodeMsgpack(enc *vmihailenco.Encoder) error { return enc.Encode(h.v) }
func (h *hidden) DecodeMsgpack(dec *vmihailenco.Decoder) error {
	m, err := dec.DecodeMap()
	h.v = m
	return err
}

// A short keeps what is short in itself.
type short struct {
	room [8]byte
	s    []byte
}

func (s *short) EncodeMsgpack(enc *vmihailenco.Encoder) error { return enc.EncodeBytes(s.s) }
func (s *short) DecodeMsgpack(dec *vmihailenco.Decoder) error {
	b, err := dec.DecodeBytes()
	s.s = append(s.room[:0], b...)
	return err
}

// A level is its own text, of which the zero value has one too.
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

// A maybe writes nil for none.
type maybe struct {
	n  int
	ok bool
}

func (m *maybe) EncodeMsgpack(enc *vmihailenco.Encoder) error {
	if !m.ok {
		return enc.EncodeNil()
	}
	return enc.EncodeInt(int64(m.n))
}

func (m *maybe) DecodeMsgpack(dec *vmihailenco.Decoder) (err error) {
	m.ok = true
	m.n, err = dec.DecodeInt()
	return err
}

// A doubled is stored as twice its number.
type doubled int

func (d *doubled) EncodeMsgpack(enc *vmihailenco.Encoder) error { return enc.EncodeInt(2 * int64(*d)) }
func (d *doubled) DecodeMsgpack(dec *vmihailenco.Decoder) error {
	n, err := dec.DecodeInt()
	*d = doubled(n / 2)
	return err
}

func pointer[T any](v T) *T { return &v }

// of answers a test that each of values comes back as it was, from a codec that
// has been used before or not.
func of[T any](values ...T) func(*testing.T) {
	return func(t *testing.T) {
		codec := msgpack.Codec[T]()
		for range 2 {
			for _, v := range values {
				data := encode(t, codec, v)
				before := bytes.Clone(data)
				got, err := codec.Decode(data, 0)
				if fresh, freshErr := msgpack.Codec[T]().Decode(data, 0); !reflect.DeepEqual(fresh, got) || freshErr != nil {
					t.Errorf("%.100v is %.100v, %v to a fresh codec", v, fresh, freshErr)
				}
				if err != nil || !reflect.DeepEqual(got, v) {
					t.Errorf("%.100v comes back as %.100v, %v", v, got, err)
				}
				if !bytes.Equal(data, before) {
					t.Errorf("%.100v: the data were written to", v)
				}
				clear(data) // the value refers to nothing in it
				if !reflect.DeepEqual(got, v) {
					t.Errorf("%.100v becomes %.100v with the data", v, got)
				}
			}
		}
	}
}

func TestValuesOfAnyShapeComeBackEqual(t *testing.T) {
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
	for name, test := range map[string]func(*testing.T){
		"struct":          of(user{"Ann", 40}, user{}, user{Name: strings.Repeat("x", 70_000)}, user{Age: math.MinInt}),
		"pointer":         of(&user{"Ann", 40}, &user{}, nil),
		"pointers":        of(pointer(&user{"Ann", 40}), nil),
		"tree":            of(tree{Kids: map[string]*tree{"a": {Tags: []string{"x", ""}}, "nil": nil}, Left: &tree{Left: &tree{}}}, tree{}, tree{Value: "x"}),
		"embedded":        of(derived{base: base{1, "Ann"}, Other: &Other{"x"}, Name2: "y"}, derived{base: base{ID: 1}}),
		"generic":         of(pair[string, []pair[int, bool]]{"k", []pair[int, bool]{{1, true}, {}}}),
		"array":           of([3]int{1, 0, 2}, [3]int{}),
		"no array":        of([0]int{}),
		"byte array":      of([16]byte{1, 15: 2}, [16]byte{}),
		"as array":        of(row{A: 1, B: -1}, row{}),
		"interned":        of(words, []word{{"", "a word"}, {"a word", "a word"}, {"a word", 1.5}}),
		"interned inside": of(pair[int, *[1][]word]{1, &[1][]word{words}}),
		"interned first": of(struct {
			Words []word
			N     int
		}{words, 1}),
		"interned alone":  of(word{"text", "text"}),
		"slice":           of([]user{{"Ann", 40}, {}}, []user{{}}, []user{}, nil),
		"strings":         of([]string{"", "a"}, []string{}, nil),
		"map":             of(map[string]int{"a": 1, "": 0}, map[string]int{}, nil),
		"map of strings":  of(map[string]string{"a": "", "": "b"}, map[string]string{}, nil),
		"map of anything": of(map[string]any{"a": nil, "b": []any{"c", true, 1.5}, "m": map[string]any{}}, map[string]any{}, nil),
		"map by numbers":  of(map[int8]celsius{-1: 0.5}, map[int8]celsius{}),
		"map by structs":  of(map[user]bool{{"Ann", 1}: true}),
		"string":          of("", "a", strings.Repeat("x", 31), strings.Repeat("x", 32), strings.Repeat("x", 256), strings.Repeat("x", 1<<16)),
		"bytes":           of([]byte{0, 1, 255}, []byte{}, nil, bytes.Repeat([]byte{0xc1}, 3<<20)),
		"bool":            of(true, false),
		"int":             of(0, 1, -1, 127, 128, -32, -33, math.MaxInt, math.MinInt),
		"int8":            of[int8](0, 127, -128),
		"int16":           of[int16](0, 255, 256, math.MaxInt16, math.MinInt16),
		"int32":           of[int32](0, 65_536, math.MaxInt32, math.MinInt32),
		"int64":           of[int64](0, math.MaxUint32, math.MaxInt64, math.MinInt64),
		"uint8":           of[uint8](0, 127, 128, 255),
		"uint64":          of[uint64](0, math.MaxInt64, math.MaxUint64),
		"pointer to uint": of(pointer(uint16(0)), pointer(uint16(math.MaxUint16))),
		"float32":         of[float32](0, -0.5, math.MaxFloat32, float32(math.Inf(-1))),
		"float64":         of(celsius(0), celsius(-0.5), celsius(math.MaxFloat64)),
		"duration":        of(time.Duration(0), time.Minute, -time.Hour),
		"time":            of(moment, time.Time{}, time.Unix(0, 0), time.Unix(-1, 5), time.Unix(1<<35, 7)),
		"times":           of(pair[string, time.Time]{"a", moment}, pair[string, time.Time]{}),
		"no time":         of(pair[string, *time.Time]{"a", nil}),
		"two values":      of(point{1, -2}, point{}, point{math.MinInt, math.MinInt}),
		"its own map":     of(hidden{map[string]any{"a": true}}),
		"its own text":    of(level(0), level(-1), level(1)),
		"zero text":       of(pair[level, level]{}, pair[level, level]{1, 0}),
		"its own number":  of(doubled(0), doubled(100), doubled(-100)),
		"its own nil":     of(maybe{}, maybe{5, true}),
		"address":         of(netip.MustParseAddr("::1"), netip.Addr{}),
		"big":             of(big.NewInt(7), new(big.Int).Lsh(big.NewInt(1), 3000), nil),
		"raw":             of(vmihailenco.RawMessage{0x93, 1, 2, 3}),
		"any":             of[any](nil, true, "x", 1.5, float32(1.5), []byte{1}, []any{nil}, map[string]any{"a": "b"}, moment),
		"any number":      of[any](int8(5), int8(-5), uint8(200), uint16(256), int16(-200), uint32(1<<31), uint64(1<<63), int64(math.MinInt64)),
		"deep":            of(deep),
		"empty struct":    of(struct{}{}),
	} {
		t.Run(name, test)
	}
}

// Values that hold two values in the place of one, where the data do not show
// where a map ends.
func TestTypesThatWriteSeveralValuesComeBack(t *testing.T) {
	type line struct {
		From, To point
		Via      []point
	}
	of(line{point{1, 2}, point{3, 4}, []point{{5, 6}, {7, 8}}}, line{Via: []point{}})(t)
	of(map[string]*point{"a": {1, 2}, "b": {3, 4}})(t)
}

// Times come back as the same moment, in the zone of the reader.
func TestTimesKeepTheirMoment(t *testing.T) {
	zone := time.FixedZone("east", 7200)
	for _, want := range []time.Time{time.Date(2026, 1, 2, 3, 4, 5, 6, zone), time.Date(1, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(9999, 12, 31, 23, 59, 59, 999_999_999, zone)} {
		codec := msgpack.Codec[pair[time.Time, *time.Time]]()
		got, err := codec.Decode(encode(t, codec, pair[time.Time, *time.Time]{want, &want}), 0)
		if err != nil || !got.Key.Equal(want) || !got.Value.Equal(want) {
			t.Errorf("%v comes back as %v and %v, %v", want, got.Key, got.Value, err)
		}
	}
}

// An extension begins with any byte, also with one that stands for a map, or nil.
func TestTimesNextToMapsComeBack(t *testing.T) {
	type event struct {
		At   time.Time
		Tags map[string]any
		Pod  map[string]string
	}
	codec := msgpack.Codec[[]event]()
	var events []event
	for i := range 256 {
		for _, at := range []time.Time{time.Unix(int64(i)<<24, 0), time.Unix(0, int64(i)<<22), time.Unix(1<<40, int64(i)<<22)} {
			events = append(events, event{at, map[string]any{"n": at}, map[string]string{"a": "b"}})
		}
	}
	got, err := codec.Decode(encode(t, codec, events), 0)
	if err != nil || !reflect.DeepEqual(got, events) {
		t.Errorf("come back as %v, %v", len(got), err)
	}
}

func TestNumbersTakeAsFewBytesAsTheyNeed(t *testing.T) {
	type numbers struct {
		A int64         `msgpack:"a"`
		B uint32        `msgpack:"b"`
		C time.Duration `msgpack:"c"`
	}
	if got, want := encode(t, msgpack.Codec[numbers](), numbers{5, 200, -1}), "\x83\xa1a\x05\xa1b\xcc\xc8\xa1c\xff"; string(got) != want {
		t.Errorf("stored as %q, want %q", got, want)
	}
	if got := encode(t, msgpack.Codec[int64](), 5); string(got) != "\x05" {
		t.Errorf("5 is stored as %q", got)
	}
}

func TestTheNamesOfFieldsAreThoseOfTheirTags(t *testing.T) {
	if got, want := encode(t, msgpack.Codec[user](), user{"Ann", 40}), "\x82\xa4Name\xa3Ann\xa3age\x28"; string(got) != want {
		t.Errorf("stored as %q, want %q", got, want)
	}
	if got, want := encode(t, msgpack.Codec[derived](), derived{base: base{1, "x"}, skip: 1, Skip: 2}), "\x82\xa2ID\x01\xa4Name\xa1x"; string(got) != want {
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
			t.Errorf("%d bytes, JSON has %d", n, len(text))
		}
	}
}

func TestWhatCannotBeWrittenIsAnErrorAndTheNextValueIsNot(t *testing.T) {
	wantUnwritable(t, msgpack.Codec[chan int](), make(chan int), "chan int")
	codec := msgpack.Codec[pair[string, any]]()
	wantUnwritable(t, codec, pair[string, any]{"a", func() {}}, "func()")
	if data := encode(t, codec, pair[string, any]{"a", true}); string(data) != "\x82\xa3Key\xa1a\xa5Value\xc3" {
		t.Errorf("then %q", data)
	}
	fails := &failing{errors.New("no ink")}
	wantUnwritable(t, msgpack.Codec[*failing](), fails, "no ink")
	fails.err = nil
	if data := encode(t, msgpack.Codec[*failing](), fails); string(data) != "\x01" {
		t.Errorf("then %q", data)
	}
}

// failing writes itself unless it has an error, with settings of its own.
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
	dec.SetMapDecoder(func(*vmihailenco.Decoder) (any, error) { return nil, errors.New("no maps") })
	_, err := dec.DecodeInt()
	if err != nil {
		return err
	}
	return f.err
}

func TestAValueThatRefersToItselfStaysAsItIs(t *testing.T) {
	codec := msgpack.Codec[short]()
	var got [3]short
	for i, b := range []string{"one", "two", "three"} {
		var err error
		if got[i], err = codec.Decode([]byte("\xc4"+string(rune(len(b)))+b), 0); err != nil {
			t.Fatal(err)
		}
	}
	if string(got[0].s) != "one" || string(got[1].s) != "two" || string(got[2].s) != "three" {
		t.Errorf("%q, %q and %q", got[0].s, got[1].s, got[2].s)
	}
}

// What one value asks of the encoder or the decoder is not asked for the next.
func TestSettingsEndWithTheValue(t *testing.T) {
	codec := msgpack.Codec[any]()
	for range 10 {
		encode(t, codec, any(pair[*failing, int]{&failing{}, 1}))
		if data := encode(t, codec, any(user{Name: "Ann"})); string(data) != "\x82\xa4Name\xa3Ann\xa3age\x00" {
			t.Fatalf("then %q", data)
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
		if m, ok := v.V.(map[string]any); !ok || err != nil || !reflect.DeepEqual(m["a"], []byte("b")) {
			t.Fatalf("then %v, %v", v, err)
		}
	}
}
