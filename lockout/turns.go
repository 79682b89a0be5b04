package lockout

import (
	"context"
	"hash/maphash"
)

// turns let the goroutines of this process change a state one at a time after one of them was
// too slow. Then there are only as many rivals as there are processes.
type turns struct {
	seed maphash.Seed

	// A goroutine whose turn it is fills the slot for the hash of its key.
	slots [64]chan struct{}
}

func newTurns() *turns {
	t := &turns{seed: maphash.MakeSeed()}
	for i := range t.slots {
		t.slots[i] = make(chan struct{}, 1)
	}
	return t
}

// take waits for the turn of the caller to change key. It returns a function that ends the
// turn, or the error of ctx.
func (t *turns) take(ctx context.Context, key string) (end func(), err error) {
	slot := t.slots[maphash.String(t.seed, key)%uint64(len(t.slots))]
	select {
	case slot <- struct{}{}:
		return func() { <-slot }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}
