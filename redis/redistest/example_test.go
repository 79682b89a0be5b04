package redistest_test

import (
	"testing"

	"github.com/cachewire/cachewire/redis/redistest"
)

// A test starts a server, makes it fail, and looks at its data.
func ExampleStart() {
	_ = func(t *testing.T) {
		server := redistest.Start(t, &redistest.Options{Password: "secret"})
		// Pass server.Addr() to the code that is tested.
		if got := server.Do("GET", "key"); got != "(nil)" {
			t.Errorf("key is %q", got)
		}
		server.Restart()
	}
	// Output:
}
