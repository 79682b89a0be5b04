package core_test

import (
	"context"
	"strconv"
	"time"

	"github.com/cachewire/cachewire/core"
)

// A noop is a Backend that does nothing and allocates nothing: what a verb costs
// above it is what core costs.
type noop struct {
	item core.Item // what Get answers
	err  error     // what every verb answers
}

func (n *noop) GetItem(context.Context, string) (core.Item, error)   { return n.item, n.err }
func (n *noop) Store(context.Context, core.Mode, core.Item) error    { return n.err }
func (n *noop) Delete(context.Context, string) error                 { return n.err }
func (n *noop) Incr(context.Context, string, uint64) (uint64, error) { return 1, n.err }
func (n *noop) Decr(context.Context, string, uint64) (uint64, error) { return 1, n.err }
func (n *noop) Touch(context.Context, string, time.Duration) error   { return n.err }
func (n *noop) TTL(context.Context, string) (time.Duration, error)   { return 1, n.err }
func (n *noop) Flush(context.Context) error                          { return n.err }
func (n *noop) Ping(context.Context) error                           { return n.err }
func (n *noop) Close() error                                         { return nil }

// hit is a noop that holds every key, miss one that holds none.
func hit() *noop  { return &noop{item: core.Item{Value: []byte("12345"), Token: new(int)}} }
func miss() *noop { return &noop{err: core.ErrMiss} }

// numbers is a Codec that allocates nothing.
type numbers struct{}

func (numbers) Append(dst []byte, v uint64) ([]byte, uint32, error) {
	return strconv.AppendUint(dst, v, 10), core.FlagInt, nil
}

func (numbers) Decode(data []byte, _ uint32) (uint64, error) { return core.ParseCount(data) }

// A silent hook does nothing.
type silent struct{}

func (silent) Before(ctx context.Context, _ *core.Op) context.Context { return ctx }
func (silent) After(context.Context, *core.Op)                        {}

// A hitCounter has no Before.
type hitCounter struct{ hits *int }

func (c hitCounter) After(_ context.Context, op *core.Op) { *c.hits += op.Hits }

// A silentCount is a CountHook that does nothing.
type silentCount struct{ silentAfter }

type silentAfter struct{}

func (silentAfter) After(context.Context, *core.Op) {}

func (silentCount) Count(string, string, int, int, time.Duration, error) {}

// A tokenWatcher notes the tokens that a backend is given.
type tokenWatcher struct {
	core.Backend
	tokens *[]any
}

func (w tokenWatcher) Store(ctx context.Context, mode core.Mode, item core.Item) error {
	*w.tokens = append(*w.tokens, item.Token)
	return w.Backend.Store(ctx, mode, item)
}
