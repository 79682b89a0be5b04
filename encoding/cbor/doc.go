// Package cbor encodes values as CBOR (RFC 8949), for [core.Typed]:
//
//	users, err := core.NewTyped(cache, cbor.Codec[User]())
//	err := users.Set(ctx, "user:1", User{Name: "Ann"}, time.Minute)
//
// CBOR is as short as MessagePack, and a standard of the IETF. It keeps times and large
// integers, also for programs in other languages. A flag of its own says that a value is
// CBOR. The codec also reads bytes that other programs have encoded. For programs that accept
// only bytes, wrap it in [encoding.AsBytes].
//
// # Types
//
// Package github.com/fxamacker/cbor/v2 decides how a type is written. It writes exported
// fields, by name or as the tag `cbor:"name,omitempty"` says, or else the tag json. With the
// options keyasint and toarray, structs are shorter. A type with methods MarshalCBOR and
// UnmarshalCBOR, or with those of package encoding, writes itself. A time comes back in UTC,
// with its nanoseconds. A string that is not UTF-8 is stored unchanged, but other programs
// may refuse it.
//
// In an interface, an integer comes back as int64, or as *big.Int if it is larger, a float as
// float64, and a struct as map[string]any.
//
// Unexported fields, and those with the tag `cbor:"-"`, are left out. If all fields of a
// struct are unexported, NewTyped returns core.ErrConfig with the name of a field. This
// applies to T and to any type in T. NewTyped also refuses a struct that embeds itself. A
// pointer to nil cannot be stored, because it would come back as nil.
//
// # Versions
//
// Programs of two versions can share a cache: fields that T does not have, and missing
// fields, are not errors. But a map that has fields, and none of the fields of T, is an
// error, because it is another value. null is an error if T cannot be nil. An integer that
// does not fit is always an error.
//
// # Damaged values
//
// Data that are not one complete value of T are an error, never a panic. They take no more
// memory than their length justifies. A value that is nested more than 10,000 deep, for
// example because it contains itself, cannot be stored. The codec does not look for such a
// value in an interface. There, a value that is nested too deep is written, but cannot be
// read, and a value that contains itself ends the program.
package cbor
