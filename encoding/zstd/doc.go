// Package zstd compresses values by Zstandard (RFC 8878), for [encoding.Compress]:
//
//	codec := encoding.Compress(encoding.JSON[User](), &encoding.CompressOptions{With: zstd.New()})
//
// Beside zlib, which is there without this package, it is several times as fast at
// about the same length. But zlib's values are read by Python as well, and these
// are not; see [Flag].
//
// A program that changes from zlib to zstd reads what it stored before. One that
// changes back does not: to it such a value is core.ErrCodec, which is as good as
// a miss.
package zstd
