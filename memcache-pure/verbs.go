package memcachepure

import (
	"context"
	"net"
	"sync/atomic"
	"time"

	gomemcache "github.com/bradfitz/gomemcache/memcache"

	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/memcache"
)

// A token is the gomemcache.Item that a read returned. Each server counts its tokens by
// itself, so that a token is valid only for the server that it is from. Expiration, which
// gomemcache leaves 0, holds the origin of that server.
type token gomemcache.Item

// lastOrigin is the last origin that was given to a server, of any Backend.
var lastOrigin atomic.Int32

// tokenOf returns the token of item, which was read from server.
func (b *Backend) tokenOf(server int, item *gomemcache.Item) *token {
	item.Expiration = b.addrs[server].origin
	return (*token)(item)
}

// GetItem returns the item under key.
func (b *Backend) GetItem(ctx context.Context, key string) (core.Item, error) {
	r := request{verb: verbGet}
	if err := b.doKey(ctx, key, &r); err != nil {
		return core.Item{}, err
	}
	return core.Item{
		Value: r.item.Value,
		Flags: r.item.Flags,
		Token: b.tokenOf(r.server, r.item),
	}, nil
}

// Store stores item, or deletes it for CompareAndDelete, on the condition of mode.
// memcached has no command for CompareAndDelete, so Store sends a compare-and-swap with an
// expiry in the past.
func (b *Backend) Store(ctx context.Context, mode core.Mode, item core.Item) error {
	r := request{verb: verbStore, mode: mode, item: &gomemcache.Item{}}
	if mode == core.CompareAndSwap || mode == core.CompareAndDelete {
		read, ok := item.Token.(*token)
		if !ok || read == nil {
			return core.ErrConflict
		}
		r.item.CasID, r.token = read.CasID, read
	}
	if mode == core.CompareAndDelete {
		r.item.Expiration = memcache.Past
	} else {
		r.item.Value, r.item.Flags = item.Value, item.Flags
		r.item.Expiration = memcache.Expiry(item.TTL, time.Now())
	}
	return b.doKey(ctx, item.Key, &r)
}

// Delete deletes the item under key.
func (b *Backend) Delete(ctx context.Context, key string) error {
	return b.doKey(ctx, key, &request{verb: verbDelete})
}

// Incr adds delta to the counter under key.
func (b *Backend) Incr(ctx context.Context, key string, delta uint64) (uint64, error) {
	r := request{verb: verbIncr, number: delta}
	err := b.doKey(ctx, key, &r)
	return r.number, err
}

// Decr subtracts delta from the counter under key.
func (b *Backend) Decr(ctx context.Context, key string, delta uint64) (uint64, error) {
	r := request{verb: verbDecr, number: delta}
	err := b.doKey(ctx, key, &r)
	return r.number, err
}

// Touch gives the item under key a new time to live.
func (b *Backend) Touch(ctx context.Context, key string, ttl time.Duration) error {
	return b.doKey(ctx, key, &request{verb: verbTouch, expiry: memcache.Expiry(ttl, time.Now())})
}

// Flush deletes all items on every server.
func (b *Backend) Flush(ctx context.Context) error {
	return b.doAllServers(ctx, verbFlush)
}

// Ping returns nil if every server responds.
func (b *Backend) Ping(ctx context.Context) error {
	return b.doAllServers(ctx, verbPing)
}

// Stats returns the sum of the figures of the servers. gomemcache has no such verb, so Stats
// opens another connection to each server.
func (b *Backend) Stats(ctx context.Context) (core.Stats, error) {
	limited, cancel := context.WithTimeout(ctx, b.timeout)
	defer cancel()
	defer context.AfterFunc(b.closing, cancel)()
	dial := func(ctx context.Context, s memcache.Server) (net.Conn, error) {
		return b.connect(ctx, s.Network(), s.Address())
	}
	stats, err := memcache.Stats(limited, b.router.Servers(), dial)
	if ctx.Err() != nil {
		return core.Stats{}, ctx.Err()
	}
	return stats, err
}
