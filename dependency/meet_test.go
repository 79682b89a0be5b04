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

// An at is a hook that does something once, just before a verb is called with a key.
type at struct {
	verb, key string
	do        func()
}

func (a *at) Before(ctx context.Context, op *core.Op) context.Context {
	if do := a.do; do != nil && op.Verb == a.verb && (op.Key == a.key || slices.Contains(op.Keys, a.key)) {
		a.do = nil
		do()
	}
	return ctx
}

func (a *at) After(context.Context, *core.Op) {}

// meeting answers two dependencies over one backend, of which the second does what a
// says, and the cache of the first.
func meeting(t *testing.T, a *at) (*core.Cache, *dependency.Dependency, *dependency.Dependency) {
	t.Helper()
	b := must(memory.New(nil))
	c := cacheOf(t, b)
	return c, must(dependency.New(c, nil)), must(dependency.New(cacheOf(t, b, a), nil))
}

// wireLate wires key by a number that was drawn before, or by a new one if it is taken.
func wireLate(t *testing.T, c *core.Cache, d *dependency.Dependency, wire, key string) {
	t.Helper()
	set(t, c, key)
	if err := c.Add(t.Context(), wire, []byte(key), 0); err != nil {
		wantErr(t, err, core.ErrExists)
		wantErr(t, d.Add(t.Context(), master, key), nil)
	}
}

func wantDropped(t *testing.T, c *core.Cache, keys ...string) {
	t.Helper()
	left, err := c.GetMulti(context.Background(), keys)
	wantErr(t, err, nil)
	for key := range left {
		t.Errorf("%s survived", key)
	}
}

// While the counter is deleted, a number is drawn anew whose old wire is still there,
// and another Delete sees that one.
func TestAnOldWireDoesNotHideThatItsNumberWasDrawnAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := must(memory.New(nil))
		c := cacheOf(t, b)
		d := must(dependency.New(c, nil))
		ctx := t.Context()
		wantErr(t, d.AddMulti(ctx, master, names("old-", 150)), nil)
		release := make(chan struct{})
		slow := must(dependency.New(cacheOf(t, heldBackend{b, master + "120", release}), nil))
		done := make(chan error)
		go func() { done <- slow.Delete(ctx, master) }()
		synctest.Wait() // it has come to the wire, and no further
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

// A heldBackend holds a store of key until it is released. What it embeds is a
// Backend and no more, so that core makes many stores of one with many keys.
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

// A number that was missing is claimed, so that who has drawn it takes another; and
// while the claim is there, it tells nothing of who has drawn that number anew.
func TestClaims(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, d, _ := meeting(t, &at{})
		ctx := t.Context()
		next := func() string {
			wantErr(t, d.AddMulti(ctx, master, names("k", 150)), nil)
			wire, err := d.NextKey(ctx, master)
			wantErr(t, err, nil)
			return wire
		}
		first := next()
		wantErr(t, d.Delete(ctx, master), nil)
		if there(t, c, master) || !there(t, c, master+"151") {
			t.Error("a Delete did not claim the number that is missing, and begin anew")
		}
		time.Sleep(50 * time.Second)
		wireLate(t, c, d, first, "of the first numbers")
		wantErr(t, d.Delete(ctx, master), nil)
		wantDropped(t, c, "of the first numbers")
		time.Sleep(50 * time.Second)
		second := next()
		wantErr(t, d.Delete(ctx, master), nil)
		time.Sleep(50 * time.Second) // the claim has expired
		wireLate(t, c, d, second, "of the second numbers")
		wantErr(t, d.Delete(ctx, master), nil)
		wantDropped(t, c, "of the second numbers")
		if keys, err := d.Keys(ctx, master); len(keys) != 0 || err != nil {
			t.Errorf("Keys = %v, %v", keys, err)
		}
	})
}

