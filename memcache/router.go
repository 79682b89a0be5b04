package memcache

import (
	"fmt"
	"sync/atomic"
	"time"

	"github.com/cachewire/cachewire/encoding"
)

// A DeadPolicy says what becomes of the keys of a server that cannot be reached.
type DeadPolicy int

const (
	// Fail leaves them where they are: each verb tries the server, and is
	// core.ErrUnavailable while it is dead. No value is ever on two servers.
	Fail DeadPolicy = iota

	// Eject moves them. After some failures in a row the server is left alone for
	// a cool-down, and its keys belong to the next one. Then one verb tries it, and
	// if that succeeds it has its keys back, with the values that they had
	// before: old ones. If all servers are ejected, none is: each verb tries the
	// one that its key belongs to.
	//
	// Each process finds out for itself, so that for a while two may look for a key
	// on two servers. Failures are counted over all goroutines: where many verbs are
	// under way, a server that restarts is ejected at once. A verb that its context ended tells
	// nothing of its server: so that a silent one is ejected, Options.Timeout has
	// to be shorter than the deadlines of the verbs.
	Eject
)

var deadPolicyNames = [...]string{"fail", "eject"}

// String answers fail or eject.
func (d DeadPolicy) String() string {
	if d < 0 || int(d) >= len(deadPolicyNames) {
		return fmt.Sprintf("DeadPolicy(%d)", int(d))
	}
	return deadPolicyNames[d]
}

// A Router says which server a verb has to ask, by the keys' Selection and by what
// it has been told of servers that could not be reached. Many goroutines may use
// it at once.
type Router struct {
	servers  []Server
	encode   encoding.KeyEncoder
	selector *Selector
	eject    bool
	failures int64
	coolDown time.Duration
	start    time.Time      // what until counts from
	health   []health       // by server
	ejected  atomic.Int64   // how many servers have until set
	resting  func(int) bool // r.isResting, made once
	out      func(int) bool // r.isOut, made once
}

// health is what is known of a server.
type health struct {
	failures atomic.Int64 // in a row
	until    atomic.Int64 // when the server may be tried, in nanoseconds since start; 0 if it is not ejected
}

// NewRouter answers a Router. It keeps a copy of servers, as NormalizeServers
// answers it. The error is core.ErrConfig.
func NewRouter(servers []Server, o Options) (*Router, error) {
	encode := checked(o.Keys)
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
	r.resting, r.out = r.isResting, r.isOut
	return r, nil
}

// Servers answers the servers, in their order. The slice is read-only.
func (r *Router) Servers() []Server { return r.servers }

// Encode answers key as it goes to the wire. The error is core.ErrInvalidKey, also
// if Options.Keys answers a key that memcached does not take.
func (r *Router) Encode(key string) (string, error) { return r.encode(key) }

// checked answers an encoder that answers nothing but keys which memcached takes.
func checked(encode encoding.KeyEncoder) encoding.KeyEncoder {
	if encode == nil {
		return encoding.Auto
	}
	return func(key string) (string, error) {
		encoded, err := encode(key)
		if err != nil {
			return "", err
		}
		if _, err := encoding.String(encoded); err != nil {
			return "", fmt.Errorf("what Options.Keys makes of it: %w", err)
		}
		return encoded, nil
	}
}

// Pick answers the server to ask for key, by its place in Servers. Key is what
// goes to the wire. If it is the caller's to try a server after its cool-down,
// trial is true, and Untried is to be called if the server is not asked after all.
func (r *Router) Pick(key string) (server int, trial bool) {
	if r.ejected.Load() == 0 {
		return r.selector.Pick(key, nil), false
	}
	if server = r.selector.Pick(key, r.resting); server >= 0 {
		h := &r.health[server]
		until := h.until.Load()
		if until == 0 {
			return server, false
		}
		// Its cool-down is over. Of all callers, one moves the end of it.
		if r.now() >= until && h.until.CompareAndSwap(until, r.now()+int64(r.coolDown)) {
			return server, true
		}
		server = r.selector.Pick(key, r.out)
	}
	if server < 0 { // all are ejected, so none is
		server = r.selector.Pick(key, nil)
	}
	return server, false
}

// Untried leaves the trial of server to the next one.
func (r *Router) Untried(server int) {
	h := &r.health[server]
	if until := h.until.Load(); until != 0 {
		h.until.CompareAndSwap(until, r.now())
	}
}

// isResting tells whether server is ejected, and its cool-down not over.
func (r *Router) isResting(server int) bool {
	until := r.health[server].until.Load()
	return until != 0 && r.now() < until
}

// isOut tells whether server is ejected.
func (r *Router) isOut(server int) bool { return r.health[server].until.Load() != 0 }

// Report tells whether server has answered, if only with an error of its own.
func (r *Router) Report(server int, answered bool) {
	if !r.eject {
		return
	}
	h := &r.health[server]
	switch {
	case !answered:
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

// now is never 0.
func (r *Router) now() int64 { return int64(time.Since(r.start)) + 1 }
