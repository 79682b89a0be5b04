package encoding_test

import (
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/encoding"
)

// checkDecode fails if codec panics for data, returns a value with an error, or returns a
// value that does not round-trip.
func checkDecode[T any](t *testing.T, codec core.Codec[T], data []byte, flags uint32) {
	t.Helper()
	v, err := codec.Decode(data, flags)
	if err != nil {
		if !reflect.ValueOf(&v).Elem().IsZero() {
			t.Errorf("%T: Decode(%q) returns %v with the error %v", codec, data, v, err)
		}
		return
	}
	again, flags, err := codec.Append(nil, v)
	if err != nil {
		t.Errorf("%T: Append(%v), which Decode(%q) returned: %v", codec, v, data, err)
		return
	}
	if got, err := codec.Decode(again, flags); err != nil || !reflect.DeepEqual(got, v) {
		t.Errorf("%T: %v, which Decode(%q) returned, is decoded as %v, %v",
			codec, v, data, got, err)
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte("42 "), uint32(2))
	f.Add([]byte("-7"), uint32(4))
	f.Add([]byte("grüße"), core.FlagText)
	f.Add([]byte(pythonGreeting), core.FlagText|core.FlagZlib)
	f.Add([]byte("\x80\x04\x88."), uint32(1))
	f.Add([]byte(`{"Name":"Ann","age":40}`), core.FlagText)
	f.Add([]byte("null"), uint32(0))
	f.Add([]byte(`[[[{"a":null,"b":[1e5,true]}]]]`), uint32(0))
	f.Add([]byte(deflate(f, `{"Name":"Ann","age":40}`)), core.FlagText|core.FlagZlib)
	text, number := encoding.Text(), encoding.Int[int8]()
	unsigned := encoding.Int[uint64]()
	users, anything := encoding.JSON[*user](), encoding.JSON[any]()
	packed := encoding.Compress(encoding.JSON[map[string]int](),
		&encoding.CompressOptions{Threshold: 1, MaxSize: 1 << 20})
	f.Fuzz(func(t *testing.T, data []byte, flags uint32) {
		v, err := encoding.Bytes().Decode(data, flags)
		if flags == 0 && (string(v) != string(data) || err != nil) || err != nil && v != nil {
			t.Errorf("Bytes: Decode(%q, %d) = %q, %v", data, flags, v, err)
		}
		checkDecode(t, text, data, flags)
		checkDecode(t, number, data, flags)
		checkDecode(t, unsigned, data, flags)
		checkDecode(t, users, data, flags)
		checkDecode(t, anything, data, flags)
		checkDecode(t, packed, data, flags)
	})
}

// A reader that has read other gobs decodes like a new one. The types have no maps, because
// package gob allocates as many elements as a gob claims to have.
func FuzzGob(f *testing.F) {
	for _, v := range []any{
		user{"Ann", 40}, user{}, &user{Age: 1},
		"text", 7, tree{Tags: []string{"a"}}, struct{ Age string }{"x"},
	} {
		f.Add([]byte(freshGob(f, v)))
	}
	type node struct {
		User *user
		Tags []string
		Raw  [3]byte
		Some *bool
	}
	users, nodes := encoding.Gob[user](), encoding.Gob[[]node]()
	some := true
	f.Add([]byte(freshGob(f, []node{
		{&user{"Ann", 1}, []string{"a", ""}, [3]byte{1, 2, 3}, &some},
		{},
	})))
	f.Fuzz(func(t *testing.T, gobbed []byte) {
		data := []byte(checked(string(gobbed)))
		checkDecode(t, users, data, 0)
		all, _ := nodes.Decode(data, 0)
		toFalse := func(n node) bool { return n.Some != nil && !*n.Some }
		if !slices.ContainsFunc(all, toFalse) { // which Append refuses
			checkDecode(t, nodes, data, 0)
		}
		v, err := users.Decode(data, 0)
		fresh, freshErr := encoding.Gob[user]().Decode(data, 0)
		if v != fresh || (err == nil) != (freshErr == nil) {
			t.Errorf("Decode(%q) = %v, %v; by a new codec %v, %v",
				data, v, err, fresh, freshErr)
		}
	})
}

func FuzzEnvelope(f *testing.F) {
	for _, facts := range []encoding.Facts{{}, allFacts, {NotFound: true}, {Took: 1}} {
		for _, traits := range []core.Traits{{}, {NoFlags: true}} {
			data, flags := encode(f, encoding.Envelope(encoding.Bytes(), traits),
				encoding.Enveloped[[]byte]{Value: []byte("value"), Facts: facts})
			f.Add(data, flags)
		}
	}
	f.Add([]byte("\xf8cw\x01\x05\x7f\x03abcvalue"), core.FlagEnvelope)
	f.Fuzz(func(t *testing.T, data []byte, flags uint32) {
		for _, noFlags := range []bool{false, true} {
			if noFlags {
				flags = 0
			}
			codec := encoding.Envelope(encoding.Bytes(), core.Traits{NoFlags: noFlags})
			v, err := codec.Decode(data, flags)
			if err != nil {
				continue
			}
			again, flags, err := codec.Append(nil, v)
			if err != nil {
				t.Fatalf("Append(%v), which Decode(%q) returned: %v", v, data, err)
			}
			if noFlags {
				flags = 0
			}
			got, err := codec.Decode(again, flags)
			if err != nil || string(got.Value) != string(v.Value) ||
				!sameFacts(&got.Facts, &v.Facts) {
				t.Errorf("%v, which Decode(%q) returned, is decoded as %v, %v",
					v, data, got, err)
			}
		}
	})
}

// Any facts with any value, with and without flags.
func FuzzFacts(f *testing.F) {
	f.Add([]byte("value"), int64(1), int64(0), false, "tag", uint64(7))
	f.Add([]byte("\xf8cw\x01\x00"), int64(0), int64(0), false, "", uint64(0))
	f.Fuzz(func(
		t *testing.T, value []byte, fresh, took int64, notFound bool, name string, version uint64,
	) {
		facts := encoding.Facts{
			Took:     time.Duration(max(took, 0)),
			Grace:    time.Duration(max(-took, 0)),
			NotFound: notFound,
		}
		if fresh != 0 {
			facts.Fresh = time.Unix(0, fresh)
		}
		if name != "" {
			facts.AddTag(name, version)
			facts.AddTag(name[1:], version+1)
		}
		if notFound {
			value = nil
		}
		for _, noFlags := range []bool{false, true} {
			codec := encoding.Envelope(encoding.Bytes(), core.Traits{NoFlags: noFlags})
			v := encoding.Enveloped[[]byte]{Value: value, Facts: facts}
			data, flags, err := codec.Append(nil, v)
			if err != nil {
				t.Fatal(err)
			}
			if noFlags {
				flags = 0
			}
			got, err := codec.Decode(data, flags)
			if err != nil || string(got.Value) != string(value) || !sameFacts(&got.Facts, &facts) {
				t.Errorf("%q with %v is decoded as %v, %v", value, facts, got, err)
			}
		}
	})
}
