package memcachepure

import (
	"context"
	"net"
	"strings"

	gomemcache "github.com/bradfitz/gomemcache/memcache"

	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/memcache"
)

// A client is a gomemcache.Client with one connection. A gomemcache.Client with several does
// not show which of them a verb uses, so that a verb whose context is done could not be ended.
type client struct {
	*gomemcache.Client
	conn *checkedConn
	item gomemcache.Item // the one that Store stores, kept so that verbs do not allocate it
}

func newClient(conn *memcache.Conn) memcache.Client {
	c := &client{conn: &checkedConn{Conn: conn}}
	c.Client = gomemcache.NewFromSelector(theServer{})
	c.MaxIdleConns = 1
	unused := c.conn
	c.DialContext = func(context.Context, string, string) (net.Conn, error) {
		if unused == nil {
			return nil, net.ErrClosed // the connection is closed, and the Backend opens another
		}
		conn := unused
		unused = nil
		return conn, nil
	}
	return c
}

// theServer is the gomemcache.ServerSelector of a client with one connection, and the address
// that it selects.
type theServer struct{}

func (s theServer) PickServer(string) (net.Addr, error) { return s, nil }
func (s theServer) Each(do func(net.Addr) error) error  { return do(s) }
func (theServer) Network() string                       { return "" }
func (theServer) String() string                        { return "" }

func (c *client) Get(key string) (memcache.Item, error) {
	item, err := c.Client.Get(key)
	if err != nil {
		return memcache.Item{}, contractError(err)
	}
	return itemOf(item), nil
}

func itemOf(item *gomemcache.Item) memcache.Item {
	return memcache.Item{Value: item.Value, Flags: item.Flags, CAS: item.CasID}
}

func (c *client) Gets(keys []string, found func(key string, item memcache.Item)) error {
	items, err := c.Client.GetMulti(keys)
	for key, item := range items {
		found(key, itemOf(item))
	}
	return contractError(err)
}

func (c *client) Store(mode core.Mode, key string, item memcache.Item, expiry int32) error {
	c.item = gomemcache.Item{
		Key:        key,
		Value:      item.Value,
		Flags:      item.Flags,
		Expiration: expiry,
		CasID:      item.CAS,
	}
	defer func() { c.item = gomemcache.Item{} }()
	switch mode {
	case core.Set:
		return contractError(c.Client.Set(&c.item))
	case core.Add:
		if err := c.Client.Add(&c.item); err != gomemcache.ErrNotStored {
			return contractError(err)
		}
		return core.ErrExists
	case core.Replace:
		if err := c.Client.Replace(&c.item); err != gomemcache.ErrNotStored {
			return contractError(err)
		}
		return core.ErrMiss
	default:
		return contractError(c.Client.CompareAndSwap(&c.item))
	}
}

func (c *client) Delete(key string) error { return contractError(c.Client.Delete(key)) }

func (c *client) Incr(key string, delta uint64) (uint64, error) {
	n, err := c.Client.Increment(key, delta)
	return n, contractError(err)
}

func (c *client) Decr(key string, delta uint64) (uint64, error) {
	n, err := c.Client.Decrement(key, delta)
	return n, contractError(err)
}

func (c *client) Touch(key string, expiry int32) error {
	return contractError(c.Client.Touch(key, expiry))
}

func (c *client) Flush() error { return contractError(c.Client.FlushAll()) }
func (c *client) Ping() error  { return contractError(c.Client.Ping()) }

// contractError returns an error of gomemcache as a memcache.Client returns it. Error replies
// are *memcache.ReplyErrors already, because checkedConn makes them.
func contractError(err error) error {
	switch err {
	case gomemcache.ErrCacheMiss:
		return core.ErrMiss
	case gomemcache.ErrCASConflict:
		return core.ErrConflict
	}
	return err
}

// replyError returns the error for a line ERROR, CLIENT_ERROR or SERVER_ERROR of memcached. The
// texts are from its protocol.txt and its source.
func replyError(line string) *memcache.ReplyError {
	err := &memcache.ReplyError{Sentinel: core.ErrUnavailable, Text: "the server replied " + line}
	switch {
	case strings.HasPrefix(line, "CLIENT_ERROR cannot increment or decrement non-numeric value"):
		err.Sentinel = core.ErrNotNumber
	case strings.HasPrefix(line, "SERVER_ERROR object too large for cache"):
		err.Sentinel = core.ErrTooLarge
	}
	return err
}
