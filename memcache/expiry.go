package memcache

import (
	"math"
	"time"

	"github.com/cachewire/cachewire/core"
)

const (
	// maxRelative is the largest expiry that memcached takes as a number of seconds: 30
	// days. It takes a larger one as a date.
	maxRelative = 30 * 24 * 60 * 60

	// clockLag is the number of seconds by which the clock of memcached may be late. One
	// second is lost because the clock is cut to whole seconds. Another may be lost because
	// a timer reads the clock, which takes a little more than a second each time, so that now
	// and then it skips a second. So an item with an expiry of n lives for n - 2 to n
	// seconds. On a busy machine, one in ten items with an expiry of 61 lived for less than
	// 60 seconds.
	clockLag = 2
)

// Past is an expiry in the past, a date in January 1970: an item stored with it expires at
// once. A compare-and-swap with it deletes the item.
const Past int32 = maxRelative + 1

// Resolution is the longest time by which an item outlives its time to live, if it was stored
// with Expiry and the timer of memcached is not more than a second late. Drivers report it in
// core.Traits.
const Resolution = 4 * time.Second

// Expiry returns the expiry to send to memcached, at the time now, for an item that lives for
// ttl. If ttl is 0, the item never expires; if ttl is negative, Expiry returns Past.
//
// The item does not expire early: Expiry adds two seconds, by which memcached's clock may be
// late.
//
// Above 30 days, memcached takes a date by the clock of the server. The latest date that it
// can take is in January 2038: it reads a date as 32 bits with a sign, so that an item with a later
// one expires at once, or never. If that is too early for ttl, the item lives until then or for
// 30 days, whichever is longer; see Traits.
func Expiry(ttl time.Duration, now time.Time) int32 {
	switch {
	case ttl == 0:
		return 0
	case ttl < 0:
		return Past
	}
	if n := ceilSeconds(ttl) + clockLag; n <= maxRelative {
		return int32(n)
	}
	// A date is useless if the clock was never set, or if the latest date is near.
	if now.Unix() < maxRelative || now.Unix() > math.MaxInt32-maxRelative {
		return maxRelative
	}
	// A date is in whole seconds, so it is rounded up. One more second, because memcached
	// computes its date from the time when it started, without the fraction of a second.
	end := now.Add(ttl)
	date := end.Unix() + 1
	if end.Nanosecond() > 0 {
		date++
	}
	return int32(min(date, math.MaxInt32))
}

// Traits returns the traits of memcached at the time now, for a driver that sends times to live by
// Expiry: the Resolution, that it counts +5 as 5, and as MaxTTL the longest time to live that
// Expiry can express. That is the time until January 2038, or about 30 days if that is longer. The
// other traits are zero.
func Traits(now time.Time) core.Traits {
	return core.Traits{Resolution: Resolution, MaxTTL: maxTTL(now), LooseNumbers: true}
}

func maxTTL(now time.Time) time.Duration {
	const rounding = 2 // seconds, which Expiry adds to a date
	latest := math.MaxInt32 - rounding - now.Unix()
	if now.Unix() < maxRelative || latest < maxRelative {
		latest = maxRelative - clockLag
	}
	return time.Duration(latest) * time.Second
}

// ceilSeconds returns d in seconds, rounded up.
func ceilSeconds(d time.Duration) int64 {
	n := int64(d / time.Second)
	if d%time.Second > 0 {
		n++
	}
	return n
}
