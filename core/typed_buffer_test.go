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

// A watcher is a Backend that checks that the bytes of an item do not change while Store
// runs. Its reads also let the race detector find writes at that time.
type watcher struct {
	core.Backend
	t *testing.T
}

func (w watcher) Store(ctx context.Context, mode core.Mode, item core.Item) error {
	w.watch(item, func() {})
	return w.Backend.Store(ctx, mode, item)
}

// watch checks the value of item again and again, and calls meanwhile before each check.
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

// A multiWatcher is a watcher for StoreMulti, whose values share a buffer.
type multiWatcher struct{ watcher }

func (w multiWatcher) StoreMulti(ctx context.Context, mode core.Mode, items []core.Item) error {
	for _, item := range items {
		w.watch(item, func() {
			// A backend that appends to a value, such as a checksum, must not
			// overwrite the next value.
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

// sizes are lengths of values below, at and above the limit up to which buffers are kept.
var sizes = []int{0, 1, 10, 1000, 32 << 10, 64<<10 - 1, 64 << 10, 64<<10 + 1, 200 << 10}

// pattern returns n bytes that repeat name, so that parts of other values are recognized.
func pattern(name string, n int) string {
	return strings.Repeat(name+" ", n/(len(name)+1)+1)[:n]
}

func TestBufferIsNotReusedWhileAStoreRuns(t *testing.T) {
	for name, backend := range map[string]func(b *backend) core.Backend{
		"plain":       func(b *backend) core.Backend { return watcher{b, t} },
		"MultiStorer": func(b *backend) core.Backend { return multiWatcher{watcher{b, t}} },
	} {
		t.Run(name, func(t *testing.T) {
			c := must(core.NewTyped(open(t, backend(newBackend()), nil), stringCodec{}))
			ctx := t.Context()
			runConcurrently(8, func(i int) {
				for round := range 10 {
					many := map[string]string{}
					for j, size := range sizes {
						key := fmt.Sprintf("%d %d", i, size)
						value := pattern(fmt.Sprint(key, " ", round), size)
						many[key+" multi"] = value
						if j%3 == round%3 {
							_ = c.Set(ctx, key, unencodable, 0) // leaves bytes in a buffer
						}
						if err := c.Set(ctx, key, value, 0); err != nil {
							t.Error(err)
						}
						if got, err := c.Get(ctx, key); got != value || err != nil {
							t.Errorf("Get %q = %.100q, %v; want %.100q", key, got, err, value)
						}
					}
					if err := c.SetMulti(ctx, many, 0); err != nil {
						t.Error(err)
					}
					for key, value := range many {
						if got, err := c.Get(ctx, key); got != value || err != nil {
							t.Errorf("Get %q = %.100q, %v; want %.100q", key, got, err, value)
						}
					}
				}
			})
		})
	}
}

// The bytes of a value, including one that could not be encoded, must not be in the next one.
func TestCodecAlwaysAppendsToAnEmptyBuffer(t *testing.T) {
	b := newBackend()
	c := must(core.NewTyped(open(t, b, nil), stringCodec{}))
	raw := c.Cache()
	for _, value := range []string{"a long value", "", "short", unencodable, "x"} {
		if err := c.Set(t.Context(), "k", value, 0); err == nil {
			wantValue(t, raw, "k", value)
		}
	}
}

func TestValuesOfSetMultiDoNotOverlap(t *testing.T) {
	c := must(core.NewTyped(open(t, appendingBackend{newBackend()}, nil), stringCodec{}))
	values := map[string]string{}
	for i := range 50 {
		key := fmt.Sprint(i)
		values[key] = pattern(key, 3)
	}
	wantErr(t, c.SetMulti(t.Context(), values, 0), nil)
	for key, want := range values {
		if got, err := c.Get(t.Context(), key); got != want || err != nil {
			t.Errorf("Get %s = %q, %v; want %q", key, got, err, want)
		}
	}
}

// An appendingBackend appends to each value before it stores the items.
type appendingBackend struct{ *backend }

func (b appendingBackend) StoreMulti(ctx context.Context, mode core.Mode, items []core.Item) error {
	for _, item := range items {
		_ = append(item.Value, "appended"...)
	}
	for _, item := range items {
		if err := b.Store(ctx, mode, item); err != nil {
			return err
		}
	}
	return nil
}
