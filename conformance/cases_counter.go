package conformance

import (
	"bytes"
	"errors"
	"fmt"
	"math"

	"github.com/cachewire/cachewire/core"
)

// checkChange changes a counter by delta, by Incr or Decr, and checks that every verb reads
// the new number.
func (e *env) checkChange(key string, delta int) {
	before, err := e.cache.Count(e.ctx, key)
	e.must("Count", err)
	want := before + uint64(delta)
	verb, change, by := "Incr", e.cache.Incr, uint64(delta)
	if delta < 0 {
		verb, change, by = "Decr", e.cache.Decr, uint64(-delta)
		want = before - min(before, by)
	}
	what := fmt.Sprintf("%s of %d by %d", verb, before, by)
	n, err := change(e.ctx, key, by)
	e.wantNumber(what, n, err, want)
	e.wantCount(key, want)
	e.wantDigits(key, fmt.Sprint(want))
	values, err := e.cache.GetMulti(e.ctx, []string{key})
	if got := string(bytes.TrimRight(values[key], " ")); err != nil || got != fmt.Sprint(want) {
		e.errorf("GetMulti after %s: %s and error %v, want %d", what, quote(got), err, want)
	}
	n, err = e.cache.Incr(e.ctx, key, 0)
	e.wantNumber("Incr by 0 after "+what, n, err, want)
}

