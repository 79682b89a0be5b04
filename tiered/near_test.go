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

// A closable is a near whose verbs all fail after Close, as those of some backends do.
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

				set(t, far.Backend, "k", "2", 0) // by a program that publishes nothing
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

// A slowNear takes a while before it stores.
type slowNear struct {
	*memory.Backend
	takes time.Duration
}

func (s *slowNear) StoreShared(
	ctx context.Context, mode core.Mode, item core.Item, value any,
) error {
	time.Sleep(s.takes)
	return s.Backend.StoreShared(ctx, mode, item, value)
}

// T1: however long near takes to store a copy, the copy does not live longer for it. A near that
// takes too long keeps none.
func TestACopyThatNearStoresLateLivesNoLonger(t *testing.T) {
	for takes, copies := range map[time.Duration]bool{
		0: true, time.Millisecond: true, 2 * time.Millisecond: false,
	} {
		synctest.Test(t, func(t *testing.T) {
			far := newGated()
			near := &slowNear{newMemory(), takes}
			b := must(tiered.New(near, far, &tiered.Options{NearTTL: 100 * time.Millisecond}))
			defer b.Close()
			set(t, b, "k", "1", 0)
			sent := time.Now()
			wantValue(t, b, "k", "1")
			set(t, far.Backend, "k", "2", 0)
			before := far.farReads()
			wantValue(t, b, "k", map[bool]string{true: "1", false: "2"}[copies])
			if read := far.farReads() > before; read == copies {
				t.Errorf("near takes %v: far was read is %v, want %v", takes, read, !copies)
			}
			time.Sleep(100*time.Millisecond - time.Since(sent))
			wantValue(t, b, "k", "2")
		})
	}
}
