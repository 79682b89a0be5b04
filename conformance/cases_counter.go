package conformance

import (
	"bytes"
	"errors"
	"fmt"
	"math"

	"github.com/cachewire/cachewire/core"
)

var counterCases = []testCase{
	{"incr-absent", "Incr and Decr of an absent key are ErrMiss, and nothing is stored.", func(e *env) {
		n, err := e.cache.Incr(e.ctx, "n", 1)
		if !errors.Is(err, core.ErrMiss) || n != 0 {
			e.errorf("Incr: %d and error %v, want 0 and %v", n, err, core.ErrMiss)
		}
		n, err = e.cache.Decr(e.ctx, "n", 1)
		if !errors.Is(err, core.ErrMiss) || n != 0 {
			e.errorf("Decr: %d and error %v, want 0 and %v", n, err, core.ErrMiss)
		}
		e.lacks("n")
	}},
	{"incr", "Incr adds and answers the sum; any value of decimal digits is a counter.", func(e *env) {
		e.set("n", "41")
		n, err := e.cache.Incr(e.ctx, "n", 1)
		e.moved("Incr by 1", n, err, 42)
		n, err = e.cache.Incr(e.ctx, "n", 1000)
		e.moved("Incr by 1000", n, err, 1042)
		n, err = e.cache.Incr(e.ctx, "n", 0)
		e.moved("Incr by 0", n, err, 1042)
		e.counts("n", 1042)
	}},
	{"decr", "Decr subtracts and answers the difference.", func(e *env) {
		e.set("n", "42")
		n, err := e.cache.Decr(e.ctx, "n", 2)
		e.moved("Decr by 2", n, err, 40)
		n, err = e.cache.Decr(e.ctx, "n", 0)
		e.moved("Decr by 0", n, err, 40)
		e.counts("n", 40)
	}},
	{"incr-wraps", "Incr wraps around at 2^64.", func(e *env) {
		e.set("n", fmt.Sprint(uint64(math.MaxUint64)-1))
		n, err := e.cache.Incr(e.ctx, "n", 1)
		e.moved("Incr to 2^64 - 1", n, err, math.MaxUint64)
		n, err = e.cache.Incr(e.ctx, "n", 1)
		e.moved("Incr of 2^64 - 1", n, err, 0)
		n, err = e.cache.Incr(e.ctx, "n", math.MaxUint64)
		e.moved("Incr by 2^64 - 1", n, err, math.MaxUint64)
		n, err = e.cache.Incr(e.ctx, "n", math.MaxUint64)
		e.moved("Incr of 2^64 - 1 by as much", n, err, math.MaxUint64-1)
	}},
	{"decr-floor", "Decr stops at 0.", func(e *env) {
		e.set("n", "5")
		n, err := e.cache.Decr(e.ctx, "n", 6)
		e.moved("Decr of 5 by 6", n, err, 0)
		n, err = e.cache.Decr(e.ctx, "n", math.MaxUint64)
		e.moved("Decr of 0", n, err, 0)
		n, err = e.cache.Incr(e.ctx, "n", 1)
		e.moved("Incr of 0", n, err, 1)
	}},
	{"decr-shorter", "A counter that loses a digit is still that number for every verb.", func(e *env) {
		for _, from := range []uint64{10, 100, 1e6, 1e19} {
			e.set("n", fmt.Sprint(from))
			n, err := e.cache.Decr(e.ctx, "n", 1)
			e.moved(fmt.Sprintf("Decr of %d", from), n, err, from-1)
			e.counts("n", from-1)
			value, err := e.cache.Get(e.ctx, "n")
			if digits := string(bytes.TrimRight(value, " ")); err != nil || digits != fmt.Sprint(from-1) {
				e.errorf("Get after Decr of %d: %q and error %v, want its digits, perhaps with spaces behind them", from, value, err)
			}
			n, err = e.cache.Incr(e.ctx, "n", 1)
			e.moved("Incr back", n, err, from)
		}
	}},
	{"counter-spaces", "Spaces behind the digits do not count, for Get answers them on some caches.", func(e *env) {
		e.set("n", "99 ")
		e.counts("n", 99)
		e.holds("n", "99 ")
		n, err := e.cache.Incr(e.ctx, "n", 2)
		e.moved("Incr of \"99 \"", n, err, 101)
		e.set("n", "99  ")
		n, err = e.cache.Decr(e.ctx, "n", 2)
		e.moved("Decr of \"99  \"", n, err, 97)
	}},
	{"counter-read", "A counter is read as its digits, by Get and GetMulti.", func(e *env) {
		e.set("n", "7")
		_, err := e.cache.Incr(e.ctx, "n", 1)
		e.must("Incr", err)
		e.holds("n", "8")
		_, err = e.cache.Incr(e.ctx, "n", 1)
		e.must("Incr", err)
		got, err := e.cache.GetMulti(e.ctx, []string{"n"})
		e.must("GetMulti", err)
		e.sameValues("GetMulti", got, map[string]string{"n": "9"})
	}},
	{"counter-set", "Set over a counter is seen by the next Incr, and the other way round.", func(e *env) {
		e.set("n", "1")
		_, err := e.cache.Incr(e.ctx, "n", 1)
		e.must("Incr", err)
		e.set("n", "50")
		n, err := e.cache.Incr(e.ctx, "n", 1)
		e.moved("Incr after Set", n, err, 51)
		e.set("n", "text")
		e.holds("n", "text")
		_, err = e.cache.Incr(e.ctx, "n", 1)
		e.want("Incr of text that was a counter", err, core.ErrNotNumber)
	}},
	{"counter-zeros", "Zeros before the digits stay until the counter moves, and count nothing.", func(e *env) {
		e.set("n", "0010")
		e.holds("n", "0010")
		e.counts("n", 10)
		n, err := e.cache.Incr(e.ctx, "n", 1)
		e.moved("Incr of \"0010\"", n, err, 11)
	}},
	{"counter-verbs", "A counter that has moved is an item like any other for Touch, DeleteMulti, SetMulti and StoreMulti.", func(e *env) {
		moved := func(key string) {
			e.set(key, "5")
			_, err := e.cache.Incr(e.ctx, key, 1)
			e.must("Incr", err)
		}
		moved("touched")
		e.must("Touch", e.cache.Touch(e.ctx, "touched", longTTL))
		e.counts("touched", 6)
		moved("deleted")
		e.must("DeleteMulti", e.cache.DeleteMulti(e.ctx, []string{"deleted"}))
		e.lacks("deleted")
		moved("set")
		e.must("SetMulti", e.cache.SetMulti(e.ctx, bytesOf(map[string]string{"set": "70"}), 0))
		n, err := e.cache.Incr(e.ctx, "set", 1)
		e.moved("Incr after SetMulti", n, err, 71)
		e.failsFor("AddMulti", e.cache.AddMulti(e.ctx, bytesOf(map[string]string{"set": "1"}), 0), map[string]error{"set": core.ErrExists})
		e.counts("set", 71)
	}},
	{"incr-not-number", "Incr and Decr of what is not decimal digits up to 2^64 - 1 are ErrNotNumber, and the value stays.", func(e *env) {
		for _, value := range []string{"", "abc", "-1", "1.5", "1e3", "0x10", "12a", "1_000", "٣", "18446744073709551616", "99999999999999999999"} {
			e.set("n", value)
			_, err := e.cache.Incr(e.ctx, "n", 1)
			e.want("Incr of "+show(value), err, core.ErrNotNumber)
			_, err = e.cache.Decr(e.ctx, "n", 1)
			e.want("Decr of "+show(value), err, core.ErrNotNumber)
			_, err = e.cache.Count(e.ctx, "n")
			e.want("Count of "+show(value), err, core.ErrNotNumber)
			e.holds("n", value)
		}
	}},
	{"incr-flags", "Incr and Decr keep the flags.", func(e *env) {
		if e.cache.Traits().NoFlags {
			e.decline("Item.Flags, by Traits.NoFlags")
			return
		}
		e.must("Store", e.cache.Store(e.ctx, core.Set, core.Item{Key: "n", Value: []byte("1"), Flags: core.FlagInt}))
		_, err := e.cache.Incr(e.ctx, "n", 1)
		e.must("Incr", err)
		_, err = e.cache.Decr(e.ctx, "n", 1)
		e.must("Decr", err)
		if got := e.item("n").Flags; got != core.FlagInt {
			e.errorf("flags: %#x, want %#x", got, core.FlagInt)
		}
	}},
	{"incrfrom-absent", "IncrFrom and DecrFrom of an absent key store initial moved by delta, as an integer.", func(e *env) {
		n, err := e.cache.IncrFrom(e.ctx, "up", 5, 10, longTTL)
		e.moved("IncrFrom 10 by 5", n, err, 15)
		e.counts("up", 15)
		n, err = e.cache.DecrFrom(e.ctx, "down", 4, 10, 0)
		e.moved("DecrFrom 10 by 4", n, err, 6)
		n, err = e.cache.DecrFrom(e.ctx, "floor", 11, 10, 0)
		e.moved("DecrFrom 10 by 11", n, err, 0)
		n, err = e.cache.IncrFrom(e.ctx, "wrap", 2, math.MaxUint64, 0)
		e.moved("IncrFrom 2^64 - 1 by 2", n, err, 1)
		if got := e.item("up").Flags; got != core.FlagInt && !e.cache.Traits().NoFlags {
			e.errorf("flags: %#x, want %#x", got, core.FlagInt)
		}
	}},
	{"incrfrom-present", "IncrFrom and DecrFrom of a key that is present move it, and initial means nothing.", func(e *env) {
		e.set("n", "7")
		n, err := e.cache.IncrFrom(e.ctx, "n", 3, 1000, 0)
		e.moved("IncrFrom", n, err, 10)
		n, err = e.cache.DecrFrom(e.ctx, "n", 4, 1000, 0)
		e.moved("DecrFrom", n, err, 6)
		e.set("text", "abc")
		_, err = e.cache.IncrFrom(e.ctx, "text", 1, 1, 0)
		e.want("IncrFrom of text", err, core.ErrNotNumber)
		e.holds("text", "abc")
	}},
	{"count-absent", "Count of an absent key is ErrMiss, not 0.", func(e *env) {
		if n, err := e.cache.Count(e.ctx, "n"); err != core.ErrMiss {
			e.errorf("Count: %d and error %v, want %v", n, err, core.ErrMiss)
		}
	}},
}
