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

// A KeyEncoder answers the key under which memcached is to keep what the
// contract calls key. Drivers ask it; they take nil for [Auto].
//
// In comes any string but the empty one, its prefix already in front. Out goes
// what memcached's text protocol takes (its doc/protocol.txt): 1 to 250 bytes,
// none of them up to 0x20, which are the control bytes and the space, and none
// 0x7f; those from 0x80 up are fine. A key that cannot be encoded is
// core.ErrInvalidKey.
//
// A key is encoded alike each time, in every process, and no two keys are
// encoded alike: what is stored under one would be read under the other. A
// KeyEncoder is called by many goroutines at once.
type KeyEncoder func(key string) (string, error)

// maxLegal is the length in bytes of the longest key that memcached takes.
const maxLegal = 250

var errNoKey = fmt.Errorf("%w: empty; a key has 1 byte or more", core.ErrInvalidKey)

// String is the [KeyEncoder] that changes nothing, as wheezy.caching's
// string_encode: what memcached does not take is core.ErrInvalidKey. It suits
// those who would rather have an error than a key in other words.
func String(key string) (string, error) {
	if key == "" {
		return "", errNoKey
	}
	if len(key) > maxLegal {
		return "", fmt.Errorf("%w: %d bytes with its prefix; memcached takes 1 to %d (encoding.Auto takes any key)",
			core.ErrInvalidKey, len(key), maxLegal)
	}
	if i := firstIllegal(key); i >= 0 {
		return "", fmt.Errorf("%w: byte 0x%02x at offset %d, its prefix counted; memcached takes none up to 0x20 and no 0x7f (encoding.Auto takes any key)",
			core.ErrInvalidKey, key[i], i)
	}
	return key, nil
}

// firstIllegal answers the offset of the first byte of key that memcached does
// not take, or -1.
func firstIllegal(key string) int {
	i := 0
	for i+8 <= len(key) && legal8([]byte(key[i:i+8])) { // the compiler copies nothing here
		i += 8
	}
	for ; i < len(key); i++ {
		if c := key[i]; c <= 0x20 || c == 0x7f {
			return i
		}
	}
	return -1
}

// legal8 tells whether memcached takes all of 8 bytes. It looks at them at once,
// which halves the time of a key of 36 bytes.
func legal8(b []byte) bool {
	const ones, tops = 0x0101010101010101, 0x8080808080808080
	all := binary.LittleEndian.Uint64(b)
	// Of each byte the lower 7 bits, to which numbers are added that carry into
	// its top bit, and never out of the byte, from 0x21 and from 0x7f on.
	low := all &^ tops
	from21, from7f := low+(0x80-0x21)*ones, low+(0x80-0x7f)*ones
	return (all|from21&^from7f)&tops == tops
}

// maxBase64 is the length in bytes of the longest key whose Base64 memcached
// takes: 4 characters are made from 3 bytes.
const maxBase64 = maxLegal / 4 * 3

// Base64 is the [KeyEncoder] of wheezy.caching's base64_encode: the URL-safe
// alphabet of RFC 4648, with padding. A key of more than 186 bytes is
// core.ErrInvalidKey, since its text would have more than 250.
func Base64(key string) (string, error) {
	if key == "" {
		return "", errNoKey
	}
	if len(key) > maxBase64 {
		return "", fmt.Errorf("%w: %d bytes with its prefix; Base64 takes 1 to %d (encoding.Auto takes any key)",
			core.ErrInvalidKey, len(key), maxBase64)
	}
	var plain [maxBase64]byte
	var text [maxLegal]byte
	return string(base64.URLEncoding.AppendEncode(text[:0], append(plain[:0], key...))), nil
}

