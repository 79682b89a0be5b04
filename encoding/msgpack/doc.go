// Package msgpack encodes values as MessagePack (https://msgpack.org), for
// [core.Typed]:
//
//	users, err := core.NewTyped(cache, msgpack.Codec[User]())
//	err := users.Set(ctx, "user:1", User{Name: "Ann"}, time.Minute)
//
// Beside JSON it is faster and shorter, and bytes, times and the kinds of numbers
// stay what they are. To programs in other languages the value is bytes, which most
// of them can decode. It works on every backend, also where no flags are kept.
//
// # Types
//
// What is written for a type is up to package github.com/vmihailenco/msgpack/v5:
// exported fields, by name or as the tag `msgpack:"name,omitempty"` says; types
// with methods EncodeMsgpack and DecodeMsgpack, or with those of package encoding,
// as they write themselves. Integers take as few bytes as they need, so that one in
// an interface comes back as the smallest type that holds it.
//
// For a struct that is embedded by pointer that package starts a goroutine when it
// first decodes one, for each such type, which never ends.
//
// # Versions
//
// Programs of two versions can share a cache: fields that are new to T, or missing,
// are no error. But a map that has fields, and none of T's, is some other value
// and an error, and so is nil where T has no nil.
//
// A field that becomes a smaller type of integer should get another name as well:
// what has no room in a field, that package cuts off. In a T that is itself an
// integer it is an error.
//
// # Damaged values
//
// Bytes that are not one whole value of T are an error, never a panic, and take no
// more memory than their length warrants. A value that is nested more than 10,000
// deep is written, but not read.
//
// Nor are some extensions, which that package would mistake for maps: an empty
// one, and, of a T that has maps, more than 128 strings that are written once each
// by the option intern.
package msgpack
