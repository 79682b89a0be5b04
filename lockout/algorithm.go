package lockout

import (
	"math"
	"math/bits"
	"strconv"
	"strings"
	"time"
)

// An Algorithm is how a counter forgets what it has counted.
type Algorithm uint8

const (
	// FixedWindow forgets all at once, Period after the first: around that moment there
	// can be twice Count, less one. It is a counter of the cache, shared with Python, and
	// goes by the cache's clock.
	FixedWindow Algorithm = 1 + iota

	// SlidingWindow divides time into periods that are the same for all, and takes a share
	// of the period before, as if it had come evenly: no moment lets everybody in. Within
	// a Period there can be twice Count, where it came all at the end of the one before.
	SlidingWindow

	// TokenBucket is the generic cell rate algorithm (GCRA): there is room for one more
	// each Period/Count, and for Count at once after a Period of rest. Within a Period
	// there can be twice Count, less one.
	TokenBucket
)

// A limit is the part of a counter that algorithms know of.
type limit struct {
	algorithm Algorithm
	count     uint64
	period    time.Duration
}

// A state is what a SlidingWindow or a TokenBucket keeps in the cache. Times are in
// nanoseconds since 1970. The zero state is that of nobody counted.
type state struct {
	at int64 // SlidingWindow: number of the period; TokenBucket: when it is full again

	before, now uint64 // SlidingWindow: how many there were in the period before, and in this one
}

// parse reads a state. What is not one is as good as nothing: it counted something else.
func (l limit) parse(value []byte) state {
	text := string(value)
	at, counts, two := strings.Cut(text, " ")
	var s state
	var err [3]error
	s.at, err[0] = strconv.ParseInt(at, 10, 64)
	if l.algorithm == SlidingWindow {
		before, now, _ := strings.Cut(counts, " ")
		s.before, err[1] = strconv.ParseUint(before, 10, 64)
		s.now, err[2] = strconv.ParseUint(now, 10, 64)
	}
	if err != [3]error{} || two != (l.algorithm == SlidingWindow) {
		return state{}
	}
	s.before, s.now = min(s.before, l.count), min(s.now, l.count) // there may have been room for more
	return s
}

// append writes s as parse reads it.
func (l limit) append(dst []byte, s state) []byte {
	dst = strconv.AppendInt(dst, s.at, 10)
	if l.algorithm == SlidingWindow {
		dst = strconv.AppendUint(append(dst, ' '), s.before, 10)
		dst = strconv.AppendUint(append(dst, ' '), s.now, 10)
	}
	return dst
}

// each is after how long there is room for one more in a TokenBucket, rounded up.
func (l limit) each() int64 { return (int64(l.period)-1)/int64(l.count) + 1 }

// roll answers s at the time now, which changes nothing but the numbers. A clock that is
// behind counts in the newest period, so that two that differ count the same ones.
func (l limit) roll(s state, now int64) state {
	if l.algorithm == TokenBucket {
		return state{at: min(max(s.at, now), now+int64(l.count)*l.each())}
	}
	switch at := now / int64(l.period); {
	case s.at >= at:
		s.at = min(s.at, math.MaxInt64/int64(l.period)-3)
		return s
	case s.at == at-1:
		return state{at: at, before: s.now}
	default:
		return state{at: at}
	}
}

// used answers how many count at the time now; s is rolled.
func (l limit) used(s state, now int64) uint64 {
	if l.algorithm == TokenBucket {
		each := l.each()
		return uint64((s.at - now + each - 1) / each)
	}
	left := int64(l.period) - max(0, now-s.at*int64(l.period))
	hi, lo := bits.Mul64(s.before, uint64(left))
	share, _ := bits.Div64(hi, lo, uint64(l.period))
	return s.now + share
}

// when answers the time from which on no more than n count, if none is added; s is rolled
// and more than n count now.
func (l limit) when(s state, n uint64, now int64) int64 {
	if l.algorithm == TokenBucket {
		return s.at - int64(n)*l.each()
	}
	when := s.at * int64(l.period)
	if s.now > n { // not in this period
		when += int64(l.period) + l.decayed(s.now, n)
	} else {
		when += l.decayed(s.before, n-s.now)
	}
	return min(when, now+l.longest())
}

// longest is for how long a state is kept that a clock far ahead has written.
func (l limit) longest() int64 { return 3 * int64(l.period) }

// decayed answers how far into a period no more than n of the before count.
func (l limit) decayed(before, n uint64) int64 {
	if before <= n {
		return 0
	}
	// The longest rest of the period of which less than n+1 of before are left.
	hi, lo := bits.Mul64(uint64(l.period), n+1)
	lo, borrow := bits.Sub64(lo, 1, 0)
	rest, _ := bits.Div64(hi-borrow, lo, before)
	return int64(l.period) - int64(rest)
}

// add counts one more in s, which is rolled.
func (l limit) add(s state) state {
	if l.algorithm == TokenBucket {
		s.at += l.each()
	} else {
		s.now++
	}
	return s
}

// remove takes one back from s, which is rolled, as far as it still counts. In a
// TokenBucket that does so less and less, beginning at the time since.
func (l limit) remove(s state, now, since int64) state {
	switch {
	case l.algorithm == TokenBucket:
		s.at -= max(0, l.each()-max(0, now-since))
	case s.now > 0:
		s.now--
	case s.before > 0:
		s.before--
	}
	return s
}

// ttl answers for how long s has to be kept.
func (l limit) ttl(s state, now int64) time.Duration {
	end := s.at
	if l.algorithm == SlidingWindow {
		end = (s.at + 2) * int64(l.period)
	}
	return max(time.Duration(min(end-now, l.longest())), time.Second)
}
