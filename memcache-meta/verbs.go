package memcachemeta

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/memcache"
)

type token = memcache.Token[*server]

// maxTries limits how often a call is queued whose connection is closed before anything of it is
// sent. It takes as many servers that fail at this very moment to reach it.
const maxTries = 4

// send sends k to the server n and waits for the replies. It decides what is sent again if the
// connection is lost: an unsent call, and, once, one that only reads. A write
// that was sent may have arrived, and is not sent again.
//
// If the error is not nil, there are no replies, except for those of a write that have a code. If
// free is false, k may still belong to the connection.
func (b *Backend) send(ctx context.Context, n *node, trial bool, k *call) (free bool, err error) {
	reread := k.verb.reads()
	for try := 1; ; try++ {
		c, err := n.Conns.take(ctx)
		if err != nil {
			if isDone(ctx, err) || err == core.ErrClosed {
				return true, b.untried(n, trial, err)
			}
			return true, b.list.Result(n, err)
		}
		if !k.fit(c.itemMax) {
			return true, b.untried(n, trial, nil)
		}
		err = c.roundTrip(ctx, k)
		switch {
		case err == nil:
			return true, b.list.Result(n, nil)
		case isDone(ctx, err):
			return false, b.untried(n, trial, err)
		case try < maxTries && (err == errGone || k.unsent):
		case reread && memcache.IsLost(err):
			reread = false
		default:
			return true, b.list.Result(n, err)
		}
		k.reset()
	}
}

// isDone reports whether err is the error of ctx.
func isDone(ctx context.Context, err error) bool { return ctx.Err() != nil && err == ctx.Err() }

// untried ends the trial of a server if a verb ends with err without finding out whether the
// server responds.
func (b *Backend) untried(n *node, trial bool, err error) error {
	if trial {
		b.list.Untried(n)
	}
	return err
}

// result returns the error of the contract that r means.
func (b *Backend) result(n *node, mode core.Mode, r *reply) error {
	switch r.code {
	case codeHD, codeVA, codeVALUE, codeOK, codeMN:
		return nil
	case codeEN, codeNF:
		return core.ErrMiss
	case codeEX:
		return core.ErrConflict
	case codeNS:
		if mode == core.Add {
			return core.ErrExists
		}
		return core.ErrMiss
	}
	return b.list.Result(n, r.err)
}

// do sends k, which has one request, for key. If t is not nil, the verb is for the item that t is
// from. It frees k.
func (b *Backend) do(
	ctx context.Context, key string, t *token, k *call,
) (r reply, at token, err error) {
	encoded, err := b.list.Encode(key)
	if err != nil {
		return r, at, err
	}
	n, trial := b.list.Pick(encoded)
	if n == nil {
		return r, at, memcache.ErrNoServers
	}
	if !t.Fits(n, encoded) {
		return r, at, b.untried(n, trial, core.ErrConflict)
	}
	k.requests[0].key = encoded
	free, err := b.send(ctx, n, trial, k)
	if err == nil {
		r = k.replies[0]
		at = token{Node: n, Key: encoded, CAS: r.cas}
		err = b.result(n, k.mode, &r)
	}
	if free {
		k.free()
	}
	return r, at, err
}

// Get returns the value under key.
func (b *Backend) Get(ctx context.Context, key string) ([]byte, error) {
	r, _, err := b.do(ctx, key, nil, newCall(verbGet, 1))
	return r.value, err
}

// GetItem returns the item under key.
func (b *Backend) GetItem(ctx context.Context, key string) (core.Item, error) {
	return b.getItem(ctx, key, verbGetItem)
}

// GetItemTTL returns the item under key, and how long it has left to live, as TTL does.
func (b *Backend) GetItemTTL(ctx context.Context, key string) (core.Item, error) {
	return b.getItem(ctx, key, verbGetItemTTL)
}

func (b *Backend) getItem(ctx context.Context, key string, v verb) (core.Item, error) {
	r, at, err := b.do(ctx, key, nil, newCall(v, 1))
	if err != nil {
		return core.Item{}, err
	}
	return core.Item{Key: key, Value: r.value, Flags: r.flags, TTL: r.left(), Token: &at}, nil
}

// month is the longest expiry, in seconds, that memcached does not take as a date.
const month = 30 * 24 * 60 * 60

// TTL returns the time that the item under key has left to live, in whole seconds, or 0 if it never
// expires. Like the life of the item, it may be longer by Traits.Resolution than what is left of
// the time to live with which the item was stored.
func (b *Backend) TTL(ctx context.Context, key string) (time.Duration, error) {
	r, _, err := b.do(ctx, key, nil, newCall(verbTTL, 1))
	return r.left(), err
}

// left returns the time to live of r, or 0 if the item never expires or the TTL was not requested.
func (r *reply) left() time.Duration {
	seconds := r.ttl
	switch {
	case r.has&fieldTTL == 0 || seconds < 0:
		return 0
	case seconds > month:
		seconds-- // by which memcache.Expiry rounds dates up
	}
	return time.Duration(max(seconds, 1)) * time.Second
}

