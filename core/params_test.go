package core_test

import (
	"errors"
	"fmt"
	"math"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cachewire/cachewire/core"
)

func params(query string) *core.Params { return core.NewParams(&url.URL{RawQuery: query}) }

// The parameter is called a in each case.
func TestParamsReadAndCheckOneParameter(t *testing.T) {
	str := func(p *core.Params) any { return p.String("a", "def") }
	num := func(p *core.Params) any { return p.Int("a", 7, -5, 100) }
	defaultTrue := func(p *core.Params) any { return p.Bool("a", true) }
	defaultFalse := func(p *core.Params) any { return p.Bool("a", false) }
	dur := func(p *core.Params) any { return p.Duration("a", time.Minute, 0) }
	atLeast1ms := func(p *core.Params) any { return p.Duration("a", time.Minute, time.Millisecond) }
	size := func(p *core.Params) any { return p.Bytes("a", 7) }
	choose := func(p *core.Params) any { return p.Choice("a", "red", "green", "blue") }
	const (
		tooLarge     = "parameter a: too large; want a whole number from -5 to 100"
		tooManyBytes = "parameter a: too large; want at most 9223372036854775807 bytes"
		wantInt      = "parameter a: want a whole number from -5 to 100"
		wantBool     = "parameter a: want true or false"
		wantDuration = "parameter a: want a duration like 250ms, 15s or 1h30m, and at least "
		wantBytes    = "parameter a: want a number of bytes like 65536, 512KiB, 64MiB or 2GiB"
		wantChoice   = "parameter a: want one of red, green, blue"
		repeated     = "parameter a is given 2 times, want one"
	)
	for _, test := range []struct {
		read  func(p *core.Params) any
		query string
		want  any
		wrong string // the text of the error after its sentinel, or "" for none
	}{
		{str, "", "def", ""},
		{str, "a=x", "x", ""},
		{str, "a=", "", ""},
		{str, "a", "", ""},
		{str, "a=%20x%26", " x&", ""},
		{str, "a=x&a=y", "def", repeated},
		{str, "a=x&a=x", "def", repeated},

		{num, "", 7, ""},
		{num, "a=0", 0, ""},
		{num, "a=-5", -5, ""},
		{num, "a=100", 100, ""},
		{num, "a=101", 7, tooLarge},
		{num, "a=-6", 7, wantInt},
		{num, "a=", 7, wantInt},
		{num, "a=1.0", 7, wantInt},
		{num, "a=1e1", 7, wantInt},
		{num, "a=0x1", 7, wantInt},
		{num, "a=1_0", 7, wantInt},
		{num, "a=%201", 7, wantInt},
		{num, "a=99999999999999999999", 7, tooLarge},
		{num, "a=-99999999999999999999", 7, wantInt},
		{num, "a=1&a=2", 7, repeated},

		{defaultTrue, "", true, ""},
		{defaultFalse, "", false, ""},
		{defaultFalse, "a=true", true, ""},
		{defaultTrue, "a=false", false, ""},
		{defaultTrue, "a=", true, wantBool},
		{defaultFalse, "a", false, wantBool},
		{defaultFalse, "a=1", false, wantBool},
		{defaultFalse, "a=TRUE", false, wantBool},
		{defaultFalse, "a=yes", false, wantBool},
		{defaultFalse, "a=true&a=true", false, repeated},

		{choose, "", 0, ""},
		{choose, "a=red", 0, ""},
		{choose, "a=blue", 2, ""},
		{choose, "a=", 0, wantChoice},
		{choose, "a=Blue", 0, wantChoice},
		{choose, "a=blu", 0, wantChoice},
		{choose, "a=1", 0, wantChoice},
		{choose, "a=blue&a=blue", 0, repeated},

		{dur, "", time.Minute, ""},
		{dur, "a=0", time.Duration(0), ""},
		{dur, "a=250ms", 250 * time.Millisecond, ""},
		{dur, "a=1h30m", 90 * time.Minute, ""},
		{dur, "a=1.5s", 1500 * time.Millisecond, ""},
		{dur, "a=-1ns", time.Minute, wantDuration + "0s"},
		{dur, "a=15", time.Minute, wantDuration + "0s"},
		{dur, "a=15d", time.Minute, wantDuration + "0s"},
		{dur, "a=", time.Minute, wantDuration + "0s"},
		{dur, "a=9999999999h", time.Minute, wantDuration + "0s"},
		{dur, "a=1s&a=2s", time.Minute, repeated},
		{atLeast1ms, "a=1ms", time.Millisecond, ""},
		{atLeast1ms, "a=999us", time.Minute, wantDuration + "1ms"},
		{atLeast1ms, "a=0", time.Minute, wantDuration + "1ms"},

		{size, "", int64(7), ""},
		{size, "a=0", int64(0), ""},
		{size, "a=65536", int64(65536), ""},
		{size, "a=1KiB", int64(1024), ""},
		{size, "a=512KiB", int64(524288), ""},
		{size, "a=64MiB", int64(67108864), ""},
		{size, "a=2GiB", int64(2147483648), ""},
		{size, "a=3TiB", int64(3298534883328), ""},
		{size, "a=9223372036854775807", int64(math.MaxInt64), ""},
		{size, "a=9223372036854775808", int64(7), tooManyBytes},
		{size, "a=8388607TiB", int64(8388607) << 40, ""},
		{size, "a=8388608TiB", int64(7), tooManyBytes}, // 2^63
		{size, "a=9007199254740991KiB", int64(9007199254740991) << 10, ""},
		{size, "a=9007199254740992KiB", int64(7), tooManyBytes},
		{size, "a=16777216TiB", int64(7), tooManyBytes}, // 2^64, which wraps to 0
		{size, "a=-1", int64(7), wantBytes},
		{size, "a=-1KiB", int64(7), wantBytes},
		{size, "a=", int64(7), wantBytes},
		{size, "a=KiB", int64(7), wantBytes},
		{size, "a=1kib", int64(7), wantBytes},
		{size, "a=1KB", int64(7), wantBytes},
		{size, "a=1K", int64(7), wantBytes},
		{size, "a=1%20KiB", int64(7), wantBytes},
		{size, "a=1.5MiB", int64(7), wantBytes},
		{size, "a=1KiBKiB", int64(7), wantBytes},
		{size, "a=1PiB", int64(7), wantBytes},
		{size, "a=1&a=2", int64(7), repeated},
	} {
		p := params(test.query)
		if got := test.read(p); got != test.want {
			t.Errorf("%q: the value is %#v, want %#v", test.query, got, test.want)
		}
		wantParamsErr(t, test.query, p.Err(), test.wrong)
	}
}

