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

// An op is a call of a verb in a history.
type op struct {
	verb string
	key  string
	arg  string // the value to store
	old  string // for the compare verbs: the value that was read with the token
	n    uint64 // the delta of a counter, or the number to set it to
}

// A result is what an op returned.
type result struct {
	err   error  // nil, a sentinel of package core, or errUncertain
	value string // from Get
	n     uint64 // from a verb on a counter
}

// errUncertain is the error of a verb that failed in a way that does not show what happened:
// it may have taken effect, may do so later, or never.
var errUncertain = errors.New("may or may not have taken effect")

// classify returns the error of a result for the error of a verb.
func classify(err error) error {
	for _, known := range []error{
		core.ErrMiss, core.ErrExists, core.ErrConflict, core.ErrNotNumber,
	} {
		if errors.Is(err, known) {
			return known
		}
	}
	if err != nil {
		return errUncertain
	}
	return nil
}

// A state is what the model knows about a key.
type state struct {
	present bool
	value   string
	touched bool // since the value was stored; this may or may not change the token
}

// A verbChooser chooses a random verb on key. It returns the op and a function that calls
// the verb. Unique is a value that no other op stores. Items has the last item that the
// client has read for each key, with its token; the verb may update it.
type verbChooser func(e *env, r *rand.Rand, key, unique string, items map[string]core.Item) (
	op, func() result)

// checkHistory lets several clients call random verbs on a few keys at once, and checks that
// the model explains the results.
func (e *env) checkHistory(seed uint64, choose verbChooser, model porcupine.Model) {
	const clients, keys, steps = 4, 3, 40
	var (
		clock   atomic.Int64 // each call and each return has a time of its own
		mu      sync.Mutex
		history []porcupine.Operation // guarded by mu
	)
	e.inParallel(clients, func(client int) {
		r := rand.New(rand.NewPCG(seed, uint64(client)))
		items := map[string]core.Item{}
		for step := range steps {
			key := fmt.Sprintf("h%d-%d", seed, r.IntN(keys))
			in, do := choose(e, r, key, fmt.Sprintf("%d-%d", client, step), items)
			call := clock.Add(1)
			out := do()
			returned := clock.Add(1)
			if out.err == errUncertain {
				// The verb may take effect at any later time. This includes never: after
				// all others, it affects no result.
				returned = math.MaxInt64
			}
			mu.Lock()
			history = append(history, porcupine.Operation{
				ClientId: client, Input: in, Call: call, Output: out, Return: returned,
			})
			mu.Unlock()
		}
	})
	if !slices.ContainsFunc(history, hasCertainResult) {
		e.fatalf("every verb failed")
	}
	if !porcupine.CheckOperations(model, history) {
		e.fatalf("no order of these verbs explains their results (seed %d):\n%s",
			seed, formatHistory(history))
	}
}

func hasCertainResult(o porcupine.Operation) bool {
	return o.Output.(result).err != errUncertain
}

func formatHistory(history []porcupine.Operation) string {
	text := ""
	for _, o := range history {
		in, out := o.Input.(op), o.Output.(result)
		text += fmt.Sprintf("client %d [%d, %d] %s %s %q (was %q, by %d): %q %d %v\n",
			o.ClientId, o.Call, o.Return, in.verb, in.key, in.arg, in.old, in.n,
			out.value, out.n, out.err)
	}
	return text
}

