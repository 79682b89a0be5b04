package dependency_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/dependency"
	"github.com/cachewire/cachewire/memory"
)

// A beforeCall is a hook that calls do once, just before verb is called with key.
type beforeCall struct {
	verb, key string
	do        func()
}

func (h *beforeCall) Before(ctx context.Context, op *core.Op) context.Context {
	matches := op.Verb == h.verb && (op.Key == h.key || slices.Contains(op.Keys, h.key))
	if do := h.do; do != nil && matches {
		h.do = nil
		do()
	}
	return ctx
}

func (h *beforeCall) After(context.Context, *core.Op) {}

// plainAndHooked returns two dependencies over one backend, and the cache of the first. The
// cache of the second has hook.
func plainAndHooked(
	t *testing.T, hook *beforeCall,
) (c *core.Cache, plain, hooked *dependency.Dependency) {
	t.Helper()
	b := must(memory.New(nil))
	c = cacheOf(t, b)
	plain = must(dependency.New(c, nil))
	hooked = must(dependency.New(cacheOf(t, b, hook), nil))
	return c, plain, hooked
}

// wireLate wires key under a number that was drawn before, or under a new one if that is
// taken.
func wireLate(t *testing.T, c *core.Cache, d *dependency.Dependency, wire, key string) {
	t.Helper()
	set(t, c, key)
	if err := c.Add(t.Context(), wire, []byte(key), 0); err != nil {
		wantErr(t, err, core.ErrExists)
		wantErr(t, d.Add(t.Context(), master, key), nil)
	}
}

// While a Delete is about to delete an old wire, its number is drawn again, and another
// Delete sees the old wire.
func TestAnOldWireDoesNotHideThatItsNumberWasDrawnAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := must(memory.New(nil))
		c := cacheOf(t, b)
		d := must(dependency.New(c, nil))
		ctx := t.Context()
		wantErr(t, d.AddMulti(ctx, master, names("old-", 150)), nil)
		release := make(chan struct{})
		held := heldBackend{b, master + "120", release}
		slow := must(dependency.New(cacheOf(t, held), nil))
		done := make(chan error)
		go func() { done <- slow.Delete(ctx, master) }()
		synctest.Wait() // until it is held at the wire
		wires, err := d.NextKeys(ctx, master, 120)
		wantErr(t, err, nil)
		for _, wire := range wires[:119] {
			wireLate(t, c, d, wire, "early")
		}
		wantErr(t, d.Delete(ctx, master), nil)
		close(release)
		wantErr(t, <-done, nil)
		wireLate(t, c, d, wires[119], "late")
		wantErr(t, d.Delete(ctx, master), nil)
		wantDropped(t, c, "early", "late")
	})
}

// A heldBackend holds each Store of key until release is closed. It embeds a Backend without
// the multi verbs, so that core calls Store for each of many keys.
type heldBackend struct {
	core.Backend
	key     string
	release chan struct{}
}

func (b heldBackend) Store(ctx context.Context, mode core.Mode, item core.Item) error {
	if item.Key == b.key {
		<-b.release
	}
	return b.Backend.Store(ctx, mode, item)
}

// A missing number is claimed, so that the Add that has drawn it takes another one. If the
// number is drawn again, the claim does not hide that.
func TestAMissingNumberIsClaimed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, d, _ := plainAndHooked(t, &beforeCall{})
		ctx := t.Context()
		drawAfter150 := func() string {
			wantErr(t, d.AddMulti(ctx, master, names("k", 150)), nil)
			wire, err := d.NextKey(ctx, master)
			wantErr(t, err, nil)
			return wire
		}
		first := drawAfter150()
		wantErr(t, d.Delete(ctx, master), nil)
		if exists(t, c, master) || !exists(t, c, master+"151") {
			t.Error("Delete did not claim the missing number, or the numbers did not begin again")
		}
		time.Sleep(50 * time.Second)
		wireLate(t, c, d, first, "first numbers")
		wantErr(t, d.Delete(ctx, master), nil)
		wantDropped(t, c, "first numbers")
		time.Sleep(50 * time.Second)
		second := drawAfter150()
		wantErr(t, d.Delete(ctx, master), nil)
		time.Sleep(50 * time.Second) // the claim has expired
		wireLate(t, c, d, second, "second numbers")
		wantErr(t, d.Delete(ctx, master), nil)
		wantDropped(t, c, "second numbers")
		if keys, err := d.Keys(ctx, master); len(keys) != 0 || err != nil {
			t.Errorf("Keys = %v, %v", keys, err)
		}
	})
}

// The Add takes so long that a Delete has taken its number for settled.
func TestAnAddThatTakesMinutesIsFoundByTheNextDelete(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var hook beforeCall
		c, d, slow := plainAndHooked(t, &hook)
		ctx := t.Context()
		wantErr(t, d.AddMulti(ctx, master, names("k", 150)), nil)
		hook = beforeCall{"StoreMulti", master + "151", func() {
			wantErr(t, d.Delete(ctx, master), nil)
			time.Sleep(3 * time.Minute)
		}}
		set(t, c, "late")
		wantErr(t, slow.Add(ctx, master, "late"), nil)
		wantErr(t, d.Delete(ctx, master), nil)
		wantDropped(t, c, "late")
	})
}

