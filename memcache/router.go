package memcache

import (
	"fmt"
	"sync/atomic"
	"time"

	"github.com/cachewire/cachewire/encoding"
)

// A DeadPolicy says what happens to the keys of a server that cannot be reached.
type DeadPolicy int

const (
	// Fail leaves the keys on the server: each verb tries it, and returns
	// core.ErrUnavailable while it cannot be reached. A value is never on two servers.
	Fail DeadPolicy = iota

	// Eject moves the keys. After Options.Failures failures in a row, the server is not
	// used for Options.CoolDown, and its keys belong to the next server. Then one verb tries
	// the server. If that succeeds, the keys return to it, with the old values that it still
	// has. If all servers are ejected, each verb tries the server of its key, as if none was
	// ejected.
	//
	// Each process counts failures by itself, so that for a while two processes may look for
	// a key on different servers. Failures are counted over all goroutines: if many verbs are
	// running, a server that restarts is ejected at once. A verb whose context is done does
	// not count: to eject a server that does not respond, Options.Timeout must be shorter
	// than the deadlines of the verbs.
	Eject
)

var deadPolicyNames = [...]string{"fail", "eject"}

// String returns "fail" or "eject".
func (d DeadPolicy) String() string {
	if d < 0 || int(d) >= len(deadPolicyNames) {
		return fmt.Sprintf("DeadPolicy(%d)", int(d))
	}
	return deadPolicyNames[d]
}

// A Router chooses the server for a key, by the Selection and by the failures that Report was
// called with. Many goroutines may use it at once.
type Router struct {
	servers  []Server
	encode   encoding.KeyEncoder
	selector *Selector
	eject    bool
	failures int64
	coolDown time.Duration
	start    time.Time    // health.until counts from it
	health   []health     // by server
	ejected  atomic.Int64 // the number of ejected servers

	isCoolingFunc func(int) bool // r.isCooling, so that Pick allocates nothing
	isEjectedFunc func(int) bool // r.isEjected, likewise
}

// health is what a Router knows about a server.
type health struct {
	failures atomic.Int64 // in a row

	// until is when an ejected server may be tried, in nanoseconds since Router.start. It is
	// 0 if the server is not ejected.
	until atomic.Int64
}

// NewRouter returns a Router for servers. It keeps a copy of servers, normalized by
// NormalizeServers. It returns core.ErrConfig if a server or a field of o is invalid.
func NewRouter(servers []Server, o Options) (*Router, error) {
	encode := checkedEncoder(o.Keys)
	o, err := o.WithDefaults()
	if err != nil {
		return nil, err
	}
	servers, err = NormalizeServers(servers)
	if err != nil {
		return nil, err
	}
	selector, err := NewSelector(o.Selection, servers)
	if err != nil {
		return nil, err
	}
	r := &Router{
		servers:  servers,
		encode:   encode,
		selector: selector,
		eject:    o.Dead == Eject,
		failures: int64(o.Failures),
		coolDown: o.CoolDown,
		start:    time.Now(),
		health:   make([]health, len(servers)),
	}
	r.isCoolingFunc, r.isEjectedFunc = r.isCooling, r.isEjected
	return r, nil
}

// Servers returns the servers, normalized and in their order. The slice is read-only.
func (r *Router) Servers() []Server { return r.servers }

// Encode returns key as it is sent to memcached. It returns core.ErrInvalidKey if
// Options.Keys refuses key, or if it returns a key that memcached does not accept.
func (r *Router) Encode(key string) (string, error) { return r.encode(key) }

// checkedEncoder returns an encoder that returns only keys that memcached accepts.
func checkedEncoder(encode encoding.KeyEncoder) encoding.KeyEncoder {
	if encode == nil {
		return encoding.Auto
	}
	return func(key string) (string, error) {
		encoded, err := encode(key)
		if err != nil {
			return "", err
		}
		if _, err := encoding.String(encoded); err != nil {
			return "", fmt.Errorf("result of Options.Keys: %w", err)
		}
		return encoded, nil
	}
}

// Pick returns the server to use for key, by its index in Servers. Key is what Encode
// returned. If trial is true, the cool-down of server is over and this caller alone tries it;
// it must call Untried if it does not use the server after all.
func (r *Router) Pick(key string) (server int, trial bool) {
	if r.ejected.Load() == 0 {
		return r.selector.Pick(key, nil), false
	}
	if server = r.selector.Pick(key, r.isCoolingFunc); server >= 0 {
		h := &r.health[server]
		until := h.until.Load()
		if until == 0 {
			return server, false
		}
		// Its cool-down is over. Only one of the callers moves the end of the cool-down.
		if r.now() >= until && h.until.CompareAndSwap(until, r.now()+int64(r.coolDown)) {
			return server, true
		}
		server = r.selector.Pick(key, r.isEjectedFunc)
	}
	if server < 0 { // all are ejected
		server = r.selector.Pick(key, nil)
	}
	return server, false
}

// Untried ends a trial in which the caller did not use server: the next Pick may try it.
func (r *Router) Untried(server int) {
	h := &r.health[server]
	if until := h.until.Load(); until != 0 {
		h.until.CompareAndSwap(until, r.now())
	}
}

// isCooling reports whether server is ejected and its cool-down is not over.
func (r *Router) isCooling(server int) bool {
	until := r.health[server].until.Load()
	return until != 0 && r.now() < until
}

// isEjected reports whether server is ejected, even if its cool-down is over.
func (r *Router) isEjected(server int) bool { return r.health[server].until.Load() != 0 }

// Report records whether server responded. A reply that is an error is a response.
func (r *Router) Report(server int, responded bool) {
	if !r.eject {
		return
	}
	h := &r.health[server]
	switch {
	case !responded:
		if h.failures.Add(1) >= r.failures && h.until.Swap(r.now()+int64(r.coolDown)) == 0 {
			r.ejected.Add(1)
		}
	case h.failures.Load() != 0 || h.until.Load() != 0:
		h.failures.Store(0)
		if h.until.Swap(0) != 0 {
			r.ejected.Add(-1)
		}
	}
}

// now returns the nanoseconds since r.start, and 1 more so that it is never 0.
func (r *Router) now() int64 { return int64(time.Since(r.start)) + 1 }
