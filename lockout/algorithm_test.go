package lockout

import (
	"math/big"
	"math/rand/v2"
	"testing"
	"time"
)

// startTime is an arbitrary time in nanoseconds since 1970.
const startTime = int64(1_700_000_000_123_456_789)

func randomLimit(r *rand.Rand, a Algorithm) limit {
	return limit{a, 1 + r.Uint64N(12), time.Duration(1000 + r.Int64N(int64(time.Hour)))}
}

// A sliding window counts this period, and the share of the period before that is still
// within the window, rounded down.
func TestSlidingWindowCountsTheWeightedSum(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 20_000 {
		l := randomLimit(r, SlidingWindow)
		at := startTime / int64(l.period)
		s := state{at: at, before: r.Uint64N(l.count + 1), now: r.Uint64N(l.count + 1)}
		now := at*int64(l.period) + r.Int64N(int64(l.period))
		left := big.NewRat(int64(l.period)-now%int64(l.period), int64(l.period))
		share := left.Mul(left, big.NewRat(int64(s.before), 1))
		sum := new(big.Rat).Add(share, big.NewRat(int64(s.now), 1))
		want := new(big.Int).Div(sum.Num(), sum.Denom())
		if got := l.used(l.advance(s, now), now); got != want.Uint64() {
			t.Fatalf("%+v, %+v: %d are used, want %v", l, s, got, want)
		}
	}
}

// The reference counts tokens as fractions.
func TestTokenBucketAllowsTheSameAsABucketOfTokens(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for range 500 {
		l := randomLimit(r, TokenBucket)
		l.period -= l.period % time.Duration(l.count) // so that the interval is exact
		interval := int64(l.period) / int64(l.count)
		full, one := big.NewRat(int64(l.count), 1), big.NewRat(1, 1)
		tokens, last := new(big.Rat).Set(full), startTime
		var s state
		end := startTime + 20*int64(l.period)
		for now := startTime; now < end; now += r.Int64N(2 * interval) {
			tokens.Add(tokens, new(big.Rat).Quo(big.NewRat(now-last, 1), big.NewRat(interval, 1)))
			if last = now; tokens.Cmp(full) > 0 {
				tokens.Set(full)
			}
			s = l.advance(s, now)
			allowed := l.used(s, now) < l.count
			if want := tokens.Cmp(one) >= 0; allowed != want {
				t.Fatalf("%+v: allowed = %v with %v tokens", l, allowed, tokens.FloatString(6))
			}
			if allowed {
				tokens.Sub(tokens, one)
				s = l.add(s)
			}
		}
	}
}

func TestDropsToReturnsTheFirstMomentAtWhichNoMoreThanNCount(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	for i := range 40_000 {
		l := randomLimit(r, []Algorithm{SlidingWindow, TokenBucket}[i%2])
		s := state{
			at:     startTime / int64(l.period),
			before: r.Uint64N(l.count + 1),
			now:    r.Uint64N(l.count + 1),
		}
		if l.algorithm == TokenBucket {
			s = state{at: startTime + r.Int64N(int64(l.period))}
		}
		now := startTime
		s = l.advance(s, now)
		used := l.used(s, now)
		if used == 0 {
			continue
		}
		n := r.Uint64N(used)
		at := l.dropsTo(s, n, now)
		if got := l.used(l.advance(s, at), at); got > n {
			t.Fatalf("%+v, %+v: at the time for %d, %d are used", l, s, n, got)
		}
		if got := l.used(l.advance(s, at-1), at-1); at <= now || got <= n {
			t.Fatalf("%+v, %+v: the time for %d is in %v, and just before it %d are used",
				l, s, n, time.Duration(at-now), got)
		}
		if ttl := l.ttl(s, now); now+int64(ttl) < l.dropsTo(s, 0, now) {
			t.Fatalf("%+v, %+v: kept for %v, which is too short", l, s, ttl)
		}
		added := l.add(s)
		gotAdded, gotRemoved := l.used(added, now), l.used(l.remove(added, now, now), now)
		if gotAdded != used+1 || gotRemoved != used {
			t.Fatalf("%+v, %+v: %d after add, and %d after remove", l, s, gotAdded, gotRemoved)
		}
	}
}

