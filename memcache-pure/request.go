package memcachepure

import (
	"bytes"
	"context"
	"fmt"
	"sync"

	gomemcache "github.com/bradfitz/gomemcache/memcache"

	"github.com/cachewire/cachewire/core"
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
	keys   []string  // of verbGetMulti
	items  map[string]*gomemcache.Item
	server int              // by its place, or allServers
	item   *gomemcache.Item // to be stored, or got
	number uint64           // to move a counter by, or its new value
	expiry int32            // of verbTouch
	err    error            // in the contract's words
}

// ask does r, about key.
func (b *Backend) ask(ctx context.Context, key string, r *request) error {
	var err error
	if r.key, err = b.keys(key); err != nil {
		return err
	}
	if r.server, err = b.router.Pick(r.key); err != nil {
		return err
	}
	return b.do(ctx, r)
}

// do does r. gomemcache knows no contexts, so that where ctx can be done a
// goroutine does r, and goes on when nobody waits for it any more: until the
// time-out at the latest. Nobody else gets what comes of it then.
func (b *Backend) do(ctx context.Context, r *request) error {
	if err := b.enter(ctx, r.server); err != nil {
		return err
	}
	if ctx.Done() == nil {
		b.call(r)
		b.leave(r.server)
		return r.err
	}
	e := errands.Get().(*errand)
	e.backend, e.request = b, *r
	if item := r.item; item != nil { // the caller's again as soon as we return
		e.item = *item
		e.item.Value = bytes.Clone(item.Value)
		e.request.item = &e.item
	}
	go e.run()
	select {
	case <-e.done:
	case <-ctx.Done():
		return ctx.Err()
	}
	*r = e.request
	e.backend, e.request, e.item = nil, request{}, gomemcache.Item{}
	errands.Put(e)
	return r.err
}

// An errand is a request in the hands of a goroutine.
type errand struct {
	backend *Backend
	request request
	item    gomemcache.Item
	done    chan struct{} // has room for one, so that nobody need be there
	run     func()        // e.do, made once
}

var errands = sync.Pool{New: func() any {
	e := &errand{done: make(chan struct{}, 1)}
	e.run = e.do
	return e
}}

func (e *errand) do() {
	b := e.backend
	if b.running.TryRLock() {
		b.call(&e.request)
		b.running.RUnlock()
	} else {
		e.request.err = core.ErrClosed
	}
	b.leave(e.request.server)
	e.done <- struct{}{}
}

// allServers stands for a server in verbs that ask all of them.
const allServers = -1

// enter waits until one more request may be sent to server: each takes a
// connection, also one that nobody waits for any more.
func (b *Backend) enter(ctx context.Context, server int) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if server == allServers || b.gates[server].TryAcquire(1) {
		return nil
	}
	within, cancel := context.WithTimeout(ctx, b.timeout)
	defer cancel()
	if b.gates[server].Acquire(within, 1) == nil {
		return nil
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	return fmt.Errorf("%w: %s: all %d connections (MaxOpen) were in use for %v", core.ErrUnavailable, b.addrs[server], b.maxOpen, b.timeout)
}

func (b *Backend) leave(server int) {
	if server != allServers {
		b.gates[server].Release(1)
	}
}

// call does r. A read that meets a connection which the server has closed
// meanwhile is sent again, once; a write never is, since it may have arrived.
func (b *Backend) call(r *request) {
	var err error
	switch r.verb {
	case verbGet:
		if r.item, err = b.client.Get(r.key); isLost(err) {
			r.item, err = b.client.Get(r.key)
		}
	case verbGetMulti:
		if r.items, err = b.client.GetMulti(r.keys); isLost(err) {
			r.items, err = b.client.GetMulti(r.keys)
		}
	case verbStore:
		r.item.Key = r.key
		err = b.store(r)
	case verbDelete:
		err = b.client.Delete(r.key)
	case verbIncr:
		r.number, err = b.client.Increment(r.key, r.number)
	case verbDecr:
		r.number, err = b.client.Decrement(r.key, r.number)
	case verbTouch:
		err = b.client.Touch(r.key, r.expiry)
	case verbFlush:
		r.err = b.client.FlushAll()
		return
	case verbPing:
		r.err = b.client.Ping()
		return
	}
	r.err = b.outcome(r.server, err)
}

func (b *Backend) store(r *request) error {
	switch r.mode {
	case core.Set:
		return b.client.Set(r.item)
	case core.Add:
		if err := b.client.Add(r.item); err != gomemcache.ErrNotStored {
			return err
		}
		return core.ErrExists
	case core.Replace:
		if err := b.client.Replace(r.item); err != gomemcache.ErrNotStored {
			return err
		}
		return core.ErrMiss
	default:
		return b.client.CompareAndSwap(r.item)
	}
}
