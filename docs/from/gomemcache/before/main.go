package main

import (
	"errors"
	"fmt"
	"log"
	"os"

	"github.com/bradfitz/gomemcache/memcache"
)

func main() {
	mc := memcache.New(os.Getenv("MEMCACHED")) // localhost:11211
	if err := run(mc); err != nil {
		log.Fatal(err)
	}
}

func run(mc *memcache.Client) error {
	for range 2 {
		page, err := mc.Get("page:home")
		if errors.Is(err, memcache.ErrCacheMiss) {
			fmt.Println("render")
			page = &memcache.Item{Key: "page:home", Value: []byte("<h1>home</h1>"), Expiration: 60}
			err = mc.Set(page)
		}
		if err != nil {
			return err
		}
		fmt.Println(string(page.Value))
	}

	for range 2 {
		views, err := mc.Increment("views", 1)
		for errors.Is(err, memcache.ErrCacheMiss) {
			views = 1
			err = mc.Add(&memcache.Item{Key: "views", Value: []byte("1"), Expiration: 3600})
			if errors.Is(err, memcache.ErrNotStored) { // another one was faster
				views, err = mc.Increment("views", 1)
			}
		}
		if err != nil {
			return err
		}
		fmt.Println("views:", views)
	}

	if err := mc.Set(&memcache.Item{Key: "cart", Value: []byte("apple")}); err != nil {
		return err
	}
	cart, err := mc.Get("cart")
	if err != nil {
		return err
	}
	cart.Value = append(cart.Value, " pear"...)
	if err := mc.CompareAndSwap(cart); err != nil { // memcache.ErrCASConflict if it has changed
		return err
	}
	fmt.Println("cart:", string(cart.Value))
	return nil
}
