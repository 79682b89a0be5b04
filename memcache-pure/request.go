package memcachepure

import (
	"context"
	"errors"
	"maps"
	"sync"

	gomemcache "github.com/bradfitz/gomemcache/memcache"

	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/memcache"
)

type verb uint8

const (
	verbGet verb = iota
	verbGetMulti
	verbStore
	verbDelete
	verbIncr
	verbDecr
	verbTouch
	verbFlush
	verbPing
)

// A request is one call of gomemcache and its result.
type request struct {
	verb   verb
	mode   core.Mode // of verbStore
	key    string    // encoded
	token  *token    // of a compare verb
	keys   []string  // of verbGetMulti, encoded
	server int       // its index
	trial  bool      // whether it tries a server that was ejected

	item   *gomemcache.Item            // the item to store, or the one that was read
	items  map[string]*gomemcache.Item // the items that verbGetMulti read
	number uint64                      // the delta of a counter, or its new value
	expiry int32                       // of verbTouch
	err    error                       // an error of the contract
}

// doKey carries out r for key, on the server of key.
func (b *Backend) doKey(ctx context.Context, key string, r *request) error {
	var err error
	if r.key, err = b.router.Encode(key); err != nil {
		return err
	}
	r.server, r.trial = b.router.Pick(r.key)
	if t := r.token; t != nil && (t.Expiration != b.addrs[r.server].origin || t.Key != r.key) {
		b.endTrial(r)
		return core.ErrConflict
	}
	return b.do(ctx, r)
}

// do carries out r over a connection to its server. gomemcache does not support contexts,
// so when ctx is done, the connection is closed.
func (b *Backend) do(ctx context.Context, r *request) error {
	p := b.pools[r.server]
	c, err := p.take(ctx)
	if err != nil {
		b.endTrial(r)
		return err
	}
	if ctx.Done() == nil {
		err = call(c.client, r)
		p.put(c)
		return b.report(r.server, err)
	}
	stop := context.AfterFunc(ctx, c.end)
	err = call(c.client, r)
	if stop() {
		p.put(c)
		return b.report(r.server, err)
	}
	p.drop(c) // the call of c.end may still be running
	if isReply(err) {
		return b.report(r.server, err)
	}
	return ctx.Err()
}

// endTrial ends the trial of a server to which r was not sent.
func (b *Backend) endTrial(r *request) {
	if r.trial {
		b.router.Untried(r.server)
	}
}

// doAllServers carries out v on all servers at once, and joins the errors.
func (b *Backend) doAllServers(ctx context.Context, v verb) error {
	errs := make([]error, len(b.pools))
	var wg sync.WaitGroup
	for i := range b.pools {
		wg.Go(func() { errs[i] = b.do(ctx, &request{verb: v, server: i}) })
	}
	wg.Wait()
	if err := ctx.Err(); err != nil {
		return err
	}
	return errors.Join(errs...)
}

// call carries out r. A read whose connection was closed by the server is sent again, once. A
// write is never sent again, because it may have arrived.
func call(client *gomemcache.Client, r *request) error {
	var err error
	switch r.verb {
	case verbGet:
		if r.item, err = client.Get(r.key); memcache.IsLost(err) {
			r.item, err = client.Get(r.key)
		}
	case verbGetMulti:
		if r.items, err = client.GetMulti(r.keys); memcache.IsLost(err) {
			err = getMissing(client, r)
		}
	case verbStore:
		r.item.Key = r.key
		err = store(client, r)
	case verbDelete:
		err = client.Delete(r.key)
	case verbIncr:
		r.number, err = client.Increment(r.key, r.number)
	case verbDecr:
		r.number, err = client.Decrement(r.key, r.number)
	case verbTouch:
		err = client.Touch(r.key, r.expiry)
	case verbFlush:
		err = client.FlushAll()
	case verbPing:
		if err = client.Ping(); memcache.IsLost(err) {
			err = client.Ping()
		}
	}
	return err
}

// getMissing reads those of r.keys that are not in r.items.
func getMissing(client *gomemcache.Client, r *request) error {
	var missing []string
	for _, key := range r.keys {
		if r.items[key] == nil {
			missing = append(missing, key)
		}
	}
	items, err := client.GetMulti(missing)
	if r.items == nil {
		r.items = items
	}
	maps.Copy(r.items, items)
	return err
}

func store(client *gomemcache.Client, r *request) error {
	switch r.mode {
	case core.Set:
		return client.Set(r.item)
	case core.Add:
		if err := client.Add(r.item); err != gomemcache.ErrNotStored {
			return err
		}
		return core.ErrExists
	case core.Replace:
		if err := client.Replace(r.item); err != gomemcache.ErrNotStored {
			return err
		}
		return core.ErrMiss
	default:
		return client.CompareAndSwap(r.item)
	}
}
