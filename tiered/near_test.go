package tiered_test

import (
	"context"
	"errors"
	"iter"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/memory"
	"github.com/cachewire/cachewire/tiered"
)

// A closable is a near of which all verbs fail after Close, as those of some backends do.
type closable struct {
	*memory.Backend
	closed bool // tests with one goroutine use it
}

func (c *closable) Close() error {
	c.closed = true
	return c.Backend.Close()
}

func (c *closable) err() error {
	if c.closed {
		return core.ErrClosed
	}
	return nil
}

func (c *closable) GetShared(ctx context.Context, key string) (value, token any, err error) {
	if c.closed {
		return nil, nil, core.ErrClosed
	}
	return c.Backend.GetShared(ctx, key)
}

func (c *closable) StoreShared(
	ctx context.Context, mode core.Mode, item core.Item, value any,
) error {
	if c.closed {
		return core.ErrClosed
	}
	return c.Backend.StoreShared(ctx, mode, item, value)
}

func (c *closable) Delete(ctx context.Context, key string) error {
	return errors.Join(c.err(), c.Backend.Delete(ctx, key))
}

func (c *closable) Flush(ctx context.Context) error {
	return errors.Join(c.err(), c.Backend.Flush(ctx))
}

func (c *closable) Keys(ctx context.Context, prefix string) iter.Seq2[string, error] {
	if c.closed {
		return func(yield func(string, error) bool) { yield("", core.ErrClosed) }
	}
	return c.Backend.Keys(ctx, prefix)
}

func (c *closable) Stats(ctx context.Context) (core.Stats, error) {
	if c.closed {
		return core.Stats{}, core.ErrClosed
	}
	return c.Backend.Stats(ctx)
}

// While near is closed, or any other reason makes its verbs fail, every verb has the result of
// far, and messages of the bus do no harm. No copy outlives the Close.
func TestAClosedNearCostsSpeedAndNothingElse(t *testing.T) {
	for name, fails := range map[string]bool{"memory": false, "verbs that fail": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				mem, far, hub := newMemory(), newGated(), &hub{}
				var near core.Backend = mem
				if fails {
					near = &closable{Backend: mem}
				}
				b := must(tiered.New(near, far, &tiered.Options{
					NearTTL: time.Hour, NegativeTTL: time.Hour, Bus: hub.bus(),
				}))
				defer b.Close()
				other := newTier(lent{far}, &tiered.Options{NearTTL: time.Hour, Bus: hub.bus()})
				defer other.Close()
				synctest.Wait()
				set(t, b, "k", "1", 0)
				wantValue(t, b, "k", "1")
				wantErr(t, "Close of near", near.Close(), nil)

				set(t, far.Backend, "k", "2", 0) // by somebody who tells nobody
				wantValue(t, b, "k", "2")        // there is no copy any more
				for read, get := range reads {
					before := far.farReads()
					for range 2 {
						if got, err := get(t.Context(), b, "k"); got != "2" || err != nil {
							t.Errorf("%s: %q, %v", read, got, err)
						}
					}
					if n := far.farReads() - before; fails && n != 2 {
						t.Errorf("%s: %d of 2 reads reached far", read, n)
					}
				}
				wantValue(t, b, "absent", "")
				for _, write := range writes {
					set(t, b, "k", "1", 0)
					wantValue(t, b, "k", "1")
					wantErr(t, write.name, write.call(t.Context(), b, "k"), nil)
					wantValue(t, b, "k", write.after)
				}
				set(t, other, "k", "3", 0)
				wantErr(t, "Flush", other.Flush(t.Context()), nil)
				set(t, other, "k", "4", 0)
				synctest.Wait()
				wantValue(t, b, "k", "4")
				_, err := b.Stats(t.Context())
				if fails {
					wantErr(t, "Stats", err, core.ErrClosed)
				} else {
					wantErr(t, "Stats", err, nil)
				}
			})
		})
	}
}
