package conformance

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/anishathalye/porcupine"

	"github.com/cachewire/cachewire/core"
)

// An op is a verb as a history tells of it, and an answer what came of it.
type op struct {
	verb string
	key  string
	arg  string // the value that is stored
	old  string // for the compare verbs: the value whose token is given
	n    uint64 // delta
}

type answer struct {
	err   error  // nil, a sentinel, or maybe
	value string // of Get
	n     uint64 // of a counter's verb
}

// errMaybe is the answer of a verb that failed in a way that tells nothing: it
// may have been carried out, then or later, or not.
var errMaybe = errors.New("may or may not have been done")

// answered sorts a verb's error into those that an answer has.
func answered(err error) error {
	for _, known := range []error{core.ErrMiss, core.ErrExists, core.ErrConflict, core.ErrNotNumber} {
		if errors.Is(err, known) {
			return known
		}
	}
	if err != nil {
		return errMaybe
	}
	return nil
}

// A state is what is under a key.
type state struct {
	there   bool
	value   string
	touched bool // since the value was stored: its token may have changed, or not
}

// A historian does a random verb on key and tells of it. Tokens are its own, by
// key; they are found in items.
type historian func(e *env, r *rand.Rand, key, unique string, items map[string]core.Item) (op, func() answer)

// history lets clients do verbs on few keys at once, and checks what they saw.
func (e *env) history(seed uint64, verbs historian, model porcupine.Model) {
	const clients, keys, steps = 4, 3, 40
	var (
		clock atomic.Int64 // a moment of its own for each call and return
		mu    sync.Mutex
		all   []porcupine.Operation // guarded by mu
	)
	e.goAll(clients, func(client int) {
		r := rand.New(rand.NewPCG(seed, uint64(client)))
		items := map[string]core.Item{}
		for step := range steps {
			key := fmt.Sprintf("h%d-%d", seed, r.IntN(keys))
			in, do := verbs(e, r, key, fmt.Sprintf("%d-%d", client, step), items)
			call := clock.Add(1)
			out := do()
			back := clock.Add(1)
			if out.err == errMaybe {
				// It may take effect at any time from now on. At the end of all
				// times it makes no difference, so this also says: never.
				back = math.MaxInt64
			}
			mu.Lock()
			all = append(all, porcupine.Operation{ClientId: client, Input: in, Call: call, Output: out, Return: back})
			mu.Unlock()
		}
	})
	if !slices.ContainsFunc(all, func(o porcupine.Operation) bool { return o.Output.(answer).err != errMaybe }) {
		e.fatalf("every verb failed")
	}
	if !porcupine.CheckOperations(model, all) {
		e.fatalf("no order of these verbs explains what they answered (seed %d):\n%s", seed, tell(all))
	}
}

func tell(all []porcupine.Operation) string {
	text := ""
	for _, o := range all {
		in, out := o.Input.(op), o.Output.(answer)
		text += fmt.Sprintf("client %d [%d, %d] %s %s %q (was %q, by %d): %q %d %v\n",
			o.ClientId, o.Call, o.Return, in.verb, in.key, in.arg, in.old, in.n, out.value, out.n, out.err)
	}
	return text
}

// modelOf answers a model of one key at a time whose verbs are done by step.
func modelOf(step func(s state, in op, out answer) (bool, state)) porcupine.Model {
	return porcupine.Model{
		Partition: func(all []porcupine.Operation) [][]porcupine.Operation {
			byKey := map[string][]porcupine.Operation{}
			for _, o := range all {
				key := o.Input.(op).key
				byKey[key] = append(byKey[key], o)
			}
			var parts [][]porcupine.Operation
			for _, part := range byKey {
				parts = append(parts, part)
			}
			return parts
		},
		Init: func() any { return state{} },
		Step: func(s, in, out any) (bool, any) { return step(s.(state), in.(op), out.(answer)) },
	}
}

