// Package memcachepooled is a driver for memcached over [github.com/rainycape/memcache]. It
// has a pool of clients for each server, kept by [github.com/jackc/puddle/v2]. Each client has
// one connection and is used by one goroutine at a time.
//
//	cache, err := core.Open(ctx, "memcache+pooled://cache1:11211,cache2:11211?size=10", nil)
//
// These URLs show more parameters, and all ways to name servers:
//
//	memcache+pooled://a:11211,b:11211?size=10&max=64&timeout=250ms&hash=ketama
//	memcache+pooled://?server=[::1]:11211&server=b:11211&weight=3&weight=1
//	memcache+pooled://memcached.example.svc.cluster.local?expand=true
//	memcache+pooled:///run/memcached.sock
//
//	parameter        in Options      default  meaning
//	size             MinClients      0        how many clients of each server are connected at
//	                                          once, and kept
//	lazy             Lazy            false    whether to connect only when a verb needs it
//	max              MaxClients      64       how many clients of each server are allowed
//	acquire_timeout  AcquireTimeout  timeout  how long a verb waits for a client
//	timeout          Timeout         500ms    limit for connecting, and for a request with its
//	                                          reply
//	max_idle_time    MaxIdleTime     3m       how long a client may be idle
//	max_lifetime     MaxLifetime     30m      how old a client may be
//	resolve          Resolve         10s      how often the names of servers are resolved
//	expand           Expand          false    whether each address of a name is a server
//	hash             Selection       ketama   which server has a key: ketama, ketama_weighted,
//	                                          python_memcached, modula
//	dead             Dead            fail     keys of a dead server: fail (return errors), or
//	                                          eject (move; a server that comes back serves old
//	                                          values)
//	eject_after      Failures        3        failures in a row after which a server is ejected
//	cool_down        CoolDown        30s      for how long it is ejected
//	keys             Keys            auto     how keys are encoded: auto, string, base64, sha1,
//	                                          sha256
//	tls              TLS             false    whether to use TLS, with the root certificates of
//	                                          the system
//
// Open returns errors.ErrUnsupported for a URL with a user: a memcached with -Y has no binary
// protocol.
//
// Keys, values, counters and times to live are the same as with package memcachepure, so that
// both may use the same servers. [Backend] has more methods than core.Backend. SetServers
// replaces the servers while verbs are running.
//
// # What the driver adds to the library
//
// The library uses the binary protocol of memcached, and does not check replies. The driver
// gives it a connection that does. It refuses a reply to another request, by the opaque field
// of the protocol, a value of another key, and a length that memcached cannot store. It
// receives a long value before the library allocates memory for it. The connection also sends
// Replace, Touch and Ping, which the library does not have, and returns the failures that
// GetMulti hides. A reply to a read of one key does not contain the key. So the driver cannot
// detect a server that returns another value under the right number.
//
// The driver sets two fields of the library that are not exported, and New returns
// errors.ErrUnsupported if a version of the library does not have them.
//
// # Differences of memcached
//
// An item may outlive its time to live by up to four seconds, because memcached counts whole
// seconds and may start in the middle of one. So an item with a time to live of 1 s is absent
// after 1 to 5 s. A time to live above 30 days is sent as a date, so that the clock of the
// server must be right; the latest date is in January 2038, and Traits.MaxTTL is the time until
// then. Stores of more than 1 MiB return core.ErrTooLarge, unless the server was started with
// another -I; a Set of such a value deletes the item that was stored before.
// TTL, and Flush of a Cache with a prefix, return errors.ErrUnsupported.
//
// memcached sometimes refuses to count in a number of 2^63 or more. The driver then changes
// the number by compare-and-swap, over another connection. That needs memcached 1.6 or later.
//
// A memcached with several threads can return the value that a counter had before an Incr
// together with the token that it has after the Incr: its function do_add_delta also gives
// the new token to the old item, which a read may still hold. So, very rarely, a
// compare-and-swap undoes an Incr that runs at the same time.
//
// # Failures
//
// If a server cannot be reached or sends an invalid reply, verbs return core.ErrUnavailable,
// and only the keys of that server fail. A read whose connection was closed by the server is
// sent again, once, over a new connection. A write is not sent again, because it may have
// arrived. Before the first byte of a request, the driver checks whether the server has
// closed the connection, so that verbs normally succeed after a server was restarted. It does
// not check if the last request ended less than two milliseconds ago, unless another
// connection was found closed since. It does not check on systems other than Unix either.
//
// While a server refuses new connections, verbs wait for those that are open. If there is no
// reply over a connection that was idle, the other idle connections of that server are used
// only after they have replied to a ping.
//
// The library does not support contexts. The driver closes the connection of a verb whose
// context is done.
package memcachepooled
