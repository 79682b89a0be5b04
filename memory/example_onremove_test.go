package memory_test

import (
	"context"
	"fmt"
	"log"
	"time"

	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/memory"
)

// A session has something to release when it leaves the cache.
type session struct{ user string }

func (s *session) close(why memory.Reason) { fmt.Printf("%s: %s\n", s.user, why) }

// OnRemove releases what the items of a cache hold.
func ExampleOptions_onRemove() {
	ctx := context.Background()
	backend, err := memory.New(&memory.Options{
		MaxItems: 1000,
		OnRemove: func(item memory.Item, reason memory.Reason) {
			if s, ok := item.Shared.(*session); ok {
				s.close(reason)
			}
		},
	})
	if err != nil {
		log.Fatal(err)
	}
	cache, err := core.New(backend, nil)
	if err != nil {
		log.Fatal(err)
	}
	sessions, err := core.NewTyped(cache, core.Shared[*session]())
	if err != nil {
		log.Fatal(err)
	}
	if err := sessions.Set(ctx, "1", &session{"Ann"}, time.Hour); err != nil {
		log.Fatal(err)
	}
	if err := sessions.Set(ctx, "1", &session{"Bob"}, time.Hour); err != nil {
		log.Fatal(err)
	}
	cache.Delete(ctx, "1")
	cache.Close() // waits for the last call of OnRemove
	// Output:
	// Ann: Replaced
	// Bob: Deleted
}