// Store stores item, or deletes it for CompareAndDelete, on the condition of mode.
func (b *Backend) Store(ctx context.Context, mode core.Mode, item core.Item) error {
	k := newCall(storeVerb(mode), 1)
	k.mode = mode
	t, err := k.requests[0].set(mode, &item)
	if err != nil {
		return err
	}
	_, _, err = b.do(ctx, item.Key, t, k)
	return err
}

func storeVerb(mode core.Mode) verb {
	if mode == core.CompareAndDelete {
		return verbDelete
	}
	return verbStore
}

// set makes r store item, and returns the token of a compare verb.
func (r *request) set(mode core.Mode, item *core.Item) (t *token, err error) {
	if len(item.Value) > memcache.MaxValue {
		return nil, fmt.Errorf("%w: %d bytes; memcached stores at most %d",
			core.ErrTooLarge, len(item.Value), memcache.MaxValue)
	}
	if mode == core.CompareAndSwap || mode == core.CompareAndDelete {
		if t, _ = item.Token.(*token); t == nil {
			return nil, core.ErrConflict
		}
		if r.cas = t.CAS; r.cas == 0 {
			return nil, fmt.Errorf("%w: the server has no CAS ids: it was started with -C",
				errors.ErrUnsupported)
		}
	}
	if mode != core.CompareAndDelete {
		r.value, r.flags = item.Value, item.Flags
		r.expiry = memcache.Expiry(item.TTL, time.Now())
	}
	return t, nil
}

// Delete deletes the item under key.
func (b *Backend) Delete(ctx context.Context, key string) error {
	_, _, err := b.do(ctx, key, nil, newCall(verbDelete, 1))
	return err
}

// Touch gives the item under key a new time to live.
func (b *Backend) Touch(ctx context.Context, key string, ttl time.Duration) error {
	k := newCall(verbTouch, 1)
	k.requests[0].expiry = memcache.Expiry(ttl, time.Now())
	_, _, err := b.do(ctx, key, nil, k)
	return err
}

// Incr adds delta to the counter under key.
func (b *Backend) Incr(ctx context.Context, key string, delta uint64) (uint64, error) {
	return b.count(ctx, key, delta, verbIncr)
}

// Decr subtracts delta from the counter under key.
func (b *Backend) Decr(ctx context.Context, key string, delta uint64) (uint64, error) {
	return b.count(ctx, key, delta, verbDecr)
}

func (b *Backend) count(ctx context.Context, key string, delta uint64, v verb) (uint64, error) {
	k := newCall(v, 1)
	k.requests[0].delta = delta
	r, at, err := b.do(ctx, key, nil, k)
	if errors.Is(err, core.ErrNotNumber) {
		return b.countLarge(ctx, key, delta, v, err)
	}
	if err != nil {
		return 0, err
	}
	n, err := core.ParseCount(r.value)
	if err != nil {
		return 0, b.list.Result(at.Node, invalid("the new value of a counter is %.100q", r.value))
	}
	return n, nil
}

// countLarge is count for a value that memcached takes for no number. If it is a number of 2^63
// or more, memcached before 1.6.22 looks for a minus sign in the bytes that follow it, which may
// be of another item (safe_strtoull in util.c). The number is then moved by compare-and-swap. If
// it is none, the error is refusal.
func (b *Backend) countLarge(
	ctx context.Context, key string, delta uint64, v verb, refusal error,
) (uint64, error) {
	for {
		r, at, err := b.do(ctx, key, nil, newCall(verbGetItemTTL, 1))
		if err != nil {
			return 0, err
		}
		n, err := core.ParseCount(r.value)
		if err != nil {
			return 0, refusal
		}
		if v == verbDecr {
			n -= min(n, delta)
		} else {
			n += delta
		}
		k := newCall(verbStore, 1)
		k.mode = core.CompareAndSwap
		k.requests[0] = request{
			value: strconv.AppendUint(nil, n, 10), flags: r.flags, cas: r.cas,
			expiry: int32(max(r.ttl, 0)),
		}
		if r.ttl > month {
			ttl := time.Duration(r.ttl) * time.Second
			k.requests[0].expiry = memcache.Expiry(ttl, time.Now())
		}
		_, _, err = b.do(ctx, key, &at, k)
		if err != core.ErrConflict {
			return n, err
		}
	}
}

// Flush deletes all items on every server.
func (b *Backend) Flush(ctx context.Context) error { return b.doAll(ctx, verbFlush) }

// Ping returns nil if every server responds.
func (b *Backend) Ping(ctx context.Context) error { return b.doAll(ctx, verbPing) }

// doAll sends a request without a key to each server, at once, and joins the errors.
func (b *Backend) doAll(ctx context.Context, v verb) error {
	nodes := b.list.Nodes()
	if len(nodes) == 0 {
		return memcache.ErrNoServers
	}
	errs := make([]error, len(nodes))
	var tasks sync.WaitGroup
	for i, n := range nodes {
		tasks.Go(func() {
			k := newCall(v, 1)
			free, err := b.send(ctx, n, false, k)
			if err == nil {
				err = b.result(n, 0, &k.replies[0])
			}
			if errs[i] = err; free {
				k.free()
			}
		})
	}
	tasks.Wait()
	if err := ctx.Err(); err != nil {
		return err
	}
	return errors.Join(errs...)
}