// While a Delete runs, the numbers begin again. The Delete must not change what is wired
// under the new ones.
func TestADeleteLeavesNewNumbersAlone(t *testing.T) {
	for name, other := range map[string]func(
		t *testing.T, c *core.Cache, d *dependency.Dependency,
	) []string{
		"another Delete": func(t *testing.T, c *core.Cache, d *dependency.Dependency) []string {
			wantErr(t, d.Delete(t.Context(), master), nil)
			wires, err := d.NextKeys(t.Context(), master, 150)
			wantErr(t, err, nil)
			return wires
		},
		"a lost counter": func(t *testing.T, c *core.Cache, d *dependency.Dependency) []string {
			wantErr(t, c.Delete(t.Context(), master), nil)
			wires, err := d.NextKeys(t.Context(), master, 120)
			wantErr(t, err, nil)
			return wires
		},
	} {
		for key, when := range map[string]string{
			master + "150": "before the wires are deleted",
			master:         "before the counter is deleted",
		} {
			t.Run(name+", "+when, func(t *testing.T) {
				var hook beforeCall
				c, d, old := plainAndHooked(t, &hook)
				wantErr(t, d.AddMulti(t.Context(), master, names("k", 150)), nil)
				var wires []string
				hook = beforeCall{"StoreMulti", key, func() { wires = other(t, c, d) }}
				wantErr(t, old.Delete(t.Context(), master), nil)
				for _, wire := range wires {
					wireLate(t, c, d, wire, "late "+wire)
				}
				wantErr(t, d.Delete(t.Context(), master), nil)
				for _, wire := range wires {
					wantDropped(t, c, "late "+wire)
				}
			})
		}
	}
}

// So many numbers are missing that a Delete makes a mark. Just before each step of that,
// another Delete lets the numbers begin again. The mark must not hold for the new ones.
func TestAMarkDoesNotOutliveItsNumbers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var hook beforeCall
		c, d, marker := plainAndHooked(t, &hook)
		ctx := t.Context()
		for _, step := range []beforeCall{
			{verb: "IncrFrom", key: master},
			{verb: "Store", key: master + "2001"},
			{verb: "Store", key: master + "2002"},
		} {
			old, err := d.NextKeys(ctx, master, 2000)
			wantErr(t, err, nil)
			hook = step
			hook.do = func() {
				for _, wire := range old {
					wireLate(t, c, d, wire, "late")
				}
				wantErr(t, d.Delete(ctx, master), nil)
			}
			wantErr(t, marker.Delete(ctx, master), nil)
			if hook.do != nil {
				t.Error("no mark was made")
			}
			time.Sleep(130 * time.Second)
			wires, err := d.NextKeys(ctx, master, 2000)
			wantErr(t, err, nil)
			wantErr(t, d.Delete(ctx, master), nil) // would use a mark
			for i, wire := range wires {
				wireLate(t, c, d, wire, fmt.Sprint("late-", i))
			}
			wantErr(t, d.Delete(ctx, master), nil)
			wantDropped(t, c, names("late-", 2000)...)
			time.Sleep(time.Hour)
			wantErr(t, d.Delete(ctx, master), nil)
			time.Sleep(time.Hour)
			wantErr(t, d.Delete(ctx, master), nil)
			wantDropped(t, c, master)
		}
		wantErr(t, c.Close(), nil)
	})
}

// A Delete stands still for minutes, and meanwhile the numbers begin again.
func TestADeleteThatStoodStillLeavesNewNumbersAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var hook beforeCall
		c, d, old := plainAndHooked(t, &hook)
		ctx := t.Context()
		wantErr(t, d.AddMulti(ctx, master, names("k", 150)), nil)
		var wires []string
		hook = beforeCall{"StoreMulti", master, func() {
			wantErr(t, d.Delete(ctx, master), nil)
			time.Sleep(3 * time.Minute)
			var err error
			wires, err = d.NextKeys(ctx, master, 150)
			wantErr(t, err, nil)
		}}
		wantErr(t, old.Delete(ctx, master), nil)
		for i, wire := range wires {
			wireLate(t, c, d, wire, fmt.Sprint("new-", i))
		}
		wantErr(t, d.Delete(ctx, master), nil)
		wantDropped(t, c, names("new-", 150)...)
	})
}

// A wire that an Add has made too late does not keep an Add that has drawn the number again
// from being found.
func TestALateWireDoesNotHideThatItsNumberWasDrawnAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var hook beforeCall
		c, d, slow := plainAndHooked(t, &hook)
		ctx := t.Context()
		wantErr(t, d.AddMulti(ctx, master, names("k", 150)), nil)
		hook = beforeCall{"StoreMulti", master + "151", func() {
			wantErr(t, d.Delete(ctx, master), nil)
			time.Sleep(3 * time.Minute)
		}}
		set(t, c, "slow", "late")
		wantErr(t, slow.Add(ctx, master, "slow"), nil)
		wantErr(t, d.AddMulti(ctx, master, names("k", 149)), nil)
		wire, err := d.NextKey(ctx, master)
		wantErr(t, err, nil)
		if wire != master+"151" {
			t.Fatalf("the next key is %s, and the test needs %s", wire, master+"151")
		}
		wantErr(t, d.Delete(ctx, master), nil)
		wireLate(t, c, d, wire, "late")
		wantErr(t, d.Delete(ctx, master), nil)
		wantDropped(t, c, "slow", "late")
	})
}

func TestNumbersBeginAgainAlsoIfAKeyIsAddedMeanwhile(t *testing.T) {
	var hook beforeCall
	c, d, other := plainAndHooked(t, &hook)
	wantErr(t, d.AddMulti(t.Context(), master, names("k", 150)), nil)
	set(t, c, "more")
	hook = beforeCall{"StoreMulti", master, func() {
		wantErr(t, d.Add(t.Context(), master, "more"), nil)
	}}
	wantErr(t, other.Delete(t.Context(), master), nil)
	wantDropped(t, c, "more", master, master+"151")
}
