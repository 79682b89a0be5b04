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

// A token is the gomemcache.Item that a read answered. Each server counts its own
// tokens, so that one is good for the server that it is from, and no other: in
// Expiration, which gomemcache leaves 0, stands which that is.
type token gomemcache.Item

// lastOrigin is the last number that a server of some Backend was given.
var lastOrigin atomic.Int32

// tokenOf answers the token of item, which server answered.
func (b *Backend) tokenOf(server int, item *gomemcache.Item) *token {
	item.Expiration = b.addrs[server].origin
	return (*token)(item)
}

// GetItem answers the item under key.
func (b *Backend) GetItem(ctx context.Context, key string) (core.Item, error) {
	r := request{verb: verbGet}
	if err := b.ask(ctx, key, &r); err != nil {
		return core.Item{}, err
	}
	return core.Item{Value: r.item.Value, Flags: r.item.Flags, Token: b.tokenOf(r.server, r.item)}, nil
}

// Store stores item, or for CompareAndDelete deletes it, on mode's condition.
// memcached has no word for that: it is a compare-and-swap with a date that is past.
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
	return b.ask(ctx, item.Key, &r)
}

// Delete deletes the item under key.
func (b *Backend) Delete(ctx context.Context, key string) error {
	return b.ask(ctx, key, &request{verb: verbDelete})
}

// Incr adds delta to the counter under key.
func (b *Backend) Incr(ctx context.Context, key string, delta uint64) (uint64, error) {
	r := request{verb: verbIncr, number: delta}
	err := b.ask(ctx, key, &r)
	return r.number, err
}

// Decr subtracts delta from the counter under key.
func (b *Backend) Decr(ctx context.Context, key string, delta uint64) (uint64, error) {
	r := request{verb: verbDecr, number: delta}
	err := b.ask(ctx, key, &r)
	return r.number, err
}

// Touch gives the item under key a new time to live.
func (b *Backend) Touch(ctx context.Context, key string, ttl time.Duration) error {
	return b.ask(ctx, key, &request{verb: verbTouch, expiry: memcache.Expiry(ttl, time.Now())})
}

// Flush deletes everything on every server.
func (b *Backend) Flush(ctx context.Context) error {
	return b.all(ctx, verbFlush)
}

// Ping answers nil when every server answers.
func (b *Backend) Ping(ctx context.Context) error {
	return b.all(ctx, verbPing)
}

// Stats answers the sum of what the servers tell of themselves. gomemcache has no
// such verb: it takes a connection more to each.
func (b *Backend) Stats(ctx context.Context) (core.Stats, error) {
	within, cancel := context.WithTimeout(ctx, b.timeout)
	defer cancel()
	defer context.AfterFunc(b.closing, cancel)()
	stats, err := memcache.Stats(within, b.router.Servers(), func(ctx context.Context, s memcache.Server) (net.Conn, error) {
		return b.connect(ctx, s.Network(), s.Address())
	})
	if ctx.Err() != nil {
		return core.Stats{}, ctx.Err()
	}
	return stats, err
}
