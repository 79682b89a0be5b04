// Package cbor encodes values as CBOR (RFC 8949), for [core.Typed]:
//
//	users, err := core.NewTyped(cache, cbor.Codec[User]())
//	err := users.Set(ctx, "user:1", User{Name: "Ann"}, time.Minute)
//
// CBOR is as short as MessagePack, has a standard of the IETF, and keeps times and large
// integers as what they are, also for programs in other languages. A flag of its own says that a
// value is CBOR. The codec also reads bytes that other programs have encoded. For programs that
// accept only bytes, wrap it in [encoding.AsBytes].
//
// # Types
//
// Package github.com/fxamacker/cbor/v2 decides how a type is written. It writes exported fields,
// by name or as the tag `cbor:"name,omitempty"` says, or else the tag json. With the options
// keyasint and toarray, structs are shorter. A type with methods MarshalCBOR and UnmarshalCBOR,
// or with those of package encoding, writes itself. A time comes back in UTC, with its
// nanoseconds. A string that is not UTF-8 is stored as it is, which other programs may refuse.
//
// In an interface, an integer comes back as int64, or as *big.Int if it is larger, a float as
// float64, and a struct as map[string]any.
//
// Unexported fields, and those with the tag `cbor:"-"`, are left out. It is an error if nothing
// of a struct is left then, because all of its fields are unexported: of T, or of a type anywhere
// in T, of which NewTyped names the field. So it is if a struct embeds itself. A pointer to nil
// cannot be stored, because it would come back as nil.
//
// # Versions
//
// Programs of two versions can share a cache: fields that T does not have, and missing fields,
// are not errors. But a map that has fields, and none of T's, is another value and therefore an
// error. So is null if T cannot be nil. An integer that does not fit is an error everywhere.
//
// # Damaged values
//
// Data that are not one complete value of T are an error, never a panic. They take no more
// memory than their length justifies. A value that is nested more than 10,000 deep, as one that
// contains itself, is an error as well, when it is stored. In an interface it is not found then:
// one that is nested can be written, but not read, and one that contains itself ends the program.
package cbor
