package core

import (
	"context"
	"sync"
	"sync/atomic"
)

// parallelism is how many keys of a multi verb run at once if the backend takes only one
// key a call.
const parallelism = 32

// each calls do for every i below n, several at a time, and returns the error of each
// call. Once ctx is done, the remaining ones have its error instead of a call.
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
