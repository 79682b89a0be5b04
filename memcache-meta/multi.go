package memcachemeta

import (
	"context"
	"sync"

	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/encoding"
	"github.com/cachewire/cachewire/memcache"
)

const (
	// chunkLen and chunkBytes limit a call of a multi verb, so that calls of others get between
	// those of a large one. A line of keys is then also shorter than the 16 KiB that managed
	// services accept.
	chunkLen   = 100
	chunkBytes = 16 << 10
)

// A chunk is one call of a multi verb.
type chunk struct {
	node  *node
	trial bool
	keys  []int // the indexes of its keys in the multi verb
	call  *call
	err   error
	free  bool
}

// run sends requests, at once: one call for each chunk. Those whose key is "" are left out. Fits
// is as for Router.Batches.
func (b *Backend) run(
	ctx context.Context, requests []request, v verb, mode core.Mode,
	fits func(i int, n *node) bool,
) []*chunk {
	keys := make([]string, len(requests))
	for i := range requests {
		keys[i] = requests[i].key
	}
	var chunks []*chunk
	for _, batch := range b.list.Batches(keys, fits) {
		for first := 0; first < len(batch.Keys); {
			end, size := first, 0
			for end < len(batch.Keys) && end < first+chunkLen && size < chunkBytes {
				r := &requests[batch.Keys[end]]
				size += len(r.key) + len(r.value)
				end++
			}
			c := &chunk{node: batch.Node, trial: batch.Trial && first == 0}
			c.keys = batch.Keys[first:end]
			c.call = newCall(v, len(c.keys))
			c.call.mode = mode
			if from := c.keys[0]; c.keys[len(c.keys)-1] == from+len(c.keys)-1 {
				c.call.requests = requests[from : from+len(c.keys)]
			} else {
				c.call.requests = make([]request, len(c.keys))
				for at, i := range c.keys {
					c.call.requests[at] = requests[i]
				}
			}
			chunks = append(chunks, c)
			first = end
		}
	}
	var others sync.WaitGroup
	for i, c := range chunks {
		if i > 0 {
			others.Go(func() { b.runChunk(ctx, c) })
		}
	}
	if len(chunks) > 0 {
		b.runChunk(ctx, chunks[0])
	}
	others.Wait()
	return chunks
}

func (b *Backend) runChunk(ctx context.Context, c *chunk) {
	if c.node == nil {
		c.err = memcache.ErrNoServers
		return
	}
	c.free, c.err = b.send(ctx, c.node, c.trial, c.call)
}

// writeAll is run for writes, and adds their errors to failed, except core.ErrMiss of deletes.
func (b *Backend) writeAll(
	ctx context.Context, original []string, requests []request, v verb, mode core.Mode,
	fits func(i int, n *node) bool, failed *core.MultiError,
) {
	for _, c := range b.run(ctx, requests, v, mode, fits) {
		for at, i := range c.keys {
			err := c.err
			// After an error, the replies that have arrived still count; but not if the call
			// may belong to the connection.
			if err == nil || c.free && c.call.replies[at].code != 0 {
				err = b.result(c.node, mode, &c.call.replies[at])
			}
			if v != verbDelete || mode == core.CompareAndDelete || err != core.ErrMiss {
				failed.Add(original[i], err)
			}
		}
		if c.free {
			c.call.free()
		}
	}
}

// requestsFor returns a request for each of keys, and the errors of those that are invalid.
func (b *Backend) requestsFor(keys []string) ([]request, core.MultiError) {
	encoded, _, failed := encoding.EncodeKeys(keys, b.list.Encode)
	requests := make([]request, len(keys))
	for i := range requests {
		requests[i].key = encoded[i]
	}
	return requests, failed
}

// StoreMulti does what Store does for each of items.
func (b *Backend) StoreMulti(ctx context.Context, mode core.Mode, items []core.Item) error {
	keys := make([]string, len(items))
	for i := range items {
		keys[i] = items[i].Key
	}
	requests, failed := b.requestsFor(keys)
	var tokens []*token
	if mode == core.CompareAndSwap || mode == core.CompareAndDelete {
		tokens = make([]*token, len(items))
	}
	for i := range items {
		if requests[i].key == "" {
			continue
		}
		t, err := requests[i].set(mode, &items[i])
		if err != nil {
			failed.Add(keys[i], err)
			requests[i].key = ""
		} else if tokens != nil {
			tokens[i] = t
		}
	}
	fits := func(i int, n *node) bool {
		if tokens == nil || tokens[i].Fits(n, requests[i].key) {
			return true
		}
		failed.Add(keys[i], core.ErrConflict)
		return false
	}
	b.writeAll(ctx, keys, requests, storeVerb(mode), mode, fits, &failed)
	return failed.Err()
}

// DeleteMulti deletes keys.
func (b *Backend) DeleteMulti(ctx context.Context, keys []string) error {
	requests, failed := b.requestsFor(keys)
	b.writeAll(ctx, keys, requests, verbDelete, core.Set, nil, &failed)
	return failed.Err()
}

// GetItems returns the items that are present.
func (b *Backend) GetItems(ctx context.Context, keys []string) ([]core.Item, error) {
	return b.getItems(ctx, keys, verbGetItem)
}

// GetItemsTTL is GetItems with the time that each item has left to live, as TTL returns it.
func (b *Backend) GetItemsTTL(ctx context.Context, keys []string) ([]core.Item, error) {
	return b.getItems(ctx, keys, verbGetItemTTL)
}

func (b *Backend) getItems(ctx context.Context, keys []string, v verb) ([]core.Item, error) {
	requests, failed := b.requestsFor(keys)
	items := make([]core.Item, 0, len(keys))
	tokens := make([]token, 0, len(keys))
	for _, c := range b.run(ctx, requests, v, core.Set, nil) {
		for at, i := range c.keys {
			err := c.err
			var r *reply
			if err == nil {
				r = &c.call.replies[at]
				err = b.result(c.node, core.Set, r)
			}
			switch err {
			case nil:
				tokens = append(tokens, token{Node: c.node, Key: requests[i].key, CAS: r.cas})
				items = append(items, core.Item{
					Key: keys[i], Value: r.value, Flags: r.flags, TTL: r.left(),
					Token: &tokens[len(tokens)-1],
				})
			case core.ErrMiss:
			default:
				failed.Add(keys[i], err)
			}
		}
		if c.free {
			c.call.free()
		}
	}
	return items, failed.Err()
}
