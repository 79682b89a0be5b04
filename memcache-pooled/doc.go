// Package memcachepooled is a driver for memcached over
// [github.com/rainycape/memcache], whose clients one goroutine uses at a time, drawn
// from a pool ([github.com/jackc/puddle/v2]).
//
//	cache, err := core.Open(ctx, "memcache+pooled://cache1:11211,cache2:11211?size=10", nil)
//
// or, with everything spelled out,
//
//	memcache+pooled://a:11211,b:11211?size=10&max=64&timeout=250ms&hash=ketama&dead=eject&keys=auto
//	memcache+pooled://?server=[::1]:11211&server=b:11211&weight=3&weight=1
//	memcache+pooled:///run/memcached.sock
//
//	parameter        of Options      default  what it says
//	size             MinClients      0        how many clients are made at once, and stay
//	lazy             Lazy            false    whether to connect later
//	max              MaxClients      64       how many clients there may be
//	max_idle_time    MaxIdleTime     5m       for how long a client may be idle
//	max_lifetime     MaxLifetime     1h       for how long a client may live
//	acquire_timeout  AcquireTimeout  timeout  how long a verb waits for a client
//	timeout          Timeout         500ms    how long a server may take to be connected to, and then to answer
//	hash             Selection       ketama   which server has a key: ketama, ketama_weighted, python_memcached, modula
//	dead             Dead            fail     fail: a dead server's keys are errors; eject: another server has them
//	eject_after      Failures        3        after how many failures in a row
//	cool_down        CoolDown        30s      and for how long
//	keys             Keys            auto     how keys are encoded: auto, string, base64, sha1, sha256
//
// Each client has a connection to each server that it has been used for. Keys,
// values, counters and times to live are the same as with package memcachepure: both
// may be used on the same servers.
//
// # Trusted servers only
//
// The library speaks memcached's binary protocol and believes what it is told: a
// reply that claims 4 GiB is given 4 GiB of memory, and a reply to a read does not
// say of which key it is. What a sound memcached never sends may do harm; package
// memcachepure believes less. There is no TLS.
//
// # What memcached is different in
//
// A time to live may last up to four seconds longer, for memcached counts whole
// seconds and starts in the middle of one. One above 30 days is sent as a date,
// for which the server's clock has to be right. A value of more than 1 MiB is
// core.ErrTooLarge unless the server was started with another -I; a Set, Replace or
// CompareAndSwap of such a value deletes what was there, which is how memcached
// handles the binary protocol. Flush through a prefix, and TTL, are
// errors.ErrUnsupported.
//
// The library has no Replace and no Touch. They read the whole item and store it
// again if nobody else has changed it meanwhile, up to 256 times and no longer than
// the time-out; then they are core.ErrConflict. Multi verbs send one command a key, over several clients.
//
// A memcached with several threads can answer a counter's value of before an Incr with
// its token of after it: its function do_add_delta gives the token to the old item as well,
// which a read may hold. So very seldom Replace, Touch or a compare-and-swap undoes an Incr
// that was under way: with eight clients that did nothing but Touch and Incr one counter
// of memcached 1.6.18, once in 80,000 times, and never with one thread (-t 1).
//
// # Failures
//
// A server that cannot be reached, or that answers nonsense, is
// core.ErrUnavailable, and costs its own keys only; but the verbs that wait for a
// silent one have clients meanwhile, which those for other servers may lack. With
// dead=eject that ends soon. The client on which that was
// found is destroyed, and so is one in which the library panics. A read that meets
// a connection which the server has closed is sent again, once, over another. A
// write is not: it may have arrived. So before a write, a connection that has been
// idle for more than a second is tried by a read. A write within that second
// after a restart is core.ErrUnavailable, once for each connection.
//
// The library knows no contexts. Under one that can be done, a verb runs in a
// goroutine that has the client until the server has answered or the time-out is
// over; its caller does not wait for that.
package memcachepooled
