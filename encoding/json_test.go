package encoding_test

import (
	"fmt"
	"math/big"
	"testing"
	"time"

	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/encoding"
)

func TestJSONIsTextThatAnyProgramReads(t *testing.T) {
	data, flags := encode(t, encoding.JSON[user](), user{"Ann <ann@x>", 40})
	if want := `{"Name":"Ann \u003cann@x\u003e","age":40}`; string(data) != want || flags != core.FlagText {
		t.Errorf("stored as %q with flags %d, want %q with %d", data, flags, want, core.FlagText)
	}
}

// A zero value is answered only where one was stored.
func TestJSONAnswersNoZeroValueThatNobodyStored(t *testing.T) {
	for _, data := range []string{"", " ", "null", " null\n", "{", `{"Name":"Ann"`, `{"Name":"Ann"}x`, `{}{}`, "[]", "7", `"text"`,
		`{"order":1}`, `{"Order":{"Name":"Ann"},"sum":7}`, "\xf8cw\x01\x00{}"} {
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
	for _, data := range []string{"{}", " {} ", `{"Name":""}`, `{"age":0,"Name":""}`, `{"AGE":0}`, `{"age":0,"sum":7}`, `{"Name":"","more":{"age":7}}`} {
		if v, err := encoding.JSON[user]().Decode([]byte(data), core.FlagText); v != (user{}) || err != nil {
			t.Errorf("%s is %v, %v; want the zero user", data, v, err)
		}
	}
	if v, err := encoding.JSON[writesNull]().Decode([]byte("null"), core.FlagText); v.n != 0 || err != nil {
		t.Errorf("null for a type that writes it is %v, %v", v, err)
	}
	wantDecodeErr(t, encoding.JSON[takesNull](), "null", core.FlagText, "null")
	wantDecodeErr(t, encoding.JSON[time.Time](), "null", core.FlagText, "null")
	if v, err := encoding.JSON[big.Int]().Decode([]byte("null"), core.FlagText); err == nil {
		t.Errorf("null as a number is %v", v)
	}
}

// A writesNull is null when it is zero.
type writesNull struct{ n int }

func (writesNull) MarshalJSON() ([]byte, error) { return []byte("null"), nil }

// A takesNull reads null, and anything else, as zero.
type takesNull struct{ N int }

func (n *takesNull) UnmarshalJSON([]byte) error { return nil }

// Programs of two versions share a cache while one replaces the other.
func TestJSONReadsTheValuesOfOtherVersionsOfItsType(t *testing.T) {
	for data, want := range map[string]user{
		`{"Name":"Ann","age":40,"email":"ann@example.org"}`: {"Ann", 40},
		`{"Name":"Ann"}`:                       {Name: "Ann"},
		`{"email":"ann@example.org","age":40}`: {Age: 40},
	} {
		if v, err := encoding.JSON[user]().Decode([]byte(data), core.FlagText); v != want || err != nil {
			t.Errorf("%s is %v, %v; want %v", data, v, err, want)
		}
	}
}

// As encoding/json does with values that have an address.
func TestJSONCallsMethodsOfThePointer(t *testing.T) {
	v := byPointer{7}
	data, flags := encode(t, encoding.JSON[byPointer](), v)
	if string(data) != `"7"` {
		t.Errorf("stored as %s", data)
	}
	if got, err := encoding.JSON[byPointer]().Decode(data, flags); got != v || err != nil {
		t.Errorf("comes back as %v, %v", got, err)
	}
}

type byPointer struct{ n int }

func (p *byPointer) MarshalText() ([]byte, error) { return fmt.Append(nil, p.n), nil }
func (p *byPointer) UnmarshalText(b []byte) error { _, err := fmt.Sscan(string(b), &p.n); return err }
