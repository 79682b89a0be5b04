package main

import (
	"fmt"
	"log"
	"time"

	"github.com/dgraph-io/ristretto/v2"
)

type User struct{ Name string }

func load(id int) (User, error) {
	fmt.Println("load user", id)
	return User{Name: "Ann"}, nil
}

func main() {
	users, err := ristretto.NewCache(&ristretto.Config[int, User]{
		NumCounters:        100_000,
		MaxCost:            10_000, // items, because each costs 1
		BufferItems:        64,
		IgnoreInternalCost: true,
	})
	if err != nil {
		log.Fatal(err)
	}
	defer users.Close()

	show := func() {
		u, ok := users.Get(7)
		if !ok {
			if u, err = load(7); err != nil {
				log.Fatal(err)
			}
			users.SetWithTTL(7, u, 1, time.Minute)
			users.Wait() // until then Get may not find it
		}
		fmt.Println(u.Name)
	}
	show()
	show()
	users.Del(7)
	show()
}
