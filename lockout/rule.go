package lockout

import (
	"crypto/sha256"
	"encoding/hex"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/cachewire/cachewire/core"
)

// A rule is the part of a Rule that does not depend on C.
type rule struct {
	Rate
	capacity uint64        // how many there is room for after a long pause
	refill   time.Duration // how long it takes until capacity is free again
	interval int64         // of a token bucket; see Rate.interval

	name          string
	lock, maxLock time.Duration
	keep          bool
	alone         bool // whether the lockout has no other rule

	cache *core.Cache
	hints *hints // about counters in windows
	turns *turns // to change token buckets

	// The prefixes of the keys of counters, locks, and numbers of locks in a row.
	counters, locks, rows string

	window atomic.Pointer[window] // the last one that was used; nil at first
}

// newRule returns a rule of a lockout with these settings, which have been checked.
func newRule(
	cache *core.Cache, lockout, name string, rate Rate, lock, maxLock time.Duration, keep bool,
) *rule {
	path := lockout + ":" + name + ":"
	r := &rule{
		Rate: rate, capacity: rate.Count, refill: rate.Period,
		name: name, lock: lock, maxLock: maxLock, keep: keep, cache: cache,
		locks: "lock:c:" + path, rows: "row:" + path,
	}
	switch r.Algorithm { // an algorithm cannot read the values of another one
	case FixedWindow:
		r.counters, r.hints = "f:"+path, newHints()
	case SlidingWindow:
		r.counters, r.hints = "s:"+path, newHints()
	case TokenBucket:
		r.counters, r.turns = "b:"+path, newTurns()
		if r.interval = rate.interval(); rate.Burst > 0 {
			r.capacity = rate.Burst
		}
		r.refill = time.Duration(int64(r.capacity) * r.interval)
	}
	return r
}

// A window is a period of the clock in which a FixedWindow or a SlidingWindow counts.
type window struct {
	start, end int64 // in nanoseconds since 1970

	// The prefixes of the keys of counters in the window, and in the one before.
	counters, before string
}

// windowAt returns the window at the time now.
func (r *rule) windowAt(now int64) *window {
	if w := r.window.Load(); w != nil && w.start <= now && now < w.end {
		return w
	}
	at := now / int64(r.Period)
	prefix := func(at int64) string { return r.counters + strconv.FormatInt(at, 36) + ":" }
	w := &window{at * int64(r.Period), (at + 1) * int64(r.Period), prefix(at), prefix(at - 1)}
	r.window.Store(w)
	return w
}

// timeNow returns the time in nanoseconds since 1970, for a rule without a lock. A
// FixedWindow needs it only to find the window.
func (r *rule) timeNow(c *clock) int64 {
	if w := r.window.Load(); w != nil && r.Algorithm == FixedWindow {
		if last := c.lastTick(); w.start <= last && last < w.end-clockTrust {
			return last
		}
	}
	return c.now()
}

// A tally is a rule for one C in one attempt.
type tally struct {
	*rule
	id     string  // what Rule.Key returned, hashed if it is long
	n      uint64  // how much the attempt counts for
	now    int64   // when the attempt began, in nanoseconds since 1970
	window *window // nil in a token bucket
	key    string  // the key of the counter

	// The contents of the counter, as far as it was read.
	number uint64 // in a window; if the counter is absent, the number that it starts from
	full   int64  // in a token bucket: when it is full, in nanoseconds since 1970
	token  any    // the core.Item.Token of that state
	since  int64  // the value of full before the attempt was counted

	until int64 // when the lock ends, in nanoseconds since 1970; 0 if that is not known

	hint    hint // about the counter
	looked  bool // whether the counter was read
	present bool // whether it was present
	added   bool // whether the attempt is counted
	refused bool // whether there is no room for it
	locked  bool // whether there is a lock
	alerts  bool // whether the attempt has set the lock
}

// maxID is the length of the longest id that is not hashed. Without the hash, a client could
// send an id that no cache accepts as a part of a key, and would not be counted.
const maxID = 1024

// begin makes t, which must be zero, a tally that has read nothing yet.
func (t *tally) begin(r *rule, id string, n uint64, now int64) {
	if len(id) > maxID {
		sum := sha256.Sum256([]byte(id))
		id = "sha256:" + hex.EncodeToString(sum[:])
	}
	t.rule, t.id, t.n, t.now, t.full = r, id, n, now, now
	if r.Algorithm == TokenBucket {
		t.key = r.counters + id
		if r.alone && r.lock == 0 {
			t.hint = wasPresent // a change of a bucket reads it in any case
		}
		return
	}
	t.window = r.windowAt(now)
	t.key = t.window.counters + id
	if r.Algorithm == FixedWindow && r.lock == 0 && r.hints.fullAt.Load() < t.window.start {
		t.hint = wasPresent // no counter is full, and it does not matter if it is absent
	} else {
		t.hint = r.hints.of(t.key)
	}
}

func (t *tally) lockKey() string { return t.locks + t.id }
func (t *tally) rowKey() string  { return t.rows + t.id }
