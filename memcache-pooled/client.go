package memcachepooled

import (
	"errors"
	"fmt"
	"os"
	"reflect"
	"time"

	rainycape "github.com/rainycape/memcache"

	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/memcache"
)

// A client is a rainycape client that is used by one goroutine at a time. So it has at most
// one connection to each server, and each verb can have its own time-out.
type client struct {
	*rainycape.Client
	backend  *Backend
	target   target
	deadline time.Time // of the running verb

	// lastUse is when the last verb began that used the connection to a server, by server. It
	// is zero if the connection has not been used.
	lastUse []time.Time
}

// target is the rainycape.Servers of a client: the one server for its next command.
type target struct{ addr *rainycape.Addr }

func (t *target) PickServer(string) (*rainycape.Addr, error) { return t.addr, nil }

func (t *target) Servers() ([]*rainycape.Addr, error) {
	return []*rainycape.Addr{t.addr}, nil
}

func newClient(b *Backend) *client {
	c := &client{backend: b, lastUse: make([]time.Time, len(b.addrs))}
	c.Client = rainycape.NewFromServers(&c.target)
	c.SetMaxIdleConnsPerAddr(1)
	return c
}

type verb uint8

const (
	verbGet verb = iota
	verbStore
	verbDelete
	verbIncr
	verbDecr
	verbTouch
	verbFlush
	verbPing
)

// A request is one verb and its result.
type request struct {
	verb   verb
	mode   core.Mode // of verbStore
	key    string    // encoded
	token  *token    // of a compare verb
	server int       // its index
	trial  bool      // whether it tries a server that was ejected

	stored rainycape.Item  // the item to store
	got    *rainycape.Item // the item that verbGet read
	number uint64          // the delta of a counter, or its new value
}

// probeAfter is the time after which an idle connection is checked by a read before a write,
// because the server may have closed it.
const probeAfter = time.Second

// probeKey is a key that no item has. The server counts its reads as misses.
const probeKey = "cachewire:is-anybody-there"

// maxTries is how often Replace and Touch try again because another client changed the item.
const maxTries = 256

// do carries out r within timeout, or within twice that if it has to connect. It returns a
// panic of the library as an error.
func (c *client) do(r *request, timeout time.Duration) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic in the client library: %v", p)
		}
	}()
	c.target.addr = c.backend.addrs[r.server]
	start := time.Now()
	c.deadline = start.Add(timeout)
	c.SetTimeout(timeout)
	last := c.lastUse[r.server]
	if r.beginsWithWrite() && !last.IsZero() && start.Sub(last) > probeAfter {
		if _, err := c.get(probeKey); !isReply(err) {
			return err
		}
		if err := c.updateTimeout(); err != nil {
			return err
		}
	}
	if err = c.call(r); isReply(err) {
		c.lastUse[r.server] = start
	}
	return err
}

// beginsWithWrite reports whether the first command of r is a write.
func (r *request) beginsWithWrite() bool {
	switch r.verb {
	case verbGet, verbPing, verbTouch:
		return false
	case verbStore:
		return r.mode != core.Replace
	}
	return true
}

// updateTimeout sets the time-out for the next command of the running verb. It returns
// os.ErrDeadlineExceeded if no time is left.
func (c *client) updateTimeout() error {
	left := time.Until(c.deadline)
	if left <= 0 { // the library takes 0 as its default
		return os.ErrDeadlineExceeded
	}
	c.SetTimeout(left)
	return nil
}

func (c *client) call(r *request) (err error) {
	switch r.verb {
	case verbGet:
		r.got, err = c.get(r.key)
	case verbStore:
		return c.store(r)
	case verbDelete:
		err = c.Delete(r.key)
	case verbIncr:
		r.number, err = c.Increment(r.key, r.number)
	case verbDecr:
		r.number, err = c.Decrement(r.key, r.number)
	case verbTouch:
		return c.rewrite(r.key, func(item *rainycape.Item) {
			item.Expiration = r.stored.Expiration
		})
	case verbFlush:
		// The error of Flush does not say whether the server responds.
		if err = c.Flush(0); err != nil && c.responds() {
			err = errNoFlush
		}
	case verbPing:
		if _, err = c.get(probeKey); err == rainycape.ErrCacheMiss {
			err = nil
		}
	}
	return err
}

// responds reports whether the server replies to a read.
func (c *client) responds() bool {
	if c.updateTimeout() != nil {
		return false
	}
	_, err := c.get(probeKey)
	return isReply(err)
}

func (c *client) store(r *request) error {
	switch r.mode {
	case core.Set:
		return c.Set(&r.stored)
	case core.Add:
		if err := c.Add(&r.stored); err != rainycape.ErrNotStored {
			return err
		}
		return core.ErrExists
	case core.Replace:
		return c.rewrite(r.key, func(item *rainycape.Item) {
			item.Value = r.stored.Value
			item.Flags = r.stored.Flags
			item.Expiration = r.stored.Expiration
		})
	default:
		return c.swap(&r.stored)
	}
}

// get calls Get, and calls it again, once, if the server has closed the connection. A write
// is never sent again, because it may have arrived.
func (c *client) get(key string) (*rainycape.Item, error) {
	item, err := c.Get(key)
	if memcache.IsLost(err) {
		if err := c.updateTimeout(); err != nil {
			return nil, err
		}
		item, err = c.Get(key)
	}
	return item, err
}

// swap calls CompareAndSwap. It refuses a token of 0, with which the library would store
// without a condition. All tokens of a server that was started with -C are 0.
func (c *client) swap(item *rainycape.Item) error {
	if casID(item) == 0 {
		return errNoTokens
	}
	if err := c.CompareAndSwap(item); err != rainycape.ErrNotStored {
		return err
	}
	return core.ErrConflict
}

// rewrite reads the item under key, changes it, and stores it if it has not changed in the
// meantime. It is for verbs that the library does not have.
func (c *client) rewrite(key string, change func(item *rainycape.Item)) error {
	for try := range maxTries {
		item, err := c.get(key)
		if err != nil {
			if try > 0 && errors.Is(err, os.ErrDeadlineExceeded) {
				return errAlwaysChanged
			}
			return err
		}
		if err := c.updateTimeout(); err != nil {
			return err
		}
		change(item)
		if err := c.swap(item); err != core.ErrConflict {
			return err
		}
		if err := c.updateTimeout(); err != nil {
			return errAlwaysChanged
		}
	}
	return errAlwaysChanged
}

var (
	errNoTokens = fmt.Errorf("%w: the server has no tokens for compare-and-swap; "+
		"was it started with -C?", core.ErrUnavailable)
	errAlwaysChanged = fmt.Errorf("%w: in each try, another client changed the item "+
		"between the read and the write", core.ErrConflict)
	errNoFlush = fmt.Errorf("%w: the server refuses to flush; was it started with -F?",
		core.ErrUnavailable)
)

var casField, _ = reflect.TypeFor[rainycape.Item]().FieldByName("casid")

// casID returns the token of item, which is in a private field.
func casID(item *rainycape.Item) uint64 {
	return reflect.ValueOf(item).Elem().FieldByIndex(casField.Index).Uint()
}
