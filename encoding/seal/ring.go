package seal

import (
	"crypto/hkdf"
	"crypto/sha256"
	"errors"
	"fmt"

	"github.com/cachewire/cachewire/core"
)

var (
	// ErrForged is the error of a value that no guard with the same key has made for the same
	// cache key: the value was damaged, changed or moved, or was made without the key.
	ErrForged = errors.New("seal: the value is forged or damaged")

	// ErrUnknownKey is the error of a value that was made with a key which the guard does not
	// have, such as one that was dropped. A forged value may cause it as well.
	ErrUnknownKey = errors.New("seal: the guard does not have the key of the value")
)

const (
	keyLen = 32
	idLen  = 4
)

// A keyID stands for a key in the values that the key protects. It is derived from the key,
// and reveals nothing about it.
type keyID [idLen]byte

// A ring has the secrets of a guard, made from its keys.
type ring[S any] struct {
	first   keyID
	secrets map[keyID]S
}

// newRing returns a ring with a secret for each of keys. It derives a key for purpose from
// each of them, and secret makes the secret from that. Name is the name of the function that
// was called with keys.
func newRing[S any](
	name, purpose string, keys [][]byte, secret func(derived []byte) S,
) (ring[S], error) {
	r := ring[S]{secrets: map[keyID]S{}}
	if len(keys) == 0 {
		return r, configErrorf("%s: there are no keys; want one or more", name)
	}
	for i, key := range keys {
		if len(key) != keyLen {
			return r, configErrorf("%s: key %d has %d bytes; want %d random ones",
				name, i, len(key), keyLen)
		}
		if [keyLen]byte(key) == [keyLen]byte{} {
			return r, configErrorf("%s: key %d is all zero; want %d random bytes", name, i, keyLen)
		}
		derived, err := derive(key, purpose, keyLen)
		if err != nil {
			return r, err
		}
		idBytes, err := derive(key, purpose+" id", idLen)
		if err != nil {
			return r, err
		}
		id := keyID(idBytes)
		if _, ok := r.secrets[id]; ok {
			return r, configErrorf("%s: key %d is given twice, or has the ID of another one; "+
				"want different keys", name, i)
		}
		if i == 0 {
			r.first = id
		}
		r.secrets[id] = secret(derived)
	}
	return r, nil
}

// derive returns n bytes that are derived from key for a purpose, by HKDF (RFC 5869).
func derive(key []byte, purpose string, n int) ([]byte, error) {
	derived, err := hkdf.Key(sha256.New, key, nil, "cachewire seal "+purpose, n)
	if err != nil { // by FIPS 140 rules of the program
		return nil, configErrorf("a key cannot be derived: %v", err)
	}
	return derived, nil
}

func configErrorf(format string, args ...any) error {
	return fmt.Errorf("%w: seal: "+format, append([]any{core.ErrConfig}, args...)...)
}
