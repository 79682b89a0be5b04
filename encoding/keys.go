package encoding

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"hash"
	"slices"
	"sync"

	"github.com/cachewire/cachewire/core"
)

// A KeyEncoder returns the key of memcached for a key of the contract. Drivers for
// memcached call it. If it is nil in their options, they call [Auto].
//
// The argument is any key except the empty one, with the prefix of the Cache. The result is a
// key that the text protocol of memcached accepts (doc/protocol.txt): 1 to 250 bytes, none of
// them 0x7f or up to 0x20, which are the control bytes and the space. Bytes from 0x80 up are
// allowed. A KeyEncoder returns core.ErrInvalidKey if the key cannot be encoded.
//
// A KeyEncoder must return the same result for the same key each time, in every process. It
// must return different results for different keys, because keys with the same result would
// share an item. It is called by many goroutines at once.
type KeyEncoder func(key string) (string, error)

// maxLegal is the length in bytes of the longest key that memcached accepts.
const maxLegal = 250

var errEmptyKey = fmt.Errorf("%w: empty; a key has 1 byte or more", core.ErrInvalidKey)

// String is the [KeyEncoder] that does not change keys, like string_encode of
// wheezy.caching. It returns core.ErrInvalidKey if memcached does not accept the key. Use
// it if an error is better than a key that is stored under another name.
func String(key string) (string, error) {
	if key == "" {
		return "", errEmptyKey
	}
	if len(key) > maxLegal {
		return "", fmt.Errorf("%w: %d bytes with its prefix; "+
			"memcached accepts 1 to %d (encoding.Auto accepts any key)",
			core.ErrInvalidKey, len(key), maxLegal)
	}
	if i := firstIllegal(key); i >= 0 {
		return "", fmt.Errorf("%w: byte 0x%02x at offset %d, counting the prefix; "+
			"memcached accepts no bytes up to 0x20 and no 0x7f (encoding.Auto accepts any key)",
			core.ErrInvalidKey, key[i], i)
	}
	return key, nil
}

// firstIllegal returns the offset of the first byte of key that memcached does not
// accept, or -1 if there is none.
func firstIllegal(key string) int {
	i := 0
	for i+8 <= len(key) && legal8([]byte(key[i:i+8])) { // the compiler makes no copy here
		i += 8
	}
	for ; i < len(key); i++ {
		if c := key[i]; c <= 0x20 || c == 0x7f {
			return i
		}
	}
	return -1
}

// legal8 reports whether memcached accepts each of 8 bytes. It tests them all at once,
// which halves the time for a key of 36 bytes.
func legal8(b []byte) bool {
	const ones, tops = 0x0101010101010101, 0x8080808080808080
	all := binary.LittleEndian.Uint64(b)
	// low has the lower 7 bits of each byte. The additions carry into the top bit of a byte
	// whose low bits are 0x21 or more, or 0x7f, and never out of the byte.
	low := all &^ tops
	from21, from7f := low+(0x80-0x21)*ones, low+(0x80-0x7f)*ones
	return (all|from21&^from7f)&tops == tops
}

// maxBase64 is the length in bytes of the longest key whose Base64 memcached accepts: 3
// bytes become 4 characters.
const maxBase64 = maxLegal / 4 * 3

// Base64 is the [KeyEncoder] that is base64_encode in wheezy.caching: the URL-safe
// alphabet of RFC 4648, with padding. It returns core.ErrInvalidKey if the key has more
// than 186 bytes, because the result would have more than 250.
func Base64(key string) (string, error) {
	if key == "" {
		return "", errEmptyKey
	}
	if len(key) > maxBase64 {
		return "", fmt.Errorf("%w: %d bytes with its prefix; "+
			"Base64 accepts 1 to %d (encoding.Auto accepts any key)",
			core.ErrInvalidKey, len(key), maxBase64)
	}
	var plain [maxBase64]byte
	var text [maxLegal]byte
	return string(base64.URLEncoding.AppendEncode(text[:0], append(plain[:0], key...))), nil
}

