package conformance_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/cachewire/cachewire/conformance"
	"github.com/cachewire/cachewire/core"
)

// A program checks whether a backend follows the contract, and prints a line for each case
// that the backend does not pass. A test uses conformance.Run instead.
func ExampleCheck() {
	open := func() (core.Backend, error) { return nil, errors.New("no server is running") }
	report, err := conformance.Check(context.Background(), open, &conformance.CheckOptions{
		Cases: []string{"get-*", "ttl-*"},
		Progress: func(r conformance.Result) {
			if r.Status != conformance.Passed {
				fmt.Println(r.View, r.ID, r.Status, r.Failures)
			}
		},
	})
	fmt.Println(len(report.Results), "cases ran:", err)
	// Output: 0 cases ran: plain/get-absent: open: no server is running
}
