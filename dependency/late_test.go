package dependency_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/dependency"
	"github.com/cachewire/cachewire/memory"
)

// A lateBackend takes more than a minute for its first store of a wire, and fails for others.
type lateBackend struct {
	core.Backend
	failOnce map[string]bool // stores of these wires fail once
	failGets bool            // all reads fail

	slow bool // whether the slow store has been made
}

func (b *lateBackend) GetItem(ctx context.Context, key string) (core.Item, error) {
	if b.failGets {
		return core.Item{}, core.ErrUnavailable
	}
	return b.Backend.GetItem(ctx, key)
}

// StoreMulti makes the calls of Store one at a time, because they change b.
func (b *lateBackend) StoreMulti(ctx context.Context, mode core.Mode, items []core.Item) error {
	var failed core.MultiError
	for _, item := range items {
		failed.Add(item.Key, b.Store(ctx, mode, item))
	}
	return failed.Err()
}

func (b *lateBackend) Store(ctx context.Context, mode core.Mode, item core.Item) error {
	if b.failOnce[item.Key] {
		delete(b.failOnce, item.Key)
		return core.ErrUnavailable
	}
	if !b.slow && mode == core.Add {
		b.slow = true
		time.Sleep(61 * time.Second)
	}
	return b.Backend.Store(ctx, mode, item)
}

// If the wires came too late, all keys are wired again, including those that had failed.
func TestAKeyThatIsWiredInALaterTryHasNotFailed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &lateBackend{
			Backend:  must(memory.New(nil)),
			failOnce: map[string]bool{master + "2": true},
		}
		c := cacheOf(t, b)
		d := must(dependency.New(c, nil))
		set(t, c, "a", "b", "c")
		wantErr(t, d.AddMulti(t.Context(), master, []string{"a", "b", "c"}), nil)
		wantErr(t, d.Delete(t.Context(), master), nil)
		wantDropped(t, c, "a", "b", "c")
	})
}

// If late wires cannot be deleted, the error has all keys, because none of them is surely
// wired.
func TestTheErrorHasAllKeysIfLateWiresCannotBeDeleted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &lateBackend{
			Backend:  must(memory.New(nil)),
			failOnce: map[string]bool{master + "2": true},
			failGets: true,
		}
		d := must(dependency.New(cacheOf(t, b), nil))
		err := d.AddMulti(t.Context(), master, []string{"a", "b", "c"})
		var multi *core.MultiError
		if !errors.As(err, &multi) || len(multi.Errors) != 3 || multi.Total != 3 {
			t.Fatalf("AddMulti: %v, want a MultiError with 3 of 3 keys", err)
		}
		for _, key := range []string{"a", "b", "c"} {
			if err := multi.Errors[key]; !errors.Is(err, core.ErrUnavailable) {
				t.Errorf("%s: %v, want ErrUnavailable", key, err)
			}
		}
	})
}
