package tiered_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/memory"
	"github.com/cachewire/cachewire/tiered"
)

// A gated is a far backend that holds reads after they have read and before they return, and
// writes before or after they have written.
type gated struct {
	*memory.Backend

	mu    sync.Mutex
	hold  map[string]chan struct{} // guarded by mu; by verb
	fail  map[string]error         // guarded by mu; by verb
	reads int                      // guarded by mu
}

func newGated() *gated {
	return &gated{Backend: newMemory(), hold: map[string]chan struct{}{}, fail: map[string]error{}}
}

// holdNext makes the calls of a verb wait until release is called.
func (g *gated) holdNext(verb string) (release func()) {
	gate := make(chan struct{})
	g.mu.Lock()
	g.hold[verb] = gate
	g.mu.Unlock()
	return func() {
		g.mu.Lock()
		if g.hold[verb] == gate {
			delete(g.hold, verb)
		}
		g.mu.Unlock()
		close(gate)
	}
}

// stopHolding lets further calls of a verb pass, and not those that wait.
func (g *gated) stopHolding(verb string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.hold, verb)
}

func (g *gated) failNext(verb string, err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.fail[verb] = err
}

func (g *gated) farReads() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.reads
}

// pass waits at the gate of a verb, and returns the error to fail with.
func (g *gated) pass(ctx context.Context, verb string) error {
	g.mu.Lock()
	gate, err := g.hold[verb], g.fail[verb]
	delete(g.fail, verb)
	g.mu.Unlock()
	if gate != nil {
		select {
		case <-gate:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return err
}

func (g *gated) GetItemTTL(ctx context.Context, key string) (core.Item, error) {
	g.mu.Lock()
	g.reads++
	g.mu.Unlock()
	item, err := g.Backend.GetItemTTL(ctx, key)
	if gateErr := g.pass(ctx, "read"); gateErr != nil {
		return core.Item{}, gateErr
	}
	return item, err
}

func (g *gated) GetItem(ctx context.Context, key string) (core.Item, error) {
	g.mu.Lock()
	g.reads++
	g.mu.Unlock()
	return g.Backend.GetItem(ctx, key)
}

func (g *gated) GetItemsTTL(ctx context.Context, keys []string) ([]core.Item, error) {
	g.mu.Lock()
	g.reads += len(keys)
	g.mu.Unlock()
	items, err := g.Backend.GetItemsTTL(ctx, keys)
	if gateErr := g.pass(ctx, "read"); gateErr != nil {
		return nil, gateErr
	}
	return items, err
}

// Store waits at the gate "before store", stores, and waits at the gate "store".
func (g *gated) Store(ctx context.Context, mode core.Mode, item core.Item) error {
	if err := g.pass(ctx, "before store"); err != nil {
		return err
	}
	err := g.Backend.Store(ctx, mode, item)
	if gateErr := g.pass(ctx, "store"); gateErr != nil {
		return gateErr
	}
	return err
}

// writes are the verbs that change the item under key, which holds the number 1, with the value
// afterwards.
var writes = []struct {
	name, after string
	call        func(ctx context.Context, b *tiered.Backend, key string) error
}{
	{"Set", "2", func(ctx context.Context, b *tiered.Backend, key string) error {
		return b.Store(ctx, core.Set, core.Item{Key: key, Value: []byte("2")})
	}},
	{"Replace", "2", func(ctx context.Context, b *tiered.Backend, key string) error {
		return b.Store(ctx, core.Replace, core.Item{Key: key, Value: []byte("2")})
	}},
	{"CompareAndSwap", "2", func(ctx context.Context, b *tiered.Backend, key string) error {
		var far *gated
		b.As(&far)
		item, _ := far.Backend.GetItem(ctx, key)
		item.Key, item.Value = key, []byte("2")
		return b.Store(ctx, core.CompareAndSwap, item)
	}},
	{"CompareAndDelete", "", func(ctx context.Context, b *tiered.Backend, key string) error {
		var far *gated
		b.As(&far)
		item, _ := far.Backend.GetItem(ctx, key)
		item.Key = key
		return b.Store(ctx, core.CompareAndDelete, item)
	}},
	{"StoreMulti", "2", func(ctx context.Context, b *tiered.Backend, key string) error {
		return b.StoreMulti(ctx, core.Set, []core.Item{{Key: key, Value: []byte("2")}})
	}},
	{"Delete", "", func(ctx context.Context, b *tiered.Backend, key string) error {
		return b.Delete(ctx, key)
	}},
	{"DeleteMulti", "", func(ctx context.Context, b *tiered.Backend, key string) error {
		return b.DeleteMulti(ctx, []string{key})
	}},
	{"Incr", "2", func(ctx context.Context, b *tiered.Backend, key string) error {
		_, err := b.Incr(ctx, key, 1)
		return err
	}},
	{"Decr", "0", func(ctx context.Context, b *tiered.Backend, key string) error {
		_, err := b.Decr(ctx, key, 1)
		return err
	}},
	{"Flush", "", func(ctx context.Context, b *tiered.Backend, _ string) error {
		return b.Flush(ctx)
	}},
}

// reads are the ways to read the item under key.
var reads = map[string]func(ctx context.Context, b *tiered.Backend, key string) (string, error){
	"Get": func(ctx context.Context, b *tiered.Backend, key string) (string, error) {
		value, err := b.Get(ctx, key)
		return string(value), err
	},
	"GetItem": func(ctx context.Context, b *tiered.Backend, key string) (string, error) {
		item, err := b.GetItem(ctx, key)
		return string(item.Value), err
	},
	"GetItems": func(ctx context.Context, b *tiered.Backend, key string) (string, error) {
		items, err := b.GetItems(ctx, []string{key})
		if err != nil || len(items) != 1 || items[0].Key != key {
			return "", errors.Join(err, core.ErrMiss)
		}
		return string(items[0].Value), nil
	},
}

// A read reaches far, a write comes and goes, and only then the read returns. What it read is old
// and must not be kept. The write may also begin before the read and end after it.
func TestALateReadKeepsNothingThatAWriteHasReplaced(t *testing.T) {
	for read, get := range reads {
		for _, write := range writes {
			t.Run(read+" and "+write.name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					far := newGated()
					b := newTier(far, &tiered.Options{NearTTL: time.Hour, NegativeTTL: time.Hour})
					defer b.Close()
					set(t, b, "k", "1", 0)
					release := far.holdNext("read")
					var late sync.WaitGroup
					late.Go(func() { _, _ = get(t.Context(), b, "k") })
					synctest.Wait()
					far.stopHolding("read")
					wantErr(t, write.name, write.call(t.Context(), b, "k"), nil)
					release()
					late.Wait()
					wantValue(t, b, "k", write.after)
				})
			})
		}
	}
}

