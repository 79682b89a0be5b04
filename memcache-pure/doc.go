// Package memcachepure is a driver for memcached over
// [github.com/bradfitz/gomemcache], a client of it for each connection.
//
//	cache, err := core.Open(ctx, "memcache://cache1:11211,cache2:11211", nil)
//
// or, with everything spelled out,
//
//	memcache://a:11211,b:11211?timeout=250ms&max_idle=64&hash=ketama&dead=eject&keys=auto
//	memcache://?server=[::1]:11211&server=b:11211&weight=3&weight=1
//	memcache:///run/memcached.sock
//
//	parameter     of Options   default    what it says
//	timeout       Timeout      500ms      how long a server may take to be connected to, and then to answer
//	max_idle      MaxIdle      64         how many connections to each server are kept
//	max_open      MaxOpen      max_idle   how many there may be
//	hash          Selection    ketama     which server has a key: ketama, ketama_weighted, python_memcached, modula
//	dead          Dead         fail       fail: a dead server's keys are errors; eject: another server has them
//	eject_after   Failures     3          after how many failures in a row
//	cool_down     CoolDown     30s        and for how long
//	keys          Keys         auto       how keys are encoded: auto, string, base64, sha1, sha256
//	tls           TLS          false      whether to speak TLS, with the system's roots
//
// # What memcached is different in
//
// A time to live may last up to four seconds longer, for memcached counts whole
// seconds and starts in the middle of one. One above 30 days is sent as a date,
// for which the server's clock has to be right. A value of more than 1 MiB is
// core.ErrTooLarge unless the server was started with another -I; a Set of such a
// value deletes what was there. Flush through a prefix, and TTL, are
// errors.ErrUnsupported.
//
// # Failures
//
// A server that cannot be reached, or that answers nonsense, is
// core.ErrUnavailable, and costs its own keys only. A read that meets a connection
// which the server has closed is sent again, once, over another. A write is not:
// it may have arrived. But before the first byte of a request the driver looks
// whether the server is still there, so that the restart of a server, as a rule,
// costs neither. It does not look where the last request began less than two
// milliseconds ago, nor on systems other than Unix.
//
// A reply that is none to the request is refused, and so is anything behind it. What
// comes unasked later, and looks like a reply to the next request, cannot be told
// from one.
//
// gomemcache knows no contexts, and a client of it does not tell which connection a
// verb is on. So each connection has a client of its own, and a context that is done
// closes the connection that its verb is on.
package memcachepure
