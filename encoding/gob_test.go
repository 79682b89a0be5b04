package encoding_test

import (
	"bytes"
	"encoding/binary"
	"encoding/gob"
	"fmt"
	"hash/crc32"
	"reflect"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/cachewire/cachewire/encoding"
)

// freshGob returns v as a new encoder writes it, without a checksum.
func freshGob(t testing.TB, v any) string {
	t.Helper()
	var out bytes.Buffer
	if err := gob.NewEncoder(&out).Encode(v); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// checked returns data with the checksum of Gob.
func checked(data string) string {
	table := crc32.MakeTable(crc32.Castagnoli)
	sum := crc32.Checksum([]byte("cachewire gob"+data), table)
	return string(binary.BigEndian.AppendUint32([]byte(data), sum))
}

// storedGob returns v as Gob stores it.
func storedGob(t testing.TB, v any) []byte { return []byte(checked(freshGob(t, v))) }

// Each gob is complete, regardless of what the codec has written before.
func TestGobWritesWhatANewEncoderWritesAndAChecksum(t *testing.T) {
	codec := encoding.Gob[tree]()
	for i := range 5 {
		v := tree{
			Tags: []string{fmt.Sprint(i)},
			When: time.Unix(int64(i), 0),
			Kids: map[string]*tree{"a": {}},
		}
		data, flags := encode(t, codec, v)
		if want := storedGob(t, v); !bytes.Equal(data, want) || flags != encoding.FlagGob {
			t.Errorf("value %d is stored as %q with flags %#x, want %q with %#x",
				i, data, flags, want, encoding.FlagGob)
		}
	}
}

// The types of other programs have the fields in another order, and other fields.
func TestGobReadsValuesOfOtherVersionsOfItsType(t *testing.T) {
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
			for _, v := range []any{
				want,
				later{"ann@example.org", i, nil, "Ann"},
				later{"", i, point{}, "Ann"},
				later{"", i, tree{}, "Ann"},
				&want,
			} {
				if got, err := codec.Decode(storedGob(t, v), 0); got != want || err != nil {
					t.Errorf("%+v is decoded as %+v, %v; want %+v", v, got, err, want)
				}
			}
			data, flags := encode(t, codec, want)
			if got, err := codec.Decode(data, flags); got != want || err != nil {
				t.Errorf("%+v is decoded as %+v, %v", want, got, err)
			}
		}
	}
}

// The programs write more descriptions than a codec keeps readers for.
func TestGobReadsValuesOfManyPrograms(t *testing.T) {
	want := user{Name: "Ann"}
	codec := encoding.Gob[user]()
	for range 2 {
		for i := range 200 {
			other := reflect.New(reflect.StructOf([]reflect.StructField{
				{Name: "Name", Type: reflect.TypeFor[string]()},
				{Name: fmt.Sprint("Field", i), Type: reflect.TypeFor[int]()},
			})).Elem()
			other.Field(0).SetString("Ann")
			got, err := codec.Decode(storedGob(t, other.Interface()), 0)
			if got != want || err != nil {
				t.Fatalf("program %d: Decode = %v, %v; want %v", i, got, err, want)
			}
		}
	}
}

// Data that have the right checksum, as the data of an attacker may, are refused as well.
func TestGobRefusesDataThatIsNotOneWholeValue(t *testing.T) {
	type order struct{ Sum int }
	good := freshGob(t, user{"Ann", 40})
	codec := encoding.Gob[user]()
	check := func() {
		for _, bad := range []string{
			freshGob(t, order{7}), freshGob(t, "text"), freshGob(t, struct{ Name int }{7}),
			good + "x", good + good, "text", strings.Repeat("\xf8", 20), "",
		} {
			wantDecodeErr(t, codec, checked(bad), 0, "")
			wantDecodeErr(t, codec, bad, 0, "checksum")
		}
		for i := range good {
			wantDecodeErr(t, codec, checked(good[:i]), 0, "")
			wantDecodeErr(t, codec, checked(good)[:i], 0, "checksum")
		}
		// Only the value, without the description that a reader may have read before.
		other := freshGob(t, user{"Bob", 1})
		value := other[strings.LastIndexByte(other[:len(other)-8], 0)+1:]
		wantDecodeErr(t, codec, checked(value), 0, "")
	}
	check()
	if v, err := codec.Decode([]byte(checked(good)), 0); v != (user{"Ann", 40}) || err != nil {
		t.Fatalf("Decode = %v, %v", v, err)
	}
	check()
	if v, err := codec.Decode([]byte(checked(good)), 0); v != (user{"Ann", 40}) || err != nil {
		t.Errorf("after the errors, Decode = %v, %v", v, err)
	}
}

// Package gob allocates up to 10 MiB for a message before it finds that there is less.
func TestGobDoesNotAllocateWhatTheLengthOfAMessageClaims(t *testing.T) {
	codec := encoding.Gob[user]()
	for _, data := range []string{
		"\xfc\x3f\xff\xff\xffabc", "\xfd\xff\xff\xff",
		freshGob(t, user{"Ann", 1}) + "\xfc\x3f\xff\xff\xff",
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		wantDecodeErr(t, codec, checked(data), 0, "EOF")
		runtime.ReadMemStats(&after)
		if got := after.TotalAlloc - before.TotalAlloc; got > 1<<20 {
			t.Errorf("Decode of %q allocates %d bytes", data, got)
		}
	}
}