// wantParamsErr fails the test unless err is ErrConfig with the text wrong after its
// sentinel, or nil if wrong is "".
func wantParamsErr(t *testing.T, query string, err error, wrong string) {
	t.Helper()
	if wrong == "" {
		if err != nil {
			t.Errorf("%q: error is %v, want none", query, err)
		}
		return
	}
	want := "cachewire: invalid configuration: " + wrong
	if !errors.Is(err, core.ErrConfig) || err.Error() != want {
		t.Errorf("%q: error is %v, want ErrConfig: %s", query, err, wrong)
	}
}

func TestErrorOfAnIntWithoutAnUpperBoundNamesOnlyTheLowerOne(t *testing.T) {
	p := params("a=-1")
	p.Int("a", 7, 0, math.MaxInt)
	wantParamsErr(t, "a=-1", p.Err(), "parameter a: want a whole number, 0 or more")
	p = params("a=99999999999999999999")
	p.Int("a", 7, 0, math.MaxInt)
	wantParamsErr(t, "a=99999999999999999999", p.Err(),
		fmt.Sprintf("parameter a: too large; want a whole number from 0 to %d", math.MaxInt))
	p = params("a=" + strconv.Itoa(math.MaxInt))
	if got := p.Int("a", 7, 0, math.MaxInt); got != math.MaxInt || p.Err() != nil {
		t.Errorf("Int = %d, %v; want %d", got, p.Err(), math.MaxInt)
	}
}

