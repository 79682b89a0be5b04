package encoding_test

import (
	"fmt"

	"github.com/cachewire/cachewire/encoding"
)

// A KeyEncoder of one's own: the keys of a Django site, which puts its prefix
// and a version in front.
func ExampleKeyEncoder() {
	var django encoding.KeyEncoder = func(key string) (string, error) {
		return encoding.String("shop:1:" + key)
	}

	fmt.Println(django("cart"))
	fmt.Println(django("my cart"))

	// Output:
	// shop:1:cart <nil>
	//  cachewire: invalid key: byte 0x20 at offset 9, its prefix counted; memcached takes none up to 0x20 and no 0x7f (encoding.Auto takes any key)
}
