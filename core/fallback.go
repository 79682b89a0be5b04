package core

import (
	"context"
	"sync"
	"sync/atomic"
)

// parallelism is how many calls a multi verb makes at once if the backend takes one key in
// each call.
const parallelism = 32

// each calls do for every i from 0 to n-1, several at a time, and returns the error of each
// call. When ctx is done, it makes no more calls; their errors are then the error of ctx.
func each(ctx context.Context, n int, do func(i int) error) []error {
	errs := make([]error, n)
	var next atomic.Int64
	work := func() {
		for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
			if errs[i] = ctx.Err(); errs[i] == nil {
				errs[i] = do(i)
			}
		}
	}
	var helpers sync.WaitGroup
	for range min(n, parallelism) - 1 {
		helpers.Go(work)
	}
	work()
	helpers.Wait()
	return errs
}
