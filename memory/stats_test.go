package memory

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cachewire/cachewire/core"
)

// outcomes are what the callers of the verbs have seen.
type outcomes struct {
	hits, misses, stored, deleted atomic.Uint64
	replaced                      atomic.Uint64 // at least
}

// callVerbs calls n random verbs on few keys and adds what they return to o.
func (o *outcomes) callVerbs(t *testing.T, b *Backend, r *rand.Rand, n int) {
	ctx := context.Background()
	var tokens [8]core.Item // read earlier, for the compare verbs
	read := func(err error) {
		if err == core.ErrMiss {
			o.misses.Add(1)
		} else {
			o.hits.Add(1) // found, even if it has the wrong kind
		}
	}
	for range n {
		k := key(r.IntN(200))
		ttl := time.Duration(r.IntN(4)) * time.Millisecond
		item := core.Item{Key: k, Value: []byte("12"), TTL: ttl}
		if r.IntN(300) == 0 {
			item.Value = make([]byte, maxPlain+1)
		}
		switch verb := r.IntN(14); verb {
		case 0, 1, 2:
			got, err := b.GetItem(ctx, k)
			if read(err); err == nil {
				tokens[r.IntN(len(tokens))] = got
			}
		case 3:
			_, err := b.Get(ctx, k)
			read(err)
		case 4:
			_, err := b.GetItemTTL(ctx, k)
			read(err)
		case 5:
			_, _, err := b.GetShared(ctx, k)
			read(err)
		case 6, 7, 8:
			mode := core.Mode(verb - 6)
			if r.IntN(8) == 0 {
				if b.StoreShared(ctx, mode, item, &item) == nil {
					o.stored.Add(1)
				}
				continue
			}
			if b.Store(ctx, mode, item) == nil {
				o.stored.Add(1)
				if mode == core.Replace {
					o.replaced.Add(1)
				}
			}
		case 9:
			item := tokens[r.IntN(len(tokens))]
			if mode := core.CompareAndSwap + core.Mode(r.IntN(2)); item.Key == "" ||
				b.Store(ctx, mode, item) != nil {
				continue
			} else if mode == core.CompareAndSwap {
				o.stored.Add(1)
				o.replaced.Add(1)
			} else {
				o.deleted.Add(1)
			}
		case 10:
			if b.Delete(ctx, k) == nil {
				o.deleted.Add(1)
			}
		case 11, 12:
			if _, err := b.Incr(ctx, k, 1); err != nil && err != core.ErrMiss &&
				!errors.Is(err, core.ErrNotNumber) {
				t.Errorf("Incr: %v", err)
			}
			b.Touch(ctx, k, ttl)
			b.TTL(ctx, k)
		case 13:
			if r.IntN(100) == 0 {
				b.Flush(ctx)
			}
		}
		if r.IntN(1000) == 0 {
			checkSum(t, b)
		}
	}
}

// checkSum reports an error if the counts do not reconcile.
func checkSum(t *testing.T, b *Backend) {
	t.Helper()
	c := b.Counts()
	if c.Inserts != c.Items+c.Expired+c.Evicted+c.Replaced+c.Deleted+c.Flushed {
		t.Errorf("the counts do not reconcile: %+v", c)
	}
}

func TestCountsReconcileWithWhatCallersSaw(t *testing.T) {
	for name, opts := range map[string]Options{
		"unbounded": {BucketInterval: minInterval},
		"items":     {MaxItems: 30},
		"bytes":     {MaxBytes: 5 << 20},
	} {
		t.Run(name, func(t *testing.T) {
			b := must(New(&opts))
			defer b.Close()
			var o outcomes
			var workers sync.WaitGroup
			for w := range 8 {
				workers.Go(func() {
					o.callVerbs(t, b, rand.New(rand.NewPCG(uint64(w), 1)), 10_000)
				})
			}
			workers.Wait()
			checkSum(t, b)
			audit(t, b)
			c, s := b.Counts(), stats(b)
			if c.Inserts != o.stored.Load() || c.Deleted != o.deleted.Load() ||
				c.Replaced < o.replaced.Load() {
				t.Errorf("%+v; callers stored %d, deleted %d, and replaced %d or more",
					c, o.stored.Load(), o.deleted.Load(), o.replaced.Load())
			}
			if s.Hits != o.hits.Load() || s.Misses != o.misses.Load() {
				t.Errorf("%d hits and %d misses; callers saw %d and %d",
					s.Hits, s.Misses, o.hits.Load(), o.misses.Load())
			}
			if opts.MaxItems > 0 && c.Evicted == 0 || c.Expired == 0 || c.Flushed == 0 {
				t.Errorf("%+v: want some of each reason", c)
			}
			b.Close()
			if c := b.Counts(); c.Items != 0 {
				t.Errorf("after Close: %+v", c)
			}
			checkSum(t, b)
		})
	}
}

func TestCountsNameTheReason(t *testing.T) {
	b := must(New(&Options{MaxItems: 2}))
	ctx := t.Context()
	set(t, b, "replaced", nil, 0)
	set(t, b, "replaced", nil, 0)
	set(t, b, "deleted", []byte("1"), 0)
	if _, err := b.Incr(ctx, "deleted", 1); err != nil { // changes the form, and is no insert
		t.Fatal(err)
	}
	if err := b.Delete(ctx, "deleted"); err != nil {
		t.Fatal(err)
	}
	set(t, b, "a", nil, 0)
	set(t, b, "b", nil, 0) // evicts one
	got := b.Counts()
	if want := (Counts{Items: 2, Inserts: 5, Replaced: 1, Deleted: 1, Evicted: 1}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
	b.Flush(ctx)
	set(t, b, "expired", nil, 1)
	for has(b, "expired") {
	}
	got = b.Counts()
	want := Counts{Inserts: 6, Replaced: 1, Deleted: 1, Evicted: 1, Flushed: 2, Expired: 1}
	if got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
	if Expired.String() != "Expired" || Flushed.String() != "Flushed" || Reason(9).String() !=
		"Reason(9)" {
		t.Error("a Reason has a wrong name")
	}
}