// An Add takes so long that a Delete has taken its number for settled.
func TestAnAddThatTakesMinutesIsFoundByTheNextDelete(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var a at
		c, d, slow := meeting(t, &a)
		ctx := t.Context()
		wantErr(t, d.AddMulti(ctx, master, names("k", 150)), nil)
		a = at{"StoreMulti", master + "151", func() {
			wantErr(t, d.Delete(ctx, master), nil)
			time.Sleep(3 * time.Minute)
		}}
		set(t, c, "late")
		wantErr(t, slow.Add(ctx, master, "late"), nil)
		wantErr(t, d.Delete(ctx, master), nil)
		wantDropped(t, c, "late")
	})
}

// A Delete that another overtook leaves the numbers alone that have begun anew.
func TestNewNumbersAreSafeFromAnOldDelete(t *testing.T) {
	for name, other := range map[string]func(t *testing.T, c *core.Cache, d *dependency.Dependency) []string{
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
		for key, when := range map[string]string{master + "150": "before the wires", master: "before the counter"} {
			t.Run(name+", "+when, func(t *testing.T) {
				var a at
				c, d, old := meeting(t, &a)
				wantErr(t, d.AddMulti(t.Context(), master, names("k", 150)), nil)
				var wires []string
				a = at{"StoreMulti", key, func() { wires = other(t, c, d) }}
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

// Where so many numbers are missing that a mark is made, and another Delete lets the
// numbers begin anew just before: the mark tells nothing of the new ones.
func TestAMarkDoesNotOutliveItsNumbers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var a at
		c, d, marker := meeting(t, &a)
		ctx := t.Context()
		for _, when := range []at{{verb: "IncrFrom", key: master}, {verb: "Store", key: master + "2001"}, {verb: "Store", key: master + "2002"}} {
			old, err := d.NextKeys(ctx, master, 2000)
			wantErr(t, err, nil)
			a = when
			a.do = func() {
				for _, wire := range old {
					wireLate(t, c, d, wire, "late")
				}
				wantErr(t, d.Delete(ctx, master), nil)
			}
			wantErr(t, marker.Delete(ctx, master), nil)
			if a.do != nil {
				t.Error("no mark was made")
			}
			time.Sleep(130 * time.Second)
			wires, err := d.NextKeys(ctx, master, 2000)
			wantErr(t, err, nil)
			wantErr(t, d.Delete(ctx, master), nil) // it would believe a mark
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

// A Delete that stands still for minutes does no harm to numbers that have begun anew
// meanwhile.
func TestADeleteThatStoodStillLeavesNewNumbersAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var a at
		c, d, old := meeting(t, &a)
		ctx := t.Context()
		wantErr(t, d.AddMulti(ctx, master, names("k", 150)), nil)
		var wires []string
		a = at{"StoreMulti", master, func() {
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

// What an Add wires too late is not in the way of who has drawn the number anew.
func TestALateWireDoesNotHideThatItsNumberWasDrawnAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var a at
		c, d, slow := meeting(t, &a)
		ctx := t.Context()
		wantErr(t, d.AddMulti(ctx, master, names("k", 150)), nil)
		a = at{"StoreMulti", master + "151", func() {
			wantErr(t, d.Delete(ctx, master), nil)
			time.Sleep(3 * time.Minute)
		}}
		set(t, c, "slow", "late")
		wantErr(t, slow.Add(ctx, master, "slow"), nil)
		wantErr(t, d.AddMulti(ctx, master, names("k", 149)), nil)
		wire, err := d.NextKey(ctx, master)
		wantErr(t, err, nil)
		if wire != master+"151" {
			t.Fatalf("the test wants number 151, and not %s", wire)
		}
		wantErr(t, d.Delete(ctx, master), nil)
		wireLate(t, c, d, wire, "late")
		wantErr(t, d.Delete(ctx, master), nil)
		wantDropped(t, c, "slow", "late")
	})
}

// A key that is added while a Delete runs does not keep the numbers from beginning anew.
func TestNumbersBeginAnewBesideAnAdd(t *testing.T) {
	var a at
	c, d, other := meeting(t, &a)
	wantErr(t, d.AddMulti(t.Context(), master, names("k", 150)), nil)
	set(t, c, "more")
	a = at{"StoreMulti", master, func() { wantErr(t, d.Add(t.Context(), master, "more"), nil) }}
	wantErr(t, other.Delete(t.Context(), master), nil)
	wantDropped(t, c, "more", master, master+"151")
}
