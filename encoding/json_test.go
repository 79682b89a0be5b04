package encoding_test

import (
	"testing"

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
		`{"order":1}`, `{"Order":{"Name":"Ann"},"sum":7}`, `{"age":0,"sum":7}`, "\xf8cw\x01\x00{}"} {
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
	for _, data := range []string{"{}", " {} ", `{"Name":""}`, `{"age":0,"Name":""}`, `{"AGE":0}`} {
		if v, err := encoding.JSON[user]().Decode([]byte(data), core.FlagText); v != (user{}) || err != nil {
			t.Errorf("%s is %v, %v; want the zero user", data, v, err)
		}
	}
	if v, err := encoding.JSON[takesNull]().Decode([]byte("null"), core.FlagText); v.n != 0 || err != nil {
		t.Errorf("null for a type that reads it is %v, %v", v, err)
	}
}

// A takesNull reads null by itself.
type takesNull struct{ n int }

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
