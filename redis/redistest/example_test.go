package redistest_test

import (
	"testing"

	"github.com/cachewire/cachewire/redis/redistest"
)

// A test starts a server, breaks it, and looks at what it holds.
func ExampleStart() {
	_ = func(t *testing.T) {
		server := redistest.Start(t, &redistest.Options{Password: "secret"})
		// Give server.Addr() to what is tested.
		if got := server.Do("GET", "key"); got != "(nil)" {
			t.Errorf("key is %q", got)
		}
		server.Restart()
	}
	// Output:
}
