package encoding_test

import (
	"fmt"

	"github.com/cachewire/cachewire/encoding"
)

func ExampleAuto() {
	for _, key := range []string{"user:1", "ключ", "my key"} {
		fmt.Println(encoding.Auto(key))
	}

	// Output:
	// user:1 <nil>
	// ключ <nil>
	// cachewire:oOEtYB4QFU_ldD_W0ro3SSNlB3tIXwbBMe9JVCAAUlM <nil>
}