var counterCases = []testCase{
	{
		id:   "incr-absent",
		rule: "Incr and Decr of an absent key return ErrMiss, and store nothing.",
		run: func(e *env) {
			n, err := e.cache.Incr(e.ctx, "n", 1)
			if !errors.Is(err, core.ErrMiss) || n != 0 {
				e.errorf("Incr: %d and error %v, want 0 and %v", n, err, core.ErrMiss)
			}
			n, err = e.cache.Decr(e.ctx, "n", 1)
			if !errors.Is(err, core.ErrMiss) || n != 0 {
				e.errorf("Decr: %d and error %v, want 0 and %v", n, err, core.ErrMiss)
			}
			e.wantMiss("n")
		},
	},
	{
		id:   "incr",
		rule: "Incr adds delta and returns the sum. Any value of decimal digits is a counter.",
		run: func(e *env) {
			e.set("n", "41")
			n, err := e.cache.Incr(e.ctx, "n", 1)
			e.wantNumber("Incr by 1", n, err, 42)
			n, err = e.cache.Incr(e.ctx, "n", 1000)
			e.wantNumber("Incr by 1000", n, err, 1042)
			n, err = e.cache.Incr(e.ctx, "n", 0)
			e.wantNumber("Incr by 0", n, err, 1042)
			e.wantCount("n", 1042)
		},
	},
	{
		id:   "decr",
		rule: "Decr subtracts delta and returns the difference.",
		run: func(e *env) {
			e.set("n", "42")
			n, err := e.cache.Decr(e.ctx, "n", 2)
			e.wantNumber("Decr by 2", n, err, 40)
			n, err = e.cache.Decr(e.ctx, "n", 0)
			e.wantNumber("Decr by 0", n, err, 40)
			e.wantCount("n", 40)
		},
	},
	{
		id:   "incr-wraps",
		rule: "Incr wraps around at 2^64.",
		run: func(e *env) {
			e.set("n", fmt.Sprint(uint64(math.MaxUint64)-1))
			n, err := e.cache.Incr(e.ctx, "n", 1)
			e.wantNumber("Incr to 2^64 - 1", n, err, math.MaxUint64)
			n, err = e.cache.Incr(e.ctx, "n", 1)
			e.wantNumber("Incr of 2^64 - 1", n, err, 0)
			n, err = e.cache.Incr(e.ctx, "n", math.MaxUint64)
			e.wantNumber("Incr by 2^64 - 1", n, err, math.MaxUint64)
			n, err = e.cache.Incr(e.ctx, "n", math.MaxUint64)
			e.wantNumber("Incr of 2^64 - 1 by 2^64 - 1", n, err, math.MaxUint64-1)
		},
	},
	{
		id:   "decr-floor",
		rule: "Decr stops at 0.",
		run: func(e *env) {
			e.set("n", "5")
			n, err := e.cache.Decr(e.ctx, "n", 6)
			e.wantNumber("Decr of 5 by 6", n, err, 0)
			n, err = e.cache.Decr(e.ctx, "n", math.MaxUint64)
			e.wantNumber("Decr of 0", n, err, 0)
			n, err = e.cache.Incr(e.ctx, "n", 1)
			e.wantNumber("Incr of 0", n, err, 1)
		},
	},
	{
		id: "counter-limits",
		rule: "Numbers near powers of 10, 2^31, 2^32, 2^53, 2^63 and 2^64 are exact, up and " +
			"down, and after each change all verbs read the same number.",
		run: func(e *env) {
			for i, limit := range []uint64{100, 1e10, 1 << 31, 1 << 32, 1 << 53, 1 << 63} {
				key := numbered("n", i)
				e.set(key, fmt.Sprint(limit-2))
				for _, delta := range []int{1, 1, 1, 2, -1, -2, -1, -1, 5} {
					e.checkChange(key, delta)
				}
			}
			e.set("top", fmt.Sprint(uint64(math.MaxUint64)-2))
			for _, delta := range []int{1, 1, 1, 1, 3, -2, -1, -1, -1} {
				e.checkChange("top", delta)
			}
		},
	},
	{
		id:   "decr-shorter",
		rule: "After a counter has lost a digit, all verbs read the same number.",
		run: func(e *env) {
			for _, from := range []uint64{10, 100, 1e6, 1e19} {
				e.set("n", fmt.Sprint(from))
				n, err := e.cache.Decr(e.ctx, "n", 1)
				e.wantNumber(fmt.Sprintf("Decr of %d", from), n, err, from-1)
				e.wantCount("n", from-1)
				e.wantDigits("n", fmt.Sprint(from-1))
				n, err = e.cache.Incr(e.ctx, "n", 1)
				e.wantNumber("Incr back", n, err, from)
			}
		},
	},
	{
		id:   "counter-spaces",
		rule: "Spaces after the digits are ignored, because Get returns them on some caches.",
		run: func(e *env) {
			e.set("n", "99 ")
			e.wantCount("n", 99)
			e.wantValue("n", "99 ")
			n, err := e.cache.Incr(e.ctx, "n", 2)
			e.wantNumber("Incr of \"99 \"", n, err, 101)
			e.set("n", "99  ")
			n, err = e.cache.Decr(e.ctx, "n", 2)
			e.wantNumber("Decr of \"99  \"", n, err, 97)
		},
	},
	{
		id:   "counter-read",
		rule: "Get and GetMulti return the digits of a counter.",
		run: func(e *env) {
			e.set("n", "7")
			_, err := e.cache.Incr(e.ctx, "n", 1)
			e.must("Incr", err)
			e.wantValue("n", "8")
			_, err = e.cache.Incr(e.ctx, "n", 1)
			e.must("Incr", err)
			got, err := e.cache.GetMulti(e.ctx, []string{"n"})
			e.must("GetMulti", err)
			e.wantValues("GetMulti", got, map[string]string{"n": "9"})
		},
	},
	{
		id:   "counter-set",
		rule: "Incr starts from the value that Set stored last, and Set replaces any counter.",
		run: func(e *env) {
			e.set("n", "1")
			_, err := e.cache.Incr(e.ctx, "n", 1)
			e.must("Incr", err)
			e.set("n", "50")
			n, err := e.cache.Incr(e.ctx, "n", 1)
			e.wantNumber("Incr after Set", n, err, 51)
			e.set("n", "text")
			e.wantValue("n", "text")
			_, err = e.cache.Incr(e.ctx, "n", 1)
			e.want("Incr of text that was a counter", err, core.ErrNotNumber)
		},
	},
	{
		id:   "counter-zeros",
		rule: "Leading zeros stay until the counter changes, and do not affect its number.",
		run: func(e *env) {
			e.set("n", "0010")
			e.wantValue("n", "0010")
			e.wantCount("n", 10)
			n, err := e.cache.Incr(e.ctx, "n", 1)
			e.wantNumber("Incr of \"0010\"", n, err, 11)
		},
	},
	{
		id: "counter-verbs",
		rule: "Touch, DeleteMulti, SetMulti and AddMulti treat a counter that Incr has changed " +
			"like any other item.",
		run: func(e *env) {
			storeAndIncr := func(key string) {
				e.set(key, "5")
				_, err := e.cache.Incr(e.ctx, key, 1)
				e.must("Incr", err)
			}
			storeAndIncr("touched")
			e.must("Touch", e.cache.Touch(e.ctx, "touched", longTTL))
			e.wantCount("touched", 6)
			storeAndIncr("deleted")
			e.must("DeleteMulti", e.cache.DeleteMulti(e.ctx, []string{"deleted"}))
			e.wantMiss("deleted")
			storeAndIncr("set")
			e.must("SetMulti", e.cache.SetMulti(e.ctx, bytesOf(map[string]string{"set": "70"}), 0))
			n, err := e.cache.Incr(e.ctx, "set", 1)
			e.wantNumber("Incr after SetMulti", n, err, 71)
			e.wantFailures("AddMulti",
				e.cache.AddMulti(e.ctx, bytesOf(map[string]string{"set": "1"}), 0),
				map[string]error{"set": core.ErrExists})
			e.wantCount("set", 71)
		},
	},
	{
		id: "incr-not-number",
		rule: "If a value is not the decimal digits of a number up to 2^64 - 1, Incr, Decr and " +
			"Count return ErrNotNumber, and the value stays as it is.",
		run: func(e *env) {
			for _, value := range []string{
				"", "abc", "-1", " -5", "+ 5", "1.0", "1.5", "1e3", "0x5", "0x10", "0b1", "12a",
				"1_000", "1,000", "٣", "５", "NaN", "true",
				"18446744073709551616", "99999999999999999999", "123456789012345678901",
			} {
				e.set("n", value)
				_, err := e.cache.Incr(e.ctx, "n", 1)
				e.want("Incr of "+quote(value), err, core.ErrNotNumber)
				_, err = e.cache.Decr(e.ctx, "n", 1)
				e.want("Decr of "+quote(value), err, core.ErrNotNumber)
				_, err = e.cache.Count(e.ctx, "n")
				e.want("Count of "+quote(value), err, core.ErrNotNumber)
				e.wantValue("n", value)
			}
		},
	},
	{
		id: "incr-loose-number",
		rule: "Count, Incr and Decr return ErrNotNumber for white space or a sign before the " +
			"digits, and for white space other than spaces, a NUL or a second number after them. " +
			"If Traits.LooseNumbers is set, Incr and Decr may count the digits instead.",
		run: func(e *env) {
			loose := e.cache.Traits().LooseNumbers
			for _, value := range []string{
				"+5", " 5", " +5", "\t5", "\n5", "5\n", "5\r\n", "5\t", "5\v", "5\x00", "5 6",
			} {
				for verb, count := range map[string]func() (uint64, error){
					"Incr": func() (uint64, error) { return e.cache.Incr(e.ctx, "n", 2) },
					"Decr": func() (uint64, error) { return e.cache.Decr(e.ctx, "n", 2) },
				} {
					e.set("n", value)
					_, err := e.cache.Count(e.ctx, "n")
					e.want("Count of "+quote(value), err, core.ErrNotNumber)
					n, err := count()
					if loose && err == nil {
						want := map[string]uint64{"Incr": 7, "Decr": 3}[verb]
						e.wantNumber(verb+" of "+quote(value), n, err, want)
						e.wantCount("n", want)
						continue
					}
					e.want(verb+" of "+quote(value), err, core.ErrNotNumber)
					e.wantValue("n", value)
				}
			}
		},
	},
	{
		id:   "incr-flags",
		rule: "Incr and Decr keep the flags.",
		run: func(e *env) {
			if e.cache.Traits().NoFlags {
				e.decline("Item.Flags, by Traits.NoFlags")
				return
			}
			e.must("Store", e.cache.Store(e.ctx, core.Set,
				core.Item{Key: "n", Value: []byte("1"), Flags: core.FlagInt}))
			_, err := e.cache.Incr(e.ctx, "n", 1)
			e.must("Incr", err)
			_, err = e.cache.Decr(e.ctx, "n", 1)
			e.must("Decr", err)
			if got := e.item("n").Flags; got != e.readFlags(core.FlagInt) {
				e.errorf("flags: %#x, want %#x", got, e.readFlags(core.FlagInt))
			}
		},
	},
	{
		id: "incrfrom-absent",
		rule: "IncrFrom and DecrFrom of an absent key store initial plus or minus delta, with " +
			"the flag of an integer.",
		run: func(e *env) {
			n, err := e.cache.IncrFrom(e.ctx, "up", 5, 10, longTTL)
			e.wantNumber("IncrFrom 10 by 5", n, err, 15)
			e.wantCount("up", 15)
			n, err = e.cache.DecrFrom(e.ctx, "down", 4, 10, 0)
			e.wantNumber("DecrFrom 10 by 4", n, err, 6)
			n, err = e.cache.DecrFrom(e.ctx, "floor", 11, 10, 0)
			e.wantNumber("DecrFrom 10 by 11", n, err, 0)
			n, err = e.cache.IncrFrom(e.ctx, "wrap", 2, math.MaxUint64, 0)
			e.wantNumber("IncrFrom 2^64 - 1 by 2", n, err, 1)
			got, want := e.item("up").Flags, e.readFlags(core.FlagInt)
			if got != want && !e.cache.Traits().NoFlags {
				e.errorf("flags: %#x, want %#x", got, want)
			}
		},
	},
	{
		id: "incrfrom-present",
		rule: "IncrFrom and DecrFrom of a key that is present change the counter, and ignore " +
			"initial.",
		run: func(e *env) {
			e.set("n", "7")
			n, err := e.cache.IncrFrom(e.ctx, "n", 3, 1000, 0)
			e.wantNumber("IncrFrom", n, err, 10)
			n, err = e.cache.DecrFrom(e.ctx, "n", 4, 1000, 0)
			e.wantNumber("DecrFrom", n, err, 6)
			e.set("text", "abc")
			_, err = e.cache.IncrFrom(e.ctx, "text", 1, 1, 0)
			e.want("IncrFrom of text", err, core.ErrNotNumber)
			e.wantValue("text", "abc")
		},
	},
	{
		id:   "count-absent",
		rule: "Count of an absent key returns ErrMiss, not 0.",
		run: func(e *env) {
			if n, err := e.cache.Count(e.ctx, "n"); err != core.ErrMiss {
				e.errorf("Count: %d and error %v, want %v", n, err, core.ErrMiss)
			}
		},
	},
}
