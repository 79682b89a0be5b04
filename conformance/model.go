package conformance

import (
	"fmt"

	"github.com/anishathalye/porcupine"

	"github.com/cachewire/cachewire/core"
)

// A state is what the model knows about a key.
type state struct {
	present bool
	value   string
	version int // the op that stored the value
	touches int // how often it was touched since then; Touch may change the token
	life    int // the op that gave it its time to live

	// read is the state that each client has read last: the client has the token of this
	// state.
	read [historyClients]struct{ version, touches int }
}

// model defines which results the verbs on one key may have if they run one after another.
var model = porcupine.Model{
	Init: func() any { return state{} },
	Step: func(s, in, out any) (bool, any) { return s.(state).step(in.(op), out.(result)) },
}

// step reports whether o may have the result out, and returns the state after o.
func (s state) step(o op, out result) (bool, state) {
	want, next := s.after(o)
	switch {
	case out.err == errUncertain:
		return true, next
	case o.verb == "CompareAndSwap" || o.verb == "CompareAndDelete":
		if want.err == nil && s.read[o.client].touches != s.touches && out.err == core.ErrConflict {
			return true, s
		}
	case o.verb == "DeleteMulti" && out.err == nil:
		return true, next // it does not say whether the key was absent
	}
	return out == want, next
}

// after returns the result that o must have in the state s, and the state after it.
func (s state) after(o op) (result, state) {
	absent := state{read: s.read}
	stored := state{present: true, value: o.arg, version: o.id, life: o.id, read: s.read}
	switch o.verb {
	case "Set":
		return result{}, stored
	case "Flush":
		return result{}, absent
	case "expire":
		if s.life == o.life {
			return result{}, absent
		}
		return result{}, s
	case "Add":
		if s.present {
			return result{err: core.ErrExists}, s
		}
		return result{}, stored
	case "IncrFrom":
		if !s.present {
			stored.value = fmt.Sprint(100 + o.n)
			return result{n: 100 + o.n}, stored
		}
	}
	if !s.present {
		return result{err: core.ErrMiss}, s
	}
	switch o.verb {
	case "Get":
		return result{value: s.value}, s
	case "GetItem":
		next := s
		next.read[o.client].version, next.read[o.client].touches = s.version, s.touches
		return result{value: s.value}, next
	case "Replace":
		return result{}, stored
	case "Delete", "DeleteMulti":
		return result{}, absent
	case "Touch":
		next := s
		next.touches, next.life = s.touches+1, o.id
		return result{}, next
	case "CompareAndSwap", "CompareAndDelete":
		if s.read[o.client].version != s.version {
			return result{err: core.ErrConflict}, s
		}
		if o.verb == "CompareAndDelete" {
			return result{}, absent
		}
		return result{}, stored
	}
	n, err := core.ParseCount([]byte(s.value))
	if err != nil {
		return result{err: core.ErrNotNumber}, s
	}
	switch o.verb {
	case "Incr", "IncrFrom":
		n += o.n
	case "Decr":
		n -= min(n, o.n)
	case "Count":
		return result{n: n}, s
	}
	changed := stored
	changed.value, changed.life = fmt.Sprint(n), s.life
	return result{n: n}, changed
}
