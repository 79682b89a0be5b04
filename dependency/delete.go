package dependency

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/cachewire/cachewire/core"
)

// A group is what is wired to a master key.
type group struct {
	last  uint64      // the count, or probe if there is none
	count core.Item   // the counter; its Token is nil if there is none
	mark  core.Item   // see settled; its Token is nil if there is none
	wires []core.Item // each holds the key that is wired
	spent []core.Item // wires that hold their own key: those of an earlier Delete
	gaps  []uint64    // numbers whose wire is not there: it has expired, or an Add is about to make it
}

// read reads what is wired to master. Beside an error it answers what it could read.
func (d *Dependency) read(ctx context.Context, master string) (group, error) {
	g := group{last: probe} // the counter may have been lost, and the wires still be there
	if err := d.check(master); err != nil {
		return g, err
	}
	keys := append(numbered(master, 0, probe), master) // 0 is the mark
	items, err := d.cache.GetItems(ctx, keys)
	if err := errorOf(err, master); err != nil {
		return g, err
	}
	if count, ok := items[master]; ok {
		n, err := core.ParseCount(count.Value)
		if err != nil {
			return g, fmt.Errorf("the counter %q: %w", master, err)
		}
		if n > maxCount {
			return g, fmt.Errorf("%w: the counter %q is %d, more than %d: it is not that of a dependency", core.ErrNotNumber, master, n, maxCount)
		}
		g.count, g.last = count, n
	}
	g.mark = items[keys[0]]
	var failed core.MultiError
	g.add(1, keys[1:1+min(g.last, probe)], items, err, &failed)
	if g.last > probe {
		rest := numbered(master, probe+1, g.last)
		items, err := d.cache.GetItems(ctx, rest)
		g.add(probe+1, rest, items, err, &failed)
	}
	return g, failed.Err()
}

// add adds wires to g, whose numbers begin at first, and of which items and err are
// what GetItems answered.
func (g *group) add(first uint64, wires []string, items map[string]core.Item, err error, failed *core.MultiError) {
	for i, wire := range wires {
		item, ok := items[wire]
		switch err := errorOf(err, wire); {
		case err != nil:
			failed.Add(wire, err)
		case !ok:
			g.gaps = append(g.gaps, first+uint64(i))
		case string(item.Value) == wire:
			g.spent = append(g.spent, item)
		default:
			g.wires = append(g.wires, item)
		}
	}
}

// settled tells whether no number of g will be wired any more: none is missing, or
// those that are were given out long ago, as the mark says. It holds how many there
// were, and when, in seconds since 1970.
func (g *group) settled() bool {
	if len(g.gaps) == 0 {
		return true
	}
	n, ok := g.marked()
	return ok && g.gaps[len(g.gaps)-1] <= n && n <= g.last
}

// marked answers the count of a mark that is old enough.
func (g *group) marked() (n uint64, ok bool) {
	var at int64
	if _, err := fmt.Sscanf(string(g.mark.Value), "%d %d", &n, &at); err != nil {
		return 0, false
	}
	return n, time.Since(time.Unix(at, 0)) > settledAfter
}

// keys answers the keys that are wired, each once.
func (g *group) keys() []string {
	seen := make(map[string]bool, len(g.wires))
	keys := make([]string, 0, len(g.wires))
	for _, item := range g.wires {
		// Others can have written anything into a wire.
		if key := string(item.Value); !seen[key] && isKey(key) {
			seen[key] = true
			keys = append(keys, key)
		}
	}
	return keys
}

// Delete deletes the items that are wired to master: in the cache of d, and in
// others, where the keys of several caches are wired together. Items that are gone
// already are no error.
//
// The error is nil, or names what could not be done: a *core.MultiError has the
// keys, or the wires, that may still be there. They stay wired, so that the next
// Delete tries again.
func (d *Dependency) Delete(ctx context.Context, master string, others ...*core.Cache) error {
	g, err := d.read(ctx, master)
	dropErrs := d.drop(ctx, g.keys(), others)
	errs := append([]error{err}, dropErrs...)
	reset := err == nil && (g.count.Token == nil || g.settled())
	done := make([]core.Item, 0, len(g.wires)+len(g.spent)+2)
	for _, item := range g.wires {
		if anyErrorOf(dropErrs, string(item.Value)) {
			reset = false
		} else {
			done = append(done, item)
		}
	}
	return errors.Join(append(errs, d.finish(ctx, master, &g, done, reset))...)
}

// finish does away with wires that are done. If reset, the numbers begin anew: if
// the counter has moved meanwhile, it stays, and its numbers are above the others.
// Otherwise an Add may be about to wire one of these numbers; so the counter stays,
// and wires that are spent instead of gaps.
func (d *Dependency) finish(ctx context.Context, master string, g *group, done []core.Item, reset bool) error {
	if reset {
		done = append(done, g.spent...)
		for _, item := range []core.Item{g.count, g.mark} {
			if item.Token != nil {
				done = append(done, item)
			}
		}
		if len(done) == 0 {
			return nil
		}
		return unlessChanged(d.cache.StoreMulti(ctx, core.CompareAndDelete, done))
	}
	for i := range done {
		done[i].Value, done[i].TTL = []byte(done[i].Key), spentTTL
	}
	var err error
	if len(done) != 0 {
		err = unlessChanged(d.cache.StoreMulti(ctx, core.CompareAndSwap, done))
	}
	if g.count.Token == nil || len(g.gaps) == 0 || g.last < probe {
		return err
	}
	if n, ok := g.marked(); g.mark.Token == nil || ok && g.gaps[len(g.gaps)-1] > n {
		mark := d.item(master+"0", fmt.Sprintf("%d %d", g.last, time.Now().Unix()), spentTTL)
		err = errors.Join(err, d.cache.Store(ctx, core.Set, mark))
	}
	return err
}

// drop deletes keys in all caches, and answers an error for each that failed.
func (d *Dependency) drop(ctx context.Context, keys []string, others []*core.Cache) []error {
	if len(keys) == 0 {
		return nil
	}
	var errs []error
	for _, cache := range append([]*core.Cache{d.cache}, others...) {
		if err := cache.DeleteMulti(ctx, keys); err != nil {
			errs = append(errs, err)
		}
	}
	return errs
}

func anyErrorOf(errs []error, key string) bool {
	for _, err := range errs {
		if errorOf(err, key) != nil {
			return true
		}
	}
	return false
}

// unlessChanged answers err, of a compare verb, without those that tell of items
// which somebody else has changed or deleted.
func unlessChanged(err error) error {
	var multi *core.MultiError
	if !errors.As(err, &multi) {
		return err
	}
	var left core.MultiError
	for key, err := range multi.Errors {
		if !errors.Is(err, core.ErrConflict) && !errors.Is(err, core.ErrMiss) {
			left.Add(key, err)
		}
	}
	return left.Err()
}

// DeleteMulti is Delete for several master keys. It tries all, and joins the errors.
func (d *Dependency) DeleteMulti(ctx context.Context, masters []string, others ...*core.Cache) error {
	errs := make([]error, len(masters))
	for i, master := range masters {
		errs[i] = d.Delete(ctx, master, others...)
	}
	return errors.Join(errs...)
}
