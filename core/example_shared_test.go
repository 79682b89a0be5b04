package core_test

import (
	"context"
	"errors"
	"fmt"
	"regexp"

	"github.com/cachewire/cachewire/core"
)

// A compiled regular expression cannot be encoded. A backend in memory keeps it as it is.
func ExampleShared() {
	ctx := context.Background()
	cache, _ := core.New(newFullBackend(), nil)
	defer cache.Close()

	patterns, _ := core.NewTyped(cache, core.Shared[*regexp.Regexp]())
	word := regexp.MustCompile(`\w+`)
	_ = patterns.Set(ctx, "word", word, 0)
	got, err := patterns.Get(ctx, "word")
	fmt.Println(got == word, err)

	// NewTyped refuses a backend that keeps bytes.
	bytes, _ := core.New(newBackend(), nil)
	defer bytes.Close()
	_, err = core.NewTyped(bytes, core.Shared[*regexp.Regexp]())
	fmt.Println(errors.Is(err, errors.ErrUnsupported))

	// Output:
	// true <nil>
	// true
}
