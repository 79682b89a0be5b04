package conformance

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"text/tabwriter"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/cachewire/cachewire/core"
)

// historyClients is how many goroutines call verbs at once in a history.
const historyClients = 4

// An op is the effect of a call of a verb on one key in a history.
type op struct {
	id     int // different for each op
	client int
	verb   string
	key    string
	arg    string // the value to store
	n      uint64 // the delta of a counter
	life   int    // for "expire": the op that gave the item its time to live
}

// A result is what an op returned.
type result struct {
	err   error  // nil, a sentinel of package core, or errUncertain
	value string // from a read, without spaces at the end
	n     uint64 // from a verb on a counter
}

// errUncertain is the error of a verb whose effect is unknown: it may have taken effect,
// may do so later, or never.
var errUncertain = errors.New("may or may not have taken effect")

// classify returns the error of a result for err, the error of a verb.
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

// A history records what several clients do to a few keys at the same time.
type history struct {
	*env
	name  string
	keys  []string
	clock atomic.Int64 // gives each call and each return a different time
	lives sync.WaitGroup

	mu  sync.Mutex
	ops []porcupine.Operation // guarded by mu
}

func (h *history) record(o op, call int64, out result, returned int64) {
	if out.err == errUncertain {
		// The verb may take effect at any later time. Taking effect after all other verbs
		// is the same as never.
		returned = math.MaxInt64
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.ops = append(h.ops, porcupine.Operation{
		ClientId: o.client, Input: o, Call: call, Output: out, Return: returned,
	})
}

// A historyClient calls random verbs.
type historyClient struct {
	*history
	r     *rand.Rand
	id    int
	next  int                  // the ID of the next op
	items map[string]core.Item // the item of each key that was read last, with its token
	brief int                  // how many short times to live it may still use
}

// newOp returns a new op on key.
func (c *historyClient) newOp(verb, key string) op {
	c.next++
	return op{id: c.next*historyClients + c.id, client: c.id, verb: verb, key: key}
}

// do calls verb, which executes o, and records the call.
func (c *historyClient) do(o op, verb func() result) {
	call := c.clock.Add(1)
	out := verb()
	c.record(o, call, out, c.clock.Add(1))
}

// doLive is do for an op that gives an item the time to live ttl.
func (c *historyClient) doLive(o op, ttl time.Duration, verb func() result) {
	call, before := c.clock.Add(1), time.Now()
	out := verb()
	after := time.Now()
	c.record(o, call, out, c.clock.Add(1))
	if ttl > 0 && ttl < longTTL && (out.err == nil || out.err == errUncertain) {
		c.recordExpiry(o, call, before.Add(ttl), after.Add(ttl+c.resolution()), out.err)
	}
}

// recordExpiry records an op that ends the life of the item that o has stored or touched.
// It does so only in a bubble, because only there the time is exact enough for the begin
// and the end of this op.
func (c *historyClient) recordExpiry(o op, call int64, from, to time.Time, err error) {
	expire := o
	expire.verb, expire.life = "expire", o.id
	if !c.fakeTime || err != nil {
		c.record(expire, call, result{err: errUncertain}, 0)
		return
	}
	c.lives.Go(func() {
		time.Sleep(time.Until(from) - 1)
		call := c.clock.Add(1)
		time.Sleep(time.Until(to) + 1)
		c.record(expire, call, result{}, c.clock.Add(1))
	})
}

// ttl returns a random time to live.
func (c *historyClient) ttl() time.Duration {
	if c.brief > 0 && c.r.IntN(4) == 0 {
		c.brief--
		return time.Duration(1+c.r.IntN(30)) * time.Millisecond
	}
	return []time.Duration{0, longTTL}[c.r.IntN(2)]
}

// value returns a random value, which no other op stores unless it is a number.
func (c *historyClient) value() string {
	if c.r.IntN(2) == 0 {
		return fmt.Sprint(c.r.IntN(12))
	}
	return fmt.Sprintf("%s-%d-%d", c.name, c.id, c.next)
}

// step calls a random verb.
func (c *historyClient) step() {
	key := c.keys[c.r.IntN(len(c.keys))]
	switch n := c.r.IntN(30); {
	case n < 6:
		c.store(key, n)
	case n < 8:
		c.storeMulti()
	case n < 12:
		c.compare(key, n)
	case n < 18:
		c.count(key, n)
	case n < 25:
		c.read(key, n)
	case n == 25:
		c.readMulti()
	case n == 26:
		c.do(c.newOp("Delete", key), func() result {
			return result{err: classify(c.cache.Delete(c.ctx, key))}
		})
	case n == 27:
		c.deleteMulti()
	case n == 28:
		ttl := c.ttl()
		c.doLive(c.newOp("Touch", key), ttl, func() result {
			return result{err: classify(c.cache.Touch(c.ctx, key, ttl))}
		})
	case c.canFlush() && c.r.IntN(4) == 0:
		c.flush()
	}
}

func (c *historyClient) store(key string, n int) {
	verbs := []struct {
		name  string
		store func(ctx context.Context, key string, value []byte, ttl time.Duration) error
	}{{"Set", c.cache.Set}, {"Add", c.cache.Add}, {"Replace", c.cache.Replace}}
	verb := verbs[n%len(verbs)]
	o := c.newOp(verb.name, key)
	o.arg = c.value()
	ttl := c.ttl()
	c.doLive(o, ttl, func() result {
		return result{err: classify(verb.store(c.ctx, key, []byte(o.arg), ttl))}
	})
}

// forAll calls verb, which executes one op on each key, and records the ops.
func (c *historyClient) forAll(ops []op, verb func() map[string]result) {
	call := c.clock.Add(1)
	results := verb()
	returned := c.clock.Add(1)
	for _, o := range ops {
		c.record(o, call, results[o.key], returned)
	}
}

func (c *historyClient) opsOnAll(verb string) []op {
	ops := make([]op, len(c.keys))
	for i, key := range c.keys {
		ops[i] = c.newOp(verb, key)
	}
	return ops
}

// resultsOf returns the results of a multi verb that returned err.
func (c *historyClient) resultsOf(err error) map[string]result {
	results := map[string]result{}
	for _, key := range c.keys {
		results[key] = result{err: classify(keyError(err, key))}
	}
	return results
}

func (c *historyClient) storeMulti() {
	mode := []core.Mode{core.Set, core.Add, core.Replace}[c.r.IntN(3)]
	ops := c.opsOnAll(mode.String())
	items := make([]core.Item, len(ops))
	for i := range ops {
		ops[i].arg = c.value()
		items[i] = core.Item{Key: ops[i].key, Value: []byte(ops[i].arg)}
	}
	c.forAll(ops, func() map[string]result {
		return c.resultsOf(c.cache.StoreMulti(c.ctx, mode, items))
	})
}

func (c *historyClient) deleteMulti() {
	ops := c.opsOnAll("DeleteMulti")
	c.forAll(ops, func() map[string]result {
		return c.resultsOf(c.cache.DeleteMulti(c.ctx, c.keys))
	})
}

func (c *historyClient) flush() {
	c.forAll(c.opsOnAll("Flush"), func() map[string]result {
		return c.resultsOf(c.cache.Flush(c.ctx))
	})
}

func (c *historyClient) compare(key string, n int) {
	item := c.items[key]
	// In the model each change makes another token.
	if item.Token == nil || c.cache.Traits().ByValue {
		return
	}
	if n%2 == 0 {
		c.do(c.newOp("CompareAndDelete", key), func() result {
			return result{err: classify(c.cache.CompareAndDelete(c.ctx, item))}
		})
		return
	}
	o := c.newOp("CompareAndSwap", key)
	o.arg = c.value()
	item.Value, item.TTL = []byte(o.arg), c.ttl()
	c.doLive(o, item.TTL, func() result {
		return result{err: classify(c.cache.CompareAndSwap(c.ctx, item))}
	})
}

func (c *historyClient) count(key string, n int) {
	delta := uint64(c.r.IntN(12))
	type changeFunc func(ctx context.Context, key string, delta uint64) (uint64, error)
	move := func(verb string, call changeFunc) {
		o := c.newOp(verb, key)
		o.n = delta
		c.do(o, func() result {
			n, err := call(c.ctx, key, delta)
			return result{err: classify(err), n: n}
		})
	}
	switch n % 6 {
	case 0, 1:
		move("Incr", c.cache.Incr)
	case 2:
		move("Decr", c.cache.Decr)
	case 3:
		move("Count", func(ctx context.Context, key string, _ uint64) (uint64, error) {
			return c.cache.Count(ctx, key)
		})
	default:
		o, ttl := c.newOp("IncrFrom", key), c.ttl()
		o.n = delta
		c.doLive(o, ttl, func() result {
			n, err := c.cache.IncrFrom(c.ctx, key, delta, 100, ttl)
			if errors.Is(err, core.ErrConflict) { // the counter was deleted again and again
				err = errUncertain
			}
			return result{err: classify(err), n: n}
		})
	}
}

// readResult returns the result of a read of item. A counter may have spaces at its end.
func readResult(value []byte, err error) result {
	return result{err: classify(err), value: strings.TrimRight(string(value), " ")}
}

func (c *historyClient) read(key string, n int) {
	if n%3 == 0 {
		c.do(c.newOp("Get", key), func() result { return readResult(c.cache.Get(c.ctx, key)) })
		return
	}
	c.do(c.newOp("GetItem", key), func() result {
		item, err := c.cache.GetItem(c.ctx, key)
		if err == nil {
			c.items[key] = item
		}
		return readResult(item.Value, err)
	})
}

func (c *historyClient) readMulti() {
	c.forAll(c.opsOnAll("GetItem"), func() map[string]result {
		items, err := c.cache.GetItems(c.ctx, c.keys)
		results := map[string]result{}
		for _, key := range c.keys {
			item, ok := items[key]
			if results[key] = readResult(item.Value, keyError(err, key)); ok {
				c.items[key] = item
			} else if results[key].err == nil {
				results[key] = result{err: core.ErrMiss}
			}
		}
		return results
	})
}

// checkHistory makes several clients call random verbs on a few keys at once, and checks
// that some order of the verbs explains the results.
func (e *env) checkHistory(round int) {
	const keys, steps = 3, 40
	h := &history{env: e, name: numbered("h", round)}
	for i := range keys {
		h.keys = append(h.keys, fmt.Sprintf("%s key %d", h.name, i))
	}
	e.inParallel(historyClients, func(client int) {
		c := &historyClient{
			history: h, id: client, items: map[string]core.Item{},
			r:     rand.New(rand.NewPCG(e.seed+uint64(round), uint64(client))),
			brief: 1,
		}
		if e.fakeTime {
			c.brief = steps
		}
		for range steps {
			if e.fakeTime && c.r.IntN(3) == 0 {
				time.Sleep(time.Duration(c.r.IntN(20)) * time.Millisecond)
			}
			c.step()
		}
	})
	h.lives.Wait()
	if !slices.ContainsFunc(h.ops, func(o porcupine.Operation) bool {
		return o.Output.(result).err != errUncertain
	}) {
		e.fatalf("every verb failed")
	}
	byKey := map[string][]porcupine.Operation{}
	for _, o := range h.ops {
		key := o.Input.(op).key
		byKey[key] = append(byKey[key], o)
	}
	for _, key := range slices.Sorted(maps.Keys(byKey)) {
		ops := byKey[key]
		slices.SortFunc(
			ops,
			func(a, b porcupine.Operation) int { return cmp.Compare(a.Call, b.Call) },
		)
		const limit = 10 * time.Second
		switch porcupine.CheckOperationsTimeout(model, ops, limit) {
		case porcupine.Illegal:
			e.fatalf("no order of the verbs on %s explains their results (seed %d):\n%s",
				quote(key), e.seed, table(shortest(ops)))
		case porcupine.Unknown:
			e.note(
				"whether %d verbs on one key have an order is not known after %v",
				len(ops),
				limit,
			)
		}
	}
}

// shortest returns the shortest beginning of ops that no order explains. The last verb in
// it is the first verb without an explanation.
func shortest(ops []porcupine.Operation) []porcupine.Operation {
	for n := 1; n < len(ops); n++ {
		if part := until(ops, n); !porcupine.CheckOperations(model, part) {
			return part
		}
	}
	return ops
}

// until returns the first n of ops at the time when the last of them returned. Ops that
// returned later have no result yet.
func until(ops []porcupine.Operation, n int) []porcupine.Operation {
	part := slices.Clone(ops[:n])
	if n < len(ops) {
		for i := range part {
			if part[i].Return > ops[n].Call {
				part[i].Output, part[i].Return = result{err: errUncertain}, math.MaxInt64
			}
		}
	}
	return part
}

// table returns the last of ops as a table.
func table(ops []porcupine.Operation) string {
	const most = 25
	var text strings.Builder
	w := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "began\tended\tclient\tverb\tresult")
	if len(ops) > most {
		fmt.Fprintf(w, "…\t…\t\t%d verbs before\t\n", len(ops)-most)
		ops = ops[len(ops)-most:]
	}
	for _, o := range ops {
		in, out := o.Input.(op), o.Output.(result)
		ended := fmt.Sprint(o.Return)
		if o.Return == math.MaxInt64 {
			ended = "?"
		}
		fmt.Fprintf(w, "%d\t%s\t%d\t%s\t%s\n", o.Call, ended, o.ClientId, in, out.of(in))
	}
	w.Flush()
	return text.String()
}

// String returns the op as a call.
func (o op) String() string {
	switch o.verb {
	case "Set", "Add", "Replace", "CompareAndSwap":
		return fmt.Sprintf("%s %q", o.verb, o.arg)
	case "Incr", "Decr", "IncrFrom":
		return fmt.Sprintf("%s by %d", o.verb, o.n)
	}
	return o.verb
}

// of returns the result of o as text.
func (r result) of(o op) string {
	switch {
	case r.err != nil:
		return r.err.Error()
	case o.verb == "Get" || o.verb == "GetItem":
		return fmt.Sprintf("%q", r.value)
	case o.verb == "Incr" || o.verb == "Decr" || o.verb == "IncrFrom" || o.verb == "Count":
		return fmt.Sprint(r.n)
	}
	return "ok"
}
