package msgpack_test

import (
	"fmt"
	"reflect"
	"testing"
	"time"

	vmihailenco "github.com/vmihailenco/msgpack/v5"

	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/encoding/msgpack"
)

// checkDecode fails if codec panics for data, returns a value with an error, or returns a
// value that does not round-trip.
func checkDecode[T any](t *testing.T, codec core.Codec[T], data []byte) {
	t.Helper()
	v, err := codec.Decode(data, 0)
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
	got, err := codec.Decode(again, flags)
	if err != nil || !same(reflect.ValueOf(&got), reflect.ValueOf(&v)) {
		t.Errorf("%T: %v, which Decode(%q) returned, is decoded as %v, %v",
			codec, v, data, got, err)
	}
}

// same is reflect.DeepEqual, with three exceptions: NaN is equal to itself, times are
// equal if time.Time.Equal says so, and integers in interfaces may be of different types.
func same(x, y reflect.Value) bool {
	switch x.Kind() {
	case reflect.Pointer, reflect.Interface, reflect.Slice, reflect.Map:
		if x.IsNil() || y.IsNil() {
			return x.IsNil() && y.IsNil()
		}
	}
	switch x.Kind() {
	case reflect.Pointer:
		return same(x.Elem(), y.Elem())
	case reflect.Interface:
		x, y = x.Elem(), y.Elem()
		if isInteger(x) && isInteger(y) {
			return fmt.Sprint(x) == fmt.Sprint(y)
		}
		return x.Type() == y.Type() && same(x, y)
	case reflect.Slice, reflect.Array:
		ok := x.Len() == y.Len()
		for i := 0; ok && i < x.Len(); i++ {
			ok = same(x.Index(i), y.Index(i))
		}
		return ok
	case reflect.Map:
		ok := x.Len() == y.Len()
		for keys := x.MapRange(); ok && keys.Next(); {
			other := y.MapIndex(keys.Key())
			ok = other.IsValid() && same(keys.Value(), other)
		}
		return ok
	case reflect.Struct:
		if x.Type() == reflect.TypeFor[time.Time]() {
			return x.Interface().(time.Time).Equal(y.Interface().(time.Time))
		}
		ok := true
		for i := 0; ok && i < x.NumField(); i++ {
			ok = same(x.Field(i), y.Field(i))
		}
		return ok
	case reflect.Float32, reflect.Float64:
		return x.Float() == y.Float() || x.Float() != x.Float() && y.Float() != y.Float()
	}
	return x.Equal(y)
}

func isInteger(v reflect.Value) bool { return v.CanInt() || v.CanUint() }

func FuzzDecode(f *testing.F) {
	type event struct {
		At   time.Time
		Took *time.Duration
		Tags map[string]any
		Pod  map[string]string
		Err  error
		IP   [4]byte
		Raw  []byte
		Next []event
		derived
	}
	type everything struct {
		Event event
		Words []struct {
			Text string `msgpack:",intern"`
		}
		Level level
		Point point
		Row   row
		Any   any
	}
	type forest map[string]forest
	for _, v := range []any{
		nil, true, 5, -500, 1e9, 1.5, "text", []byte("bytes"), time.Unix(1, 5),
		[]any{1, "a", nil}, map[string]any{"a": map[string]any{"b": []int{1}}},
		user{"Ann", 40}, small,
		&tree{Kids: map[string]*tree{"a": {Tags: []string{"x"}}}, Left: &tree{}, Value: "v"},
		&event{
			At:      time.Unix(1, 1),
			Tags:    map[string]any{"a": 1},
			Pod:     map[string]string{"b": "c"},
			Next:    []event{{}},
			derived: derived{Other: &Other{"x"}},
		},
		&everything{Point: point{1, 2}, Row: row{A: 1}}, forest{"a": forest{"b": nil}},
	} {
		data, err := vmihailenco.Marshal(v)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
		f.Add(append(data, 0))
		f.Add(data[:len(data)-1])
	}
	f.Add([]byte("\xdd\xff\xff\xff\xff\x01"))
	f.Add([]byte("\xd6\x00\xdf\x0f\xff\xff\xff"))
	f.Add([]byte("\x91\x91\x91\x91\x91\xc0"))
	f.Add([]byte("\x81\xa2At\xc0"))
	f.Add([]byte("\x81\x91\x01\x01"))
	anything, numbers := msgpack.Codec[any](), msgpack.Codec[int16]()
	users, all := msgpack.Codec[*user](), msgpack.Codec[everything]()
	trees, forests := msgpack.Codec[tree](), msgpack.Codec[forest]()
	texts, slices := msgpack.Codec[[]string](), msgpack.Codec[[]byte]()
	maps, raws := msgpack.Codec[map[string]any](), msgpack.Codec[map[any]vmihailenco.RawMessage]()
	f.Fuzz(func(t *testing.T, data []byte) {
		checkDecode(t, anything, data)
		checkDecode(t, users, data)
		checkDecode(t, numbers, data)
		checkDecode(t, trees, data)
		checkDecode(t, forests, data)
		checkDecode(t, all, data)
		checkDecode(t, maps, data)
		checkDecode(t, texts, data)
		checkDecode(t, slices, data)
		_, _ = raws.Decode(data, 0) // not checkDecode, because nil does not round-trip
	})
}
