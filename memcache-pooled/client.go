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

// A client is a rainycape client that one goroutine uses at a time. So it has no
// more than one connection to each server, and takes a time-out for each verb.
type client struct {
	*rainycape.Client
	backend *Backend
	target  target
	until   time.Time   // when the present verb has to end
	worked  []time.Time // by server: when a verb began that the connection has last been used for; zero if there is none
}

// target is the rainycape.Servers of a client: the one server that it asks next.
type target struct{ addr *rainycape.Addr }

func (t *target) PickServer(string) (*rainycape.Addr, error) { return t.addr, nil }
func (t *target) Servers() ([]*rainycape.Addr, error)        { return []*rainycape.Addr{t.addr}, nil }

func newClient(b *Backend) *client {
	c := &client{backend: b, worked: make([]time.Time, len(b.addrs))}
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

// A request is one verb, with what comes of it.
type request struct {
	verb   verb
	mode   core.Mode // of verbStore
	key    string    // as it goes to the wire
	token  *token    // of a compare verb
	server int       // by its place
	trial  bool      // of a server that was ejected

	stored rainycape.Item  // to be stored
	got    *rainycape.Item // by verbGet
	number uint64          // to move a counter by, or its new value
}

// proofAfter is for how long a connection may be idle until a write is not sent
// over it without proof: the server may have closed it.
const proofAfter = time.Second

// probeKey is a key that nobody has. Its reads count as misses of the server.
const probeKey = "cachewire:is-anybody-there"

// maxRaces is how often Replace and Touch begin again when another client was
// faster.
const maxRaces = 256

// do does r within timeout, or if it has to connect, within twice that. A panic of
// the library is an error.
func (c *client) do(r *request, timeout time.Duration) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic in the client library: %v", p)
		}
	}()
	c.target.addr = c.backend.addrs[r.server]
	start := time.Now()
	c.until = start.Add(timeout)
	c.SetTimeout(timeout)
	if last := c.worked[r.server]; r.writes() && !last.IsZero() && start.Sub(last) > proofAfter {
		if _, err := c.get(probeKey); !isAnswer(err) {
			return err
		}
		if err := c.next(); err != nil {
			return err
		}
	}
	if err = c.call(r); isAnswer(err) {
		c.worked[r.server] = start
	}
	return err
}

// writes tells whether r begins with a write.
func (r *request) writes() bool {
	switch r.verb {
	case verbGet, verbPing, verbTouch:
		return false
	case verbStore:
		return r.mode != core.Replace
	}
	return true
}

// next readies the client for another command of the same verb.
func (c *client) next() error {
	left := time.Until(c.until)
	if left <= 0 { // 0 would be the library's default
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
		return c.rewrite(r.key, func(item *rainycape.Item) { item.Expiration = r.stored.Expiration })
	case verbFlush:
		if err = c.Flush(0); err != nil && c.answers() { // which the error of Flush does not tell
			err = errNoFlush
		}
	case verbPing:
		if _, err = c.get(probeKey); err == rainycape.ErrCacheMiss {
			err = nil
		}
	}
	return err
}

// answers tells whether the server answers a read.
func (c *client) answers() bool {
	if c.next() != nil {
		return false
	}
	_, err := c.get(probeKey)
	return isAnswer(err)
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
			item.Value, item.Flags, item.Expiration = r.stored.Value, r.stored.Flags, r.stored.Expiration
		})
	default:
		return c.swap(&r.stored)
	}
}

// get is Get. A read that meets a connection which the server has closed is sent
// again, once; a write never is, since it may have arrived.
func (c *client) get(key string) (*rainycape.Item, error) {
	item, err := c.Get(key)
	if memcache.IsLost(err) {
		if err := c.next(); err != nil {
			return nil, err
		}
		item, err = c.Get(key)
	}
	return item, err
}

// swap is CompareAndSwap. The library takes a token of 0 for no condition at all;
// that is what a server has which was started with -C.
func (c *client) swap(item *rainycape.Item) error {
	if casID(item) == 0 {
		return errNoTokens
	}
	if err := c.CompareAndSwap(item); err != rainycape.ErrNotStored {
		return err
	}
	return core.ErrConflict
}

// rewrite does what the library has no verb for: it reads the item, changes it, and
// stores it if it is still as it was.
func (c *client) rewrite(key string, change func(item *rainycape.Item)) error {
	for try := range maxRaces {
		item, err := c.get(key)
		if err != nil {
			return lostOr(err, try)
		}
		if err := c.next(); err != nil {
			return err
		}
		change(item)
		if err := c.swap(item); err != core.ErrConflict {
			return err
		}
		if err := c.next(); err != nil {
			return errRaces
		}
	}
	return errRaces
}

// lostOr answers err, of a read, or if it is a time-out and races were lost before
// it, that.
func lostOr(err error, races int) error {
	if races > 0 && errors.Is(err, os.ErrDeadlineExceeded) {
		return errRaces
	}
	return err
}

var (
	errNoTokens = fmt.Errorf("%w: the server gives no tokens for compare-and-swap; was it started with -C?", core.ErrUnavailable)
	errRaces    = fmt.Errorf("%w: each time others changed the item between the read and the write", core.ErrConflict)
	errNoFlush  = fmt.Errorf("%w: the server refuses to flush; was it started with -F?", core.ErrUnavailable)
)

var casField, _ = reflect.TypeFor[rainycape.Item]().FieldByName("casid")

// casID answers the token of item, which the library keeps to itself.
func casID(item *rainycape.Item) uint64 {
	return reflect.ValueOf(item).Elem().FieldByIndex(casField.Index).Uint()
}