func TestGobTurnsPanicsIntoErrors(t *testing.T) {
	wantAppendErr(t, encoding.Gob[[]*time.Time](), []*time.Time{nil}, "gob:")
	wantAppendErr(t, encoding.Gob[map[string]*time.Time](),
		map[string]*time.Time{"a": nil}, "gob:")
	type key struct{ X int }
	type unhashable struct {
		X int
		Y []int
	}
	gob.RegisterName("keyed", key{})
	gob.RegisterName("slice", unhashable{})
	data := freshGob(t, map[any]int{key{7}: 1})
	bad := checked(strings.Replace(data, "keyed", "slice", 1))
	if v, err := encoding.Gob[map[any]int]().Decode([]byte(bad), 0); err == nil {
		t.Errorf("Decode = %v, want an error", v)
	}
}

// The description that a codec keeps is a copy.
func TestGobKeepsNoReferenceToABuffer(t *testing.T) {
	codec := encoding.Gob[user]()
	buf := make([]byte, 0, 1<<10)
	for i := range 3 {
		want := user{"Ann", i}
		data, flags, err := codec.Append(buf, want)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := encoding.Gob[user]().Decode(data, flags); got != want || err != nil {
			t.Errorf("%v is decoded as %v, %v", want, got, err)
		}
		clear(buf[:cap(buf)])
	}
}

// An interface can be in each of these places. The second value has another type in it,
// whose description a new reader needs.
func TestGobFindsInterfacesInAllPlaces(t *testing.T) {
	gob.Register(user{})
	type in struct{ X any }
	ann, bob := user{"Ann", 1}, user{"Bob", 2}
	for name, run := range map[string]func(*testing.T, string){
		"array":   roundTrip([2]any{7, "x"}, [2]any{ann, user{}}, [2]any{7, bob}),
		"slice":   roundTrip([]any{7}, []any{ann}, []any{bob}),
		"pointer": roundTrip(&in{7}, &in{ann}, &in{bob}),
		"key":     roundTrip(map[any]int{7: 1}, map[any]int{ann: 1}, map[any]int{bob: 1}),
		"element": roundTrip(
			map[string]any{"a": 7}, map[string]any{"a": ann}, map[string]any{"a": bob}),
	} {
		t.Run(name, func(t *testing.T) { run(t, "Gob") })
	}
}

// A field that is skipped may define types that are not in the description. A reader must
// not use them for later values.
func TestUsedGobReadersDecodeLikeNewOnes(t *testing.T) {
	type wide struct {
		Name  string
		Extra any
		Age   int
	}
	gob.Register(user{})
	gob.Register(tree{})
	codec := encoding.Gob[user]()
	for range 3 {
		for _, extra := range []any{
			nil, user{"x", 1}, tree{Tags: []string{"y"}}, []any{user{}}, 7,
		} {
			gobbed := freshGobIfAny(wide{"Ann", extra, 40})
			if gobbed == "" {
				continue
			}
			data := []byte(checked(gobbed))
			got, err := codec.Decode(data, 0)
			fresh, freshErr := encoding.Gob[user]().Decode(data, 0)
			if got != fresh || (err == nil) != (freshErr == nil) || got != (user{"Ann", 40}) {
				t.Errorf("%v: Decode = %v, %v; by a new codec %v, %v",
					extra, got, err, fresh, freshErr)
			}
		}
	}
}

func freshGobIfAny(v any) string {
	var out bytes.Buffer
	if gob.NewEncoder(&out).Encode(v) != nil {
		return ""
	}
	return out.String()
}

func TestGobRefusesDataThatIsTruncatedInANumber(t *testing.T) {
	for _, data := range []string{
		"\xf8", "\xff", "\x02\xff", "\x01\xfe", "\xf7\x01\x02\x03\x04\x05\x06\x07\x08\x09",
	} {
		_, err := encoding.Gob[user]().Decode([]byte(checked(data)), 0)
		if err == nil {
			t.Errorf("Decode(%q) succeeds, want an error", data)
		}
	}
}

// Package gob needs about 150 allocations without a codec that keeps descriptions.
func TestGobReadsAKnownDescriptionWithFewAllocations(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	codec := encoding.Gob[order]()
	for i := range 200 { // values of other programs
		other := reflect.New(reflect.StructOf([]reflect.StructField{
			{Name: "ID", Type: reflect.TypeFor[int64]()},
			{Name: fmt.Sprint("Other", i), Type: reflect.TypeFor[int]()},
		})).Elem()
		other.Field(0).SetInt(7)
		if _, err := codec.Decode(storedGob(t, other.Interface()), 0); err != nil {
			t.Fatal(err)
		}
	}
	data, flags := encode(t, codec, small)
	var err error
	got := testing.AllocsPerRun(100, func() { _, err = codec.Decode(data, flags) })
	if got > 15 || err != nil {
		t.Errorf("Decode: %v allocations, want at most 15, %v", got, err)
	}
}
