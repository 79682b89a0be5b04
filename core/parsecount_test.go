package core_test

import (
	"math"
	"strconv"
	"strings"
	"testing"

	"github.com/cachewire/cachewire/core"
)

func TestParseCountAcceptsDigitsAndSpacesAfterThem(t *testing.T) {
	for value, want := range map[string]uint64{
		"0":                    0,
		"7":                    7,
		"42":                   42,
		"007":                  7,
		"1844674407370955161":  1844674407370955161, // a tenth of the largest
		"18446744073709551609": math.MaxUint64 - 6,
		"18446744073709551610": math.MaxUint64 - 5,
		"18446744073709551615": math.MaxUint64,
		"000000000000000000000018446744073709551615": math.MaxUint64,
		"9 ":                        9,
		"9                    ":     9,
		"18446744073709551615     ": math.MaxUint64,
	} {
		if got, err := core.ParseCount([]byte(value)); got != want || err != nil {
			t.Errorf("ParseCount(%q) = %d, %v; want %d", value, got, err, want)
		}
	}
}

func TestParseCountReturnsErrNotNumberForAnythingElse(t *testing.T) {
	for _, value := range []string{
		"", " ", "    ", "-1", "+1", "-0", " 9", "9 9", "1_000", "0x10", "1e3", "1.0",
		"9\n", "9\r\n", "9\t", "9\x00", "\x009",
		"18446744073709551616", "18446744073709551619", "18446744073709551620",
		"18446744073709551700", "27670116110564327424", "99999999999999999999",
		"184467440737095516150", "184467440737095516160",
		"100000000000000000000000000000000000000000",
		"٣", "½", "nine", "9a", "a9",
	} {
		if got, err := core.ParseCount([]byte(value)); got != 0 || err != core.ErrNotNumber {
			t.Errorf("ParseCount(%q) = %d, %v; want ErrNotNumber", value, got, err)
		}
	}
	if got, err := core.ParseCount(nil); got != 0 || err != core.ErrNotNumber {
		t.Errorf("ParseCount(nil) = %d, %v; want ErrNotNumber", got, err)
	}
}

// ParseCount agrees with strconv.ParseUint, except about spaces after the digits.
func FuzzParseCount(f *testing.F) {
	for _, seed := range []string{
		"", " ", "0", "18446744073709551615", "18446744073709551616",
		"9  ", " 9", "+1", "-1", "1_0", "0x1", "\xff",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, value []byte) {
		given := string(value)
		got, err := core.ParseCount(value)
		want, wantErr := strconv.ParseUint(strings.TrimRight(given, " "), 10, 64)
		if wantErr != nil {
			want = 0
		}
		if got != want || (err != nil) != (wantErr != nil) {
			t.Errorf("ParseCount(%q) = %d, %v; ParseUint returns %d, %v",
				given, got, err, want, wantErr)
		}
		if err != nil && err != core.ErrNotNumber {
			t.Errorf("error is %v, want ErrNotNumber", err)
		}
		if string(value) != given {
			t.Error("ParseCount changed the value")
		}
	})
}
