package lockout

import (
	"context"
	"errors"
	"math/big"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/memory"
)

// startTime is an arbitrary time in the future, in nanoseconds since 1970.
const startTime = int64(4_000_000_000_123_456_789)

// tallyAt returns a tally of a rule with that rate at the time now, in a new cache.
func tallyAt(t testing.TB, rate Rate, now int64) *tally {
	t.Helper()
	b, err := memory.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	cache, err := core.New(b, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cache.Close() })
	var made tally
	made.begin(newRule(cache, "test", "rule", rate, 0, 0, false), "id", 1, now)
	return &made
}

// after returns t at the later time now, with the contents that its counter then has.
func (t *tally) after(now int64) *tally {
	var next tally
	next.begin(t.rule, t.id, t.n, now)
	switch {
	case t.Algorithm == TokenBucket:
		next.full = min(max(t.full, now), now+int64(t.refill))
	case next.window.start == t.window.start:
		next.number = t.number
	case next.window.start == t.window.end:
		next.lookedAt(0, false, t.number)
	}
	return &next
}

func randomRate(r *rand.Rand, a Algorithm) Rate {
	period := time.Duration(1e6 + r.Int64N(int64(time.Hour)))
	return Rate{Count: 1 + r.Uint64N(12), Period: period, Algorithm: a}
}

// A sliding window counts this window, and the share of the window before that is still
// within the last period, rounded down.
func TestSlidingWindowCountsTheWeightedSum(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 2000 {
		rate := randomRate(r, SlidingWindow)
		now := startTime + r.Int64N(int64(time.Hour))
		tt := tallyAt(t, rate, now)
		count, before := r.Uint64N(rate.Count+1), r.Uint64N(rate.Count+1)
		tt.number = count<<beforeBits | before
		left := big.NewRat(int64(rate.Period)-now%int64(rate.Period), int64(rate.Period))
		share := left.Mul(left, big.NewRat(int64(before), 1))
		sum := new(big.Rat).Add(share, big.NewRat(int64(count), 1))
		want := new(big.Int).Div(sum.Num(), sum.Denom())
		if got := tt.used(); got != want.Uint64() {
			t.Fatalf("%+v, %d and %d before: %d are used, want %v", rate, count, before, got, want)
		}
	}
}

// The reference counts tokens as fractions.
func TestTokenBucketAllowsTheSameAsABucketOfTokens(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for range 100 {
		rate := randomRate(r, TokenBucket)
		rate.Burst = r.Uint64N(20)                             // 0 is Count
		rate.Period -= rate.Period % time.Duration(rate.Count) // so that the interval is exact
		tt := tallyAt(t, rate, startTime)
		full := big.NewRat(int64(tt.capacity), 1)
		tokens, last := new(big.Rat).Set(full), startTime
		end := startTime + 20*int64(rate.Period)
		for now := startTime; now < end; now += r.Int64N(2 * tt.interval) {
			n := 1 + r.Uint64N(3)
			tokens.Add(tokens, big.NewRat(now-last, tt.interval))
			if last = now; tokens.Cmp(full) > 0 {
				tokens.Set(full)
			}
			tt = tt.after(now)
			tt.n = n
			allowed := tt.apply(take)
			want := tokens.Cmp(big.NewRat(int64(n), 1)) >= 0
			if allowed != want {
				t.Fatalf("%+v: allowed = %v for %d with %v tokens",
					rate, allowed, n, tokens.FloatString(6))
			}
			if allowed {
				tokens.Sub(tokens, big.NewRat(int64(n), 1))
			}
		}
	}
}

func TestDropsToReturnsTheFirstMomentAtWhichNoMoreThanNCount(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	for i := range 6000 {
		rate := randomRate(r, Algorithm(i%3))
		tt := tallyAt(t, rate, startTime)
		switch rate.Algorithm {
		case FixedWindow:
			tt.number = r.Uint64N(rate.Count + 1)
		case SlidingWindow:
			tt.number = r.Uint64N(rate.Count+1)<<beforeBits | r.Uint64N(rate.Count+1)
		case TokenBucket:
			tt.full = startTime + r.Int64N(int64(tt.refill))
		}
		used := tt.used()
		if used == 0 {
			continue
		}
		n := r.Uint64N(used)
		at := tt.dropsTo(n)
		if got := tt.after(at).used(); got > n {
			t.Fatalf("%+v, %+v: at the time for %d, %d are used", rate, tt, n, got)
		}
		if got := tt.after(at - 1).used(); at <= startTime || got <= n {
			t.Fatalf("%+v, %+v: the time for %d is in %v, and just before it %d are used",
				rate, tt, n, time.Duration(at-startTime), got)
		}
	}
}

