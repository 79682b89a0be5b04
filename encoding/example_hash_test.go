package encoding_test

import (
	"crypto/sha1"
	"fmt"

	"github.com/cachewire/cachewire/encoding"
)

// A Python program that uses wheezy.caching with base64_encode(hash_encode(sha1)(key))
// stores "my key" under the same key.
func ExampleHash() {
	encode := encoding.Hash(sha1.New)

	fmt.Println(encode("my key"))

	// Output:
	// RigVwkWdSuGyFu7au08PzUMloU8= <nil>
}
