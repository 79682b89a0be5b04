package lockout

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/cachewire/cachewire/core"
)

// A Rule counts callers, and sets a lock if there are too many. A C is what the program knows
// about a caller: an address, an account, a request.
type Rule[C any] struct {
	// Name is the name of the Rule in errors, events and headers. It is a part of its keys.
	Name string

	// Key returns the key under which c is counted, such as the address of the caller. The
	// Rule counts callers with the same key together. If Key returns "", the Rule does not
	// count c.
	Key func(c C) string

	// Rate is how many callers are allowed in which time. The caller that uses it up sets the
	// lock.
	Rate Rate

	// Lock is how long a lock lasts. If 0, there are no locks: the Rule refuses as long as
	// there is no room.
	Lock time.Duration

	// MaxLock, if more than 0, makes each lock in a row last twice as long as the one before
	// it, but not longer than MaxLock. A lock continues a row if it is set soon after the
	// lock before it has ended: within the duration of that lock, or within Rate.Period if
	// that is longer.
	MaxLock time.Duration

	// Keep says that the counter and its lock stay after a success, in Guard or by Reset. If
	// false, they are deleted.
	Keep bool
}

// Options are the settings of a Lockout. The zero value of a field is its default.
type Options[C any] struct {
	// FailClosed refuses callers that cannot be counted: the verbs return the errors of the
	// cache. If false, callers pass if the cache fails. A context that is done is not a
	// failure of the cache: a verb that it interrupts returns its error.
	FailClosed bool

	// OnError is called with the errors of the cache, by many goroutines at once. A cache
	// that keeps nothing is reported once a minute at most. If nil, errors are dropped.
	OnError func(ctx context.Context, err error)

	// Alert is called when a lock has been set. The verb that has set the lock calls it, and
	// waits until it returns. If nil, it is not called.
	Alert func(ctx context.Context, c C, e Event)

	// Cost returns how much c counts for in Allow, Guard, Quota, Check and Handler. If nil,
	// each c counts for 1.
	Cost func(c C) uint64
}

// An Event describes a lock that was set.
type Event struct {
	Lockout string    // the name of the lockout
	Rule    string    // the name of the rule
	Count   uint64    // how many were counted
	Until   time.Time // when the lock ends
}

// A Lockout counts callers by its rules, and refuses a caller for whom there is no room. Many
// goroutines may use it at once. The nil Lockout allows everything and counts nothing.
//
// There is nothing to close: a Lockout has no goroutine. While it is in use it has a timer,
// which stops 20 milliseconds after the last call.
type Lockout[C any] struct {
	engine engine
	rules  []*rule
	keys   []func(c C) string // of the rules
	plain  bool               // whether an empty key is counted
	simple bool               // whether allowSimple can be used
	opts   Options[C]
}

// NewLimiter returns a Lockout called name with a single rule, which has the same name, the
// rate and no lock. The C of the Lockout is the key under which it counts. The empty key is
// counted like any other.
func NewLimiter(
	cache *core.Cache, name string, rate Rate, opts *Options[string],
) (*Lockout[string], error) {
	l, err := New(cache, name, []Rule[string]{{
		Name: name,
		Key:  func(key string) string { return key },
		Rate: rate,
	}}, opts)
	if err != nil {
		return nil, err
	}
	l.plain = true
	return l, nil
}

