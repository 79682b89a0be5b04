// Package memcache holds what every memcached driver of cachewire shares. It is
// for authors of drivers; an application imports a driver and opens a URL.
//
//	servers, err := memcache.URLServers(u, p)            // which servers there are
//	selector, err := memcache.NewSelector(rule, servers) // which of them has a key
//	server := servers[selector.Pick(key, nil)]
//	conn, err := dialer.DialContext(ctx, server.Network(), server.Address())
//	expiry := memcache.Expiry(ttl, time.Now())           // what to send for a time to live
//
// # Which server has a key
//
// The rule is the client's, not the server's, and one that differs finds nothing
// of what others stored. Each [Selection] is that of clients in use, and keys are
// where those clients put them:
//
//	Selection        rule of                                  points or buckets          key
//	Ketama           pylibmc {'ketama': True}                 100 points a server        one-at-a-time
//	Ketama, weights  the same, once a weight is above 1       as KetamaWeighted          one-at-a-time
//	KetamaWeighted   pylibmc {'ketama_weighted': True}        about 160 points a server  MD5
//	PythonMemcached  python-memcached                         one bucket for each of     CRC-32, 15 bits of it,
//	                                                          the weight                 or else 1
//	Modula           gomemcache, rainycape/memcache           one bucket a server        CRC-32
//
// The points of a server are hashes of a text: host-0, host-1 and so on where the
// port is 11211, else host:port-0; path:0-0 for a unix socket. The host is that of
// [Server], as it is written there and not resolved, without brackets. So it takes
// the same text in all programs, and 127.0.0.1 and localhost are not the same. The
// order of the servers decides with PythonMemcached and Modula, and on a ring where
// points of two are equal.
//
// All programs must also send the same key: one that is encoded is looked up by
// what it is encoded to.
package memcache
