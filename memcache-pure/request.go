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

// A request is one call of gomemcache with what comes of it.
type request struct {
	verb   verb
	mode   core.Mode // of verbStore
	key    string    // as it goes to the wire
	token  *token    // of a compare verb
	keys   []string  // of verbGetMulti
	server int       // by its place
	trial  bool      // of a server that was ejected

	item   *gomemcache.Item // to be stored, or got
	items  map[string]*gomemcache.Item
	number uint64 // to move a counter by, or its new value
	expiry int32  // of verbTouch
	err    error  // in the contract's words
}

// ask does r, about key.
func (b *Backend) ask(ctx context.Context, key string, r *request) error {
	var err error
	if r.key, err = b.router.Encode(key); err != nil {
		return err
	}
	r.server, r.trial = b.router.Pick(r.key)
	if t := r.token; t != nil && (t.Expiration != b.addrs[r.server].origin || t.Key != r.key) {
		b.untried(r)
		return core.ErrConflict
	}
	return b.do(ctx, r)
}

// do does r over a line of its server. gomemcache knows no contexts, so that where
// ctx can be done, it interrupts the line.
func (b *Backend) do(ctx context.Context, r *request) error {
	ls := b.lines[r.server]
	l, err := ls.take(ctx)
	if err != nil {
		b.untried(r)
		return err
	}
	if ctx.Done() == nil {
		err = call(l.client, r)
		ls.put(l)
		return b.outcome(r.server, err)
	}
	stop := context.AfterFunc(ctx, l.end)
	err = call(l.client, r)
	if stop() {
		ls.put(l)
		return b.outcome(r.server, err)
	}
	ls.drop(l) // what interrupted it may not have ended yet
	if isAnswer(err) {
		return b.outcome(r.server, err)
	}
	return ctx.Err()
}

// untried says that the server of r was not asked.
func (b *Backend) untried(r *request) {
	if r.trial {
		b.router.Untried(r.server)
	}
}

// all does a request of this verb for every server at once, and joins the errors.
func (b *Backend) all(ctx context.Context, v verb) error {
	errs := make([]error, len(b.lines))
	var wg sync.WaitGroup
	for i := range b.lines {
		wg.Go(func() { errs[i] = b.do(ctx, &request{verb: v, server: i}) })
	}
	wg.Wait()
	if err := ctx.Err(); err != nil {
		return err
	}
	return errors.Join(errs...)
}

// call does r. A read that meets a connection which the server has closed
// meanwhile is sent again, once; a write never is, since it may have arrived.
func call(client *gomemcache.Client, r *request) error {
	var err error
	switch r.verb {
	case verbGet:
		if r.item, err = client.Get(r.key); memcache.IsLost(err) {
			r.item, err = client.Get(r.key)
		}
	case verbGetMulti:
		if r.items, err = client.GetMulti(r.keys); memcache.IsLost(err) {
			err = getRest(client, r)
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

// getRest asks for those of r.keys that have not come.
func getRest(client *gomemcache.Client, r *request) error {
	var rest []string
	for _, key := range r.keys {
		if r.items[key] == nil {
			rest = append(rest, key)
		}
	}
	items, err := client.GetMulti(rest)
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
