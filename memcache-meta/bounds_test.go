package memcachemeta

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/memcache"
	"github.com/cachewire/cachewire/memcache/memcachetest"
)

// While a server does not reply, no more than the limit is queued for it, and verbs that wait for
// room end with their contexts.
func TestRequestsWithoutReplyAreBounded(t *testing.T) {
	large := core.Item{Key: "k", Value: make([]byte, 1<<19)}
	for _, tt := range []struct {
		name  string
		verbs int
		call  func(ctx context.Context, b *Backend) error
	}{
		{"bytes", 64, func(ctx context.Context, b *Backend) error {
			return b.Store(ctx, core.Set, large)
		}},
		{"calls", maxCalls + 1000, func(ctx context.Context, b *Backend) error {
			_, err := b.Get(ctx, "k")
			return err
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			server := memcachetest.Start(t, nil)
			b, err := New([]memcache.Server{{Addr: server.Addr()}},
				&Options{memcache.Options{Timeout: 30 * time.Second}})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { b.Close() })
			c, err := b.list.Nodes()[0].Conns.take(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			server.Pause()
			defer server.Resume()
			ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
			defer cancel()
			start := time.Now()
			var verbs sync.WaitGroup
			for range tt.verbs {
				verbs.Go(func() {
					if err := tt.call(ctx, b); !errors.Is(err, context.DeadlineExceeded) {
						t.Errorf("error is %v, want that of the context", err)
					}
				})
			}
			verbs.Wait()
			if took := time.Since(start); took > 10*time.Second {
				t.Errorf("the verbs ended after %v, want about 500 ms", took)
			}
			c.mu.Lock()
			defer c.mu.Unlock()
			got := fmt.Sprintf("%d calls of %d bytes are queued, and %d bytes are not written",
				c.queue.len(), c.bytes, len(c.out))
			if c.queue.len() == 0 || c.queue.len() > maxCalls+1 ||
				c.bytes > maxBytes+1<<20 || len(c.out) > maxBytes+1<<20 {
				t.Errorf("%s, want at most %d calls of %d bytes, and one more",
					got, maxCalls, maxBytes)
			}
		})
	}
}
