package mapdriver_test

import (
	"context"
	"fmt"
	"log"

	"github.com/cachewire/cachewire/conformance"
	"github.com/cachewire/cachewire/core"
)

// A program checks the backend of a URL, and prints the results.
func Example_check() {
	ctx := context.Background()
	open := func() (core.Backend, error) {
		cache, err := core.Open(ctx, "map://", nil)
		if err != nil {
			return nil, err
		}
		var b core.Backend
		cache.As(&b) // the backend under the Cache; Check closes it
		return b, b.Flush(ctx)
	}
	report, err := conformance.Check(ctx, open, &conformance.CheckOptions{
		Cases: []string{"add-*", "kill-error"},
	})
	if err != nil {
		log.Fatal(err)
	}
	for _, r := range report.Results {
		if r.View == "plain" {
			fmt.Printf("%-12s%s\n", r.ID, r.Status)
		}
	}
	// Output:
	// add-absent  passed
	// add-present passed
	// add-deleted passed
	// kill-error  not run
}
