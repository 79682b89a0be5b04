package core_test

import (
	"context"
	"errors"
	"fmt"
	"net/url"

	"github.com/cachewire/cachewire/core"
)

// A program without global state uses its own Registry.
func ExampleRegistry() {
	var drivers core.Registry
	drivers.Register("local", driverFunc(func(context.Context, *url.URL) (core.Backend, error) {
		return newBackend(), nil
	}))

	_, err := drivers.Open(context.Background(), "locol://", nil)
	fmt.Println(errors.Is(err, core.ErrConfig))
	fmt.Println(err)

	// Output:
	// true
	// cachewire: invalid configuration: no driver for "locol"; known: local (forgotten import?)
}
