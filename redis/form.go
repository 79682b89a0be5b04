package redis

import (
	"encoding/binary"
	"math/rand/v2"

	"github.com/redis/rueidis"

	"github.com/cachewire/cachewire/core"
)

// The header that precedes a value; the documentation of the package describes it.
const (
	magic     = "\xf8cr"
	stampAt   = len(magic) + 4
	headerLen = stampAt + 8
)

// A header identifies a state of an item. It is the token of an item that has one.
type header [headerLen]byte

// A bare is the token of an item that is stored without a header: its value, and the key and
// backend that it was read from.
type bare struct {
	backend    *Backend
	key, value string
}

// hasHeader reports whether stored begins with a header.
func hasHeader(stored []byte) bool {
	return len(stored) >= headerLen && string(stored[:len(magic)]) == magic
}

// decode returns the value and the flags of an item as Redis stores it. The value shares the
// memory of stored.
func decode(stored []byte) (value []byte, flags uint32) {
	if !hasHeader(stored) {
		return stored, 0
	}
	return stored[headerLen:], binary.BigEndian.Uint32(stored[len(magic):])
}

// tokenOf returns the token of the item that Redis stores under key. A token that is a header
// shares the memory of stored, so that it costs no allocation.
func (b *Backend) tokenOf(key string, stored []byte) any {
	if hasHeader(stored) {
		return (*header)(stored[:headerLen])
	}
	return &bare{b, key, rueidis.BinaryString(stored)}
}

// expected returns the bytes that the compare script expects for a token of the item under key,
// and reports whether the token can be right. A header is right for one state of one key only,
// because its stamp is random.
func (b *Backend) expected(token any, key string) (string, bool) {
	switch t := token.(type) {
	case *header:
		if t != nil {
			return string(t[:]), true
		}
	case *bare:
		if t != nil && t.backend == b && t.key == key {
			return t.value, true
		}
	}
	return "", false
}

// encode returns the string that Redis stores for value and flags. It is a copy, because a
// write that a context has abandoned may be sent later.
func (b *Backend) encode(value []byte, flags uint32) string {
	return rueidis.BinaryString(b.appendStored(make([]byte, 0, headerLen+len(value)), value, flags))
}

// appendStored appends to dst, which has room, what Redis stores for value and flags.
func (b *Backend) appendStored(dst, value []byte, flags uint32) []byte {
	if !b.plain || !isPlain(value, flags) {
		dst = append(dst, magic...)
		dst = binary.BigEndian.AppendUint32(dst, flags)
		dst = binary.BigEndian.AppendUint64(dst, rand.Uint64())
	}
	return append(dst, value...)
}

// isPlain reports whether plain mode stores a value with these flags without a header. A value
// that begins like a header gets a header.
func isPlain(value []byte, flags uint32) bool {
	switch flags {
	case core.FlagBytes, core.FlagText, core.FlagInt:
		return !hasHeader(value)
	}
	return false
}

// newStamp returns the stamp of a new state, for the scripts.
func newStamp() string {
	var stamp [8]byte
	binary.BigEndian.PutUint64(stamp[:], rand.Uint64())
	return string(stamp[:])
}
