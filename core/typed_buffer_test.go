package core_test

import (
	"bytes"
	"context"
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/cachewire/cachewire/core"
)

// A watcher is a Backend that looks whether the bytes it is given stay as they
// are for as long as it may look at them. Under the race detector the reads
// alone would show who writes meanwhile.
type watcher struct {
	core.Backend
	t *testing.T
}

func (w watcher) Store(ctx context.Context, mode core.Mode, item core.Item) error {
	w.watch(item, func() {})
	return w.Backend.Store(ctx, mode, item)
}

func (w watcher) watch(item core.Item, meanwhile func()) {
	given := bytes.Clone(item.Value)
	for range 5 {
		runtime.Gosched()
		meanwhile()
		if !bytes.Equal(given, item.Value) {
			w.t.Errorf("the value of %q changed while it was stored", item.Key)
			return
		}
	}
}

// A multiWatcher has items of one call to look at, which lie in one buffer.
type multiWatcher struct{ watcher }

func (w multiWatcher) StoreMulti(ctx context.Context, mode core.Mode, items []core.Item) error {
	for _, item := range items {
		w.watch(item, func() {
			// A backend that appends to one value, as for a checksum behind it,
			// must not write into the next.
			_ = append(item.Value, "checksum"...)
		})
	}
	for _, item := range items {
		if err := w.Backend.Store(ctx, mode, item); err != nil {
			return err
		}
	}
	return nil
}

// sizes are lengths of values below, at and above those of which buffers are
// kept.
var sizes = []int{0, 1, 10, 1000, 32 << 10, 64<<10 - 1, 64 << 10, 64<<10 + 1, 200 << 10}

// pattern answers a value of n bytes that says whose it is all the way.
func pattern(who string, n int) string {
	return strings.Repeat(who+" ", n/(len(who)+1)+1)[:n]
}

func TestBufferIsNobodyElsesWhileAStoreRuns(t *testing.T) {
	for name, backend := range map[string]func(b *backend) core.Backend{
		"plain":       func(b *backend) core.Backend { return watcher{b, t} },
		"MultiStorer": func(b *backend) core.Backend { return multiWatcher{watcher{b, t}} },
	} {
		t.Run(name, func(t *testing.T) {
			c := must(core.NewTyped(open(t, backend(newBackend()), nil), words{}))
			ctx := t.Context()
			together(8, func(i int) {
				for round := range 10 {
					many := map[string]string{}
					for j, size := range sizes {
						key := fmt.Sprintf("%d %d", i, size)
						value := pattern(fmt.Sprint(key, " ", round), size)
						many[key+" multi"] = value
						if j%3 == round%3 {
							_ = c.Set(ctx, key, unsayable, 0) // leaves its half in a buffer
						}
						if err := c.Set(ctx, key, value, 0); err != nil {
							t.Error(err)
						}
						if got, err := c.Get(ctx, key); got != value || err != nil {
							t.Errorf("%q came back as %.100q, %v", key, got, err)
						}
					}
					if err := c.SetMulti(ctx, many, 0); err != nil {
						t.Error(err)
					}
					for key, value := range many {
						if got, err := c.Get(ctx, key); got != value || err != nil {
							t.Errorf("%q came back as %.100q, %v", key, got, err)
						}
					}
				}
			})
		})
	}
}

// A codec gets a buffer to append to, never one with something in it, and what
// one value left does not come back with the next.
func TestCodecAlwaysAppendsToAnEmptyBuffer(t *testing.T) {
	b := newBackend()
	c := must(core.NewTyped(open(t, b, nil), words{}))
	raw := c.Cache()
	for _, value := range []string{"a long value", "", "short", unsayable, "x"} {
		if err := c.Set(t.Context(), "k", value, 0); err == nil {
			wantValue(t, raw, "k", value)
		}
	}
}

func TestValueBytesAreNotSharedWithTheNeighboursInAMulti(t *testing.T) {
	c := must(core.NewTyped(open(t, spill{newBackend()}, nil), words{}))
	values := map[string]string{}
	for i := range 50 {
		key := fmt.Sprint(i)
		values[key] = pattern(key, 3)
	}
	wantErr(t, c.SetMulti(t.Context(), values, 0), nil)
	for key, want := range values {
		if got, err := c.Get(t.Context(), key); got != want || err != nil {
			t.Errorf("%s came back as %q, %v; want %q", key, got, err, want)
		}
	}
}

// spill appends to each value before any is stored.
type spill struct{ *backend }

func (s spill) StoreMulti(ctx context.Context, mode core.Mode, items []core.Item) error {
	for _, item := range items {
		_ = append(item.Value, "spilt"...)
	}
	for _, item := range items {
		if err := s.Store(ctx, mode, item); err != nil {
			return err
		}
	}
	return nil
}
