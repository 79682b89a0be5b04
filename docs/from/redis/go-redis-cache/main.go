package main

import (
	"context"
	"fmt"
	"log"
	"os"
	"time"

	"github.com/go-redis/cache/v9"
	"github.com/redis/go-redis/v9"
)

type User struct{ Name string }

func load(id int) (User, error) {
	fmt.Println("load user", id)
	return User{Name: "Ann"}, nil
}

func main() {
	ctx := context.Background()
	client := redis.NewClient(&redis.Options{Addr: os.Getenv("REDIS")}) // localhost:6379
	defer client.Close()
	users := cache.New(&cache.Options{Redis: client})

	show := func() {
		var u User
		err := users.Once(&cache.Item{
			Ctx: ctx, Key: "user:7", Value: &u, TTL: time.Minute,
			Do: func(*cache.Item) (any, error) { return load(7) },
		})
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(u.Name)
	}
	show()
	show()
	if err := users.Delete(ctx, "user:7"); err != nil {
		log.Fatal(err)
	}
	show()
}
