package encoding

import (
	"crypto/sha256"
	"encoding/base64"
	"strings"
)

const (
	// autoMark shows, in a list of the keys of a server, which of them Auto has encoded.
	autoMark = "cachewire:"

	// autoLen is the length in bytes of a key that Auto has encoded. A character of Base64
	// stands for 6 bits.
	autoLen = len(autoMark) + (sha256.Size*8+5)/6
)

var sha256Digesters = newDigesters(sha256.New)

// Auto is the [KeyEncoder] that accepts every key except the empty one, and returns
// different results for different keys. Drivers for memcached use it by default.
//
// A key that memcached accepts stays as it is, so that programs in other languages find
// it. Any other key becomes "cachewire:" and the SHA-256 of the whole key, in the
// URL-safe Base64 of RFC 4648 without padding: 53 bytes. A key that already looks like
// this, "cachewire:" and 43 more bytes, is hashed as well, so that it cannot be mistaken
// for the result of another key. Two keys have the same result only if they have the same
// SHA-256.
func Auto(key string) (string, error) {
	if key == "" {
		return "", errEmptyKey
	}
	if len(key) <= maxLegal && firstIllegal(key) < 0 && !looksEncoded(key) {
		return key, nil
	}
	var text [autoLen]byte
	n := copy(text[:], autoMark)
	return string(sha256Digesters.append(text[:n], base64.RawURLEncoding, key)), nil
}

// looksEncoded reports whether key looks like a result of Auto.
func looksEncoded(key string) bool {
	return len(key) == autoLen && strings.HasPrefix(key, autoMark)
}
