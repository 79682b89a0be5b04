package core_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/cachewire/cachewire/core"
)

// parallelism is how many keys at once the documentation of Cache's verbs
// gives a plain backend to do.
const parallelism = 32

// A gate lets calls of a backend through one at a time and counts those that
// wait.
type gate struct {
	pass    chan struct{}
	waiting atomic.Int64
	most    atomic.Int64
	total   atomic.Int64
}

func newGate(b *backend) *gate {
	g := &gate{pass: make(chan struct{})}
	b.before = func(_ context.Context, verb, _ string) error {
		if verb == "Close" {
			return nil
		}
		g.total.Add(1)
		n := g.waiting.Add(1)
		for most := g.most.Load(); n > most && !g.most.CompareAndSwap(most, n); most = g.most.Load() {
		}
		<-g.pass // whatever the context says
		g.waiting.Add(-1)
		return nil
	}
	return g
}

// manyKeys answers n keys and a value for each.
func manyKeys(n int) (keys []string, values map[string][]byte) {
	values = map[string][]byte{}
	for i := range n {
		key := fmt.Sprintf("key %d", i)
		keys = append(keys, key)
		values[key] = []byte(key)
	}
	return keys, values
}

// fallbacks are the multi verbs that a plain backend gets from core.
var fallbacks = map[string]func(ctx context.Context, c *core.Cache, keys []string, values map[string][]byte) error{
	"GetMulti": func(ctx context.Context, c *core.Cache, keys []string, _ map[string][]byte) error {
		_, err := c.GetMulti(ctx, keys)
		return err
	},
	"SetMulti": func(ctx context.Context, c *core.Cache, _ []string, values map[string][]byte) error {
		return c.SetMulti(ctx, values, 0)
	},
	"StoreMulti": func(ctx context.Context, c *core.Cache, keys []string, values map[string][]byte) error {
		var items []core.Item
		for _, key := range keys {
			items = append(items, core.Item{Key: key, Value: values[key]})
		}
		return c.StoreMulti(ctx, core.Add, items)
	},
	"DeleteMulti": func(ctx context.Context, c *core.Cache, keys []string, _ map[string][]byte) error {
		return c.DeleteMulti(ctx, keys)
	},
	"typed SetMulti": func(ctx context.Context, c *core.Cache, _ []string, values map[string][]byte) error {
		return must(core.NewTyped(c, words{})).SetMulti(ctx, texts(values), 0)
	},
}

// Every call waits for the gate. When nothing moves any more, as many calls as
// may run at once are waiting: 32, or all that are left.
func TestFallbackKeeps32KeysUnderWayAndNeverMore(t *testing.T) {
	for name, verb := range fallbacks {
		for _, n := range []int{1, 2, 31, 32, 33, 100} {
			t.Run(fmt.Sprint(name, " ", n), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					b := newBackend()
					c, g := open(t, b, nil), newGate(b)
					keys, values := manyKeys(n)
					result := make(chan error)
					go func() { result <- verb(t.Context(), c, keys, values) }()
					for left := n; left > 0; left-- {
						synctest.Wait()
						if got, want := g.waiting.Load(), int64(min(left, parallelism)); got != want {
							t.Fatalf("%d keys left, %d under way, want %d", left, got, want)
						}
						g.pass <- struct{}{}
					}
					wantErr(t, <-result, nil)
					if got := g.most.Load(); got > parallelism {
						t.Errorf("%d keys were under way at once", got)
					}
				})
			})
		}
	}
}

func TestFallbackCancelledHalfWayFailsTheRestWithTheContextsError(t *testing.T) {
	for name, verb := range fallbacks {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBackend()
				c := open(t, b, nil)
				keys, values := manyKeys(100)
				wantErr(t, c.SetMulti(t.Context(), values, 0), nil)
				if name == "StoreMulti" { // an Add
					wantErr(t, c.Flush(t.Context()), nil)
				}
				g := newGate(b)
				ctx, cancel := context.WithCancel(t.Context())
				result := make(chan error)
				go func() { result <- verb(ctx, c, keys, values) }()
				for range 10 {
					synctest.Wait()
					g.pass <- struct{}{}
				}
				synctest.Wait()
				cancel()
				close(g.pass) // 32 are under way; they end now, and no more begin
				failed := failedKeys(t, <-result)
				if got := g.total.Load(); got != 10+parallelism {
					t.Errorf("the backend was called %d times, want %d", got, 10+parallelism)
				}
				// Of those called, 10 had ended. The other 32 saw that their
				// context was done, too, as a real backend would.
				if len(failed) != 90 {
					t.Errorf("%d keys failed, want 90", len(failed))
				}
				for key, err := range failed {
					if err != context.Canceled {
						t.Fatalf("error of %q is %v, want the context's", key, err)
					}
				}
			})
		})
	}
}

func TestFallbackOfTenThousandKeysServesEach(t *testing.T) {
	b := newBackend()
	c := open(t, b, nil)
	keys, values := manyKeys(10_000)
	wantErr(t, c.SetMulti(t.Context(), values, 0), nil)
	got, err := c.GetMulti(t.Context(), keys)
	wantErr(t, err, nil)
	for key, value := range got {
		if string(value) != key {
			t.Fatalf("the value of %q is %q", key, value)
		}
	}
	if len(got) != len(keys) {
		t.Errorf("GetMulti answers %d values, want %d", len(got), len(keys))
	}
	wantErr(t, c.DeleteMulti(t.Context(), keys), nil)
	if left := b.keys(); len(left) != 0 {
		t.Errorf("DeleteMulti left %d keys", len(left))
	}
}
