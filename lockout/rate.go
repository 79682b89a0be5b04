package lockout

import "time"

// An Algorithm decides how a counter forgets what it has counted.
type Algorithm uint8

const (
	// FixedWindow divides the time since 1970 into periods, and forgets everything at the
	// end of each. Around that moment, up to twice Count pass within a Period.
	FixedWindow Algorithm = iota

	// SlidingWindow adds a share of the count of the period before to the count of a period,
	// as if those callers had come evenly spread. So there is no moment at which the whole
	// Count is free again. Up to twice Count pass within a Period, if the callers of the
	// period before came at its end.
	SlidingWindow

	// TokenBucket is the generic cell rate algorithm (GCRA). There is room for one more
	// every Period/Count, and for Burst at once after a pause. Up to Burst + Count - 1
	// pass within a Period.
	TokenBucket
)

// A Rate is how much is allowed in which time.
type Rate struct {
	// Count is how many are allowed within Period: 1 to 999,999,999,999,999, and at most
	// 8,388,607 for a SlidingWindow.
	Count uint64

	// Period is the time for which Count holds: one millisecond to 50 years.
	Period time.Duration

	// Algorithm decides when a Period begins and ends.
	Algorithm Algorithm

	// Burst is how many pass a TokenBucket at once. If 0, it is Count. With any other
	// Algorithm, it must be 0.
	Burst uint64
}

const (
	// maxCount is the largest Integer of RFC 9651, the type of the numbers in RateLimit
	// headers.
	maxCount = 999_999_999_999_999

	// beforeBits is the number of bits in the counter of a SlidingWindow for the count of the
	// period before. The 40 bits above it are for the count of this period. It includes
	// callers that are about to be refused. There is room for 131,072 of them at once, even
	// if each counts for the whole Count. (Before 1.6.22, memcached cannot add to numbers
	// from 2^63 up.)
	beforeBits = 23

	// maxPeriod keeps the times of a counter within 64 bits.
	maxPeriod = 50 * 365 * 24 * time.Hour
)

// check returns an error that says what is wrong with the rate of the rule called name.
func (r Rate) check(name string) error {
	most := uint64(maxCount)
	if r.Algorithm == SlidingWindow {
		most = 1<<beforeBits - 1
	}
	switch {
	case r.Algorithm > TokenBucket:
		return configError("Rate.Algorithm", name, r.Algorithm,
			"FixedWindow, SlidingWindow or TokenBucket")
	case r.Count == 0 || r.Count > most:
		return configError("Rate.Count", name, r.Count, "1 to %d", most)
	case r.Period < time.Millisecond || r.Period > maxPeriod:
		return configError("Rate.Period", name, r.Period, "1ms to %v", maxPeriod)
	case r.Algorithm != TokenBucket && r.Burst != 0:
		return configError("Rate.Burst", name, r.Burst,
			"0, because the Algorithm is not TokenBucket")
	case r.Algorithm != TokenBucket:
		return nil
	case r.Count > uint64(r.Period):
		return configError("Rate.Count", name, r.Count,
			"at most %d, one each nanosecond of Period", uint64(r.Period))
	case r.Burst > uint64(maxPeriod)/uint64(r.interval()):
		return configError("Rate.Burst", name, r.Burst,
			"at most %d, as many as Period and Count allow in %v",
			uint64(maxPeriod)/uint64(r.interval()), maxPeriod)
	}
	return nil
}

// interval returns the time in nanoseconds after which a TokenBucket has room for one more,
// rounded up.
func (r Rate) interval() int64 { return (int64(r.Period)-1)/int64(r.Count) + 1 }
