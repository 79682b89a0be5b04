package main

import (
	"context"
	"fmt"
	"log"
	"time"

	"github.com/maypok86/otter/v2"
)

type User struct{ Name string }

func load(_ context.Context, id int) (User, error) {
	fmt.Println("load user", id)
	return User{Name: "Ann"}, nil
}

func main() {
	users, err := otter.New(&otter.Options[int, User]{
		MaximumSize:      10_000,
		ExpiryCalculator: otter.ExpiryWriting[int, User](time.Minute),
	})
	if err != nil {
		log.Fatal(err)
	}
	defer users.StopAllGoroutines()

	show := func() {
		u, err := users.Get(context.Background(), 7, otter.LoaderFunc[int, User](load))
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(u.Name)
	}
	show()
	show()
	users.Invalidate(7)
	show()
}
