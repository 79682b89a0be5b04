package lockout

import (
	"math"
	"math/bits"
	"strconv"
	"strings"
	"time"
)

// An Algorithm decides how a counter forgets what it has counted.
type Algorithm uint8

const (
	// FixedWindow forgets everything at once, one Period after the first was counted.
	// Around that moment, up to twice Count less one pass within a Period. It is a counter
	// of the cache, which Python programs share, and it uses the clock of the cache.
	FixedWindow Algorithm = 1 + iota

	// SlidingWindow divides the time since 1970 into periods. To the count of this period
	// it adds a share of the count of the period before, as if that had come evenly
	// spread, so that there is no moment at which the whole Count is free again. Up to
	// twice Count pass within a Period, if those of the period before came at its end.
	SlidingWindow

	// TokenBucket is the generic cell rate algorithm (GCRA). There is room for one more
	// every Period/Count, and for Count at once after a Period without any. Up to twice
	// Count less one pass within a Period.
	TokenBucket
)

// A limit is the part of a counter that the algorithms use.
type limit struct {
	algorithm Algorithm
	count     uint64
	period    time.Duration
}

// A state is what a SlidingWindow or a TokenBucket keeps in the cache. Times are in
// nanoseconds since 1970. In the zero state nothing is counted.
type state struct {
	at int64 // SlidingWindow: number of the period; TokenBucket: when it is full again

	before, now uint64 // SlidingWindow: the counts of the period before and of this one
}

// parse returns the state that value holds. If value holds none, it was not written by this
// algorithm, and parse returns the zero state.
func (l limit) parse(value []byte) state {
	text := string(value)
	at, counts, hasCounts := strings.Cut(text, " ")
	var s state
	var errs [3]error
	s.at, errs[0] = strconv.ParseInt(at, 10, 64)
	if l.algorithm == SlidingWindow {
		before, now, _ := strings.Cut(counts, " ")
		s.before, errs[1] = strconv.ParseUint(before, 10, 64)
		s.now, errs[2] = strconv.ParseUint(now, 10, 64)
	}
	if errs != [3]error{} || hasCounts != (l.algorithm == SlidingWindow) {
		return state{}
	}
	// The count may have been lowered since the state was written.
	s.before, s.now = min(s.before, l.count), min(s.now, l.count)
	return s
}

// append appends s to dst in the form that parse reads.
func (l limit) append(dst []byte, s state) []byte {
	dst = strconv.AppendInt(dst, s.at, 10)
	if l.algorithm == SlidingWindow {
		dst = strconv.AppendUint(append(dst, ' '), s.before, 10)
		dst = strconv.AppendUint(append(dst, ' '), s.now, 10)
	}
	return dst
}

// interval returns the time after which a TokenBucket has room for one more, rounded up.
func (l limit) interval() int64 { return (int64(l.period)-1)/int64(l.count) + 1 }

// advance returns s as it is at the time now. Its numbers change, its meaning does not. If
// the clock of this machine is behind, the newest period of s stays, so that machines whose
// clocks differ count in the same one.
func (l limit) advance(s state, now int64) state {
	if l.algorithm == TokenBucket {
		return state{at: min(max(s.at, now), now+int64(l.count)*l.interval())}
	}
	switch at := now / int64(l.period); {
	case s.at >= at:
		s.at = min(s.at, math.MaxInt64/int64(l.period)-3) // later times would overflow
		return s
	case s.at == at-1:
		return state{at: at, before: s.now}
	default:
		return state{at: at}
	}
}

// used returns how many count at the time now, to which s has been advanced.
func (l limit) used(s state, now int64) uint64 {
	if l.algorithm == TokenBucket {
		interval := l.interval()
		return uint64((s.at - now + interval - 1) / interval)
	}
	left := int64(l.period) - max(0, now-s.at*int64(l.period))
	hi, lo := bits.Mul64(s.before, uint64(left))
	share, _ := bits.Div64(hi, lo, uint64(l.period))
	return s.now + share
}

// dropsTo returns the time from which no more than n count, if none is added. At the time
// now, to which s has been advanced, more than n must count.
func (l limit) dropsTo(s state, n uint64, now int64) int64 {
	if l.algorithm == TokenBucket {
		return s.at - int64(n)*l.interval()
	}
	at := s.at * int64(l.period)
	if s.now > n { // in the next period
		at += int64(l.period) + l.fadesTo(s.now, n)
	} else {
		at += l.fadesTo(s.before, n-s.now)
	}
	return min(at, now+l.maxAge())
}

// maxAge returns the longest time for which a state is kept. Only a state that was written
// by a clock far ahead would be kept for longer.
func (l limit) maxAge() int64 { return 3 * int64(l.period) }

// fadesTo returns how long after the start of a period no more than n count of those before,
// the count of the period before it.
func (l limit) fadesTo(before, n uint64) int64 {
	if before <= n {
		return 0
	}
	// The rest of the period is the longest for which the share of before is less than n+1.
	hi, lo := bits.Mul64(uint64(l.period), n+1)
	lo, borrow := bits.Sub64(lo, 1, 0)
	rest, _ := bits.Div64(hi-borrow, lo, before)
	return int64(l.period) - int64(rest)
}

// add counts one more in s, which has been advanced.
func (l limit) add(s state) state {
	if l.algorithm == TokenBucket {
		s.at += l.interval()
	} else {
		s.now++
	}
	return s
}

// remove takes one from s, which has been advanced to now, as far as that one still counts.
// In a TokenBucket, it counts for less and less from the time since on.
func (l limit) remove(s state, now, since int64) state {
	switch {
	case l.algorithm == TokenBucket:
		s.at -= max(0, l.interval()-max(0, now-since))
	case s.now > 0:
		s.now--
	case s.before > 0:
		s.before--
	}
	return s
}

// ttl returns how long s has to be kept.
func (l limit) ttl(s state, now int64) time.Duration {
	end := s.at
	if l.algorithm == SlidingWindow {
		end = (s.at + 2) * int64(l.period)
	}
	return max(time.Duration(min(end-now, l.maxAge())), time.Second)
}
