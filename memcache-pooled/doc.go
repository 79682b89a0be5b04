// Package memcachepooled is a driver for memcached over [github.com/rainycape/memcache]. It
// has a pool of clients ([github.com/jackc/puddle/v2]), each used by one goroutine at a
// time.
//
//	cache, err := core.Open(ctx, "memcache+pooled://cache1:11211,cache2:11211?size=10", nil)
//
// These URLs show more parameters, and all ways to name servers:
//
//	memcache+pooled://a:11211,b:11211?size=10&max=64&timeout=250ms&hash=ketama&dead=eject
//	memcache+pooled://?server=[::1]:11211&server=b:11211&weight=3&weight=1
//	memcache+pooled:///run/memcached.sock
//
//	parameter        in Options      default  meaning
//	size             MinClients      0        how many clients are connected at once, and kept
//	lazy             Lazy            false    whether to connect only when a verb needs it
//	max              MaxClients      64       how many clients are allowed
//	max_idle_time    MaxIdleTime     5m       how long a client may be idle
//	max_lifetime     MaxLifetime     1h       how long a client may live
//	acquire_timeout  AcquireTimeout  timeout  how long a verb waits for a client
//	timeout          Timeout         500ms    limit for connecting, and for a request with its reply
//	hash             Selection       ketama   which server has a key: ketama, ketama_weighted,
//	                                          python_memcached, modula
//	dead             Dead            fail     keys of a dead server: fail (return errors),
//	                                          eject (move)
//	eject_after      Failures        3        failures in a row after which a server is ejected
//	cool_down        CoolDown        30s      for how long it is ejected
//	keys             Keys            auto     how keys are encoded: auto, string, base64, sha1,
//	                                          sha256
//
// Each client has a connection to each server for which it has been used. Keys, values,
// counters and times to live are the same as with package memcachepure, so that both may
// use the same servers.
//
// # Trusted servers only
//
// The library uses the binary protocol of memcached and does not check replies: if a reply
// has a length of 4 GiB, the library allocates 4 GiB, and a reply to a read does not
// contain its key. A server that sends what memcached never sends may do harm. Package
// memcachepure checks replies. TLS is not supported.
//
// # Differences of memcached
//
// An item may outlive its time to live by up to four seconds, because memcached counts
// whole seconds and may start in the middle of one. A time to live above 30 days is sent as
// a date, so that the clock of the server must be right. A value of more than 1 MiB is
// core.ErrTooLarge, unless the server was started with another -I; a Set, Replace or
// CompareAndSwap of such a value deletes the item that was stored before, because memcached
// does so in the binary protocol. TTL, and Flush of a Cache with a prefix, return
// errors.ErrUnsupported.
//
// The library has no Replace and no Touch. The driver reads the whole item and stores it
// again if it has not changed in the meantime. It tries this up to 256 times, but no longer
// than the time-out, and then returns core.ErrConflict. Multi verbs send one command for
// each key, over several clients.
//
// A memcached with several threads can return the value that a counter had before an Incr
// together with the token that it has after it: its function do_add_delta also gives the
// new token to the old item, which a read may still hold. So, very rarely, a Replace, a
// Touch or a compare-and-swap undoes an Incr that runs at the same time. With eight clients
// that called only Touch and Incr on one counter of memcached 1.6.18, that happened once in
// 80,000 times, and never with one thread (-t 1).
//
// # Failures
//
// If a server cannot be reached or sends an invalid reply, the error is
// core.ErrUnavailable, and only the keys of that server fail. But verbs that wait for a
// server that does not respond hold clients, so that verbs for other servers may have to
// wait for a client. With dead=eject, that ends when the server is ejected. The client that
// met the failure is destroyed, and so is a client in which the library panics.
//
// A read whose connection was closed by the server is sent again, once, over a new
// connection. A write is not sent again, because it may have arrived. So before a write,
// the driver sends a read over a connection that was not used for more than a second. If
// the connection was used within the last second, the first write over it after a restart
// of the server returns core.ErrUnavailable.
//
// The library does not support contexts. If the context of a verb can be done, the verb
// runs in a goroutine, which holds the client until the server has replied or the time-out
// is over. The caller returns when its context is done.
package memcachepooled
