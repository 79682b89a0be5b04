package seal

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"hash"
	"sync"

	"github.com/cachewire/cachewire/encoding"
)

// A Signer authenticates values without hiding them, for [encoding.Protect]. A value becomes up to
// 26 bytes longer. A Signer may be used by many goroutines at once. Use NewSigner to make one; the
// zero value is not usable.
type Signer struct{ keys ring[*sync.Pool] } // of hash.Hash, an HMAC

// NewSigner returns a Signer that signs by the first of keys, and checks by all of them. It
// copies them. It returns core.ErrConfig in the same cases as NewEncrypter.
func NewSigner(keys ...[]byte) (*Signer, error) {
	r, err := newRing("NewSigner", "sign 1", keys, func(derived []byte) *sync.Pool {
		return &sync.Pool{New: func() any { return hmac.New(sha256.New, derived) }}
	})
	if err != nil {
		return nil, err
	}
	return &Signer{r}, nil
}

// A signed value is the mark, the ID of the key, the sum, the flags, as an unsigned varint, and the
// plain value. The sum is the first 16 bytes of the HMAC-SHA256 of the length of the cache key in
// eight bytes, the highest first, the cache key, the flags, and the plain value.
const (
	signedMark = 0xfa
	sumAt      = 1 + idLen
	sumLen     = 16
	signedHead = sumAt + sumLen
)

// Flags returns encoding.FlagSigned.
func (s *Signer) Flags() uint32 { return encoding.FlagSigned }

// Append appends the signed src to dst. The error is always nil.
func (s *Signer) Append(dst []byte, key string, src []byte, flags uint32) ([]byte, error) {
	start := len(dst)
	dst = append(dst, signedMark)
	dst = append(dst, s.keys.first[:]...)
	dst = append(dst, make([]byte, sumLen)...)
	dst = binary.AppendUvarint(dst, uint64(flags))
	dst = append(dst, src...)
	value := dst[start:]
	sum(s.keys.secrets[s.keys.first], key, value[signedHead:], func(sum []byte) {
		copy(value[sumAt:signedHead], sum)
	})
	return dst, nil
}

// Open returns the value that was signed as data for key, and its flags. The value is a part
// of data. If Open fails, it returns ErrForged or ErrUnknownKey.
func (s *Signer) Open(data []byte, key string) ([]byte, uint32, error) {
	if len(data) < signedHead || data[0] != signedMark {
		return nil, 0, ErrForged
	}
	pool, ok := s.keys.secrets[keyID(data[1:])]
	if !ok {
		return nil, 0, ErrUnknownKey
	}
	var equal bool
	sum(pool, key, data[signedHead:], func(sum []byte) {
		equal = hmac.Equal(sum, data[sumAt:signedHead])
	})
	if !equal {
		return nil, 0, ErrForged
	}
	return cutFlags(data[signedHead:])
}

// sum calls use with the sum of value, which is only valid until use returns.
func sum(pool *sync.Pool, key string, value []byte, use func(sum []byte)) {
	mac := pool.Get().(hash.Hash)
	mac.Reset()
	var length [8]byte
	binary.BigEndian.PutUint64(length[:], uint64(len(key)))
	scratch, bound := bind(length[:], key)
	mac.Write(bound)
	mac.Write(value)
	*scratch = mac.Sum((*scratch)[:0])
	use((*scratch)[:sumLen])
	scratches.Put(scratch)
	pool.Put(mac)
}
