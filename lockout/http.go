package lockout

import (
	"errors"
	"fmt"
	"math/bits"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/cachewire/cachewire/core"
)

// Handler returns a handler that passes the requests allowed by l to next. It counts every
// request, as Allow does. It calls subject with a request, which returns the C to count; see
// Address. A refused request gets a Retry-After header, and refuse writes the reply. If
// refuse is nil, the reply is a plain 429 Too Many Requests. The reply is 503 Service
// Unavailable if the cache fails and Options.FailClosed is set, or if the client has gone
// before the request was counted.
//
// The replies have the headers RateLimit-Policy and RateLimit of
// draft-ietf-httpapi-ratelimit-headers-11, with a policy for each rule under its name:
//
//	RateLimit-Policy: "by_ip";q=100;w=60
//	RateLimit: "by_ip";r=99;t=41
//
// In a policy, q is how many there is room for, and w is the time for that in seconds. They
// are Count and Period, or for a TokenBucket, Burst and the time in which it gets room for
// Burst. w is left out if it is not a whole number of seconds. In a RateLimit, r is how many
// more are allowed, and t is the number of seconds until there is room for more. The reply to
// a refused request describes only the rule that refuses. Its Retry-After is the number of
// seconds until there is room for the request. If the end of a lock is not known, it is the
// longest time that the lock can last. If there is never room, Retry-After is left out.
//
// Handler returns core.ErrConfig if subject or next is nil.
func (l *Lockout[C]) Handler(
	subject func(r *http.Request) C,
	next http.Handler,
	refuse func(w http.ResponseWriter, r *http.Request, locked *LockedError),
) (http.Handler, error) {
	if subject == nil || next == nil {
		return nil, fmt.Errorf("%w: lockout: subject or next of Handler is nil; want both",
			core.ErrConfig)
	}
	if refuse == nil {
		refuse = func(w http.ResponseWriter, _ *http.Request, _ *LockedError) {
			replyWith(w, http.StatusTooManyRequests)
		}
	}
	if l == nil {
		return next, nil
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var buf [bufLen]tally
		c := subject(r)
		tallies := l.tallies(c, l.cost(c), buf[:0])
		err := l.engine.admit(r.Context(), tallies, true)
		l.alert(r.Context(), c, tallies)
		if err == nil {
			setLimits(w.Header(), tallies)
			next.ServeHTTP(w, r)
			return
		}
		var locked *LockedError
		if !errors.As(err, &locked) {
			replyWith(w, http.StatusServiceUnavailable)
			return
		}
		setRefusal(w.Header(), tallies, locked)
		refuse(w, r, locked)
	}), nil
}

func replyWith(w http.ResponseWriter, code int) { http.Error(w, http.StatusText(code), code) }

// setLimits sets the headers of the reply to a request that is counted in tallies.
func setLimits(header http.Header, tallies []tally) {
	var policies, limits []string
	for i := range tallies {
		if t := &tallies[i]; t.added { // unless the cache has failed
			policies, limits = append(policies, t.policyItem()), append(limits, t.limitItem())
		}
	}
	if len(policies) > 0 {
		header.Add("RateLimit-Policy", strings.Join(policies, ", "))
		header.Add("RateLimit", strings.Join(limits, ", "))
	}
}

// setRefusal sets the headers of the reply to a request that one of tallies has refused.
func setRefusal(header http.Header, tallies []tally, locked *LockedError) {
	i := slices.IndexFunc(tallies, func(t tally) bool { return t.name == locked.Rule })
	t := &tallies[i]
	if t.locked && t.until == 0 {
		t.until = time.Now().Add(max(t.lock, t.maxLock)).UnixNano()
	}
	header.Add("RateLimit-Policy", t.policyItem())
	header.Add("RateLimit", t.limitItem())
	if !t.neverFits() {
		header.Set("Retry-After", secondsUntil(t.freeAt()))
	}
}

// policyItem returns t as an item of RateLimit-Policy.
func (t *tally) policyItem() string {
	item := `"` + t.name + `";q=` + strconv.FormatUint(t.capacity, 10)
	hi, lo := bits.Mul64(uint64(t.Period), t.capacity) // refill is rounded, so it is not used
	if w, rest := bits.Div64(hi, lo, t.Count); rest == 0 && w%uint64(time.Second) == 0 {
		item += ";w=" + strconv.FormatUint(w/uint64(time.Second), 10)
	}
	return item
}

// limitItem returns t as an item of RateLimit.
func (t *tally) limitItem() string {
	left, at := uint64(0), t.until
	if !t.locked {
		used := min(t.used(), t.capacity)
		if left = t.capacity - used; used > 0 {
			at = t.dropsTo(used - 1)
		}
	}
	item := `"` + t.name + `";r=` + strconv.FormatUint(left, 10)
	if at != 0 {
		item += ";t=" + secondsUntil(at)
	}
	return item
}

// secondsUntil returns the number of seconds until t, which is in nanoseconds since 1970. It
// is rounded up, and at least 1.
func secondsUntil(t int64) string {
	left := time.Until(time.Unix(0, t))
	return strconv.FormatInt(max(1, int64((left+time.Second-1)/time.Second)), 10)
}
