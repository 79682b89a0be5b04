package lockout

import (
	"math/big"
	"math/rand/v2"
	"testing"
	"time"
)

// somewhen is a time in nanoseconds since 1970.
const somewhen = int64(1_700_000_000_123_456_789)

func randomLimit(r *rand.Rand, a Algorithm) limit {
	return limit{a, 1 + r.Uint64N(12), time.Duration(1000 + r.Int64N(int64(time.Hour)))}
}

// A sliding window counts, rounded down, what came in this period and the share of
// the one before that is still within the window.
func TestSlidingWindowIsTheWeightedSum(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 20_000 {
		l := randomLimit(r, SlidingWindow)
		at := somewhen / int64(l.period)
		s := state{at: at, before: r.Uint64N(l.count + 1), now: r.Uint64N(l.count + 1)}
		now := at*int64(l.period) + r.Int64N(int64(l.period))
		left := big.NewRat(int64(l.period)-now%int64(l.period), int64(l.period))
		sum := new(big.Rat).Add(left.Mul(left, big.NewRat(int64(s.before), 1)), big.NewRat(int64(s.now), 1))
		want := new(big.Int).Div(sum.Num(), sum.Denom())
		if got := l.used(l.roll(s, now), now); got != want.Uint64() {
			t.Fatalf("%+v, %+v: %d are used, want %v", l, s, got, want)
		}
	}
}

// A token bucket lets the same through as one in which tokens are counted, in fractions.
func TestTokenBucketIsABucketOfTokens(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for range 500 {
		l := randomLimit(r, TokenBucket)
		l.period -= l.period % time.Duration(l.count) // so that each is exact
		each := big.NewRat(int64(l.period)/int64(l.count), 1)
		full := big.NewRat(int64(l.count), 1)
		tokens, last, one := new(big.Rat).Set(full), somewhen, big.NewRat(1, 1)
		var s state
		for now := somewhen; now < somewhen+20*int64(l.period); now += r.Int64N(2 * int64(l.period) / int64(l.count)) {
			tokens.Add(tokens, new(big.Rat).Quo(big.NewRat(now-last, 1), each))
			if last = now; tokens.Cmp(full) > 0 {
				tokens.Set(full)
			}
			s = l.roll(s, now)
			allowed := l.used(s, now) < l.count
			if want := tokens.Cmp(one) >= 0; allowed != want {
				t.Fatalf("%+v: allowed = %v, with %v tokens", l, allowed, tokens.FloatString(6))
			}
			if allowed {
				tokens.Sub(tokens, one)
				s = l.add(s)
			}
		}
	}
}

// When is the first moment at which no more than n count.
func TestWhenIsTheFirstMoment(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	for i := range 40_000 {
		l := randomLimit(r, []Algorithm{SlidingWindow, TokenBucket}[i%2])
		s := state{at: somewhen / int64(l.period), before: r.Uint64N(l.count + 1), now: r.Uint64N(l.count + 1)}
		if l.algorithm == TokenBucket {
			s = state{at: somewhen + r.Int64N(int64(l.period))}
		}
		now := somewhen
		s = l.roll(s, now)
		used := l.used(s, now)
		if used == 0 {
			continue
		}
		n := r.Uint64N(used)
		when := l.when(s, n, now)
		if got := l.used(l.roll(s, when), when); got > n {
			t.Fatalf("%+v, %+v: at the time for %d, %d are used", l, s, n, got)
		}
		if got := l.used(l.roll(s, when-1), when-1); when <= now || got <= n {
			t.Fatalf("%+v, %+v: %v before the time for %d, %d are used", l, s, time.Duration(when-now), n, got)
		}
		if ttl := l.ttl(s, now); now+int64(ttl) < l.when(s, 0, now) {
			t.Fatalf("%+v, %+v: kept for %v, which is too short", l, s, ttl)
		}
		if added := l.add(s); l.used(added, now) != used+1 || l.used(l.remove(added, now, now), now) != used {
			t.Fatalf("%+v, %+v: one more are %d, and one less again %d", l, s, l.used(added, now), l.used(l.remove(added, now, now), now))
		}
	}
}

