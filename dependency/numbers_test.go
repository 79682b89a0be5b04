package dependency_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/dependency"
	"github.com/cachewire/cachewire/memory"
)

// An Add that has drawn its number before a Delete, and wires it afterwards, is
// found by the next one, whatever happens in between.
func TestALateWireIsFoundByTheNextDelete(t *testing.T) {
	for name, between := range map[string]func(t *testing.T, d *dependency.Dependency){
		"a Delete":  func(t *testing.T, d *dependency.Dependency) { wantErr(t, d.Delete(t.Context(), master), nil) },
		"no Delete": func(*testing.T, *dependency.Dependency) {},
		"many of both": func(t *testing.T, d *dependency.Dependency) {
			for i := range 300 {
				wantErr(t, d.Add(t.Context(), master, fmt.Sprint("other-", i)), nil)
				if i%7 == 0 {
					wantErr(t, d.Delete(t.Context(), master), nil)
				}
			}
		},
	} {
		for _, before := range []int{2, 99, 100, 150} {
			t.Run(fmt.Sprintf("%s, after %d wires", name, before), func(t *testing.T) {
				c := cacheOf(t, must(memory.New(nil)))
				d := must(dependency.New(c, nil))
				wantErr(t, d.AddMulti(t.Context(), master, names("k-", before)), nil)
				set(t, c, "late")
				wire, err := d.NextKey(t.Context(), master)
				wantErr(t, err, nil)
				wantErr(t, d.Delete(t.Context(), master), nil)
				between(t, d)
				if err := c.Add(t.Context(), wire, []byte("late"), 0); err != nil {
					wantErr(t, err, core.ErrExists) // the number was drawn anew
					wantErr(t, d.Add(t.Context(), master, "late"), nil)
				}
				wantErr(t, d.Delete(t.Context(), master), nil)
				if there(t, c, "late") {
					t.Error("the item survived")
				}
			})
		}
	}
}

// names answers n names.
func names(prefix string, n int) []string {
	all := make([]string, n)
	for i := range all {
		all[i] = fmt.Sprint(prefix, i)
	}
	return all
}

// The numbers begin anew after each Delete, if no more than 100 were drawn, and else
// after one beside which nothing is added.
func TestNumbersBeginAnew(t *testing.T) {
	c := cacheOf(t, must(memory.New(nil)))
	d := must(dependency.New(c, nil))
	for _, n := range []int{1, 50, 100, 101, 350} {
		wantErr(t, d.AddMulti(t.Context(), master, names("k", n)), nil)
		if n < 100 {
			_, err := d.NextKey(t.Context(), master)
			wantErr(t, err, nil)
		}
		wantErr(t, d.Delete(t.Context(), master), nil)
		for _, key := range []string{master, master + "1", fmt.Sprint(master, n)} {
			if there(t, c, key) {
				t.Errorf("after Delete of %d wires %s is there", n, key)
			}
		}
	}
}

// Where many wires have expired it takes two Deletes, some minutes apart: the first
// cannot know whether a wire that is missing is about to be made.
func TestNumbersBeginAnewWhereWiresHaveExpired(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := cacheOf(t, must(memory.New(nil)))
		d := must(dependency.New(c, &dependency.Options{TTL: time.Second}))
		ctx := t.Context()
		wantErr(t, d.AddMulti(ctx, master, names("k", 3000)), nil)
		time.Sleep(time.Minute)
		last, err := d.NextKey(ctx, master) // an Add is under way
		wantErr(t, err, nil)
		for range 2 {
			wantErr(t, d.Delete(ctx, master), nil)
			time.Sleep(50 * time.Second)
		}
		if n, err := c.Count(ctx, master); n != 3003 || err != nil {
			t.Errorf("the counter is %d, %v, and an Add may be under way", n, err)
		}
		wireLate(t, c, d, last, "late")
		wantErr(t, d.Delete(ctx, master), nil)
		wantDropped(t, c, "late")
		time.Sleep(time.Minute)
		set(t, c, "k")
		wantErr(t, d.Add(ctx, master, "k"), nil)
		wantErr(t, d.Delete(ctx, master), nil)
		wantDropped(t, c, "k", master, last, master+"3002", master+"3003")
		wantErr(t, c.Close(), nil)
	})
}

// Wires expire between Deletes, more than are claimed at once: the numbers begin anew
// again and again.
func TestNumbersDoNotGrowWhereWiresExpire(t *testing.T) {
	for _, n := range []int{400, 4000} {
		synctest.Test(t, func(t *testing.T) {
			c := cacheOf(t, must(memory.New(nil)))
			d := must(dependency.New(c, &dependency.Options{TTL: time.Minute}))
			ctx := t.Context()
			var highest uint64
			for i := range 50 {
				for j := range 20 {
					wantErr(t, d.AddMulti(ctx, master, names(fmt.Sprintf("k-%d-%d-", i, j), n/20)), nil)
					time.Sleep(15 * time.Second)
				}
				count, err := c.Count(ctx, master)
				wantErr(t, err, nil)
				highest = max(highest, count)
				wantErr(t, d.Delete(ctx, master), nil)
			}
			t.Logf("the counter went up to %d", highest)
			if highest > uint64(10*n) {
				t.Errorf("the counter went up to %d, with %d wires between Deletes", highest, n)
			}
			wantErr(t, c.Close(), nil)
		})
	}
}

// A counter beyond all bounds stops Adds, until a Delete lets it begin anew.
func TestACounterBeyondAllBounds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := cacheOf(t, must(memory.New(nil)))
		d := must(dependency.New(c, nil))
		ctx := t.Context()
		wantErr(t, d.AddMulti(ctx, master, names("k", 200)), nil)
		set(t, c, names("k", 200)...)
		wantErr(t, c.Set(ctx, master, []byte("18446744073709551615"), 0), nil)
		for range 2 {
			wantErr(t, d.Add(ctx, master, "k"), core.ErrNotNumber)
			wantErr(t, c.Set(ctx, master, []byte("999999"), 0), nil)
			_, err := d.NextKeys(ctx, master, 2)
			wantErr(t, err, core.ErrNotNumber)
		}
		wantErr(t, d.Delete(ctx, master), nil)
		wantDropped(t, c, append(names("k", 200), master)...)
		wantErr(t, d.Add(ctx, master, "k"), nil)
		wantErr(t, c.Close(), nil)
	})
}

// An Add that never comes to its end, and a Delete each half a minute: the numbers
// begin anew all the same.
func TestNumbersDoNotGrowForEver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := cacheOf(t, must(memory.New(nil)))
		d := must(dependency.New(c, nil))
		ctx := t.Context()
		if _, err := d.NextKey(ctx, master); err != nil {
			t.Fatal(err)
		}
		var highest uint64
		for i := range 100 {
			for j := range 10 {
				key := fmt.Sprintf("k-%d-%d", i, j)
				set(t, c, key)
				wantErr(t, d.Add(ctx, master, key), nil)
			}
			n, err := c.Count(ctx, master)
			wantErr(t, err, nil)
			highest = max(highest, n)
			wantErr(t, d.Delete(ctx, master), nil)
			for j := range 10 {
				if key := fmt.Sprintf("k-%d-%d", i, j); there(t, c, key) {
					t.Errorf("%s survived", key)
				}
			}
			time.Sleep(30 * time.Second)
		}
		if highest > 300 {
			t.Errorf("the counter went up to %d", highest)
		}
		wantErr(t, c.Close(), nil)
	})
}
