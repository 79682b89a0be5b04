// Package msgpack encodes values as MessagePack (https://msgpack.org), for
// [core.Typed]:
//
//	users := core.NewTyped(cache, msgpack.Codec[User]())
//	err := users.Set(ctx, "user:1", User{Name: "Ann"}, time.Minute)
//
// Beside JSON it is shorter, and bytes, times and numbers keep their kind. To
// programs in other languages the value is bytes, which most of them can decode.
// It works on every backend, also where no flags are kept.
//
// # Types
//
// What is written for a type is up to package github.com/vmihailenco/msgpack/v5:
// exported fields, by name or as the tag `msgpack:"name,omitempty"` says; types
// with methods EncodeMsgpack and DecodeMsgpack, or with those of package encoding,
// as these write themselves. Integers are written in as few bytes as they need, so
// that in an interface one comes back as the smallest type that holds it.
//
// # Versions
//
// Programs of two versions can share a cache: fields that are new to T, or missing,
// are no error. But a map that has fields, and none of T's, is some other value
// and an error, and so is nil where T has no nil. Give a field another name when it
// becomes a smaller kind of integer: that package cuts off what has no room in a
// field. In a T that is itself an integer it is an error.
//
// # Damaged values
//
// Bytes that are not one whole value of T are an error, never a panic, and take no
// more memory than their length warrants. Values that are nested more than 10,000
// deep are not read, and neither is an extension that is empty, or where T has a
// map.
//
// A type of struct that is embedded by pointer costs a goroutine from its first
// value on, in which that package makes new ones.
package msgpack
