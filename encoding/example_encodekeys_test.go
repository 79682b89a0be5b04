package encoding_test

import (
	"fmt"

	"github.com/cachewire/cachewire/encoding"
)

// What a driver does with the keys of GetMulti.
func ExampleEncodeKeys() {
	stored := map[string]string{"azE=": "one"} // at the server

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