// A bucket from which an attempt is removed has the state that it would have without the
// attempt, even if time has passed and others were counted meanwhile.
func TestABucketForgetsWhatIsRemoved(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 8))
	rate := Rate{Count: 10, Period: 10 * time.Second, Algorithm: TokenBucket}
	one := tallyAt(t, rate, startTime)
	for range 10_000 {
		now := startTime
		with := one.after(now)
		with.full = now + r.Int64N(int64(3*time.Second))
		without := *with
		with.n = 1 + r.Uint64N(3)
		with.apply(take)
		n, since := with.n, with.since
		others := r.IntN(3)
		for range others {
			now += r.Int64N(int64(2 * time.Second))
			for _, each := range []*tally{with, &without} {
				next := each.after(now)
				next.n = 1
				next.apply(take)
				*each = *next
			}
		}
		now += r.Int64N(int64(5 * time.Second))
		with = with.after(now)
		with.n, with.since = n, since
		with.apply(give)
		got, want := with.after(now).full, without.after(now).full
		if got < want || others == 0 && got != want {
			t.Fatalf("with %d others: after the removal, the bucket is full %v before the time",
				others, time.Duration(want-got))
		}
	}
}

// A state is read as it was written. A value that is no state is an error. A state from a
// clock that is years ahead refuses for no longer than it takes to fill the bucket.
func FuzzParseBucket(f *testing.F) {
	f.Add([]byte(""), uint64(10), int64(time.Minute))
	f.Add([]byte("\x0112345678"), uint64(10), int64(time.Minute))
	f.Add([]byte("\x01\xff2345678"), uint64(1), int64(maxPeriod))
	f.Add([]byte("1700000000123456789"), uint64(1), int64(time.Second))
	f.Fuzz(func(t *testing.T, value []byte, count uint64, period int64) {
		rate := Rate{Count: count, Period: time.Duration(period), Algorithm: TokenBucket}
		if rate.check("x") != nil {
			return // New refuses such a rate
		}
		tt := tallyAt(t, rate, startTime)
		full, err := tt.parseBucket(value)
		if isState := len(value) == 9 && value[0] == bucketMark; isState != (err == nil) {
			t.Errorf("%q: %v", value, err)
		}
		if full < startTime || full > startTime+int64(tt.refill) {
			t.Errorf("%q: the bucket is full in %v", value, time.Duration(full-startTime))
		}
		if tt.full = full; tt.used() > count {
			t.Errorf("%q: %d are used", value, tt.used())
		}
		tt.looked, tt.full = true, startTime
		if err := tt.changeBucket(context.Background(), take); err != nil || tt.refused {
			t.Fatalf("a new bucket refuses: %v", err)
		}
		item, err := tt.cache.GetItem(context.Background(), tt.key)
		if err != nil {
			t.Fatal(err)
		}
		if again, err := tt.parseBucket(item.Value); again != tt.full || err != nil {
			t.Errorf("%d is read as %d, %v", tt.full, again, err)
		}
	})
}

// If Count is lowered, what was counted before uses up the whole new Count, and no more.
func TestALowerCountHoldsForOldCounters(t *testing.T) {
	for _, a := range []Algorithm{FixedWindow, SlidingWindow, TokenBucket} {
		tt := tallyAt(t, Rate{Count: 100, Period: time.Hour, Algorithm: a}, startTime)
		tt.n = 100
		if err := tt.add(context.Background()); err != nil || tt.refused {
			t.Fatalf("the first 100: %v", err)
		}
		rate := Rate{Count: 10, Period: time.Hour, Algorithm: a}
		lower := newRule(tt.cache, "test", "rule", rate, 0, 0, false)
		allowed := func(now int64) bool {
			var one tally
			one.begin(lower, "id", 1, now)
			if err := one.add(context.Background()); err != nil {
				t.Error(err)
			}
			if one.refused && one.added {
				if err := one.remove(context.Background()); err != nil {
					t.Error(err)
				}
			}
			return !one.refused
		}
		if allowed(startTime + 1) {
			t.Errorf("%v: after 100 were counted, there is room with a Count of 10", a)
		}
		later := tt.window
		if a != TokenBucket && !allowed(later.end+int64(time.Hour)-1) {
			t.Errorf("%v: there is no room two hours later", a)
		}
	}
}