// Hash answers the [KeyEncoder] that gives each key's digest in Base64: what
// wheezy.caching makes with base64_encode(hash_encode(sha1)(key)) is
// Hash(sha1.New). A nil newHash is sha256.New. The hashes of newHash are used
// again and again, each by one goroutine at a time; all of them, in every
// process, must answer the same digest for the same key.
//
// Keys with the same digest share what is stored, so a hash has to be one for
// which nobody finds two; a short or weak one, such as CRC-32 or FNV, is not. A
// digest of more than 186 bytes, or of none, is core.ErrInvalidKey for each key.
func Hash(newHash func() hash.Hash) KeyEncoder {
	if newHash == nil {
		newHash = sha256.New
	}
	pool := newDigesters(newHash)
	return func(key string) (string, error) {
		if key == "" {
			return "", errNoKey
		}
		var buf [maxLegal]byte
		text := pool.append(buf[:0], base64.URLEncoding, key)
		if len(text) == 0 || len(text) > maxLegal {
			return "", fmt.Errorf("%w: the hash's digest takes %d bytes in Base64, want 1 to %d (encoding.Hash(sha256.New) takes 44)",
				core.ErrInvalidKey, len(text), maxLegal)
		}
		return string(text), nil
	}
}

// digesters keeps those digesters that are not in use.
type digesters struct{ pool sync.Pool }

// A digester is a hash, and what it takes to feed a string to it without a copy
// of the whole.
type digester struct {
	hash   hash.Hash
	chunk  [512]byte
	digest []byte
}

func newDigesters(newHash func() hash.Hash) *digesters {
	return &digesters{sync.Pool{New: func() any { return &digester{hash: newHash()} }}}
}

// append appends the digest of key to dst, as text.
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

// EncodeKeys encodes the keys of a multi verb, which are distinct.
//
// The key of keys[i] is encoded[i], or "" if it failed. Of the keys that changed,
// original leads back from what they are encoded as; any other is its own:
//
//	key, ok := original[reply.Key]
//	if !ok {
//		key = reply.Key
//	}
//
// Where no key failed, failed.Err() is nil; where none changed either, encoded is
// keys itself, original is nil and nothing is allocated. Else encoded is the
// caller's, to take out each "" for example.
//
// Of keys that encode alike, as a weak hash makes them, one is encoded and the
// others are core.ErrInvalidKey. What encode answers is not checked otherwise,
// but for "", which is core.ErrInvalidKey, too.
func EncodeKeys(keys []string, encode KeyEncoder) (encoded []string, original map[string]string, failed core.MultiError) {
	for i, key := range keys {
		if text, err := encode(key); err != nil || text != key || key == "" {
			return encodeFrom(i, keys, encode)
		}
	}
	return keys, nil, failed
}

// encodeFrom is EncodeKeys where keys[i] is the first that fails or changes.
func encodeFrom(i int, keys []string, encode KeyEncoder) (encoded []string, original map[string]string, failed core.MultiError) {
	encoded = slices.Clone(keys)
	original = make(map[string]string, len(keys)-i)
	for ; i < len(keys); i++ {
		text, err := encode(keys[i])
		if err == nil {
			err = claim(original, text, keys[i])
		}
		if err != nil {
			failed.Add(keys[i], err)
			text = ""
		}
		encoded[i] = text
	}
	for i, key := range keys { // only now, since the other may come after the key that did not change
		if encoded[i] != key {
			continue
		}
		if other, met := original[key]; met {
			failed.Add(key, errMet(key, other))
			encoded[i] = ""
		}
	}
	return encoded, original, failed
}

// claim notes in original that key is encoded as text, unless another one is. A
// key that did not change needs no note.
func claim(original map[string]string, text, key string) error {
	switch text {
	case "":
		return fmt.Errorf("%w: encoded as nothing; a KeyEncoder answers 1 to %d bytes", core.ErrInvalidKey, maxLegal)
	case key:
		return nil
	}
	if other, met := original[text]; met && other != key {
		return errMet(text, other)
	}
	original[text] = key
	return nil
}

func errMet(text, other string) error {
	return fmt.Errorf("%w: encoded as %q, and so is %.100q of the same call (encoding.Auto keeps all keys apart)",
		core.ErrInvalidKey, text, other)
}
