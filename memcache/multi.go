package memcache

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/encoding"
)

type batch = Batch[*pool]

// maxHelpers is the largest number of requests of one multi verb to one server at once,
// besides the first one, which shows how far away the server is. So 100 keys take four round
// trips.
const maxHelpers = 32

// A job carries out the requests of a batch. It sends several at once if that is faster.
type job struct {
	backend *Backend
	ctx     context.Context
	*batch
	reads   bool                        // whether the requests only read
	perRead int                         // the number of keys that one of them reads
	do      func(c Client, i int) error // carries out request i
	errs    []error                     // the result of each request

	next    atomic.Int64          // the next request
	failure atomic.Pointer[error] // the error of all requests that are left, if unreachable
	helpers sync.WaitGroup
}

// run carries out all requests.
func (j *job) run() {
	if j.Node == nil {
		for i := range j.errs {
			j.errs[i] = ErrNoServers
		}
		return
	}
	s := session{backend: j.backend, ctx: j.ctx, node: j.Node, trial: j.Trial}
	started := 0
	for more := true; more; more = j.one(&s) {
		left := len(j.errs) - int(j.next.Load()) - 1
		if left <= started {
			continue
		}
		for range min(j.Node.Conns.room(s.took), maxHelpers-started, left-started) {
			started++
			j.helpers.Go(j.help)
		}
	}
	s.end()
	j.helpers.Wait()
}

// help carries out requests over a connection of its own, if there is one.
func (j *job) help() {
	s := session{backend: j.backend, ctx: j.ctx, node: j.Node}
	if c := j.Node.Conns.tryTake(j.ctx); c != nil {
		s.use(c)
		for j.one(&s) {
		}
		s.end()
	}
}

// one carries out the next request. It returns false if there is none.
func (j *job) one(s *session) bool {
	i := int(j.next.Add(1)) - 1
	if i >= len(j.errs) {
		return false
	}
	if failure := j.failure.Load(); failure != nil {
		j.errs[i] = *failure
		return true
	}
	j.errs[i] = s.do(j.reads, func(c Client) error { return j.do(c, i) })
	s.took = max(0, s.took-time.Duration(j.perRead)*readCost)
	if s.unreachable {
		j.failure.Store(&j.errs[i])
	}
	return true
}

// runAll runs jobs, at once.
func runAll(jobs []*job) {
	var others sync.WaitGroup
	for i, j := range jobs {
		if i > 0 {
			others.Go(j.run)
		}
	}
	if len(jobs) > 0 {
		jobs[0].run()
	}
	others.Wait()
}

// StoreMulti does what Store does for each of items. It sends one command for each.
func (b *Backend) StoreMulti(ctx context.Context, mode core.Mode, items []core.Item) error {
	keys := make([]string, len(items))
	for i := range items {
		keys[i] = items[i].Key
	}
	encoded, _, failed := encoding.EncodeKeys(keys, b.router.Encode)
	writes := make([]write, len(items))
	prepare := func(i int, n *node) bool {
		w, err := newWrite(mode, items[i])
		if err == nil && !w.token.Fits(n, encoded[i]) {
			err = core.ErrConflict
		}
		writes[i] = w
		failed.Add(keys[i], err)
		return err == nil
	}
	b.writeAll(ctx, keys, b.router.Batches(encoded, prepare), &failed, func(c Client, i int) error {
		return writes[i].store(c, encoded[i])
	})
	return failed.Err()
}

// DeleteMulti deletes the items under keys. It sends one command for each.
func (b *Backend) DeleteMulti(ctx context.Context, keys []string) error {
	encoded, _, failed := encoding.EncodeKeys(keys, b.router.Encode)
	b.writeAll(ctx, keys, b.router.Batches(encoded, nil), &failed, func(c Client, i int) error {
		if err := c.Delete(encoded[i]); err != core.ErrMiss {
			return err
		}
		return nil
	})
	return failed.Err()
}

// writeAll calls f for the index of each key in batches, and adds the errors to failed.
func (b *Backend) writeAll(
	ctx context.Context, keys []string, batches []*batch, failed *core.MultiError,
	f func(c Client, i int) error,
) {
	jobs := make([]*job, len(batches))
	for i, t := range batches {
		jobs[i] = &job{
			backend: b,
			ctx:     ctx,
			batch:   t,
			do:      func(c Client, i int) error { return f(c, t.Keys[i]) },
			errs:    make([]error, len(t.Keys)),
		}
	}
	runAll(jobs)
	for _, j := range jobs {
		for i, err := range j.errs {
			failed.Add(keys[j.Keys[i]], err)
		}
	}
}

// GetItems returns the items that are present. It reads many keys with one request.
func (b *Backend) GetItems(ctx context.Context, keys []string) ([]core.Item, error) {
	encoded, original, failed := encoding.EncodeKeys(keys, b.router.Encode)
	var jobs []*job
	var chunks [][]*chunk // by job
	for _, t := range b.router.Batches(encoded, nil) {
		parts := chunksOf(t, encoded, b.limits.Gets)
		chunks = append(chunks, parts)
		jobs = append(jobs, &job{
			backend: b,
			ctx:     ctx,
			batch:   t,
			reads:   true,
			perRead: min(len(t.Keys), b.limits.Gets),
			do:      func(c Client, i int) error { return parts[i].read(c) },
			errs:    make([]error, len(parts)),
		})
	}
	runAll(jobs)
	var items []core.Item
	for i, j := range jobs {
		for k, part := range chunks[i] {
			if items == nil {
				items = part.items
			} else {
				items = append(items, part.items...)
			}
			if j.errs[k] != nil {
				for _, key := range part.missing() {
					failed.Add(originalOf(original, key), j.errs[k])
				}
			}
		}
	}
	for i := range items {
		items[i].Key = originalOf(original, items[i].Key)
	}
	return items, failed.Err()
}

func originalOf(original map[string]string, encoded string) string {
	if key, ok := original[encoded]; ok {
		return key
	}
	return encoded
}

// A chunk is the keys of one request, and the items that were read.
type chunk struct {
	node   *node
	keys   []string // encoded
	items  []core.Item
	tokens []token // of items
}

// chunksOf returns the keys of t in chunks of at most size.
func chunksOf(t *batch, encoded []string, size int) []*chunk {
	keys := encoded
	if len(t.Keys) < len(encoded) {
		keys = make([]string, len(t.Keys))
		for i, index := range t.Keys {
			keys[i] = encoded[index]
		}
	}
	var chunks []*chunk
	for part := range slices.Chunk(keys, size) {
		chunks = append(chunks, &chunk{
			node:   t.Node,
			keys:   part,
			items:  make([]core.Item, 0, len(part)),
			tokens: make([]token, 0, len(part)),
		})
	}
	return chunks
}

// read reads the items. If it read some of them before, it reads the others.
func (k *chunk) read(c Client) error {
	keys := k.keys
	if len(k.items) > 0 {
		keys = k.missing()
	}
	return c.Gets(keys, func(key string, item Item) {
		k.tokens = append(k.tokens, token{k.node, key, item.CAS})
		k.items = append(k.items, core.Item{
			Key:   key,
			Value: item.Value,
			Flags: item.Flags,
			Token: &k.tokens[len(k.tokens)-1],
		})
	})
}

// missing returns the keys for which no item was read.
func (k *chunk) missing() []string {
	found := make(map[string]bool, len(k.items))
	for i := range k.items {
		found[k.items[i].Key] = true
	}
	var missing []string
	for _, key := range k.keys {
		if !found[key] {
			missing = append(missing, key)
		}
	}
	return missing
}
