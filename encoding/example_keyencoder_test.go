package encoding_test

import (
	"fmt"

	"github.com/cachewire/cachewire/encoding"
)

// This KeyEncoder makes the keys of a Django site, which begin with its prefix and a
// version.
func ExampleKeyEncoder() {
	var django encoding.KeyEncoder = func(key string) (string, error) {
		return encoding.String("shop:1:" + key)
	}

	fmt.Println(django("cart"))
	fmt.Println(django("my cart"))

	// Output:
	// shop:1:cart <nil>
	//  cachewire: invalid key: byte 0x20 at offset 9, counting the prefix; memcached accepts no bytes up to 0x20 and no 0x7f (encoding.Auto accepts any key)
}
