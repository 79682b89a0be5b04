// Package protobuf encodes Protocol Buffers messages, for [core.Typed]:
//
//	users, err := core.NewTyped(cache, protobuf.Codec[*userpb.User]())
//	err := users.Set(ctx, "user:1", &userpb.User{Name: "Ann"}, time.Minute)
//
// T is the pointer to a generated message. Package google.golang.org/protobuf encodes it.
//
// # Format
//
// The length of a message is put before it, as a varint, because a message does not say where
// it ends: without the length, a truncated message could be another message. Libraries for
// other languages read this as a delimited message (parseDelimitedFrom in Java,
// ParseDelimitedFrom in C++, parse_delimited in Python). A flag of its own says that a value
// is a message. For programs that accept only bytes, wrap the codec in [encoding.AsBytes].
//
// A nil message is stored as the varint 0 in two bytes, 80 00, and comes back nil. An empty
// message comes back empty. Within a message, package protobuf does not distinguish nil bytes,
// lists and maps from empty ones, nor a nil message in a list from an empty one.
//
// # Versions
//
// Programs of two versions can share a cache. Fields that a program does not know are kept,
// and stored again with the message. But a message that has fields, and none of the fields of
// T, is an error, because it is another value.
//
// A message does not name its type. If the fields of another type have the same numbers and
// kinds, its messages are decoded as a T. So do not store two types under the same keys.
//
// # Damaged values
//
// Data that are not one complete message are an error, never a panic. They take no more memory
// than their length justifies. Damage that leaves a well-formed message is not found. Do not store
// a message that contains itself: package proto follows it until the stack overflows, which ends
// the program.
package protobuf
