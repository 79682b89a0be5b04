package encoding

import (
	"crypto/sha256"
	"encoding/base64"
	"strings"
)

const (
	// autoMark says to who lists the keys of a server whose these are.
	autoMark = "cachewire:"

	// autoLen is the length in bytes of what Auto makes: Base64 has 6 bits a
	// character.
	autoLen = len(autoMark) + (sha256.Size*8+5)/6
)

var sha256Digesters = newDigesters(sha256.New)

// Auto is the [KeyEncoder] that takes every key but the empty one, and keeps all
// of them apart. It is what drivers for memcached use by default.
//
// A key that memcached takes stays as it is, so that programs in other languages
// find it. Any other becomes "cachewire:" and the SHA-256 of all of it, in the
// URL-safe Base64 of RFC 4648 without padding: 53 bytes. So does one that looks
// like that already, "cachewire:" and 43 more bytes, lest it be taken for the key
// behind the hash. Two keys would meet only if their SHA-256 did.
func Auto(key string) (string, error) {
	if key == "" {
		return "", errNoKey
	}
	if len(key) <= maxLegal && firstIllegal(key) < 0 && !looksEncoded(key) {
		return key, nil
	}
	var text [autoLen]byte
	n := copy(text[:], autoMark)
	return string(sha256Digesters.append(text[:n], base64.RawURLEncoding, key)), nil
}

// looksEncoded tells whether key looks like what Auto makes of other keys.
func looksEncoded(key string) bool {
	return len(key) == autoLen && strings.HasPrefix(key, autoMark)
}
