package conformance_test

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/cachewire/cachewire/conformance"
	"github.com/cachewire/cachewire/core"
)

// A program checks whether a backend keeps the contract. A test uses conformance.Run
// instead.
func ExampleCheck() {
	err := conformance.Check(context.Background(), func() (core.Backend, error) {
		return nil, errors.New("no server is running")
	})
	first, _, _ := strings.Cut(err.Error(), "\n")
	fmt.Println(first)
	// Output: plain/get-absent: open: no server is running
}