// Hash returns a [KeyEncoder] whose result is the digest of the key in Base64.
// Hash(sha1.New) is base64_encode(hash_encode(sha1)(key)) in wheezy.caching. If newHash
// is nil, it is sha256.New. A hash that newHash returns is used for many keys, but by one
// goroutine at a time. All hashes, in every process, must have the same digest for the
// same key.
//
// Keys with the same digest share an item. The hash must therefore be one for which such keys
// cannot be found in practice. A short or weak one, such as CRC-32 or FNV, is not enough. If
// the digest has more than 186 bytes, or none, the KeyEncoder returns core.ErrInvalidKey for
// every key.
func Hash(newHash func() hash.Hash) KeyEncoder {
	if newHash == nil {
		newHash = sha256.New
	}
	pool := newDigesters(newHash)
	return func(key string) (string, error) {
		if key == "" {
			return "", errEmptyKey
		}
		var buf [maxLegal]byte
		text := pool.append(buf[:0], base64.URLEncoding, key)
		if len(text) == 0 || len(text) > maxLegal {
			return "", fmt.Errorf("%w: the digest of the hash has %d bytes in Base64, "+
				"want 1 to %d (encoding.Hash(sha256.New) has 44)",
				core.ErrInvalidKey, len(text), maxLegal)
		}
		return string(text), nil
	}
}

// digesters is a pool of digesters.
type digesters struct{ pool sync.Pool }

// A digester is a hash, with a buffer to write a string to it without copying the whole
// string.
type digester struct {
	hash   hash.Hash
	chunk  [512]byte
	digest []byte
}

func newDigesters(newHash func() hash.Hash) *digesters {
	return &digesters{sync.Pool{New: func() any { return &digester{hash: newHash()} }}}
}

// append appends the digest of key to dst, encoded as text.
func (ds *digesters) append(dst []byte, text *base64.Encoding, key string) []byte {
	d := ds.pool.Get().(*digester)
	d.hash.Reset()
	for len(key) > 0 {
		n := copy(d.chunk[:], key)
		d.hash.Write(d.chunk[:n])
		key = key[n:]
	}
	d.digest = d.hash.Sum(d.digest[:0])
	dst = text.AppendEncode(dst, d.digest)
	ds.pool.Put(d)
	return dst
}

// EncodeKeys encodes keys, the distinct keys of a multi verb.
//
// encoded[i] is the encoded keys[i], or "" if that failed. original maps an encoded key to
// its key if the two differ. So the key for an encoded key, such as the one of a reply, is:
//
//	key, ok := original[reply.Key]
//	if !ok {
//		key = reply.Key
//	}
//
// failed has the errors of the keys that failed. If no key failed, failed.Err() is nil. If no
// key failed or changed, encoded is keys itself, original is nil and EncodeKeys does not
// allocate. Otherwise encoded belongs to the caller, who may, for example, remove each ""
// from it.
//
// If several keys are encoded in the same way, for example by a weak hash, one of them is
// encoded, and the error of the others is core.ErrInvalidKey. It is also the error of a key
// that encode encodes as "". EncodeKeys does not check the results of encode in any other
// way.
func EncodeKeys(
	keys []string, encode KeyEncoder,
) (encoded []string, original map[string]string, failed core.MultiError) {
	for i, key := range keys {
		if text, err := encode(key); err != nil || text != key || key == "" {
			return encodeFrom(i, keys, encode)
		}
	}
	return keys, nil, failed
}

// encodeFrom is EncodeKeys if keys[i] is the first key that fails or changes.
func encodeFrom(
	i int, keys []string, encode KeyEncoder,
) (encoded []string, original map[string]string, failed core.MultiError) {
	encoded = slices.Clone(keys)
	original = make(map[string]string, len(keys)-i)
	for ; i < len(keys); i++ {
		text, err := encode(keys[i])
		if err == nil {
			err = record(original, text, keys[i])
		}
		if err != nil {
			failed.Add(keys[i], err)
			text = ""
		}
		encoded[i] = text
	}
	// In a second loop, because a key that does not change may come before the other key.
	for i, key := range keys {
		if encoded[i] != key {
			continue
		}
		if other, ok := original[key]; ok {
			failed.Add(key, sameEncoding(key, other))
			encoded[i] = ""
		}
	}
	return encoded, original, failed
}

// record records in original that key is encoded as text. It returns an error if another
// key is encoded as text already. A key that does not change is not recorded.
func record(original map[string]string, text, key string) error {
	switch text {
	case "":
		return fmt.Errorf("%w: encoded as the empty key; a KeyEncoder returns 1 to %d bytes",
			core.ErrInvalidKey, maxLegal)
	case key:
		return nil
	}
	if other, ok := original[text]; ok && other != key {
		return sameEncoding(text, other)
	}
	original[text] = key
	return nil
}

// sameEncoding returns the error of a key that is encoded as text, like the key other.
func sameEncoding(text, other string) error {
	return fmt.Errorf("%w: encoded as %q, like %.100q of the same call "+
		"(encoding.Auto encodes all keys differently)",
		core.ErrInvalidKey, text, other)
}
