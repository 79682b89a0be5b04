package core_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/cachewire/cachewire/core"
)

// parallelism is how many keys of a multi verb run at once if the backend takes only one key
// a call. It is a constant of package core.
const parallelism = 32

// A gate makes the calls of a backend wait, and counts them.
type gate struct {
	pass       chan struct{} // each value lets one call continue
	waiting    atomic.Int64
	maxWaiting atomic.Int64
	total      atomic.Int64
}

// newGate returns a gate for the calls of b.
func newGate(b *backend) *gate {
	g := &gate{pass: make(chan struct{})}
	b.before = func(_ context.Context, verb, _ string) error {
		if verb == "Close" {
			return nil
		}
		g.total.Add(1)
		n := g.waiting.Add(1)
		for {
			old := g.maxWaiting.Load()
			if n <= old || g.maxWaiting.CompareAndSwap(old, n) {
				break
			}
		}
		<-g.pass // even if the context is done
		g.waiting.Add(-1)
		return nil
	}
	return g
}

// manyKeys returns n keys, and a map with a value for each.
func manyKeys(n int) (keys []string, values map[string][]byte) {
	values = map[string][]byte{}
	for i := range n {
		key := fmt.Sprintf("key %d", i)
		keys = append(keys, key)
		values[key] = []byte(key)
	}
	return keys, values
}

// fallbacks are multi verbs that core implements over a backend with single verbs.
var fallbacks = map[string]func(
	ctx context.Context, c *core.Cache, keys []string, values map[string][]byte,
) error{
	"GetMulti": func(
		ctx context.Context, c *core.Cache, keys []string, _ map[string][]byte,
	) error {
		_, err := c.GetMulti(ctx, keys)
		return err
	},
	"SetMulti": func(
		ctx context.Context, c *core.Cache, _ []string, values map[string][]byte,
	) error {
		return c.SetMulti(ctx, values, 0)
	},
	"StoreMulti": func(
		ctx context.Context, c *core.Cache, keys []string, values map[string][]byte,
	) error {
		var items []core.Item
		for _, key := range keys {
			items = append(items, core.Item{Key: key, Value: values[key]})
		}
		return c.StoreMulti(ctx, core.Add, items)
	},
	"DeleteMulti": func(
		ctx context.Context, c *core.Cache, keys []string, _ map[string][]byte,
	) error {
		return c.DeleteMulti(ctx, keys)
	},
	"typed SetMulti": func(
		ctx context.Context, c *core.Cache, _ []string, values map[string][]byte,
	) error {
		return must(core.NewTyped(c, stringCodec{})).SetMulti(ctx, toStrings(values), 0)
	},
}

// Every call waits at the gate. Once all goroutines are blocked, the number of waiting calls
// is the number that may run at once: 32, or all that are left.
func TestFallbackRuns32KeysAtOnce(t *testing.T) {
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
						want := int64(min(left, parallelism))
						if got := g.waiting.Load(); got != want {
							t.Fatalf("%d keys are left and %d run, want %d", left, got, want)
						}
						g.pass <- struct{}{}
					}
					wantErr(t, <-result, nil)
					if got := g.maxWaiting.Load(); got > parallelism {
						t.Errorf("%d keys ran at once, want at most %d", got, parallelism)
					}
				})
			})
		}
	}
}

func TestFallbackWhoseContextIsCanceledFailsTheRemainingKeys(t *testing.T) {
	for name, verb := range fallbacks {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBackend()
				c := open(t, b, nil)
				keys, values := manyKeys(100)
				wantErr(t, c.SetMulti(t.Context(), values, 0), nil)
				if name == "StoreMulti" { // its mode is Add
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
				close(g.pass) // 32 calls end now, and no more begin
				failed := failedKeys(t, <-result)
				if got := g.total.Load(); got != 10+parallelism {
					t.Errorf("the backend was called %d times, want %d", got, 10+parallelism)
				}
				// 10 calls had ended. The other 32 returned the error of the context,
				// as those of a real backend do.
				if len(failed) != 90 {
					t.Errorf("%d keys failed, want 90", len(failed))
				}
				for key, err := range failed {
					if err != context.Canceled {
						t.Fatalf("error of %q is %v, want %v", key, err, context.Canceled)
					}
				}
			})
		})
	}
}

func TestFallbackServesEachOfTenThousandKeys(t *testing.T) {
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
		t.Errorf("GetMulti returned %d values, want %d", len(got), len(keys))
	}
	wantErr(t, c.DeleteMulti(t.Context(), keys), nil)
	if left := b.keys(); len(left) != 0 {
		t.Errorf("DeleteMulti left %d keys, want none", len(left))
	}
}
