package memcachepure

import (
	"context"
	"sync"
	"sync/atomic"

	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/encoding"
)

const (
	// chunkLen is how many keys one request asks for: more would not be faster,
	// but have one deadline for all their values.
	chunkLen = 250

	// parallelism is how many requests of one verb are under way at once.
	parallelism = 32
)

// GetItems asks all servers at once, each in chunks. The other multi verbs are
// core's: memcached takes one key a command for them, and gomemcache one command
// at a time over a connection, so that they go out over several.
func (b *Backend) GetItems(ctx context.Context, keys []string) ([]core.Item, error) {
	encoded, original, failed := encoding.EncodeKeys(keys, b.router.Encode)
	chunks := b.split(encoded)
	b.doAll(ctx, chunks)
	items := make([]core.Item, 0, len(keys))
	for _, r := range chunks {
		for _, key := range r.keys {
			if item := r.items[key]; item != nil {
				items = append(items, core.Item{
					Key: originalOf(original, key), Value: item.Value, Flags: item.Flags, Token: b.tokenOf(r.server, item),
				})
			} else {
				failed.Add(originalOf(original, key), r.err)
			}
		}
	}
	return items, failed.Err()
}

// doAll does requests, several at a time.
func (b *Backend) doAll(ctx context.Context, requests []*request) {
	var next atomic.Int64
	work := func() {
		for i := int(next.Add(1)) - 1; i < len(requests); i = int(next.Add(1)) - 1 {
			requests[i].err = b.do(ctx, requests[i])
		}
	}
	var helpers sync.WaitGroup
	for range min(len(requests), parallelism, b.maxOpen) - 1 {
		helpers.Go(work)
	}
	work()
	helpers.Wait()
}

func originalOf(original map[string]string, encoded string) string {
	if key, ok := original[encoded]; ok {
		return key
	}
	return encoded
}

// split answers the chunks of keys, but for those that are "".
func (b *Backend) split(keys []string) []*request {
	var chunks []*request
	open := make([]*request, len(b.addrs)) // by server
	for _, key := range keys {
		if key == "" {
			continue
		}
		server, trial := b.router.Pick(key)
		r := open[server]
		if r == nil || len(r.keys) == chunkLen {
			r = &request{verb: verbGetMulti, server: server, trial: trial}
			open[server] = r
			chunks = append(chunks, r)
		}
		r.keys = append(r.keys, key)
	}
	return chunks
}