func TestStringsReturnsTheValuesInOrder(t *testing.T) {
	p := params("server=b&weight=1&server=a&server=b")
	if got, want := p.Strings("server"), []string{"b", "a", "b"}; !slices.Equal(got, want) {
		t.Errorf("Strings = %q, want %q", got, want)
	}
	if got := p.Strings("absent"); len(got) != 0 {
		t.Errorf("Strings of an absent parameter = %q, want none", got)
	}
	wantParamsErr(t, "", p.Err(),
		`unknown parameter "weight"; known: absent, server, prefix, default_ttl`)
}

func TestParamsErrListsEverythingThatIsWrongInOrder(t *testing.T) {
	for range 20 { // because the order of a map is random
		p := params("z=1&size=x&y=2&size2=1&size2=2&x=3")
		p.Int("size", 1, 0, 10)
		p.Int("size2", 1, 0, 10)
		wantParamsErr(t, "", p.Err(), `parameter size2 is given 2 times, want one; `+
			`parameter size: want a whole number from 0 to 10; `+
			`unknown parameter "x"; known: size, size2, prefix, default_ttl; `+
			`unknown parameter "y"; known: size, size2, prefix, default_ttl; `+
			`unknown parameter "z"; known: size, size2, prefix, default_ttl`)
	}
}

func TestParametersThatWereNotReadAreUnknown(t *testing.T) {
	wantParamsErr(t, "", params("a=1").Err(), `unknown parameter "a"; known: prefix, default_ttl`)
	wantParamsErr(t, "", params("").Err(), "")
}

func TestErrorOfAMalformedQueryDoesNotShowIt(t *testing.T) {
	for _, query := range []string{"a=%zz", "a=1;b=2", "%=1", "a=secret%2"} {
		p := params(query)
		p.String("a", "")
		p.String("b", "")
		wantParamsErr(t, query, p.Err(), "malformed query: want name=value&name=value")
	}
}

// A driver may call it twice: if p.Err() != nil { return nil, p.Err() }.
func TestParamsErrReturnsTheSameErrorAgain(t *testing.T) {
	p := params("a=1&b=x")
	p.Int("b", 0, 0, 1)
	first, second := p.Err(), p.Err()
	if first == nil || second == nil || first.Error() != second.Error() {
		t.Errorf("Err = %v, and then %v; want the same error", first, second)
	}
}

func TestParamsErrNeverShowsAValue(t *testing.T) {
	p := params("int=secret&bool=secret&duration=secret&bytes=secret" +
		"&string=secret&string=secret&other=secret")
	p.Int("int", 0, 0, 1)
	p.Bool("bool", false)
	p.Duration("duration", 0, 0)
	p.Bytes("bytes", 0)
	p.String("string", "")
	err := p.Err()
	wantErr(t, err, core.ErrConfig)
	if err != nil && strings.Contains(err.Error(), "secret") {
		t.Errorf("error is %q, which shows a value", err)
	}
}

func TestNoHostRefusesEverythingExceptTheQuery(t *testing.T) {
	for raw, ok := range map[string]bool{
		"memory://":             true,
		"memory:":               true,
		"memory://?a=1":         true,
		"memory:?a=1":           true,
		"memory://host":         false,
		"memory://:11211":       false,
		"memory:///path":        false,
		"memory:///":            false,
		"memory:opaque":         false,
		"memory://user@":        false,
		"memory://user:secret@": false,
		"memory://#fragment":    false,
	} {
		u, err := url.Parse(raw)
		if err != nil {
			t.Fatal(err)
		}
		p := core.NewParams(u)
		p.String("a", "")
		p.NoHost(u)
		wrong := "want memory://, then nothing or ?name=value"
		if ok {
			wrong = ""
		}
		wantParamsErr(t, raw, p.Err(), wrong)
	}
}
