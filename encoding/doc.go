// Package encoding encodes values as bytes for [core.Typed], and keys as keys that
// memcached accepts.
//
//	users, err := core.NewTyped(cache, encoding.JSON[User]())
//	err := users.Set(ctx, "user:1", User{Name: "Ann"}, time.Minute)
//
// # Values
//
// There is a codec for each kind of value. The codecs use the flags of python-memcached and
// pylibmc, so that programs in both languages read each other's values. Values that only Go
// programs read have flags of their own, so that no codec mistakes them for other values:
//
//	codec     values                     in Python       flags
//	Bytes     []byte                     bytes           0
//	Text      string                     str             16
//	Int       integers                   int             2; also reads 4, from pylibmc
//	JSON      what encoding/json encodes str             16
//	Gob       what encoding/gob encodes  none            FlagGob
//	AsBytes   those of another codec     bytes           0
//	Compress  those of another codec     str or bytes    adds 8, for zlib
//	Envelope  those of another codec     none            adds core.FlagEnvelope
//	Protect   those of another codec     none            FlagEncrypted or FlagSigned
//
// Separate modules have MessagePack (encoding/msgpack), CBOR (encoding/cbor), Protocol
// Buffers (encoding/protobuf), compression by Zstandard (encoding/zstd), and the guards that
// encrypt and sign values for Protect (encoding/seal).
//
// # What a codec promises
//
// A value comes back as it was, or it is an error to store it. core.NewTyped refuses a type
// whose values would lose everything, such as a struct with only unexported fields. [JSON]
// and [Gob] say what they leave out of other types. Values in interfaces are not checked. A
// nil pointer, slice, map or interface is a value like any other: every codec of a type that
// has nil stores it, and returns it as nil. Only Bytes does not distinguish nil from empty,
// like package core.
//
// A codec returns an error if the stored value is of another kind, or is damaged, as far as
// its flags and its format show that; see [JSON] and [Gob]. Typed returns the error as
// core.ErrCodec. No codec reads a Python pickle, because it is a program. Every codec reads
// values that Python compressed, up to 64 MiB of uncompressed bytes. To change the limit,
// wrap it in Compress with the Threshold Never. If the backend keeps no flags, a codec still
// reads the values that it wrote. Only Compress cannot be used over such a backend.
//
// Package encoding/codectest tests all of this for any codec. [Plain] and [Shape] help to
// write one.
//
// [Envelope] stores facts with a value.
//
// # Keys
//
// A key of the contract may have any bytes. memcached accepts keys of 1 to 250 bytes,
// without spaces and control bytes. Drivers for memcached therefore have a [KeyEncoder].
// It is [Auto], unless their options name [String], [Base64] or [Hash]. Applications need
// not call it.
package encoding
