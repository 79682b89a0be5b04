// Package zstd compresses values by Zstandard (RFC 8878), for [encoding.Compress]:
//
//	codec := encoding.Compress(encoding.JSON[User](), &encoding.CompressOptions{With: zstd.New()})
//
// Beside zlib, which is there without this package, it is faster, and the values
// are shorter: 10 kB of JSON take a fifth less time and a seventh less room. But
// zlib's values are read by Python as well, and these are not; see [Flag].
//
// A program that changes from zlib to zstd reads what it stored before. One that
// changes back does not: to it such a value is core.ErrCodec, which is as good as
// a miss.
//
// A value that is damaged or cut off, or has anything behind its end, is an error.
// One of a few bytes takes little memory, about a megabyte at most, whatever length
// it claims; how long a value may become, CompressOptions.MaxSize says.
package zstd
