package memcache_test

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/cachewire/cachewire/memcache"
	"github.com/cachewire/cachewire/memcache/memcachetest"
)

const (
	day        = 24 * time.Hour
	relativeTo = 2592000 // the largest expiry that memcached takes as seconds, not as a date
	lastDate   = math.MaxInt32
	forever    = time.Duration(math.MaxInt64)
)

func TestExpiry(t *testing.T) {
	noon := time.Date(2024, 2, 29, 12, 0, 0, 0, time.UTC)
	late := noon.Add(250 * time.Millisecond)
	const at = 1709208000 // noon
	last := time.Unix(lastDate, 0)
	for _, test := range []struct {
		ttl  time.Duration
		now  time.Time
		want int32
	}{
		{0, noon, 0},
		{1, noon, 3},
		{time.Millisecond, late, 3},
		{time.Second - 1, noon, 3},
		{time.Second, noon, 3},
		{time.Second, late, 3},
		{time.Second + 1, noon, 4},
		{2 * time.Second, noon, 4},
		{time.Hour, noon, 3602},

		// The expiry itself, not the ttl, is compared with 30 days.
		{30*day - 3*time.Second, noon, 2591999},
		{30*day - 2*time.Second - 1, noon, 2592000},
		{30*day - 2*time.Second, noon, 2592000},
		{30*day - 2*time.Second + 1, noon, at + 2592000},
		{30*day - time.Second, noon, at + 2592000},
		{30 * day, noon, at + 2592000 + 1},
		{30 * day, late, at + 2592000 + 2},
		{30 * day, noon.In(time.FixedZone("", 3600)), at + 2592000 + 1},
		{30*day + 1, noon, at + 2592000 + 2},
		{30*day + 750*time.Millisecond, late, at + 2592000 + 2},
		{30*day + 750*time.Millisecond + 1, late, at + 2592000 + 3},
		{365 * day, noon, at + 365*86400 + 1},

		// Near the last date.
		{31 * day, last.Add(-31*day - time.Second), lastDate},
		{31 * day, last.Add(-31*day - time.Second - 1), lastDate},
		{31 * day, last.Add(-31*day - 2*time.Second), lastDate - 1},
		{31 * day, last.Add(-31 * day), lastDate},
		{31 * day, last.Add(-30 * day), lastDate},
		{31 * day, last.Add(-30*day + time.Second), relativeTo},
		{30 * day, last.Add(-30*day + time.Second), relativeTo},
		{30*day - time.Second, last.Add(-30*day + time.Second), relativeTo},
		{30*day - 2*time.Second, last.Add(-30*day + time.Second), relativeTo},
		{30*day - 3*time.Second, last.Add(-30*day + time.Second), relativeTo - 1},
		{time.Hour, last, 3602},
		{31 * day, last, relativeTo},
		{forever, noon, lastDate},
		{forever, last, relativeTo},

		// With a clock that is wrong by years, the longest life is 30 days.
		{time.Second, time.Time{}, 3},
		{30 * day, time.Time{}, relativeTo},
		{forever, time.Time{}, relativeTo},
		{30 * day, time.Unix(0, 0), relativeTo},
		{forever, time.Unix(relativeTo-1, 999999999), relativeTo},
		{forever, time.Unix(relativeTo, 0), lastDate},
		{forever, time.Unix(math.MaxInt64, 999999999), relativeTo},
		{forever, time.Unix(math.MinInt64, 0), relativeTo},
		{time.Second, time.Unix(math.MaxInt64, 0), 3},

		{-1, noon, memcache.Past},
		{-time.Hour, noon, memcache.Past},
		{math.MinInt64, noon, memcache.Past},
	} {
		if got := memcache.Expiry(test.ttl, test.now); got != test.want {
			t.Errorf("Expiry(%v, %v) = %d, want %d", test.ttl, test.now, got, test.want)
		}
	}
}

// lifetime returns how long memcached keeps an item that is stored at now with expiry, at
// least and at most. The clock of memcached counts seconds since it started. It is read
// a little less often than once a second, and so may be two seconds late. A date is converted
// to such a count by the time at which the server started, without the fraction of a second.
func lifetime(expiry int32, now time.Time) (least, most time.Duration) {
	if expiry <= relativeTo {
		n := time.Duration(expiry) * time.Second
		return n - 2*time.Second, n
	}
	left := time.Unix(int64(expiry), 0).Sub(now)
	return left - time.Second, left + 2*time.Second
}

func checkLifetime(t *testing.T, ttl time.Duration, now time.Time) {
	t.Helper()
	expiry := memcache.Expiry(ttl, now)
	if expiry < 3 {
		t.Fatalf("Expiry(%v, %v) = %d", ttl, now, expiry)
	}
	least, most := lifetime(expiry, now)
	// The longest life is 30 days, or until the last date if the clock is set.
	longest := 30*day - 2*time.Second
	if now.Unix() >= relativeTo {
		longest = max(longest, time.Unix(lastDate, 0).Sub(now)-time.Second)
	}
	if least < min(ttl, longest) {
		t.Errorf("Expiry(%v, %v) = %d: the item may expire after %v", ttl, now, expiry, least)
	}
	if most > ttl && most-ttl > memcache.Resolution {
		t.Errorf("Expiry(%v, %v) = %d: the item may live for %v", ttl, now, expiry, most)
	}
}

