// Package memcache has the common parts of the memcached drivers of cachewire. It is for
// authors of drivers; an application imports a driver and opens a URL.
//
// A [Backend] is a whole core.Backend over a [Client], which sends single requests over one
// connection:
//
//	servers, opts, err := memcache.ParseURL(u, p)
//	backend, err := memcache.NewBackend(servers, opts, limits, newClient)
//
// It has the connections, chooses the server for each key, follows the names of servers, and
// decides what may be sent again. A driver that combines the requests of many goroutines on
// one connection uses the parts instead: [Router], [Selector], [Expiry] and [Options.Dial].
//
// # Which server has a key
//
// The client decides which server has a key, not the server. A client with another rule does
// not find the items of the others. Each [Selection] is the rule of existing clients, and
// chooses the servers that they choose:
//
//	Selection        rule of                         a server has        key hashed by
//	Ketama           pylibmc {'ketama': True}        100 points          one-at-a-time
//	Ketama, weights  the same, with a weight over 1  as KetamaWeighted   one-at-a-time
//	KetamaWeighted   pylibmc {'ketama_weighted':     about 160 points    MD5
//	                 True}
//	PythonMemcached  python-memcached                as many buckets as  15 bits of CRC-32,
//	                                                 its weight          or 1 if they are 0
//	Modula           gomemcache, rainycape/memcache  one bucket          CRC-32
//
// The points of a server are hashes of a text: host-0, host-1 and so on if the port is 11211,
// else host:port-0 and so on; path:0-0 and so on for a unix socket. The host is the one of
// [Server] as it is written there, not resolved and without brackets. So the text must be the
// same in all programs: 127.0.0.1 and localhost are different. The order of the servers
// matters to PythonMemcached and Modula, and on a ring if points of two servers are equal.
//
// All programs must also encode keys in the same way: a rule is applied to the encoded key.
package memcache
