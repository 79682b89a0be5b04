// Package breaker puts a circuit breaker around a loader. See "If the database is down" in
// docs/guide.md.
package breaker

import (
	"context"
	"errors"
	"fmt"
	"log"
	"time"

	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/encoding"
	_ "github.com/cachewire/cachewire/memory"
	"github.com/cachewire/cachewire/patterns"
	"github.com/sony/gobreaker/v2"
)

// A load that fails for one key makes that key pause. The breaker also keeps loads of the
// other keys away from the database.
func Example() {
	ctx := context.Background()
	cache, err := core.Open(ctx, "memory://?max_items=10000", nil)
	if err != nil {
		log.Fatal(err)
	}
	defer cache.Close()
	names, err := core.NewTyped(cache, encoding.Text())
	if err != nil {
		log.Fatal(err)
	}
	cached, err := patterns.New(names, &patterns.Options[string]{TTL: time.Minute})
	if err != nil {
		log.Fatal(err)
	}
	defer cached.Close()

	queries := 0
	query := func(context.Context, int) (string, error) {
		queries++
		return "", errors.New("the database is down")
	}
	breaker := gobreaker.NewCircuitBreaker[string](gobreaker.Settings{
		ReadyToTrip: func(c gobreaker.Counts) bool { return c.ConsecutiveFailures >= 3 },
		IsSuccessful: func(err error) bool {
			return err == nil || errors.Is(err, patterns.ErrNotFound)
		},
	})
	name := func(id int) (string, error) {
		load := func(ctx context.Context) (string, error) {
			return breaker.Execute(func() (string, error) { return query(ctx, id) })
		}
		return cached.GetOrCreate(ctx, fmt.Sprint("name:", id), load)
	}
	for id := range 5 {
		_, err := name(id)
		fmt.Println(err)
	}
	fmt.Println(queries, "queries")
	// Output:
	// the database is down
	// the database is down
	// the database is down
	// circuit breaker is open
	// circuit breaker is open
	// 3 queries
}
