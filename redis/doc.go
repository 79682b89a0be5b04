// Package redis is a driver for Redis and Valkey: a single server, a cluster, or a primary that
// sentinels watch. It keeps the whole contract of package core, over
// [github.com/redis/rueidis].
//
//	cache, err := core.Open(ctx, "redis://cache.example.org", nil)
//
// The schemes are redis and valkey, which mean the same, and rediss and valkeys for TLS:
//
//	redis://user:password@host:6379/0?timeout=1s        a single server, database 0
//	redis:///run/redis.sock?db=1                        over a unix socket
//	redis://a:6379,b:6379,c:6379                        a cluster, of which some servers are enough
//	rediss://host:6379?cluster=true                     a cluster behind one address
//	redis://:password@a:26379,b:26379?master=main       sentinels
//	redis://?server=[::1]:6379&server=[::2]:6379        servers that do not fit before the path
//
//	parameter          of Options        default   meaning
//	timeout            Timeout           2s        how long a server may be silent
//	connections        Connections       1         connections to each server: 1, 2, 4 or 8
//	max_value          MaxValue          512MiB    the longest value, less 15 bytes by default
//	plain              Plain             false     whether other programs can read the values
//	db                 DB                0         the number of the database
//	cluster            Cluster           false     whether one address is that of a cluster
//	master             Master                      the name of the primary that sentinels watch
//	sentinel_user      SentinelUsername            with which to log in to sentinels
//	sentinel_password  SentinelPassword
//	tls_ca             TLS                         a file of certificates in PEM to trust
//
// The server must be Redis 6.0 or later, or Valkey, and must have scripts (EVAL).
//
// # Stored form
//
// An item is a string of Redis under the key of the item, as it is. Its expiry is that of Redis:
// the time to live in milliseconds, rounded up, and one more, so that no item expires early. The
// string begins with a header:
//
//	bytes  0 to 2    f8 63 72 (hexadecimal): the magic
//	bytes  3 to 6    the flags, 32 bits, big-endian
//	bytes  7 to 14   a random stamp of this state, which is drawn again by every store and Incr
//	bytes 15 …       the value
//
// The token of an item is its header. Touch keeps it. No text in UTF-8, number, gob, pickle or
// compressed value begins with f8.
//
// A string without the magic, or of less than 15 bytes, was stored by another program. It is read
// as it is, with the flags 0, and its token is its value. Incr gives a counter of another program
// a header. A key that holds another type of Redis is core.ErrCodec for a read,
// core.ErrNotNumber for a counter and core.ErrConflict for a compare verb; Set replaces it.
//
// # Plain mode
//
// With plain=true, values with the flags core.FlagBytes, core.FlagText or core.FlagInt are stored
// without a header, so that redis-cli and programs in other languages read them and can INCR
// counters. Other flags, and values that begin like a header, get the header. Traits.ByValue
// says what that costs: the flags of values without a header are read as 0, and the compare
// verbs compare values, so that an item which was changed and changed back counts as
// unchanged. All programs that write the same keys must use the same mode.
//
// The keys of pycached and aiocache are the namespace, a colon and the key: Options.Prefix of the
// Cache is "namespace:". By their serializers:
//
//	serializer          in Redis                 in Go
//	JsonSerializer      JSON                     encoding.JSON
//	StringSerializer    str(value)               encoding.Text, encoding.Int
//	NullSerializer      bytes, or str(value)     encoding.Bytes, encoding.Text
//	PickleSerializer    a pickle                 core.ErrCodec: Go cannot read it
//	MsgPackSerializer   MessagePack              encoding/msgpack
//	increment           decimal digits           Cache.Incr, Cache.IncrFrom, Cache.Count
//
// # Failures
//
// A server that cannot be reached, or that refuses a request, is core.ErrUnavailable with the
// cause: among them a full server (OOM), a replica, a server that loads its data or runs a long
// script, and a wrong password. Only a value that is longer than MaxValue is core.ErrTooLarge.
//
// A write is never sent twice. A read is sent once more if its connection is lost. A failover
// can lose what the old primary had acknowledged.
//
// A verb whose context is done returns at once. The server may still carry it out. rueidis can
// end the program if a server breaks the protocol, so use servers that you trust.
//
// # Buses
//
// [Backend.OpenBus] returns a bus for package tiered, which tells what other programs have
// changed:
//
//	tracking           by CLIENT TRACKING in broadcast mode: the servers tell of every change of a
//	                   key, whoever makes it, of expiries, of evictions and of FLUSHALL
//	tracking:PREFIX    of keys that begin with PREFIX
//	pubsub             by PUBLISH and SUBSCRIBE: what other tiers publish on the channel cachewire
//	pubsub:CHANNEL     on another channel
//
// Use tracking if the user may have the permission. It costs writers nothing, and a server sends
// each change to each process. It also tells a process of its own changes, which costs one read
// more. All tiers over the same keys must use a bus of the same kind and the same channel. In a
// cluster, pubsub lags by what the servers take to tell each other.
//
// A bus has connections of its own: one to a single server or to one of a cluster, or for
// tracking one to each primary. It gives a sign of life each half second.
//
// # Permissions
//
// The user needs permission for these commands, or for these categories and INFO:
//
//	+get +set +unlink +pexpire +pttl +persist +exists +getrange +eval +evalsha
//	+scan +flushdb +ping +info +dbsize +hello +auth +select
//
//	+@read +@write +@scripting +@connection +info
//
// Add +cluster in a cluster. Under sentinels add +role, and the sentinels must allow SENTINEL
// and SUBSCRIBE. The bus tracking adds +client|tracking, and the bus pubsub +subscribe +publish
// and the channel. SELECT is only sent for a database other than 0, and INFO and DBSIZE only by
// Stats. Neither SCRIPT nor CONFIG nor KEYS is needed. If FLUSHDB is not permitted, a
// Cache with a prefix can still be flushed: that needs only SCAN and UNLINK.
package redis
