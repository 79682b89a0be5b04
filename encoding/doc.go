// Package encoding turns values into bytes for [core.Typed], and keys into those
// that memcached takes.
//
//	users, err := core.NewTyped(cache, encoding.JSON[User]())
//	err := users.Set(ctx, "user:1", User{Name: "Ann"}, time.Minute)
//
// # Values
//
// A codec for each kind of value, with the flags that python-memcached and pylibmc
// use, so that programs in both languages read each other's values:
//
//	codec     of                  Python          flags
//	Bytes     []byte              bytes           0
//	Text      string              str             16
//	Int       integers            int             2, and reads pylibmc's 4
//	JSON      what has JSON       str             16
//	Gob       what has a gob      none            0
//	Compress  what another has    str or bytes    8 more, by zlib
//
// MsgPack, and compression by Zstandard, are modules of their own,
// encoding/msgpack and encoding/zstd.
//
// What is stored but is another kind of value, or damaged, is an error, which Typed
// answers as core.ErrCodec, as far as flags and format tell; JSON and Gob say how
// far theirs do. A Python pickle is refused for what it is, a program. A value that Python
// compressed is read by each codec, to at most 64 MiB. On a backend that keeps no
// flags each codec still reads what it wrote, but for Compress, which such a
// backend cannot have.
//
// [Envelope] stores facts beside a value.
//
// # Keys
//
// A key of the contract may hold any bytes. memcached takes 1 to 250 of them, and
// no spaces and control bytes, so its drivers have a [KeyEncoder]: [Auto], unless
// they are told to use [String], [Base64] or [Hash]. Applications have no need of
// them.
package encoding
