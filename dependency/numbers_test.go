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

// An Add draws its number before a Delete and wires it afterwards. The next Delete finds the
// wire, whatever happens in between.
func TestALateWireIsFoundByTheNextDelete(t *testing.T) {
	deleteWires := func(t *testing.T, d *dependency.Dependency) {
		wantErr(t, d.Delete(t.Context(), master), nil)
	}
	for name, between := range map[string]func(t *testing.T, d *dependency.Dependency){
		"a Delete":  deleteWires,
		"no Delete": func(*testing.T, *dependency.Dependency) {},
		"many Adds and Deletes": func(t *testing.T, d *dependency.Dependency) {
			for i := range 300 {
				wantErr(t, d.Add(t.Context(), master, fmt.Sprint("other-", i)), nil)
				if i%7 == 0 {
					deleteWires(t, d)
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
				deleteWires(t, d)
				between(t, d)
				if err := c.Add(t.Context(), wire, []byte("late"), 0); err != nil {
					wantErr(t, err, core.ErrExists) // the number was drawn again
					wantErr(t, d.Add(t.Context(), master, "late"), nil)
				}
				deleteWires(t, d)
				if exists(t, c, "late") {
					t.Error("the item survived")
				}
			})
		}
	}
}

// names returns n strings: prefix followed by a number from 0.
func names(prefix string, n int) []string {
	all := make([]string, n)
	for i := range all {
		all[i] = fmt.Sprint(prefix, i)
	}
	return all
}

// If no more than 100 numbers were drawn, they begin again after each Delete. If there were
// more, they begin again if no key is added during the Delete.
func TestNumbersBeginAgainAfterADelete(t *testing.T) {
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
			if exists(t, c, key) {
				t.Errorf("%s survived a Delete of %d wires", key, n)
			}
		}
	}
}

// If many wires have expired, that takes two Deletes, some minutes apart. The first cannot
// know whether an Add is about to store a wire that is missing.
func TestNumbersBeginAgainSomeMinutesAfterManyWiresHaveExpired(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := cacheOf(t, must(memory.New(nil)))
		d := must(dependency.New(c, &dependency.Options{TTL: time.Second}))
		ctx := t.Context()
		wantErr(t, d.AddMulti(ctx, master, names("k", 3000)), nil)
		time.Sleep(time.Minute)
		last, err := d.NextKey(ctx, master) // an Add has drawn a number
		wantErr(t, err, nil)
		for range 2 {
			wantErr(t, d.Delete(ctx, master), nil)
			time.Sleep(50 * time.Second)
		}
		if n, err := c.Count(ctx, master); n != 3003 || err != nil {
			t.Errorf("the counter is %d, %v; want 3003, as an Add may use its number", n, err)
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

// Between Deletes, more wires expire than are claimed at once.
func TestNumbersDoNotGrowIfWiresExpire(t *testing.T) {
	for _, n := range []int{400, 4000} {
		synctest.Test(t, func(t *testing.T) {
			c := cacheOf(t, must(memory.New(nil)))
			d := must(dependency.New(c, &dependency.Options{TTL: time.Minute}))
			ctx := t.Context()
			var highest uint64
			for i := range 50 {
				for j := range 20 {
					keys := names(fmt.Sprintf("k-%d-%d-", i, j), n/20)
					wantErr(t, d.AddMulti(ctx, master, keys), nil)
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

func TestACounterAboveItsLimitStopsAddsUntilADelete(t *testing.T) {
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

// An Add has drawn a number and never uses it, and a Delete runs every 30 seconds. The
// numbers begin again nevertheless.
func TestNumbersDoNotGrowIfAnAddNeverEnds(t *testing.T) {
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
				if key := fmt.Sprintf("k-%d-%d", i, j); exists(t, c, key) {
					t.Errorf("%s survived", key)
				}
			}
			time.Sleep(30 * time.Second)
		}
		if highest > 300 {
			t.Errorf("the counter went up to %d, want at most 300", highest)
		}
		wantErr(t, c.Close(), nil)
	})
}
