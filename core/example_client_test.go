package core_test

import (
	"context"
	"fmt"

	"github.com/cachewire/cachewire/core"
)

// The application names the part of its data that it uses. Here, two parts are in one cache,
// and the third part is in another.
func ExampleClient() {
	ctx := context.Background()
	local, _ := core.New(newBackend(), nil)
	remote, _ := core.New(newBackend(), nil)

	client, err := core.NewClient(map[string]*core.Cache{
		"default":    local,
		"membership": local,
		"funds":      remote,
	}, "default")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer client.Close()

	for _, name := range []string{"", "membership", "funds", "bonds"} {
		cache, err := client.Namespace(name)
		if err != nil {
			fmt.Println(err)
			continue
		}
		fmt.Printf("%q: %v\n", name, cache.Add(ctx, "x1", []byte("1"), 0))
	}

	// Output:
	// "": <nil>
	// "membership": cachewire: Add "x1" (core_test): key exists
	// "funds": <nil>
	// cachewire: unknown namespace "bonds"; there are: default, funds, membership
}
