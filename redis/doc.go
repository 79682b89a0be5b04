// Package redis is a driver for Redis and Valkey: a single server, a cluster, or a primary that
// sentinels watch. It supports the whole contract of package core, and uses
// [github.com/redis/rueidis].
//
//	cache, err := core.Open(ctx, "redis://cache.example.org", nil)
//
// The schemes are redis and valkey, which mean the same, and rediss and valkeys for TLS:
//
//	redis://user:password@host:6379/0?timeout=1s        a single server, database 0
//	redis:///run/redis.sock?db=1                        over a unix socket
//	redis://a:6379,b:6379,c:6379                        a cluster, or some of its servers
//	rediss://host:6379?cluster=true                     a cluster with one address
//	redis://:password@a:26379,b:26379?master=main       sentinels
//	redis://?server=[::1]:6379&server=[::2]:6379        servers as parameters
//
//	parameter          field of Options  default   meaning
//	timeout            Timeout           2s        how long a server may be silent
//	connections        Connections       1         connections to each server: 1, 2, 4 or 8
//	max_value          MaxValue          512MiB    the longest value, less 15 bytes by default
//	plain              Plain             false     whether other programs can read the values
//	db                 DB                0         the number of the database
//	cluster            Cluster           false     whether one address means a cluster
//	master             Master                      the name of the primary that sentinels watch
//	sentinel_user      SentinelUsername            the user name for the sentinels
//	sentinel_password  SentinelPassword            the password for the sentinels
//	tls_ca             TLS                         a file of certificates in PEM to trust
//
// The server must be Redis 6.0 or later, or Valkey, and must have scripts (EVAL).
//
// # Stored form
//
// An item is a Redis string. Its key in Redis is the key of the item, unchanged. It expires in
// Redis after the time to live, rounded up to milliseconds, plus one millisecond, so that no
// item expires early. The string begins with a header:
//
//	bytes  0 to 2    f8 63 72 (hexadecimal): the magic
//	bytes  3 to 6    the flags, 32 bits, big-endian
//	bytes  7 to 14   a random stamp; every store and Incr writes a new one
//	bytes 15 …       the value
//
// The token of an item is its header. Touch keeps it. No text in UTF-8, number, gob, pickle or
// compressed value begins with f8.
//
// If a string does not begin with the magic, or has less than 15 bytes, another program has
// stored it. Reads return it as it is, with the flags 0, and its token is its value. Incr adds a
// header to a counter of another program. If a key holds another Redis type than a string, reads
// return core.ErrCodec, counter verbs return core.ErrNotNumber, compare verbs return
// core.ErrConflict, and Set replaces it.
//
// # Plain mode
//
// With plain=true, values with the flags core.FlagBytes, core.FlagText or core.FlagInt are
// stored without a header. So redis-cli and programs in other languages can read them and can
// INCR counters. Values with other flags, and values that begin like a header, get a header.
// Plain mode has two disadvantages, which Traits.ByValue describes. The flags of values without
// a header are read as 0. The compare verbs compare values, so an item that was changed and
// changed back counts as unchanged. All programs that write the same keys must use the same
// mode.
//
// The Python libraries pycached and aiocache store an item under the namespace, a colon and the
// key. So set the Prefix in core.Options to "namespace:". The codec depends on their serializer:
//
//	serializer          in Redis                 in Go
//	JsonSerializer      JSON                     encoding.JSON
//	StringSerializer    str(value)               encoding.Text, encoding.Int
//	NullSerializer      bytes, or str(value)     encoding.Bytes, encoding.Text
//	PickleSerializer    a pickle                 core.ErrCodec: Go cannot read it
//	MsgPackSerializer   MessagePack              encoding.AsBytes over encoding/msgpack
//	increment           decimal digits           Cache.Incr, Cache.IncrFrom, Cache.Count
//
// # Failures
//
// If a server cannot be reached or refuses a request, verbs return core.ErrUnavailable with the
// cause. Examples are a full server (OOM), a replica, a server that loads its data or runs a
// long script, and a wrong password. Verbs return core.ErrTooLarge only for a value that is
// longer than MaxValue.
//
// A write is never sent twice. A read is sent once more if its connection is lost. A failover
// can lose writes that the old primary had acknowledged.
//
// A verb whose context is done returns at once. The server may still execute it. If a server
// breaks the protocol, rueidis can end the program, so use only servers that you trust.
//
// # Buses
//
// [Backend.OpenBus] returns a bus for package tiered, which reports what other programs have
// changed:
//
//	tracking           by CLIENT TRACKING in broadcast mode: the servers report changes of keys by
//	                   any program, expiries, evictions and FLUSHALL
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
// In a cluster, add +cluster. With sentinels, add +role, and the sentinels must allow SENTINEL
// and SUBSCRIBE. The bus tracking needs +client|tracking, and the bus pubsub +subscribe, +publish
// and the channel. SELECT is only sent for a database other than 0, and INFO and DBSIZE only by
// Stats. Neither SCRIPT nor CONFIG nor KEYS is needed. If FLUSHDB is not permitted, a Cache with
// a prefix can still be flushed, because that needs only SCAN and UNLINK.
package redis
