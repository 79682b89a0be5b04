package core_test

import (
	"context"
	"strconv"
	"time"

	"github.com/cachewire/cachewire/core"
)

// A noop is a Backend that does nothing and allocates nothing: the cost of a verb over it is
// the cost of core.
type noop struct {
	item core.Item // returned by GetItem
	err  error     // returned by every verb
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

// hitBackend returns a noop that has every key, and missBackend one that has none.
func hitBackend() *noop  { return &noop{item: core.Item{Value: []byte("12345"), Token: new(int)}} }
func missBackend() *noop { return &noop{err: core.ErrMiss} }

// uintCodec is a Codec that allocates nothing.
type uintCodec struct{}

func (uintCodec) Append(dst []byte, v uint64) ([]byte, uint32, error) {
	return strconv.AppendUint(dst, v, 10), core.FlagInt, nil
}

func (uintCodec) Decode(data []byte, _ uint32) (uint64, error) { return core.ParseCount(data) }

// A noopHook is a BeforeHook that does nothing.
type noopHook struct{}

func (noopHook) Before(ctx context.Context, _ *core.Op) context.Context { return ctx }
func (noopHook) After(context.Context, *core.Op)                        {}

// A hitCounter is a Hook that counts hits. It is not a BeforeHook.
type hitCounter struct{ hits *int }

func (c hitCounter) After(_ context.Context, op *core.Op) { *c.hits += op.Hits }

// A noopCountHook is a CountHook that does nothing.
type noopCountHook struct{}

func (noopCountHook) After(context.Context, *core.Op)                      {}
func (noopCountHook) Count(string, string, int, int, time.Duration, error) {}

// A tokenRecorder is a Backend that records the tokens with which Store is called.
type tokenRecorder struct {
	core.Backend
	tokens *[]any
}

func (w tokenRecorder) Store(ctx context.Context, mode core.Mode, item core.Item) error {
	*w.tokens = append(*w.tokens, item.Token)
	return w.Backend.Store(ctx, mode, item)
}