func TestItemsLiveForTheirTTLAndAtMostResolutionLonger(t *testing.T) {
	parts := []time.Duration{0, 1, time.Millisecond, 500 * time.Millisecond, time.Second - 1}
	for _, base := range []time.Duration{
		0, time.Second, 2 * time.Second, time.Minute,
		30*day - 3*time.Second, 30*day - 2*time.Second, 30*day - time.Second, 30 * day,
		30*day + time.Second, 31 * day, 365 * day, 3650 * day, forever - time.Second,
	} {
		for _, part := range parts {
			for _, start := range []int64{
				0, relativeTo - 1, relativeTo, 1700000000,
				lastDate - 31*86400, lastDate - 2592001, lastDate - 2592000, lastDate - 2591999,
				lastDate, 1 << 33,
			} {
				for _, fraction := range parts {
					if base+part > 0 {
						checkLifetime(t, base+part, time.Unix(start, int64(fraction)))
					}
				}
			}
		}
	}
}

func FuzzExpiry(f *testing.F) {
	f.Add(int64(1), int64(1700000000), int64(0))
	f.Add(int64(30*day-2*time.Second), int64(1700000000), int64(999999999))
	f.Add(int64(30*day-2*time.Second+1), int64(lastDate-2592000), int64(1))
	f.Add(int64(math.MaxInt64), int64(lastDate), int64(5))
	f.Fuzz(func(t *testing.T, ttl, seconds, nanoseconds int64) {
		expiry := memcache.Expiry(time.Duration(ttl), time.Unix(seconds, nanoseconds))
		if expiry < 0 || (expiry == 0) != (ttl == 0) {
			t.Fatalf("Expiry(%d, %d, %d) = %d", ttl, seconds, nanoseconds, expiry)
		}
		// Sub is exact only for times that are not too far apart.
		if ttl > 0 && seconds >= 0 && seconds <= 1<<33 &&
			nanoseconds >= 0 && nanoseconds < int64(time.Second) {
			checkLifetime(t, time.Duration(ttl), time.Unix(seconds, nanoseconds))
		}
	})
}

// memcached reports its clock, and how many seconds an item has left by that clock.
func TestServerReportsTheTimeLeftOfExpiry(t *testing.T) {
	t.Parallel()
	server := memcachetest.Start(t, nil)
	secondsLeft := func(expiry int32) (left, clock int) {
		reply := server.Do(fmt.Sprintf("set key 0 %d 1\r\nx\r\nmg key t\r\nstats", expiry))
		text, ok := strings.CutPrefix(reply, "STORED\r\nHD t")
		if _, err := fmt.Sscan(text, &left); !ok || err != nil {
			t.Fatalf("reply is %.40q", reply)
		}
		_, text, ok = strings.Cut(text, "STAT time ")
		if _, err := fmt.Sscan(text, &clock); !ok || err != nil {
			t.Fatalf("reply is %q", reply)
		}
		return left, clock
	}
	for _, ttl := range []time.Duration{
		1, time.Second, 1500 * time.Millisecond, 2 * time.Second, time.Hour,
		30*day - 3*time.Second, 30*day - 2*time.Second, 30*day - 2*time.Second + 1, 30 * day,
		365 * day, forever,
	} {
		expiry := memcache.Expiry(ttl, time.Now())
		var seconds, clock, want int
		for range 5 { // the clock may tick in the middle
			seconds, clock = secondsLeft(expiry)
			want = int(expiry)
			if expiry > relativeTo {
				want = int(expiry) - clock
			}
			if seconds == want {
				break
			}
		}
		if seconds != want {
			t.Errorf("ttl %v, expiry %d: %d seconds left, want %d", ttl, expiry, seconds, want)
		}
	}
}

func TestItemsWithPastExpireAtOnce(t *testing.T) {
	t.Parallel()
	server := memcachetest.Start(t, nil)
	reply := server.Do(fmt.Sprintf(
		"set key 0 %d 1\r\nx\r\nget key\r\nadd key 0 0 1\r\ny\r\nget key", memcache.Past))
	if want := "STORED\r\nEND\r\nSTORED\r\nVALUE key 0 1\r\ny\r\nEND\r\n"; reply != want {
		t.Errorf("reply is %q, want %q", reply, want)
	}
	words := strings.Fields(server.Do("gets key"))
	if len(words) < 5 {
		t.Fatalf("gets: %q", words)
	}
	reply = server.Do(fmt.Sprintf("cas key 0 %d 1 %s\r\nx\r\nget key", memcache.Past, words[4]))
	if want := "STORED\r\nEND\r\n"; reply != want {
		t.Errorf("reply is %q, want %q", reply, want)
	}
}

// An item with MaxTTL expires at the latest date, or after 30 days at most.
func TestMaxTTLIsTheLongestThatExpiryKeeps(t *testing.T) {
	for _, now := range []time.Time{
		time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC),
		time.Date(2026, 11, 29, 12, 0, 0, 999_999_999, time.UTC),
		time.Date(2038, 1, 10, 0, 0, 0, 0, time.UTC),
		time.Date(2040, 1, 1, 0, 0, 0, 0, time.UTC),
		time.Unix(10, 0),
	} {
		ttl := memcache.Traits(now).MaxTTL
		expiry := int64(memcache.Expiry(ttl, now))
		life := time.Duration(expiry) * time.Second
		if expiry > 30*24*60*60 {
			life = time.Unix(expiry, 0).Sub(now)
		}
		if life < ttl || life > ttl+3*time.Second {
			t.Errorf("at %v, MaxTTL is %v, and an item with it lives for %v", now, ttl, life)
		}
	}
}
