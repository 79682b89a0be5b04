package encoding_test

import (
	"bytes"
	"encoding/gob"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/encoding"
)

// freshGob answers what an encoder that has written nothing else makes of v.
func freshGob(t testing.TB, v any) []byte {
	t.Helper()
	var out bytes.Buffer
	if err := gob.NewEncoder(&out).Encode(v); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// Each value stands for itself, however many the codec has written before.
func TestGobWritesWhatAFreshEncoderWould(t *testing.T) {
	codec := encoding.Gob[tree]()
	for i := range 5 {
		v := tree{Tags: []string{fmt.Sprint(i)}, When: time.Unix(int64(i), 0), Kids: map[string]*tree{"a": {}}}
		data, flags := encode(t, codec, v)
		if want := freshGob(t, v); !bytes.Equal(data, want) || flags != core.FlagBytes {
			t.Errorf("value %d is stored as %q with flags %d, want %q with 0", i, data, flags, want)
		}
	}
}

// The fields of another program's type, in another order, with others beside them.
func TestGobReadsTheValuesOfOtherVersionsOfItsType(t *testing.T) {
	type later struct {
		Email string
		Age   int
		Extra any
		Name  string
	}
	gob.Register(point{})
	gob.Register(tree{})
	codec := encoding.Gob[user]()
	for range 3 {
		for i := range 3 {
			want := user{"Ann", i}
			for _, v := range []any{want, later{"ann@example.org", i, nil, "Ann"}, later{"", i, point{}, "Ann"}, later{"", i, tree{}, "Ann"}, &want} {
				if got, err := codec.Decode(freshGob(t, v), 0); got != want || err != nil {
					t.Errorf("%+v is read as %+v, %v", v, got, err)
				}
			}
			data, flags := encode(t, codec, want)
			if got, err := codec.Decode(data, flags); got != want || err != nil {
				t.Errorf("%+v comes back as %+v, %v", want, got, err)
			}
		}
	}
}

// More descriptions than a codec keeps readers for.
func TestGobReadsTheValuesOfManyPrograms(t *testing.T) {
	codec := encoding.Gob[user]()
	for range 2 {
		for i := range 200 {
			other := reflect.New(reflect.StructOf([]reflect.StructField{
				{Name: "Name", Type: reflect.TypeFor[string]()},
				{Name: fmt.Sprint("Field", i), Type: reflect.TypeFor[int]()},
			})).Elem()
			other.Field(0).SetString("Ann")
			if got, err := codec.Decode(freshGob(t, other.Interface()), 0); got != (user{Name: "Ann"}) || err != nil {
				t.Fatalf("program %d: %v, %v", i, got, err)
			}
		}
	}
}

func TestGobRefusesWhatIsNotOneWholeValueOfItsType(t *testing.T) {
	type order struct{ Sum int }
	good := string(freshGob(t, user{"Ann", 40}))
	codec := encoding.Gob[user]()
	check := func() {
		wantDecodeErr(t, codec, string(freshGob(t, order{7})), 0, "")
		wantDecodeErr(t, codec, string(freshGob(t, "text")), 0, "")
		wantDecodeErr(t, codec, string(freshGob(t, struct{ Name int }{7})), 0, "")
		wantDecodeErr(t, codec, good+"x", 0, "")
		wantDecodeErr(t, codec, good+good, 0, "")
		wantDecodeErr(t, codec, "text", 0, "")
		wantDecodeErr(t, codec, strings.Repeat("\xf8", 20), 0, "")
		for i := range good {
			wantDecodeErr(t, codec, good[:i], 0, "")
		}
		// The value alone, without the description that a reader may have read.
		other := freshGob(t, user{"Bob", 1})
		wantDecodeErr(t, codec, string(other[bytes.LastIndexByte(other[:len(other)-8], 0)+1:]), 0, "")
	}
	check()
	if v, err := codec.Decode([]byte(good), 0); v != (user{"Ann", 40}) || err != nil {
		t.Fatalf("%v, %v", v, err)
	}
	check()
	if v, err := codec.Decode([]byte(good), 0); v != (user{"Ann", 40}) || err != nil {
		t.Errorf("after all that: %v, %v", v, err)
	}
}
