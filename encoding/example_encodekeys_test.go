package encoding_test

import (
	"fmt"

	"github.com/cachewire/cachewire/encoding"
)

// A driver encodes the keys of GetMulti, and finds the key for each reply.
func ExampleEncodeKeys() {
	stored := map[string]string{"azE=": "one"} // by the server

	encoded, original, failed := encoding.EncodeKeys([]string{"k1", "k2", ""}, encoding.Base64)
	fmt.Printf("%q\n", encoded)
	for reply, value := range stored {
		key, ok := original[reply]
		if !ok {
			key = reply
		}
		fmt.Printf("%s is %s\n", key, value)
	}
	fmt.Println(failed.Errors[""])

	// Output:
	// ["azE=" "azI=" ""]
	// k1 is one
	// cachewire: invalid key: empty; a key has 1 byte or more
}
