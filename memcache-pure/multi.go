package memcachepure

import (
	"context"
	"sync"
	"sync/atomic"

	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/encoding"
)

const (
	// chunkLen is the largest number of keys in one request. More keys would not be faster,
	// but all their values would have one deadline.
	chunkLen = 250

	// parallelism is the largest number of requests of one verb that run at once.
	parallelism = 32
)

// GetItems returns the items that are present. It reads from all servers at once, and from
// each in chunks. The other multi verbs are those of core. For them, a command of memcached
// has one key, and gomemcache runs one command at a time over a connection, so that core's
// calls for single keys run over several connections.
func (b *Backend) GetItems(ctx context.Context, keys []string) ([]core.Item, error) {
	encoded, original, failed := encoding.EncodeKeys(keys, b.router.Encode)
	chunks := b.split(encoded)
	b.doParallel(ctx, chunks)
	items := make([]core.Item, 0, len(keys))
	for _, r := range chunks {
		for _, key := range r.keys {
			if item := r.items[key]; item != nil {
				items = append(items, core.Item{
					Key:   originalOf(original, key),
					Value: item.Value,
					Flags: item.Flags,
					Token: b.tokenOf(r.server, item),
				})
			} else {
				failed.Add(originalOf(original, key), r.err)
			}
		}
	}
	return items, failed.Err()
}

// doParallel carries out requests, several at a time.
func (b *Backend) doParallel(ctx context.Context, requests []*request) {
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

// split returns requests for keys, in chunks for each server. It leaves out keys that are "".
func (b *Backend) split(keys []string) []*request {
	var chunks []*request
	last := make([]*request, len(b.addrs)) // the last chunk of each server
	for _, key := range keys {
		if key == "" {
			continue
		}
		server, trial := b.router.Pick(key)
		r := last[server]
		if r == nil || len(r.keys) == chunkLen {
			r = &request{verb: verbGetMulti, server: server, trial: trial}
			last[server] = r
			chunks = append(chunks, r)
		}
		r.keys = append(r.keys, key)
	}
	return chunks
}
