package encoding_test

import (
	"fmt"
	"math/big"
	"testing"
	"time"

	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/encoding"
)

func TestJSONWritesTextThatAnyProgramReads(t *testing.T) {
	const want = `{"Name":"Ann \u003cann@x\u003e","age":40}`
	data, flags := encode(t, encoding.JSON[user](), user{"Ann <ann@x>", 40})
	if string(data) != want || flags != core.FlagText {
		t.Errorf("stored as %q with flags %d, want %q with %d",
			data, flags, want, core.FlagText)
	}
}

func TestJSONReturnsAZeroValueOnlyIfItWasStored(t *testing.T) {
	for _, data := range []string{
		"", " ", "null", " null\n", "{", `{"Name":"Ann"`, `{"Name":"Ann"}x`, `{}{}`,
		"[]", "7", `"text"`,
		`{"order":1}`, `{"Order":{"Name":"Ann"},"sum":7}`, "\xf8cw\x01\x00{}",
	} {
		wantDecodeErr(t, encoding.JSON[user](), data, core.FlagText, "")
		wantDecodeErr(t, encoding.JSON[user](), data, 0, "")
	}
	wantDecodeErr(t, encoding.JSON[*user](), `{"order":1}`, core.FlagText, "no field")
	wantDecodeErr(t, encoding.JSON[**user](), `{"order":1}`, core.FlagText, "no field")
	wantDecodeErr(t, encoding.JSON[int](), "null", core.FlagText, "null")
	wantDecodeErr(t, encoding.JSON[string](), "null", core.FlagText, "null")
	wantDecodeErr(t, encoding.JSON[bool](), "null", core.FlagText, "null")
	wantDecodeErr(t, encoding.JSON[[2]int](), "null", core.FlagText, "null")
	wantDecodeErr(t, encoding.JSON[point](), "null", core.FlagText, "null")
	for _, data := range []string{
		"{}", " {} ", `{"Name":""}`, `{"age":0,"Name":""}`, `{"AGE":0}`,
		`{"age":0,"sum":7}`, `{"Name":"","more":{"age":7}}`,
	} {
		v, err := encoding.JSON[user]().Decode([]byte(data), core.FlagText)
		if v != (user{}) || err != nil {
			t.Errorf("Decode(%s) = %v, %v; want the zero user", data, v, err)
		}
	}
	v, err := encoding.JSON[writesNull]().Decode([]byte("null"), core.FlagText)
	if v.n != 0 || err != nil {
		t.Errorf("Decode(null) for a type that is encoded as null = %v, %v", v, err)
	}
	wantDecodeErr(t, encoding.JSON[takesNull](), "null", core.FlagText, "null")
	wantDecodeErr(t, encoding.JSON[time.Time](), "null", core.FlagText, "null")
	if v, err := encoding.JSON[big.Int]().Decode([]byte("null"), core.FlagText); err == nil {
		t.Errorf("Decode(null) for a big.Int = %v, want an error", &v)
	}
}

// A writesNull is null in JSON, in particular if it is zero.
type writesNull struct{ n int }

func (writesNull) MarshalJSON() ([]byte, error) { return []byte("null"), nil }

// A takesNull decodes null, and anything else, as zero.
type takesNull struct{ N int }

func (n *takesNull) UnmarshalJSON([]byte) error { return nil }

// Programs of two versions share a cache while one replaces the other.
func TestJSONReadsValuesOfOtherVersionsOfItsType(t *testing.T) {
	for data, want := range map[string]user{
		`{"Name":"Ann","age":40,"email":"ann@example.org"}`: {"Ann", 40},
		`{"Name":"Ann"}`:                       {Name: "Ann"},
		`{"email":"ann@example.org","age":40}`: {Age: 40},
	} {
		v, err := encoding.JSON[user]().Decode([]byte(data), core.FlagText)
		if v != want || err != nil {
			t.Errorf("Decode(%s) = %v, %v; want %v", data, v, err, want)
		}
	}
}

// Package encoding/json calls them only for addressable values.
func TestJSONCallsMethodsOfThePointer(t *testing.T) {
	v := byPointer{7}
	data, flags := encode(t, encoding.JSON[byPointer](), v)
	if string(data) != `"7"` {
		t.Errorf("stored as %s, want %q", data, "7")
	}
	if got, err := encoding.JSON[byPointer]().Decode(data, flags); got != v || err != nil {
		t.Errorf("Decode = %v, %v; want %v", got, err, v)
	}
}

// A byPointer is text, by methods of its pointer.
type byPointer struct{ n int }

func (p *byPointer) MarshalText() ([]byte, error) { return fmt.Append(nil, p.n), nil }
func (p *byPointer) UnmarshalText(b []byte) error {
	_, err := fmt.Sscan(string(b), &p.n)
	return err
}
