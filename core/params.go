package core

import (
	"errors"
	"fmt"
	"math"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Params reads the query of a driver's URL. It is strict: a parameter that is malformed,
// given twice or never read is an error. If a parameter is wrong, the method that reads it
// returns the default, and Err returns the error.
//
//	p := core.NewParams(u)
//	opts := Options{
//		Size:    p.Int("size", 10, 1, 1000),
//		Timeout: p.Duration("timeout", time.Second, time.Millisecond),
//	}
//	if err := p.Err(); err != nil {
//		return nil, err
//	}
//
// Params must not be used by several goroutines at once.
type Params struct {
	values url.Values
	asked  []string // the names of the parameters that were read
	wrong  []string // one text for each mistake
}

// NewParams returns the parameters of u.
func NewParams(u *url.URL) *Params {
	values, err := url.ParseQuery(u.RawQuery)
	p := &Params{values: values}
	if err != nil {
		p.wrong = append(p.wrong, "malformed query: want name=value&name=value")
	}
	return p
}

// String returns the value of the parameter called name, or def if it is absent.
func (p *Params) String(name, def string) string {
	text, ok := p.one(name)
	if !ok {
		return def
	}
	return text
}

// Strings returns all values of the parameter called name, in order. This parameter may be
// given many times.
func (p *Params) Strings(name string) []string {
	p.asked = append(p.asked, name)
	return p.values[name]
}

// Int returns the value of the parameter called name, or def if it is absent. The value is
// a whole number from lo to hi. If hi is math.MaxInt, there is no upper bound.
func (p *Params) Int(name string, def, lo, hi int) int {
	text, ok := p.one(name)
	if !ok {
		return def
	}
	n, err := strconv.Atoi(text)
	switch {
	case errors.Is(err, strconv.ErrRange) && n > 0 || err == nil && n > hi:
		p.wrong = append(
			p.wrong,
			fmt.Sprintf("parameter %s: too large; want a whole number from %d to %d", name, lo, hi),
		)
	case err != nil || n < lo:
		want := fmt.Sprintf("a whole number from %d to %d", lo, hi)
		if hi == math.MaxInt {
			want = fmt.Sprintf("a whole number, %d or more", lo)
		}
		p.refuse(name, want)
	default:
		return n
	}
	return def
}

// Choice returns the index in choices of the value of the parameter called name. If it is
// absent, Choice returns 0: the first choice is the default.
func (p *Params) Choice(name string, choices ...string) int {
	text, ok := p.one(name)
	if !ok {
		return 0
	}
	if i := slices.Index(choices, text); i >= 0 {
		return i
	}
	p.refuse(name, "one of "+strings.Join(choices, ", "))
	return 0
}

// Bool returns the value of the parameter called name, or def if it is absent. The value is
// true or false.
func (p *Params) Bool(name string, def bool) bool {
	switch text, ok := p.one(name); {
	case !ok:
	case text == "true":
		return true
	case text == "false":
		return false
	default:
		p.refuse(name, "true or false")
	}
	return def
}

// Duration returns the value of the parameter called name, or def if it is absent. The
// value has the form of time.ParseDuration, and is not shorter than least.
func (p *Params) Duration(name string, def, least time.Duration) time.Duration {
	text, ok := p.one(name)
	if !ok {
		return def
	}
	d, err := time.ParseDuration(text)
	if err != nil || d < least {
		p.refuse(name, fmt.Sprintf("a duration like 250ms, 15s or 1h30m, and at least %v", least))
		return def
	}
	return d
}

var sizeUnits = []struct {
	suffix string
	bytes  int64
}{
	{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"TiB", 1 << 40}, {"", 1},
}

// Bytes returns the value of the parameter called name, or def if it is absent. The value
// is a number of bytes, with or without one of the units KiB, MiB, GiB and TiB.
func (p *Params) Bytes(name string, def int64) int64 {
	text, ok := p.one(name)
	if !ok {
		return def
	}
	for _, unit := range sizeUnits {
		digits, found := strings.CutSuffix(text, unit.suffix)
		if !found {
			continue
		}
		n, err := strconv.ParseInt(digits, 10, 64)
		switch {
		case n > math.MaxInt64/unit.bytes, errors.Is(err, strconv.ErrRange) && n > 0:
			p.wrong = append(
				p.wrong,
				fmt.Sprintf(
					"parameter %s: too large; want at most %d bytes",
					name,
					int64(math.MaxInt64),
				),
			)
			return def
		case err == nil && n >= 0:
			return n * unit.bytes
		}
		break
	}
	p.refuse(name, "a number of bytes like 65536, 512KiB, 64MiB or 2GiB")
	return def
}

// NoHost makes Err return an error if u has anything between its scheme and its query, or a
// fragment. It is for drivers that connect to nothing.
func (p *Params) NoHost(u *url.URL) {
	if u.Host != "" || u.Path != "" || u.Opaque != "" || u.User != nil || u.Fragment != "" {
		p.wrong = append(p.wrong, fmt.Sprintf("want %s://, then nothing or ?name=value", u.Scheme))
	}
}

// Err returns an ErrConfig that lists all mistakes, or nil if there are none. Call it last:
// a parameter that has not been read before is a mistake, too.
func (p *Params) Err() error {
	wrong := slices.Clone(p.wrong)
	for name := range p.values {
		if slices.Contains(p.asked, name) {
			continue
		}
		known := slices.Compact(slices.Sorted(slices.Values(p.asked)))
		known = append(known, "prefix", "default_ttl") // parameters of core
		wrong = append(
			wrong,
			fmt.Sprintf("unknown parameter %q; known: %s", name, strings.Join(known, ", ")),
		)
	}
	return configError(wrong)
}

func configError(wrong []string) error {
	if len(wrong) == 0 {
		return nil
	}
	slices.Sort(wrong)
	return fmt.Errorf("%w: %s", ErrConfig, strings.Join(slices.Compact(wrong), "; "))
}

// one returns the value of the parameter called name, and reports whether it is given once.
func (p *Params) one(name string) (string, bool) {
	p.asked = append(p.asked, name)
	switch values := p.values[name]; len(values) {
	case 0:
		return "", false
	case 1:
		return values[0], true
	}
	p.wrong = append(
		p.wrong,
		fmt.Sprintf("parameter %s is given %d times, want one", name, len(p.values[name])),
	)
	return "", false
}

// refuse records that the parameter called name is wrong. It does not show the value,
// because it may be a secret that was meant for another parameter.
func (p *Params) refuse(name, want string) {
	p.wrong = append(p.wrong, fmt.Sprintf("parameter %s: want %s", name, want))
}
