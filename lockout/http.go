package lockout

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/cachewire/cachewire/core"
)

// Handler returns a handler that passes the requests allowed by l to next. It counts every
// request, as Allow does. The function subject returns the C to count for a request; see
// Address. A refused request gets a Retry-After header, and refuse writes the reply. If
// refuse is nil, the reply is a plain 429 Too Many Requests. The reply is 503 Service
// Unavailable if the cache fails and Options.FailClosed is set, or if the client has gone
// before the request was counted.
//
// The replies have the headers RateLimit-Policy and RateLimit of
// draft-ietf-httpapi-ratelimit-headers-10, with a policy for each counter under the name of
// its term:
//
//	RateLimit-Policy: "by_ip";q=100;w=60
//	RateLimit: "by_ip";r=99;t=41
//
// Here, r is how many more are allowed, and t is the number of seconds until there is more
// room. If the cache cannot report that time, t is left out. The reply to a refused request
// has only the counter that refuses. In that reply, a time that is not known is replaced by
// the longest that it can take.
//
// If an Action of l returns nil, the request passes; if it returns an error, refuse writes
// the reply. Handler returns core.ErrConfig if subject or next is nil.
func Handler[C any](
	l *Lockout[C],
	subject func(r *http.Request) C,
	next http.Handler,
	refuse func(w http.ResponseWriter, r *http.Request, locked *LockedError),
) (http.Handler, error) {
	if subject == nil || next == nil {
		return nil, fmt.Errorf("%w: lockout: Handler: subject or next is nil; want both",
			core.ErrConfig)
	}
	if refuse == nil {
		refuse = func(w http.ResponseWriter, _ *http.Request, _ *LockedError) {
			http.Error(w, http.StatusText(http.StatusTooManyRequests), http.StatusTooManyRequests)
		}
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c := subject(r)
		added, locked, err := l.allow(r.Context(), c, nil)
		switch {
		case locked != nil && l.refusal(r.Context(), c, locked, nil) != nil:
			t := l.termByName(locked.Counter)
			retry := strconv.FormatInt(t.retryAfter(locked.Until), 10)
			w.Header().Set("Retry-After", retry)
			w.Header().Add("RateLimit-Policy", t.policy())
			w.Header().Add("RateLimit", quote(t.name)+";r=0;t="+retry)
			refuse(w, r, locked)
			return
		case err != nil:
			http.Error(w, http.StatusText(http.StatusServiceUnavailable),
				http.StatusServiceUnavailable)
			return
		case len(added) > 0:
			l.setHeaders(r.Context(), w.Header(), added)
		}
		next.ServeHTTP(w, r)
	}), nil
}

// setHeaders sets the headers of the reply to a request that was counted as added.
func (l *Lockout[C]) setHeaders(ctx context.Context, header http.Header, added []addition[C]) {
	policies, limits := make([]string, len(added)), make([]string, len(added))
	for i, a := range added {
		policies[i] = a.policy()
		limits[i] = quote(a.name) + ";r=" + integer(a.Count-a.used)
		roomAt := a.roomAt
		if a.Algorithm == FixedWindow && roomAt.IsZero() {
			roomAt = l.windowEnd(ctx, a.entry)
		}
		if !roomAt.IsZero() {
			limits[i] += ";t=" + strconv.FormatInt(seconds(time.Until(roomAt)), 10)
		}
	}
	header.Add("RateLimit-Policy", strings.Join(policies, ", "))
	header.Add("RateLimit", strings.Join(limits, ", "))
}

func (l *Lockout[C]) termByName(name string) *term[C] {
	for i := range l.terms {
		if l.terms[i].name == name {
			return &l.terms[i]
		}
	}
	return nil
}

// retryAfter returns in how many seconds a client may try again if it is refused until then.
// If until is zero, it returns the longest time that this can take.
func (t *term[C]) retryAfter(until time.Time) int64 {
	switch {
	case !until.IsZero():
		return seconds(time.Until(until))
	case t.Duration > 0:
		return seconds(max(t.Duration, t.MaxDuration))
	}
	return seconds(t.Period)
}

// policy returns t as an item of RateLimit-Policy.
func (t *term[C]) policy() string {
	s := quote(t.name) + ";q=" + integer(t.Count)
	if t.Period%time.Second == 0 { // w is in whole seconds
		s += ";w=" + strconv.FormatInt(seconds(t.Period), 10)
	}
	return s
}

// seconds returns d in seconds, rounded up, and at least 1.
func seconds(d time.Duration) int64 {
	return max(1, int64((d+time.Second-1)/time.Second))
}

// integer returns n as an Integer of RFC 9651, which has up to 15 digits. A larger n becomes
// the largest such integer.
func integer(n uint64) string { return strconv.FormatUint(min(n, 1e15-1), 10) }

// quote returns s as a String of RFC 9651. A character that such a string cannot contain
// becomes a question mark.
func quote(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range s {
		switch {
		case r < ' ' || r > '~':
			b.WriteByte('?')
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			fallthrough
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
	return b.String()
}
