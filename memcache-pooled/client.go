package memcachepooled

import (
	"encoding/binary"
	"fmt"
	"net"

	rainycape "github.com/rainycape/memcache"

	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/memcache"
)

// A client is a client of the library with one connection.
type client struct {
	*rainycape.Client
	conn *checkedConn
	item rainycape.Item // the one that Store stores, kept so that verbs do not allocate it
}

func newClient(conn *memcache.Conn) memcache.Client {
	checked := newCheckedConn(conn)
	return &client{Client: newLibraryClient(checked), conn: checked}
}

func (c *client) Get(key string) (memcache.Item, error) {
	c.conn.expect(0, nil)
	item, err := c.Client.Get(key)
	if err := c.result(err); err != nil {
		return memcache.Item{}, err
	}
	return itemOf(item), nil
}

func itemOf(item *rainycape.Item) memcache.Item {
	return memcache.Item{Value: item.Value, Flags: item.Flags, CAS: *casOf(item)}
}

// Gets calls GetMulti of the library, which hides every failure. The connection keeps it.
func (c *client) Gets(keys []string, found func(key string, item memcache.Item)) error {
	c.conn.expect(0, nil)
	items, err := c.Client.GetMulti(keys)
	for key, item := range items {
		found(key, itemOf(item))
	}
	return c.result(err)
}

func (c *client) Store(mode core.Mode, key string, item memcache.Item, expiry int32) error {
	c.item = rainycape.Item{
		Key:        key,
		Value:      item.Value,
		Flags:      item.Flags,
		Expiration: expiry,
	}
	defer func() { c.item = rainycape.Item{} }()
	c.conn.expect(0, nil)
	switch mode {
	case core.Set:
		return c.result(c.Client.Set(&c.item))
	case core.Add:
		return c.result(c.Client.Add(&c.item))
	case core.Replace: // the library does not have it
		c.conn.expect(opReplace, nil)
		return c.result(c.Client.Add(&c.item))
	}
	if item.CAS == 0 {
		return errNoCAS
	}
	*casOf(&c.item) = item.CAS
	if err := c.result(c.Client.CompareAndSwap(&c.item)); err != core.ErrExists {
		return err
	}
	return core.ErrConflict
}

// errNoCAS is the error of a compare-and-swap with the number 0, with which the library would
// store without a condition. All items of a server that was started with -C have it.
var errNoCAS = &memcache.ReplyError{
	Sentinel: core.ErrUnavailable,
	Text:     "the server has no numbers for compare-and-swap; was it started with -C?",
}

func (c *client) Delete(key string) error {
	c.conn.expect(0, nil)
	return c.result(c.Client.Delete(key))
}

func (c *client) Incr(key string, delta uint64) (uint64, error) {
	c.conn.expect(0, nil)
	n, err := c.Client.Increment(key, delta)
	return n, c.result(err)
}

func (c *client) Decr(key string, delta uint64) (uint64, error) {
	c.conn.expect(0, nil)
	n, err := c.Client.Decrement(key, delta)
	return n, c.result(err)
}

// Touch sends a command that the library does not have. The library makes the request of
// Delete, which is sent as a Touch with an expiry.
func (c *client) Touch(key string, expiry int32) error {
	c.conn.expect(opTouch, binary.BigEndian.AppendUint32(nil, uint32(expiry)))
	return c.result(c.Client.Delete(key))
}

func (c *client) Flush() error {
	c.conn.expect(0, nil)
	return c.result(c.Client.Flush(0))
}

// Ping sends a command that the library does not have. The library makes the request of a Get
// without a key, which is sent as a Ping.
func (c *client) Ping() error {
	c.conn.expect(opNoop, nil)
	_, err := c.Client.Get("")
	return c.result(err)
}

// result returns the error of a verb, from the reply to its last request. libraryErr is the
// error of the library, which hides some errors.
func (c *client) result(libraryErr error) error {
	status, err := c.conn.status, c.conn.err
	if err == nil && status <= statusOK {
		err = libraryErr
	}
	if err == nil && status < 0 {
		err = net.ErrClosed // the library has not sent anything
	}
	if err != nil {
		c.conn.Close()
		return err
	}
	sentinel := core.ErrUnavailable
	switch status {
	case statusOK:
		return nil
	case statusNotFound:
		return core.ErrMiss
	case statusExists, statusNotStored:
		return core.ErrExists
	case statusTooLarge:
		sentinel = core.ErrTooLarge
	case statusNotNumber:
		sentinel = core.ErrNotNumber
	}
	return &memcache.ReplyError{
		Sentinel: sentinel,
		Text:     fmt.Sprintf("the server replied %.100q, status %#02x", c.conn.text, status),
	}
}
