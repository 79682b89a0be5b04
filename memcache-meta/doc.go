// Package memcachemeta is a driver for memcached over its meta protocol, with a client of its own
// that sends the requests of all goroutines over one connection to each server.
//
//	cache, err := core.Open(ctx, "memcache+meta://cache1:11211,cache2:11211", nil)
//
// These URLs show more parameters, and all ways to name servers:
//
//	memcache+meta://a:11211,b:11211?timeout=250ms&hash=ketama&keys=auto
//	memcache+meta://user:password@?server=[::1]:11211&server=b:11211&weight=3&weight=1
//	memcache+meta://memcached.example.svc.cluster.local?expand=true
//	memcache+meta:///run/memcached.sock
//
//	parameter      in Options   default   meaning
//	timeout        Timeout      500ms     limit for connecting, and for a request with its reply
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
// [Backend] has methods beside those of core.Backend: SetServers replaces the servers while
// verbs are running.
//
// # What a server must be
//
// memcached 1.6.13 or later. On each connection the driver first sends version, mn and stats
// settings, in one round trip. A server that is too old, or has no meta commands, is
// core.ErrUnavailable, with an error that says so. Of other servers is said:
//
//	server                                  meta commands
//	memcached's own proxy                   yes (its documentation)
//	ElastiCache Serverless                  yes, but not me; TLS only (AWS, ElastiCache user guide)
//	ElastiCache nodes, Memorystore          as the version of memcached that is chosen
//	mcrouter, twemproxy                     no (their source): use package memcachepure
//
// The driver sends mg, ms, md, ma, mn, gets, flush_all, version, stats and stats settings. A
// service that refuses stats settings is taken for one whose items have at most 1 MiB.
//
// # Differences of memcached
//
// An item may outlive its time to live by up to four seconds, because memcached counts
// whole seconds and may start in the middle of one. So an item with a time to live of 1 s is
// absent after 1 to 5 s. A time to live above 30 days is sent as a date, so that the clock of
// the server must be right; the latest date is in January 2038, and Traits.MaxTTL is the time
// until then. A value that does not fit in an item, of 1 MiB unless the server was started with
// another -I, is core.ErrTooLarge; it is not sent, so that the item that was stored before stays.
// Flush of a Cache with a prefix returns errors.ErrUnsupported. So do the compare verbs if the
// server was started with -C.
//
// Keys that memcached does not take are encoded by encoding.Auto, as by the other drivers, and not
// by the flag b of the meta commands, so that clients in all languages find the same items.
//
// memcached before 1.6.22 refuses now and then to count a number of 2^63 or more. The driver
// then moves it by compare-and-swap.
//
// A memcached with several threads can return the value that a counter had before an Incr
// together with the token that it has after the Incr: its function do_add_delta also gives
// the new token to the old item, which a read may still hold. So, very rarely, a
// compare-and-swap undoes an Incr that runs at the same time.
//
// # Failures
//
// If a server cannot be reached or sends an invalid reply, the error is
// core.ErrUnavailable, and only the keys of that server fail. What is sent again after a
// connection was lost is decided in one place: unsent requests, over the next
// connection; those that only read (Get, GetItem, GetItems, TTL, Ping), once; and nothing else,
// because it may have arrived. Before the first byte after a pause of two milliseconds or more, the
// driver checks whether the server has closed the connection, so that verbs normally succeed after
// a server was restarted. It does not check on systems other than Unix.
//
// A verb whose context is done returns at once, and delays no other: its reply is dropped when
// it arrives. A request without a reply for Timeout closes the connection. The requests behind it
// then fail as if the connection had been lost.
//
// One connection to a server is opened at a time, for all verbs that wait for it. After a failure,
// also one before the first reply over a new connection, the next attempt begins up to 32
// milliseconds later.
//
// Up to about 8,000 requests, or 4 MiB, are without a reply at once; further verbs wait. All
// replies come in the order of the requests. So a large value holds up the replies behind it
// for as long as its own bytes take.
//
// Each reply is checked: its opaque, which numbers the requests, its code, the flags that were
// requested, and its length. A value takes no more than twice the memory of the bytes that have
// arrived, and 64 KiB. The driver does not use memcached's own recaching: if another program
// marks an item as stale (md with I), the driver reads it as any other.
package memcachemeta