// New returns the Lockout called name, whose counters and locks are in cache. Lockouts with
// the same name in the same cache share them, even in different processes. Names consist of
// printable ASCII characters except the colon, the quotation mark and the backslash. Two
// names are different if any character differs.
//
// A nil opts is the zero Options. New returns core.ErrConfig if cache is nil, if there is no
// rule, if a name is missing, not allowed or given twice, if a field of a rule is missing or
// out of its range, or if a rule needs items for longer than the cache keeps them.
func New[C any](
	cache *core.Cache, name string, rules []Rule[C], opts *Options[C],
) (*Lockout[C], error) {
	if cache == nil {
		return nil, fmt.Errorf("%w: lockout: cache is nil; want one that core.Open returns",
			core.ErrConfig)
	}
	if len(rules) == 0 {
		return nil, configError("rules", name, "empty", "at least one Rule")
	}
	if err := checkName(name); err != nil {
		return nil, err
	}
	l := &Lockout[C]{}
	if opts != nil {
		l.opts = *opts
	}
	l.engine.cache, l.engine.name, l.engine.clock = cache, name, newClock()
	l.engine.failClosed, l.engine.onError = l.opts.FailClosed, l.opts.OnError
	l.engine.keepsNothing = cache.Traits().KeepsNothing
	seen := map[string]bool{}
	for _, r := range rules {
		if err := r.check(seen[r.Name]); err != nil {
			return nil, err
		}
		seen[r.Name] = true
		made := newRule(cache, name, r.Name, r.Rate, r.Lock, r.MaxLock, r.Keep)
		made.alone = len(rules) == 1
		if most := cache.Traits().MaxTTL; most > 0 && made.longestTTL() > most {
			return nil, configError("the longest time to keep an item", r.Name,
				made.longestTTL(), "at most %v, because the cache keeps no item longer", most)
		}
		l.rules, l.keys = append(l.rules, made), append(l.keys, r.Key)
		l.simple = made.alone && made.lock == 0 && !l.engine.keepsNothing
	}
	return l, nil
}

// check returns an error that says what is wrong with r.
func (r *Rule[C]) check(isTaken bool) error {
	if err := checkName(r.Name); err != nil {
		return err
	}
	switch {
	case isTaken:
		return configError("Name", r.Name, "given twice", "another name for each Rule")
	case r.Key == nil:
		return configError("Key", r.Name, "nil", "a function that returns the key to count under")
	case r.Lock < 0 || r.Lock > maxPeriod:
		return configError("Lock", r.Name, r.Lock, "0 (no lock) to %v", maxPeriod)
	case r.MaxLock != 0 && (r.Lock == 0 || r.MaxLock < r.Lock || r.MaxLock > maxPeriod):
		return configError("MaxLock", r.Name, r.MaxLock,
			"0, or %v to %v and a Lock that is not 0", r.Lock, maxPeriod)
	}
	return r.Rate.check(r.Name)
}

// checkName returns an error if name cannot be a part of keys and of RateLimit headers.
func checkName(name string) error {
	bad := func(r rune) bool { return r < ' ' || r > '~' || strings.ContainsRune(`:"\`, r) }
	if name == "" || strings.ContainsFunc(name, bad) {
		return fmt.Errorf(
			`%w: lockout: a name is %q; want printable ASCII characters except :, " and \`,
			core.ErrConfig, name)
	}
	return nil
}

// tallies returns a tally for each rule that counts c, for an attempt that counts for n. It
// appends them to buf, which must be empty.
func (l *Lockout[C]) tallies(c C, n uint64, buf []tally) []tally {
	now := l.engine.clock.now()
	for i, r := range l.rules {
		if id := l.keys[i](c); id != "" || l.plain {
			buf = append(buf, tally{})
			buf[len(buf)-1].begin(r, id, n, now)
		}
	}
	return buf
}

// bufLen is how many rules a lockout may have before its verbs allocate a slice of tallies.
const bufLen = 2

// cost returns how much c counts for.
func (l *Lockout[C]) cost(c C) uint64 {
	if l == nil || l.opts.Cost == nil {
		return 1
	}
	return l.opts.Cost(c)
}

// alert calls Alert with the locks that an attempt of c has set.
func (l *Lockout[C]) alert(ctx context.Context, c C, tallies []tally) {
	for i := range tallies {
		if t := &tallies[i]; t.alerts && l.opts.Alert != nil {
			e := Event{l.engine.name, t.name, t.used(), timeOf(t.until)}
			l.opts.Alert(context.WithoutCancel(ctx), c, e)
		}
	}
}
