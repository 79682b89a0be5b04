package main

import (
	"fmt"
	"log"
	"time"

	"github.com/patrickmn/go-cache"
)

type User struct{ Name string }

func load(id int) (User, error) {
	fmt.Println("load user", id)
	return User{Name: "Ann"}, nil
}

func main() {
	users := cache.New(time.Minute, 10*time.Minute)

	show := func() {
		v, ok := users.Get("user:7")
		if !ok {
			u, err := load(7)
			if err != nil {
				log.Fatal(err)
			}
			users.Set("user:7", u, cache.DefaultExpiration)
			v = u
		}
		fmt.Println(v.(User).Name)
	}
	show()
	show()
	users.Delete("user:7")
	show()
}