// valueVerbs are those on values. Every value is stored once, so that a value
// stands for the token that was read with it.
func valueVerbs(e *env, r *rand.Rand, key, unique string, items map[string]core.Item) (op, func() answer) {
	in := op{key: key, arg: unique, old: string(items[key].Value)}
	item := items[key]
	item.Key, item.Value = key, []byte(unique)
	do := func(verb string, err func() error) (op, func() answer) {
		in.verb = verb
		return in, func() answer { return answer{err: answered(err())} }
	}
	value := []byte(unique)
	multi := map[string][]byte{key: value}
	switch r.IntN(13) {
	case 12:
		in.verb = "Get"
		return in, func() answer {
			got, err := e.cache.Get(e.ctx, key)
			return answer{err: answered(err), value: string(got)}
		}
	case 9:
		return do("Add", func() error { return keyError(e.cache.AddMulti(e.ctx, multi, 0), key) })
	case 10:
		return do("Replace", func() error { return keyError(e.cache.ReplaceMulti(e.ctx, multi, longTTL), key) })
	case 11:
		return do("Set", func() error { return keyError(e.cache.SetMulti(e.ctx, multi, 0), key) })
	case 0:
		return do("Set", func() error { return e.cache.Set(e.ctx, key, value, longTTL) })
	case 1:
		return do("Add", func() error { return e.cache.Add(e.ctx, key, value, 0) })
	case 2:
		return do("Replace", func() error { return e.cache.Replace(e.ctx, key, value, 0) })
	case 3:
		return do("Delete", func() error { return e.cache.Delete(e.ctx, key) })
	case 4:
		return do("Touch", func() error { return e.cache.Touch(e.ctx, key, longTTL) })
	case 5:
		if item.Token != nil {
			return do("CompareAndSwap", func() error { return e.cache.CompareAndSwap(e.ctx, item) })
		}
	case 6:
		if item.Token != nil {
			return do("CompareAndDelete", func() error { return e.cache.CompareAndDelete(e.ctx, item) })
		}
	}
	in.verb = "Get"
	return in, func() answer {
		got, err := e.cache.GetItem(e.ctx, key)
		if err == nil {
			items[key] = got
		}
		return answer{err: answered(err), value: string(got.Value)}
	}
}

var valueModel = modelOf(func(s state, in op, out answer) (bool, state) {
	stored := state{there: true, value: in.arg}
	want, next := error(nil), s
	switch in.verb {
	case "Get":
		if !s.there {
			want = core.ErrMiss
		} else if out.err == nil && out.value != s.value {
			return false, s
		}
	case "Set":
		next = stored
	case "Add":
		if next = stored; s.there {
			want, next = core.ErrExists, s
		}
	case "Replace":
		if next = stored; !s.there {
			want, next = core.ErrMiss, s
		}
	case "Delete":
		if next = (state{}); !s.there {
			want, next = core.ErrMiss, s
		}
	case "Touch":
		if next.touched = s.there; !s.there {
			want = core.ErrMiss
		}
	case "CompareAndSwap", "CompareAndDelete":
		if next = stored; in.verb == "CompareAndDelete" {
			next = state{}
		}
		switch {
		case !s.there:
			want, next = core.ErrMiss, s
		case s.value != in.old, s.touched && out.err == core.ErrConflict:
			want, next = core.ErrConflict, s
		}
	}
	return out.err == want || out.err == errMaybe, next
})

// counterVerbs are those on counters.
func counterVerbs(e *env, r *rand.Rand, key, _ string, _ map[string]core.Item) (op, func() answer) {
	in := op{key: key, n: uint64(r.IntN(5))}
	count := func(verb string, move func() (uint64, error)) (op, func() answer) {
		in.verb = verb
		return in, func() answer {
			n, err := move()
			return answer{err: answered(err), n: n}
		}
	}
	done := func(err error) (uint64, error) { return 0, err }
	switch r.IntN(9) {
	case 0:
		return count("Set", func() (uint64, error) {
			return done(e.cache.Set(e.ctx, key, []byte(fmt.Sprint(in.n)), longTTL))
		})
	case 1:
		return count("Delete", func() (uint64, error) { return done(e.cache.Delete(e.ctx, key)) })
	case 2, 3:
		return count("Incr", func() (uint64, error) { return e.cache.Incr(e.ctx, key, in.n) })
	case 4:
		return count("Decr", func() (uint64, error) { return e.cache.Decr(e.ctx, key, in.n) })
	case 5, 6:
		return count("IncrFrom", func() (uint64, error) {
			n, err := e.cache.IncrFrom(e.ctx, key, in.n, 100, 0)
			if errors.Is(err, core.ErrConflict) { // it gave up on a counter that came and went
				err = errMaybe
			}
			return n, err
		})
	case 7:
		return count("Touch", func() (uint64, error) { return done(e.cache.Touch(e.ctx, key, longTTL)) })
	}
	return count("Count", func() (uint64, error) { return e.cache.Count(e.ctx, key) })
}

// counterModel holds the number as its digits in state.value.
var counterModel = modelOf(func(s state, in op, out answer) (bool, state) {
	var n uint64
	if s.there {
		n, _ = core.ParseCount([]byte(s.value))
	}
	want, next := n, s
	switch in.verb {
	case "Set":
		want, next = 0, state{there: true, value: fmt.Sprint(in.n)}
	case "Delete":
		want, next = 0, state{}
	case "Touch":
		want = 0
	case "Incr":
		want = n + in.n
	case "Decr":
		want = n - min(n, in.n)
	case "IncrFrom":
		if want = n + in.n; !s.there {
			want = 100 + in.n
		}
		next = state{there: true, value: fmt.Sprint(want)}
	}
	if in.verb == "Incr" || in.verb == "Decr" {
		next = state{there: true, value: fmt.Sprint(want)}
	}
	if !s.there && in.verb != "Set" && in.verb != "IncrFrom" {
		return out.err == core.ErrMiss || out.err == errMaybe, s
	}
	return out.err == errMaybe || out.err == nil && out.n == want, next
})
