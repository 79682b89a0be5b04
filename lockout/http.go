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

// Handler answers a handler that has next serve what l allows, as Allow does: every request
// counts. Of answers who sends it; see Address. What is refused gets a Retry-After header
// and is for refuse to answer; nil is a plain 429 Too Many Requests. Where the cache fails
// and Options.FailClosed is set, or the client has gone before it was counted, the reply is
// 503 Service Unavailable.
//
// The replies have the headers RateLimit-Policy and RateLimit of
// draft-ietf-httpapi-ratelimit-headers-10, a policy for each counter under the name of its
// term:
//
//	RateLimit-Policy: "by_ip";q=100;w=60
//	RateLimit: "by_ip";r=99;t=41
//
// A reply that refuses names the one that does. The time t, until there is room for more, is
// left out where the cache cannot tell it. An Action of l that answers nil lets the request pass; any other answer of it is that of
// refuse. The error is core.ErrConfig: of or next is nil.
func Handler[C any](l *Lockout[C], of func(r *http.Request) C, next http.Handler, refuse func(w http.ResponseWriter, r *http.Request, locked *LockedError)) (http.Handler, error) {
	if of == nil || next == nil {
		return nil, fmt.Errorf("%w: lockout: Handler: of or next is nil", core.ErrConfig)
	}
	if refuse == nil {
		refuse = func(w http.ResponseWriter, _ *http.Request, _ *LockedError) {
			http.Error(w, http.StatusText(http.StatusTooManyRequests), http.StatusTooManyRequests)
		}
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c := of(r)
		all, locked, err := l.allow(r.Context(), c, nil)
		switch {
		case locked != nil && l.answer(r.Context(), c, locked, nil) != nil:
			n := l.named(locked.Counter)
			retry := strconv.FormatInt(n.retryAfter(locked.Until), 10)
			w.Header().Set("Retry-After", retry)
			w.Header().Add("RateLimit-Policy", n.policy())
			w.Header().Add("RateLimit", quote(n.name)+";r=0;t="+retry)
			refuse(w, r, locked)
			return
		case err != nil:
			http.Error(w, http.StatusText(http.StatusServiceUnavailable), http.StatusServiceUnavailable)
			return
		case len(all) > 0:
			l.tell(r.Context(), w.Header(), all)
		}
		next.ServeHTTP(w, r)
	}), nil
}

// tell sets the headers of a request that was counted.
func (l *Lockout[C]) tell(ctx context.Context, header http.Header, all []taken[C]) {
	policies, limits := make([]string, len(all)), make([]string, len(all))
	for i, t := range all {
		policies[i] = t.policy()
		limits[i] = quote(t.name) + ";r=" + integer(t.Count-t.used)
		next := t.next
		if t.Algorithm == FixedWindow && next.IsZero() {
			next = l.end(ctx, t.count)
		}
		if !next.IsZero() {
			limits[i] += ";t=" + strconv.FormatInt(seconds(time.Until(next)), 10)
		}
	}
	header.Add("RateLimit-Policy", strings.Join(policies, ", "))
	header.Add("RateLimit", strings.Join(limits, ", "))
}

// named answers the counter of that name.
func (l *Lockout[C]) named(name string) *named[C] {
	for i := range l.counters {
		if l.counters[i].name == name {
			return &l.counters[i]
		}
	}
	return nil
}

// retryAfter answers in how many seconds to come again: until then, or if that is not
// known, at the latest.
func (n *named[C]) retryAfter(until time.Time) int64 {
	switch {
	case !until.IsZero():
		return seconds(time.Until(until))
	case n.Duration > 0:
		return seconds(max(n.Duration, n.MaxDuration))
	}
	return seconds(n.Period)
}

// policy answers n as an item of RateLimit-Policy.
func (n *named[C]) policy() string {
	s := quote(n.name) + ";q=" + integer(n.Count)
	if n.Period%time.Second == 0 { // else there is no way to say it
		s += ";w=" + strconv.FormatInt(seconds(n.Period), 10)
	}
	return s
}

// seconds rounds d up, to 1 at least.
func seconds(d time.Duration) int64 {
	return max(1, int64((d+time.Second-1)/time.Second))
}

// integer writes n as an integer of RFC 9651, which has up to 15 digits.
func integer(n uint64) string { return strconv.FormatUint(min(n, 1e15-1), 10) }

// quote writes s as a string of RFC 9651. What that cannot have is a question mark.
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
