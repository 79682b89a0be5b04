// Package msgpack encodes values as MessagePack (https://msgpack.org), for [core.Typed]:
//
//	users, err := core.NewTyped(cache, msgpack.Codec[User]())
//	err := users.Set(ctx, "user:1", User{Name: "Ann"}, time.Minute)
//
// MessagePack is faster and shorter than JSON, and it keeps bytes, times and the kinds of
// numbers. The codec works over every backend, including those that keep no flags. A flag of
// its own says that a value is MessagePack, so that no other codec takes it for its own. The
// codec also reads bytes that programs in other languages have encoded. For programs that
// accept only bytes, wrap it in [encoding.AsBytes].
//
// # Types
//
// Package github.com/vmihailenco/msgpack/v5 decides how a type is written. It writes
// exported fields, by name or as the tag `msgpack:"name,omitempty"` says. A type with
// methods EncodeMsgpack and DecodeMsgpack, or MarshalMsgpack and UnmarshalMsgpack, or with
// those of package encoding, writes itself. An integer takes as few bytes as it needs, so that
// one in an interface comes back as the smallest type that holds it; a struct in an interface
// comes back as a map. A time comes back in the zone of the reader.
//
// Unexported fields, and those with the tag `msgpack:"-"`, are left out. It is an error if
// nothing of a struct is left then, because all of its fields are unexported: of T, or of a
// type anywhere in T, of which NewTyped names the field. So it is if a struct embeds itself. A
// pointer to nil cannot be stored, because it would come back as nil.
//
// When that package decodes a type of struct that is embedded by pointer for the first
// time, it starts a goroutine that never ends.
//
// # Versions
//
// Programs of two versions can share a cache: fields that T does not have, and missing
// fields, are not errors. But a map that has fields, and none of T's, is another value and
// therefore an error. So is nil if T cannot be nil.
//
// If the type of a field becomes a smaller type of integer, give the field another name as
// well: that package truncates an integer that does not fit into a field. If T itself is an
// integer, one that does not fit is an error.
//
// # Damaged values
//
// Data that are not one complete value of T are an error, never a panic. They take no more
// memory than their length justifies. A value that is nested more than 10,000 deep, as one that
// contains itself, is an error as well, when it is stored. In an interface it is not found then:
// one that is nested can be written, but not read, and one that contains itself ends the program.
//
// Some values with extensions can be written, but not read, because that package would
// mistake the extensions for maps. These are values with an empty extension and, if T has
// maps, values with more than 128 strings that the option intern writes only once.
package msgpack
