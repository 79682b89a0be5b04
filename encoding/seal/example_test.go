package seal_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log"
	"time"

	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/encoding"
	"github.com/cachewire/cachewire/encoding/seal"
	_ "github.com/cachewire/cachewire/memory"
)

// In a real program, the keys come from the place where it keeps its secrets.
var oldKey, newKey = bytes.Repeat([]byte{1}, 32), bytes.Repeat([]byte{2}, 32)

// Only a program with a key can read a session, and no program can use it under another key.
func Example() {
	ctx := context.Background()
	cache, err := core.Open(ctx, "memory://?max_items=10000", nil)
	if err != nil {
		log.Fatal(err)
	}
	defer cache.Close()

	type session struct {
		User  string
		Admin bool
	}
	encrypter, err := seal.NewEncrypter(newKey, oldKey) // newKey encrypts, both decrypt
	if err != nil {
		log.Fatal(err)
	}
	sessions, err := core.NewTyped(cache, encoding.Protect(encoding.JSON[session](), encrypter))
	if err != nil {
		log.Fatal(err)
	}
	err = sessions.Set(ctx, "session:ann", session{User: "Ann", Admin: true}, time.Hour)
	if err != nil {
		log.Fatal(err)
	}
	s, err := sessions.Get(ctx, "session:ann")
	fmt.Println(s, err)

	stored, err := cache.GetItem(ctx, "session:ann")
	fmt.Println(bytes.Contains(stored.Value, []byte("Ann")), err)

	stored.Key = "session:eve"
	err = cache.Store(ctx, core.Set, stored)
	if err != nil {
		log.Fatal(err)
	}
	_, err = sessions.Get(ctx, "session:eve")
	fmt.Println(errors.Is(err, seal.ErrForged), errors.Is(err, core.ErrCodec))
	// Output:
	// {Ann true} <nil>
	// false <nil>
	// true true
}