// A state reads as it was written; what is none, or of a clock that is years ahead, harms
// nobody for longer than a period.
func FuzzParse(f *testing.F) {
	for _, value := range []string{"", "5", "29384 12 3", "29384 12", "29384 12 3 4", "-1 2 3", " 1 2 3", "1700000000123456789", "9223372036854775807", "-9223372036854775808", "283333 99 0", "9223372036854775807 1 1"} {
		f.Add([]byte(value), uint64(10), int64(time.Minute), true)
		f.Add([]byte(value), uint64(1), int64(maxPeriod), false)
	}
	f.Add([]byte("1 0 1"), uint64(1), int64(maxPeriod), true)
	f.Fuzz(func(t *testing.T, value []byte, count uint64, period int64, sliding bool) {
		l := limit{TokenBucket, count, time.Duration(period)}
		if sliding {
			l.algorithm = SlidingWindow
		}
		if (Counter[int]{Key: func(int) string { return "" }, Count: count, Period: l.period, Algorithm: l.algorithm, Success: Keeps}).check("x") != nil {
			return // no such counter can be
		}
		s := l.roll(l.parse(value), somewhen)
		if again := l.roll(l.parse(l.append(nil, s)), somewhen); again != s {
			t.Errorf("%+v is read as %+v", s, again)
		}
		used := l.used(s, somewhen)
		if used > 2*count || used > count && l.algorithm == TokenBucket {
			t.Errorf("%q: %d are used", value, used)
		}
		if used > 0 {
			if when := l.when(s, used-1, somewhen); when <= somewhen || (when-somewhen)/3 > period {
				t.Errorf("%q: there is room in %v", value, time.Duration(when-somewhen))
			}
		}
		if ttl := l.ttl(l.add(s), somewhen); ttl < time.Second || (ttl-time.Second)/3 > l.period {
			t.Errorf("%q: kept for %v", value, ttl)
		}
	})
}

// allow counts one at the time now, if there is room, in what value holds.
func (l limit) allow(value *[]byte, now int64) bool {
	s := l.roll(l.parse(*value), now)
	if l.used(s, now) >= l.count {
		return false
	}
	*value = l.append(nil, l.add(s))
	return true
}

// Two machines whose clocks differ, however far, together let through little more than one.
func TestClocksThatDiffer(t *testing.T) {
	for _, a := range []Algorithm{SlidingWindow, TokenBucket} {
		l := limit{a, 10, time.Second}
		for _, skew := range []time.Duration{time.Millisecond, 500 * time.Millisecond, 1500 * time.Millisecond, 10 * time.Second} {
			var value []byte
			n := 0
			for i := range 1000 { // each 10 ms, for ten periods
				now := somewhen + int64(i)*int64(10*time.Millisecond)
				if i%2 == 0 {
					now += int64(skew)
				}
				if l.allow(&value, now) {
					n++
				}
			}
			if n > 130 {
				t.Errorf("%v with clocks %v apart: %d are allowed in ten periods of 10", a, skew, n)
			}
		}
	}
}

// Where the count was lowered, what was counted before is as good as all there may be.
func TestALowerCount(t *testing.T) {
	for _, a := range []Algorithm{SlidingWindow, TokenBucket} {
		var value []byte
		now := somewhen / int64(time.Hour) * int64(time.Hour)
		for range 100 {
			limit{a, 100, time.Hour}.allow(&value, now)
		}
		if (limit{a, 10, time.Hour}).allow(&value, now+1) {
			t.Errorf("%v: of 100 that were counted nothing is left for a count of 10", a)
		}
	}
}

// Seven in a minute do not divide it, and yet no eighth is let through in each.
func TestATokenBucketRoundsUp(t *testing.T) {
	l := limit{TokenBucket, 7, time.Minute}
	var value []byte
	n := 0
	for now := somewhen; now < somewhen+int64(time.Minute); now += int64(time.Millisecond) {
		for l.allow(&value, now) {
			n++
		}
	}
	for l.allow(&value, somewhen+int64(time.Minute)-1) {
		n++
	}
	if n != 13 {
		t.Errorf("%d are allowed in a minute, want 13", n)
	}
}

// What is taken back leaves what there would be without it, also when time has gone by.
func TestRemoveIsAsIfItHadNotBeen(t *testing.T) {
	sliding := limit{SlidingWindow, 10, time.Minute}
	at := somewhen / int64(time.Minute)
	s := sliding.roll(sliding.add(state{at: at, now: 3}), (at+1)*int64(time.Minute))
	if got := sliding.remove(s, 0, 0); got != (state{at: at + 1, before: 3}) {
		t.Errorf("taken back in the next period: %+v", got)
	}
	if got := sliding.remove(state{at: at}, 0, 0); got != (state{at: at}) {
		t.Errorf("taken back from nothing: %+v", got)
	}

	// In a token bucket time goes by, and others come.
	r := rand.New(rand.NewPCG(7, 8))
	l := limit{TokenBucket, 10, 10 * time.Second}
	for range 10_000 {
		now := somewhen
		with := l.roll(state{at: now + r.Int64N(int64(3*time.Second))}, now)
		without, since := with, with.at
		with = l.add(with)
		others := r.IntN(3)
		for range others {
			now += r.Int64N(int64(2 * time.Second))
			with, without = l.add(l.roll(with, now)), l.add(l.roll(without, now))
		}
		now += r.Int64N(int64(5 * time.Second))
		got, want := l.roll(l.remove(l.roll(with, now), now, since), now), l.roll(without, now)
		if got.at < want.at || others == 0 && got != want {
			t.Fatalf("with %d others: taken back to %v before %v", others, time.Duration(want.at-got.at), want)
		}
	}
}
