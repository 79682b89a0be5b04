package main

import (
	"context"
	"fmt"
)

func Example() {
	fmt.Println(run(context.Background(), "memory://?max_items=10000"))
	// Output:
	// loading user 7
	// user 7
	// user 7
	// loading user 11
	// there is no user 11
	// there is no user 11
	// <nil>
}