// modelOf returns a model in which each key has a state of its own. Step reports whether a
// verb in state s may have the result out, and returns the state after the verb.
func modelOf(step func(s state, in op, out result) (bool, state)) porcupine.Model {
	return porcupine.Model{
		Partition: func(history []porcupine.Operation) [][]porcupine.Operation {
			byKey := map[string][]porcupine.Operation{}
			for _, o := range history {
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
		Step: func(s, in, out any) (bool, any) {
			return step(s.(state), in.(op), out.(result))
		},
	}
}

// valueVerbs is the verbChooser for values. Each value is stored only once, so that a value
// identifies the token that was read with it.
func valueVerbs(e *env, r *rand.Rand, key, unique string, items map[string]core.Item) (
	op, func() result) {

	in := op{key: key, arg: unique, old: string(items[key].Value)}
	item := items[key]
	item.Key, item.Value = key, []byte(unique)
	do := func(verb string, err func() error) (op, func() result) {
		in.verb = verb
		return in, func() result { return result{err: classify(err())} }
	}
	value := []byte(unique)
	multi := map[string][]byte{key: value}
	switch r.IntN(13) {
	case 12:
		in.verb = "Get"
		return in, func() result {
			got, err := e.cache.Get(e.ctx, key)
			return result{err: classify(err), value: string(got)}
		}
	case 9:
		return do("Add", func() error {
			return keyError(e.cache.AddMulti(e.ctx, multi, 0), key)
		})
	case 10:
		return do("Replace", func() error {
			return keyError(e.cache.ReplaceMulti(e.ctx, multi, longTTL), key)
		})
	case 11:
		return do("Set", func() error {
			return keyError(e.cache.SetMulti(e.ctx, multi, 0), key)
		})
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
			return do("CompareAndDelete", func() error {
				return e.cache.CompareAndDelete(e.ctx, item)
			})
		}
	}
	in.verb = "Get"
	return in, func() result {
		got, err := e.cache.GetItem(e.ctx, key)
		if err == nil {
			items[key] = got
		}
		return result{err: classify(err), value: string(got.Value)}
	}
}

var valueModel = modelOf(func(s state, in op, out result) (bool, state) {
	stored := state{present: true, value: in.arg}
	want, next := error(nil), s
	switch in.verb {
	case "Get":
		if !s.present {
			want = core.ErrMiss
		} else if out.err == nil && out.value != s.value {
			return false, s
		}
	case "Set":
		next = stored
	case "Add":
		if next = stored; s.present {
			want, next = core.ErrExists, s
		}
	case "Replace":
		if next = stored; !s.present {
			want, next = core.ErrMiss, s
		}
	case "Delete":
		if next = (state{}); !s.present {
			want, next = core.ErrMiss, s
		}
	case "Touch":
		if next.touched = s.present; !s.present {
			want = core.ErrMiss
		}
	case "CompareAndSwap", "CompareAndDelete":
		if next = stored; in.verb == "CompareAndDelete" {
			next = state{}
		}
		switch {
		case !s.present:
			want, next = core.ErrMiss, s
		case s.value != in.old, s.touched && out.err == core.ErrConflict:
			want, next = core.ErrConflict, s
		}
	}
	return out.err == want || out.err == errUncertain, next
})

// counterVerbs is the verbChooser for counters.
func counterVerbs(e *env, r *rand.Rand, key, _ string, _ map[string]core.Item) (
	op, func() result) {

	in := op{key: key, n: uint64(r.IntN(5))}
	do := func(verb string, call func() (uint64, error)) (op, func() result) {
		in.verb = verb
		return in, func() result {
			n, err := call()
			return result{err: classify(err), n: n}
		}
	}
	noNumber := func(err error) (uint64, error) { return 0, err }
	switch r.IntN(9) {
	case 0:
		return do("Set", func() (uint64, error) {
			return noNumber(e.cache.Set(e.ctx, key, []byte(fmt.Sprint(in.n)), longTTL))
		})
	case 1:
		return do("Delete", func() (uint64, error) {
			return noNumber(e.cache.Delete(e.ctx, key))
		})
	case 2, 3:
		return do("Incr", func() (uint64, error) { return e.cache.Incr(e.ctx, key, in.n) })
	case 4:
		return do("Decr", func() (uint64, error) { return e.cache.Decr(e.ctx, key, in.n) })
	case 5, 6:
		return do("IncrFrom", func() (uint64, error) {
			n, err := e.cache.IncrFrom(e.ctx, key, in.n, 100, 0)
			if errors.Is(err, core.ErrConflict) { // the counter was deleted again and again
				err = errUncertain
			}
			return n, err
		})
	case 7:
		return do("Touch", func() (uint64, error) {
			return noNumber(e.cache.Touch(e.ctx, key, longTTL))
		})
	}
	return do("Count", func() (uint64, error) { return e.cache.Count(e.ctx, key) })
}

// counterModel keeps the number of a counter in state.value, as digits.
var counterModel = modelOf(func(s state, in op, out result) (bool, state) {
	var n uint64
	if s.present {
		n, _ = core.ParseCount([]byte(s.value))
	}
	want, next := n, s
	switch in.verb {
	case "Set":
		want, next = 0, state{present: true, value: fmt.Sprint(in.n)}
	case "Delete":
		want, next = 0, state{}
	case "Touch":
		want = 0
	case "Incr":
		want = n + in.n
	case "Decr":
		want = n - min(n, in.n)
	case "IncrFrom":
		if want = n + in.n; !s.present {
			want = 100 + in.n
		}
		next = state{present: true, value: fmt.Sprint(want)}
	}
	if in.verb == "Incr" || in.verb == "Decr" {
		next = state{present: true, value: fmt.Sprint(want)}
	}
	if !s.present && in.verb != "Set" && in.verb != "IncrFrom" {
		return out.err == core.ErrMiss || out.err == errUncertain, s
	}
	return out.err == errUncertain || out.err == nil && out.n == want, next
})
