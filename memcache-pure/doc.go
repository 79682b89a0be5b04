// Package memcachepure is a driver for memcached over [github.com/bradfitz/gomemcache].
//
//	cache, err := core.Open(ctx, "memcache://cache1:11211,cache2:11211", nil)
//
// These URLs show more parameters, and all ways to name servers:
//
//	memcache://a:11211,b:11211?timeout=250ms&max_idle=64&hash=ketama&keys=auto
//	memcache://user:password@?server=[::1]:11211&server=b:11211&weight=3&weight=1
//	memcache://memcached.example.svc.cluster.local?expand=true
//	memcache:///run/memcached.sock
//
//	parameter      in Options   default   meaning
//	timeout        Timeout      500ms     limit for connecting, and for a request with its reply
//	max_idle       MaxIdle      64        how many idle connections to each server are kept
//	max_open       MaxOpen      max_idle  how many connections to each server are allowed
//	max_idle_time  MaxIdleTime  3m        how long a connection may be idle
//	max_lifetime   MaxLifetime  30m       how old a connection may be
//	resolve        Resolve      10s       how often the names of servers are resolved
//	expand         Expand       false     whether each address of a name is a server
//	hash           Selection    ketama    which server has a key: ketama, ketama_weighted,
//	                                      python_memcached, modula
//	dead           Dead         fail      keys of a dead server: fail (return errors), or eject
//	                                      (move; a server that comes back serves old values)
//	eject_after    Failures     3         failures in a row after which a server is ejected
//	cool_down      CoolDown     30s       for how long it is ejected
//	keys           Keys         auto      how keys are encoded: auto, string, base64, sha1, sha256
//	tls            TLS          false     whether to use TLS, with the root certificates of the
//	                                      system
//
// The user and the password of the URL, Options.Username and Options.Password, are the login
// for a memcached with -Y. Errors do not show them.
//
// [Backend] has more methods than core.Backend. SetServers replaces the servers while verbs
// are running.
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
// The driver refuses a reply that cannot belong to the request, and any bytes after the end
// of the reply. A server may send bytes later, without a request. If they look like the reply
// to the next request, the driver mistakes them for it, unless it checks the connection
// before.
//
// gomemcache does not support contexts, and does not show which connection of a client a
// verb uses. So the driver has a client for each connection, and closes the connection of a
// verb whose context is done.
package memcachepure
