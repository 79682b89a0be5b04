package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"time"

	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/core/config"
	"github.com/cachewire/cachewire/core/hooks"
	"github.com/cachewire/cachewire/encoding"
	_ "github.com/cachewire/cachewire/memory" // opens memory://
	_ "github.com/cachewire/cachewire/redis"  // opens redis://
)

type User struct {
	Name string `json:"name"`
}

func main() {
	ratio := new(hooks.HitRatio)
	caches, err := config.New(config.Config{Caches: map[string]config.Cache{
		"default": {URL: "memory://?max_items=10000"},
		"shared": {
			URL:     os.Getenv("CACHE_URL"), // redis://localhost?plain=true
			Prefix:  "main:",
			Timeout: config.Duration(time.Second),
			Hooks:   []string{"hit_ratio"},
		},
	}}, &config.Options{Hooks: map[string]core.Hook{"hit_ratio": ratio}})
	if err != nil {
		log.Fatal(err)
	}
	defer caches.Close()
	if err := run(context.Background(), caches); err != nil {
		log.Fatal(err)
	}
	gets := ratio.Snapshot()["shared"].Lookups.Verbs["Get"]
	fmt.Println("hits:", gets.Hits, "of", gets.Hits+gets.Misses)
}

func run(ctx context.Context, caches *config.Caches) error {
	local, err := caches.Get(ctx, "") // the default
	if err != nil {
		return err
	}
	if err := local.Set(ctx, "key", []byte("value"), 0); err != nil {
		return err
	}
	value, err := local.Get(ctx, "key")
	if err != nil {
		return err
	}
	fmt.Println(string(value))

	shared, err := caches.Get(ctx, "shared")
	if err != nil {
		return err
	}
	users, err := core.NewTyped(shared, encoding.JSON[User]())
	if err != nil {
		return err
	}
	if err := users.Set(ctx, "user:7", User{Name: "Ann"}, time.Minute); err != nil {
		return err
	}
	u, err := users.Get(ctx, "user:7")
	if err != nil {
		return err
	}
	fmt.Println(u.Name)
	if _, err := users.Get(ctx, "user:8"); errors.Is(err, core.ErrMiss) {
		fmt.Println("absent")
	} else if err != nil {
		return err
	}
	views, err := shared.IncrFrom(ctx, "views", 1, 0, core.Forever)
	if err != nil {
		return err
	}
	fmt.Println(views, "view")
	return nil
}
