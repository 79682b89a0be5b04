package memcache

import (
	"math"
	"time"
)

const (
	// maxRelative is the largest expiry that memcached takes for a number of
	// seconds; it is 30 days. What is above is a date.
	maxRelative = 30 * 24 * 60 * 60

	// behind is by how many seconds memcached's clock may be late. It is read by a
	// timer and cut to whole seconds, which is one; and as the timer takes a little
	// more than a second each time, now and then a second passes unseen, which is
	// the other. So an item with an expiry of n lives for n - 2 to n seconds: of
	// those with 61, one in ten ended before 60 on a busy machine.
	behind = 2
)

// Past is an expiry that is long over, a date in January 1970: what is stored with
// it is gone at once. A compare-and-swap with it deletes.
const Past int32 = maxRelative + 1

// Resolution is for how long at most an item outlives its time to live, if it was
// stored with Expiry and memcached's timer is not more than a second late. It is
// what a driver has in core.Traits.
const Resolution = 4 * time.Second

// Expiry answers what to send to memcached at the time now for an item that is to
// live for ttl; 0 is for ever, and a negative ttl is Past.
//
// The item never goes before its time. For that it gets two seconds more than ttl
// needs, by which memcached's clock may be late.
//
// Above 30 days memcached takes a date, by the server's clock, and the latest that
// fits is in January 2038. Where that is too early, the item lives until then or
// for 30 days, whichever is longer.
func Expiry(ttl time.Duration, now time.Time) int32 {
	switch {
	case ttl == 0:
		return 0
	case ttl < 0:
		return Past
	}
	if n := ceilSeconds(ttl) + behind; n <= maxRelative {
		return int32(n)
	}
	// A date is of no use if the clock was never set, or if the last one is near.
	if now.Unix() < maxRelative || now.Unix() > math.MaxInt32-maxRelative {
		return maxRelative
	}
	// A date is whole seconds, so it is rounded up. One more, because memcached
	// derives its date from when it started, with the fractions cut off.
	end := now.Add(ttl)
	date := end.Unix() + 1
	if end.Nanosecond() > 0 {
		date++
	}
	return int32(min(date, math.MaxInt32))
}

func ceilSeconds(d time.Duration) int64 {
	n := int64(d / time.Second)
	if d%time.Second > 0 {
		n++
	}
	return n
}
