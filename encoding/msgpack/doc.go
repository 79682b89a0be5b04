// Package msgpack encodes values as MessagePack (https://msgpack.org), for [core.Typed]:
//
//	users, err := core.NewTyped(cache, msgpack.Codec[User]())
//	err := users.Set(ctx, "user:1", User{Name: "Ann"}, time.Minute)
//
// MessagePack is faster and shorter than JSON, and it keeps bytes, times and the kinds of
// numbers. The codec works over every backend, including those that keep no flags. A flag of
// its own says that a value is MessagePack, so that no other codec mistakes it for its own.
// The codec also reads bytes that programs in other languages have encoded. For programs that
// accept only bytes, wrap it in [encoding.AsBytes].
//
// # Types
//
// Package github.com/vmihailenco/msgpack/v5 decides how a type is written. It writes exported
// fields, by name or as the tag `msgpack:"name,omitempty"` says. A type with methods
// EncodeMsgpack and DecodeMsgpack, or MarshalMsgpack and UnmarshalMsgpack, or with those of
// package encoding, writes itself. An integer takes as few bytes as it needs. So an integer
// in an interface comes back as the smallest type that holds it. A struct in an interface
// comes back as a map. A time comes back in the zone of the reader.
//
// Unexported fields, and those with the tag `msgpack:"-"`, are left out. If all fields of a
// struct are unexported, NewTyped returns core.ErrConfig with the name of a field. This
// applies to T and to any type in T. NewTyped also refuses a struct that embeds itself. A
// pointer to nil cannot be stored, because it would come back as nil.
//
// When that package decodes a type of struct that is embedded by pointer for the first
// time, it starts a goroutine that never ends.
//
// # Versions
//
// Programs of two versions can share a cache: fields that T does not have, and missing
// fields, are not errors. But a map that has fields, and none of the fields of T, is an
// error, because it is another value. nil is an error if T cannot be nil.
//
// If the type of a field becomes a smaller type of integer, give the field another name as
// well: that package truncates an integer that does not fit into a field. If T itself is an
// integer, one that does not fit is an error.
//
// # Damaged values
//
// Data that are not one complete value of T are an error, never a panic. They take no more
// memory than their length justifies. A value that is nested more than 10,000 deep, for
// example because it contains itself, cannot be stored. The codec does not look for such a
// value in an interface. There, a value that is nested too deep is written, but cannot be
// read, and a value that contains itself ends the program.
//
// Some values with extensions can be written, but not read, because that package would
// mistake the extensions for maps. These are values with an empty extension and, if T has
// maps, values with more than 128 strings that the option intern writes only once.
package msgpack
