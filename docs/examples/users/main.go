// Command users loads the users that the cache does not have, each once for all callers.
// See "Load what is missing" in docs/guide.md.
package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"time"

	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/encoding"
	_ "github.com/cachewire/cachewire/memory" // opens memory://
	"github.com/cachewire/cachewire/patterns"
)

// A User is a row of a database.
type User struct{ Name string }

// loadUser stands for a query. It returns patterns.ErrNotFound if there is no such user.
func loadUser(_ context.Context, id int) (User, error) {
	fmt.Println("loading user", id)
	if id > 10 {
		return User{}, patterns.ErrNotFound
	}
	return User{Name: fmt.Sprint("user ", id)}, nil
}

func main() {
	url := os.Getenv("CACHE_URL")
	if url == "" {
		url = "memory://?max_items=10000"
	}
	if err := run(context.Background(), url); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, url string) error {
	cache, err := core.Open(ctx, url, nil)
	if err != nil {
		return err
	}
	defer cache.Close()
	users, err := core.NewTyped(cache, encoding.JSON[User]())
	if err != nil {
		return err
	}
	cached, err := patterns.New(users, &patterns.Options[User]{
		TTL:         time.Minute,
		NegativeTTL: 10 * time.Second,
	})
	if err != nil {
		return err
	}
	defer cached.Close()

	for _, id := range []int{7, 7, 11, 11} {
		key := fmt.Sprint("user:", id)
		u, err := cached.GetOrCreate(ctx, key, func(ctx context.Context) (User, error) {
			return loadUser(ctx, id)
		})
		switch {
		case errors.Is(err, patterns.ErrNotFound):
			fmt.Println("there is no user", id)
		case err != nil:
			return err
		default:
			fmt.Println(u.Name)
		}
	}
	return nil
}