// Far has the new value already, but the write has not returned. A read that is sent meanwhile may
// return either value, and keeps neither: the write may have been undone by another one.
func TestAReadDuringAWriteIsNotKept(t *testing.T) {
	for read, get := range reads {
		for _, gate := range []string{"before store", "store"} {
			t.Run(read+" "+gate, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					far := newGated()
					b := newTier(far, &tiered.Options{NearTTL: time.Hour})
					defer b.Close()
					set(t, b, "k", "1", 0)
					release := far.holdNext(gate)
					var writing sync.WaitGroup
					writing.Go(func() { set(t, b, "k", "2", 0) })
					synctest.Wait()
					_, _ = get(t.Context(), b, "k")
					before := far.farReads()
					_, _ = get(t.Context(), b, "k")
					if far.farReads() == before {
						t.Error("a read during a write was kept")
					}
					release()
					writing.Wait()
					wantValue(t, b, "k", "2")
				})
			})
		}
	}
}

// A read that waits for another one must not get what was read before a write that has returned.
func TestAReadAfterAWriteDoesNotJoinAReadBeforeIt(t *testing.T) {
	for read, get := range reads {
		t.Run(read, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				far := newGated()
				b := newTier(far, nil)
				defer b.Close()
				set(t, b, "k", "1", 0)
				release := far.holdNext("read")
				var late sync.WaitGroup
				late.Go(func() { _, _ = get(t.Context(), b, "k") })
				synctest.Wait()
				far.stopHolding("read")
				set(t, b, "k", "2", 0)
				if got, err := get(t.Context(), b, "k"); got != "2" || err != nil {
					t.Errorf("a read after the write returned %q, %v", got, err)
				}
				release()
				late.Wait()
			})
		})
	}
}

