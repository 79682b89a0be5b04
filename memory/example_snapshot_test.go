package memory_test

import (
	"bytes"
	"context"
	"fmt"
	"log"
	"time"

	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/memory"
)

// A program that restarts keeps its cache in a file. It writes the file under another name and
// renames it, so that there is always a whole one. Here a buffer takes its place.
func ExampleBackend_Save() {
	ctx := context.Background()
	before, err := memory.New(nil)
	if err != nil {
		log.Fatal(err)
	}
	item := core.Item{Key: "greeting", Value: []byte("hello"), TTL: time.Hour}
	if err := before.Store(ctx, core.Set, item); err != nil {
		log.Fatal(err)
	}
	var file bytes.Buffer
	n, err := before.Save(ctx, &file)
	fmt.Println("saved", n, err)

	after, err := memory.New(&memory.Options{MaxItems: 10000})
	if err != nil {
		log.Fatal(err)
	}
	n, err = after.Load(ctx, &file)
	fmt.Println("loaded", n, err)
	for item, err := range after.All(ctx, "") {
		fmt.Printf("%s=%s %v %v\n", item.Key, item.Value, item.TTL.Round(time.Minute), err)
	}
	// Output:
	// saved 1 <nil>
	// loaded 1 <nil>
	// greeting=hello 1h0m0s <nil>
}
