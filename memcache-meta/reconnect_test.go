package memcachemeta_test

import (
	"context"
	"testing"
	"time"

	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/memcache/memcachetest"
)

// A server that closes each connection, at once or after it has said hello, is not flooded with new
// ones by the verbs that fail.
func TestReconnectsAreDamped(t *testing.T) {
	for name, handle := range map[string]func(c *memcachetest.Conn){
		"at once":     func(c *memcachetest.Conn) { c.Close() },
		"after hello": greet(func(c *memcachetest.Conn, _ string) { c.Close() }),
	} {
		t.Run(name, func(t *testing.T) {
			server := memcachetest.StartHostile(t, handle)
			c := openCache(t, longTimeoutOptions, server.Addr())
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			concurrently(16, func(int) {
				for ctx.Err() == nil {
					if _, err := c.Get(context.Background(), "k"); ctx.Err() == nil {
						wantErr(t, err, core.ErrUnavailable)
					}
				}
			})
			// The longest pause is 32 ms. Half of it is random.
			if n := server.Dialled(); n < 5 || n > 100 {
				t.Errorf("in a second, 16 goroutines opened %d connections, want fewer than 100", n)
			}
		})
	}
}
