package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"os"
	"time"

	"github.com/eko/gocache/lib/v4/cache"
	"github.com/eko/gocache/lib/v4/store"
	redisstore "github.com/eko/gocache/store/redis/v4"
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
	users := cache.New[string](redisstore.NewRedis(client, store.WithExpiration(time.Minute)))

	show := func() {
		var u User
		text, err := users.Get(ctx, "user:7")
		switch {
		case err == nil:
			err = json.Unmarshal([]byte(text), &u)
		case errors.Is(err, store.NotFound{}):
			if u, err = load(7); err != nil {
				break
			}
			var encoded []byte
			if encoded, err = json.Marshal(u); err == nil {
				err = users.Set(ctx, "user:7", string(encoded))
			}
		}
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