// Two reads of a key are in progress: the first one is too old to wait for. The one that was sent
// later decides what is kept.
func TestACopyIsNotReplacedByAnEarlierRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		far := newGated()
		b := newTier(far, &tiered.Options{NearTTL: time.Second})
		defer b.Close()
		set(t, b, "k", "1", 0)
		release := far.holdNext("read")
		var late sync.WaitGroup
		late.Go(func() { _, _ = b.Get(t.Context(), "k") })
		synctest.Wait()
		far.stopHolding("read")
		time.Sleep(time.Second)
		set(t, far.Backend, "k", "2", 0) // another process
		wantValue(t, b, "k", "2")
		release()
		late.Wait()
		wantValue(t, b, "k", "2")
	})
}

// The life of a copy counts from the sending of the read, and not from its reply.
func TestACopyLivesFromTheSendingOfItsRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		far := newGated()
		b := newTier(far, &tiered.Options{NearTTL: 10 * time.Second})
		defer b.Close()
		set(t, b, "k", "1", 0)
		release := far.holdNext("read")
		var reading sync.WaitGroup
		reading.Go(func() { wantValue(t, b, "k", "1") })
		synctest.Wait()
		far.stopHolding("read")
		set(t, far.Backend, "k", "2", 0) // another process
		time.Sleep(9 * time.Second)
		release()
		reading.Wait()
		wantValue(t, b, "k", "1")
		time.Sleep(time.Second)
		wantValue(t, b, "k", "2")
	})
}

// After a write with an error, the copy is gone, whatever the error says.
func TestAFailedWriteDropsTheCopy(t *testing.T) {
	for _, err := range []error{
		core.ErrUnavailable, core.ErrConflict, core.ErrMiss, core.ErrExists, context.Canceled,
		errors.New("any other"),
	} {
		t.Run(fmt.Sprint(err), func(t *testing.T) {
			far := newGated()
			b := newTier(far, &tiered.Options{NearTTL: time.Hour})
			defer b.Close()
			set(t, b, "k", "1", 0)
			wantValue(t, b, "k", "1")
			far.failNext("store", err) // after it has stored
			item := core.Item{Key: "k", Value: []byte("2")}
			wantErr(t, "Set", b.Store(t.Context(), core.Set, item), err)
			wantValue(t, b, "k", "2")
		})
	}
}

func TestManyReadersOfAKeyReadFarOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		far := newGated()
		b := newTier(far, nil)
		defer b.Close()
		set(t, b, "k", "1", 0)
		release := far.holdNext("read")
		var all sync.WaitGroup
		for range 100 {
			for _, get := range reads {
				all.Go(func() {
					if got, err := get(t.Context(), b, "k"); got != "1" || err != nil {
						t.Errorf("a read returned %q, %v", got, err)
					}
				})
			}
		}
		synctest.Wait()
		release()
		all.Wait()
		if n := far.farReads(); n != 1 {
			t.Errorf("%d reads reached far, want 1", n)
		}
	})
}

// The reader for which others wait gives up. They do not get its error.
func TestAReaderThatGivesUpDoesNotFailOthers(t *testing.T) {
	for read, get := range reads {
		t.Run(read, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				far := newGated()
				b := newTier(far, nil)
				defer b.Close()
				set(t, b, "k", "1", 0)
				release := far.holdNext("read")
				defer release()
				ctx, cancel := context.WithCancel(t.Context())
				var all sync.WaitGroup
				all.Go(func() {
					_, err := b.Get(ctx, "k")
					wantErr(t, "Get under a context that is done", err, context.Canceled)
				})
				synctest.Wait()
				all.Go(func() {
					if got, err := get(t.Context(), b, "k"); got != "1" || err != nil {
						t.Errorf("the other read returned %q, %v", got, err)
					}
				})
				synctest.Wait()
				far.stopHolding("read")
				cancel()
				all.Wait()
			})
		})
	}
}

// A waiting reader returns when its own context is done.
func TestAWaitingReaderGivesUpAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		far := newGated()
		b := newTier(far, nil)
		defer b.Close()
		set(t, b, "k", "1", 0)
		release := far.holdNext("read")
		var first sync.WaitGroup
		first.Go(func() { wantValue(t, b, "k", "1") })
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start := time.Now()
		_, err := b.Get(ctx, "k")
		wantErr(t, "Get", err, context.DeadlineExceeded)
		if took := time.Since(start); took != time.Second {
			t.Errorf("Get returned after %v", took)
		}
		release()
		first.Wait()
	})
}