// A state is read as it was written. A value that is no state, or that was written by a clock
// which is years ahead, refuses for no longer than three periods.
func FuzzParse(f *testing.F) {
	for _, value := range []string{
		"", "5", "29384 12 3", "29384 12", "29384 12 3 4", "-1 2 3", " 1 2 3",
		"1700000000123456789", "9223372036854775807", "-9223372036854775808", "283333 99 0",
		"9223372036854775807 1 1",
	} {
		f.Add([]byte(value), uint64(10), int64(time.Minute), true)
		f.Add([]byte(value), uint64(1), int64(maxPeriod), false)
	}
	f.Add([]byte("1 0 1"), uint64(1), int64(maxPeriod), true)
	f.Fuzz(func(t *testing.T, value []byte, count uint64, period int64, sliding bool) {
		l := limit{TokenBucket, count, time.Duration(period)}
		if sliding {
			l.algorithm = SlidingWindow
		}
		counter := Counter[int]{
			Key:       func(int) string { return "" },
			Count:     count,
			Period:    l.period,
			Algorithm: l.algorithm,
			Success:   Keeps,
		}
		if counter.check("x") != nil {
			return // Define refuses such a counter
		}
		s := l.advance(l.parse(value), startTime)
		if again := l.advance(l.parse(l.append(nil, s)), startTime); again != s {
			t.Errorf("%+v is read as %+v", s, again)
		}
		used := l.used(s, startTime)
		if used > 2*count || used > count && l.algorithm == TokenBucket {
			t.Errorf("%q: %d are used", value, used)
		}
		if used > 0 {
			at := l.dropsTo(s, used-1, startTime)
			if at <= startTime || (at-startTime)/3 > period {
				t.Errorf("%q: there is room in %v", value, time.Duration(at-startTime))
			}
		}
		ttl := l.ttl(l.add(s), startTime)
		if ttl < time.Second || (ttl-time.Second)/3 > l.period {
			t.Errorf("%q: kept for %v", value, ttl)
		}
	})
}

// allow counts one more in the state that value holds, if there is room at the time now.
func (l limit) allow(value *[]byte, now int64) bool {
	s := l.advance(l.parse(*value), now)
	if l.used(s, now) >= l.count {
		return false
	}
	*value = l.append(nil, l.add(s))
	return true
}

// Two machines whose clocks differ by any time allow little more than one machine does.
func TestMachinesWithDifferentClocksShareALimit(t *testing.T) {
	skews := []time.Duration{
		time.Millisecond, 500 * time.Millisecond, 1500 * time.Millisecond, 10 * time.Second,
	}
	for _, a := range []Algorithm{SlidingWindow, TokenBucket} {
		l := limit{a, 10, time.Second}
		for _, skew := range skews {
			var value []byte
			n := 0
			for i := range 1000 { // one every 10 ms, for ten periods
				now := startTime + int64(i)*int64(10*time.Millisecond)
				if i%2 == 0 {
					now += int64(skew)
				}
				if l.allow(&value, now) {
					n++
				}
			}
			if n > 130 {
				t.Errorf("%v with clocks %v apart: %d are allowed in ten periods of 10",
					a, skew, n)
			}
		}
	}
}

// If Count is lowered, what was counted before uses up the whole new Count.
func TestALowerCountHoldsForOldStates(t *testing.T) {
	for _, a := range []Algorithm{SlidingWindow, TokenBucket} {
		var value []byte
		now := startTime / int64(time.Hour) * int64(time.Hour)
		for range 100 {
			limit{a, 100, time.Hour}.allow(&value, now)
		}
		if (limit{a, 10, time.Hour}).allow(&value, now+1) {
			t.Errorf("%v: after 100 were counted, there is room with a Count of 10", a)
		}
	}
}

// A minute cannot be divided by 7 without a rest. The bucket must not allow one more because
// of that.
func TestTokenBucketRoundsItsIntervalUp(t *testing.T) {
	l := limit{TokenBucket, 7, time.Minute}
	var value []byte
	n := 0
	for now := startTime; now < startTime+int64(time.Minute); now += int64(time.Millisecond) {
		for l.allow(&value, now) {
			n++
		}
	}
	for l.allow(&value, startTime+int64(time.Minute)-1) {
		n++
	}
	if n != 13 {
		t.Errorf("%d are allowed in a minute, want 13", n)
	}
}

// After a remove the state is what it would be without the add, also if time has passed.
func TestRemoveUndoesAdd(t *testing.T) {
	sliding := limit{SlidingWindow, 10, time.Minute}
	at := startTime / int64(time.Minute)
	s := sliding.advance(sliding.add(state{at: at, now: 3}), (at+1)*int64(time.Minute))
	if got := sliding.remove(s, 0, 0); got != (state{at: at + 1, before: 3}) {
		t.Errorf("after a remove in the next period: %+v", got)
	}
	if got := sliding.remove(state{at: at}, 0, 0); got != (state{at: at}) {
		t.Errorf("after a remove with nothing counted: %+v", got)
	}

	// In a token bucket, others are added between the add and the remove.
	r := rand.New(rand.NewPCG(7, 8))
	l := limit{TokenBucket, 10, 10 * time.Second}
	for range 10_000 {
		now := startTime
		with := l.advance(state{at: now + r.Int64N(int64(3*time.Second))}, now)
		without, since := with, with.at
		with = l.add(with)
		others := r.IntN(3)
		for range others {
			now += r.Int64N(int64(2 * time.Second))
			with, without = l.add(l.advance(with, now)), l.add(l.advance(without, now))
		}
		now += r.Int64N(int64(5 * time.Second))
		removed := l.remove(l.advance(with, now), now, since)
		got, want := l.advance(removed, now), l.advance(without, now)
		if got.at < want.at || others == 0 && got != want {
			t.Fatalf("with %d others: after the remove, the bucket is full %v before %v",
				others, time.Duration(want.at-got.at), want)
		}
	}
}
