package seal

import (
	"crypto/cipher"
	"crypto/rand"
	"encoding/binary"
	"slices"
	"sync"

	"golang.org/x/crypto/chacha20poly1305"

	"github.com/cachewire/cachewire/encoding"
)

// An Encrypter encrypts and authenticates values, for [encoding.Protect]. A value becomes up to 50
// bytes longer. An Encrypter may be used by many goroutines at once. Use NewEncrypter to make one;
// the zero value is not usable.
type Encrypter struct{ keys ring[cipher.AEAD] }

// NewEncrypter returns an Encrypter that encrypts by the first of keys, and decrypts by all of
// them. It copies them. It returns core.ErrConfig if there is no key, if one does not have 32 bytes
// or is all zero, and if two are the same.
func NewEncrypter(keys ...[]byte) (*Encrypter, error) {
	r, err := newRing("NewEncrypter", "encrypt 1", keys, func(derived []byte) cipher.AEAD {
		aead, err := chacha20poly1305.NewX(derived)
		if err != nil {
			panic(err) // the key is not 32 bytes long
		}
		return aead
	})
	if err != nil {
		return nil, err
	}
	return &Encrypter{r}, nil
}

// An encrypted value is the mark, the ID of the key, a random nonce, and the result of
// XChaCha20-Poly1305 for the flags, as an unsigned varint, and the plain value. The additional data
// are the mark, the ID and the cache key.
//
// The mark begins neither UTF-8 nor a gob, an envelope or a compressed value.
const (
	encryptedMark = 0xf9
	encryptedHead = 1 + idLen
	nonceLen      = chacha20poly1305.NonceSizeX
	encryptedMin  = encryptedHead + nonceLen + chacha20poly1305.Overhead
)

// Flags returns encoding.FlagEncrypted.
func (e *Encrypter) Flags() uint32 { return encoding.FlagEncrypted }

// Append appends the encrypted src to dst. The error is always nil.
func (e *Encrypter) Append(dst []byte, key string, src []byte, flags uint32) ([]byte, error) {
	start := len(dst)
	dst = slices.Grow(dst, encryptedMin+binary.MaxVarintLen32+len(src))
	dst = append(dst, encryptedMark)
	dst = append(dst, e.keys.first[:]...)
	dst = dst[:len(dst)+nonceLen]
	nonce := dst[len(dst)-nonceLen:]
	rand.Read(nonce) // it never fails, but can end the program
	body := len(dst)
	dst = binary.AppendUvarint(dst, uint64(flags))
	dst = append(dst, src...)
	scratch, bound := bind(dst[start:start+encryptedHead], key)
	dst = e.keys.secrets[e.keys.first].Seal(dst[:body], nonce, dst[body:], bound)
	scratches.Put(scratch)
	return dst, nil
}

// Open returns the value that was encrypted as data for key, and its flags. The value is a
// new slice. If Open fails, it returns ErrForged or ErrUnknownKey.
func (e *Encrypter) Open(data []byte, key string) ([]byte, uint32, error) {
	if len(data) < encryptedMin || data[0] != encryptedMark {
		return nil, 0, ErrForged
	}
	aead, ok := e.keys.secrets[keyID(data[1:])]
	if !ok {
		return nil, 0, ErrUnknownKey
	}
	scratch, bound := bind(data[:encryptedHead], key)
	nonce, body := data[encryptedHead:][:nonceLen], data[encryptedHead+nonceLen:]
	plain, err := aead.Open(nil, nonce, body, bound)
	scratches.Put(scratch)
	if err != nil {
		return nil, 0, ErrForged
	}
	return cutFlags(plain)
}

// cutFlags returns the value in plain, and the flags before it.
func cutFlags(plain []byte) ([]byte, uint32, error) {
	flags, n := binary.Uvarint(plain)
	if n <= 0 || flags>>32 != 0 {
		return nil, 0, ErrForged // made by a program that has the key
	}
	return plain[n:len(plain):len(plain)], uint32(flags), nil
}

// scratches has buffers for the additional data, to which a value is bound.
var scratches = sync.Pool{New: func() any { return new([]byte) }}

// bind returns head and key, one after the other, in a slice that is to be returned to scratches
// after use.
func bind(head []byte, key string) (scratch *[]byte, bound []byte) {
	scratch = scratches.Get().(*[]byte)
	*scratch = append(append((*scratch)[:0], head...), key...)
	return scratch, *scratch
}