// A minute cannot be divided by 7 without a remainder. The bucket must not allow one more
// because of it.
func TestTokenBucketRoundsItsIntervalUp(t *testing.T) {
	tt := tallyAt(t, Rate{Count: 7, Period: time.Minute, Algorithm: TokenBucket}, startTime)
	n := 0
	for now := startTime; now < startTime+int64(time.Minute); now += int64(time.Millisecond) {
		for tt = tt.after(now); tt.apply(take); n++ {
		}
	}
	for tt = tt.after(startTime + int64(time.Minute) - 1); tt.apply(take); n++ {
	}
	if n != 13 {
		t.Errorf("%d are allowed in a minute, want 13", n)
	}
}

// The time of day is set while the clock ticks. The clock notices that at the next tick. It
// stops when it is not used.
func TestTheClockNoticesThatTheTimeOfDayWasSet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newClock()
		wantNow := func() {
			t.Helper()
			want := time.Now().UnixNano()
			if now := c.now(); now != want {
				t.Errorf("now is %v, want %v", time.Unix(0, now), time.Unix(0, want))
			}
			if behind := want - c.lastTick(); behind < 0 || behind > int64(clockTick) {
				t.Errorf("lastTick is %v behind", time.Duration(behind))
			}
		}
		if c.now() != time.Now().UnixNano() || c.lastTick() != 0 {
			t.Error("a clock that does not tick yet is wrong")
		}
		time.Sleep(clockTick + time.Millisecond)
		wantNow()
		c.atZero.Add(int64(time.Hour)) // as if the time of day was an hour later before
		c.tick.Add(int64(time.Hour))
		time.Sleep(clockTick)
		wantNow()
		time.Sleep(2 * clockTick)
		if c.ticking.Load() || c.lastTick() != 0 {
			t.Error("the clock ticks without use")
		}
		if c.now() != time.Now().UnixNano() {
			t.Error("the clock is wrong after a pause")
		}
		time.Sleep(clockTick + time.Millisecond)
		wantNow()
	})
}

// A fixed window ends on time even if the last tick was in it.
func TestAFixedWindowEndsOnTimeWhileTheClockTicks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, err := memory.New(nil)
		if err != nil {
			t.Fatal(err)
		}
		cache, err := core.New(b, nil)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { cache.Close() })
		l, err := NewLimiter(cache, "api", Rate{Count: 9, Period: time.Minute}, nil)
		if err != nil {
			t.Fatal(err)
		}
		allowed := 0
		// The bubble begins with a window. There is an attempt every 9.001 ms, so that the
		// clock ticks, but not between the end of a window and the first attempt after it.
		const pause = 9001 * time.Microsecond
		began := time.Now()
		time.Sleep(9 * time.Millisecond)
		for ; time.Since(began) < 10*time.Minute; time.Sleep(pause) {
			if l.Allow(t.Context(), "ann") == nil {
				if allowed++; time.Since(began)%time.Minute >= 9*pause {
					t.Fatalf("allowed %v after the start", time.Since(began))
				}
			}
		}
		if allowed != 90 {
			t.Errorf("%d are allowed in ten windows, want 90", allowed)
		}
	})
}

// The longest names and periods give keys and times without an overflow.
func TestTheLongestPeriodDoesNotOverflow(t *testing.T) {
	for _, a := range []Algorithm{FixedWindow, SlidingWindow, TokenBucket} {
		rate := Rate{Count: 1<<beforeBits - 1, Period: maxPeriod, Algorithm: a}
		if err := rate.check("x"); err != nil {
			t.Fatal(err)
		}
		now := time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC).UnixNano()
		tt := tallyAt(t, rate, now)
		tt.n = rate.Count
		if err := tt.add(context.Background()); err != nil || tt.refused {
			t.Fatalf("%v: %v", a, err)
		}
		if at := tt.dropsTo(0); at <= now || at > now+2*int64(maxPeriod) {
			t.Errorf("%v: there is room at %v", a, time.Unix(0, at))
		}
		for range 3 { // far beyond the count
			again := tt.after(now)
			again.n = rate.Count
			if err := again.add(context.Background()); err != nil || !again.refused {
				t.Errorf("%v: %v, refused = %v", a, err, again.refused)
			}
		}
	}
	long := strings.Repeat("x", maxID+1)
	tt := tallyAt(t, Rate{Count: 1, Period: time.Hour}, startTime)
	tt.begin(tt.rule, long, 1, startTime)
	if err := tt.add(context.Background()); err != nil || errors.Is(err, core.ErrInvalidKey) {
		t.Error(err)
	}
}
