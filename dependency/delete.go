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
	mark  core.Item   // see newMark; its Token is nil if there is none
	wires []core.Item // each holds the key that is wired
	gaps  []uint64    // numbers whose wire is not there: an Add is about to make it, or it is no more
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
		default:
			g.wires = append(g.wires, item)
		}
	}
}

// A mark says how far the numbers were given out at some time. Of a number that was
// given out long ago, and whose wire is missing, the wire has expired or was deleted:
// no Add is about to make it. It is stored under number 0, as the count and the time
// in seconds since 1970.
func (d *Dependency) newMark(master string, count uint64) core.Item {
	return d.item(master+"0", fmt.Sprintf("%d %d", count, time.Now().Unix()), markTTL)
}

// marked answers the count of the mark, if it is old enough.
func (g *group) marked() (count uint64, ok bool) {
	var at int64
	if _, err := fmt.Sscanf(string(g.mark.Value), "%d %d", &count, &at); err != nil {
		return 0, false
	}
	return count, time.Since(time.Unix(at, 0)) > settledAfter
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
	done := make([]core.Item, 0, len(g.wires)+1)
	for _, item := range g.wires {
		if !anyErrorOf(dropErrs, string(item.Value)) {
			done = append(done, item)
		}
	}
	if err == nil && len(done) == len(g.wires) && g.count.Token != nil {
		reset, err := d.mayReset(ctx, master, &g)
		if reset {
			done = append(done, g.count)
		}
		errs = append(errs, err)
	}
	// A wire, or the counter, that has changed since it was read is left alone: it
	// is for the next Delete.
	if len(done) != 0 {
		errs = append(errs, unlessChanged(d.cache.StoreMulti(ctx, core.CompareAndDelete, done)))
	}
	return errors.Join(errs...)
}

// mayReset tells whether the numbers may begin anew, once all wires of g are gone: no
// Add must be about to wire one that was given out. Were it to, its wire would be
// above the new count, and no Delete would find it.
func (d *Dependency) mayReset(ctx context.Context, master string, g *group) (bool, error) {
	if len(g.gaps) == 0 {
		return true, nil
	}
	if g.last < probe { // it is not worth a mark
		return false, nil
	}
	if g.mark.Token == nil {
		err := d.cache.Store(ctx, core.Add, d.newMark(master, g.last))
		if errors.Is(err, core.ErrExists) {
			err = nil
		}
		return false, err
	}
	count, old := g.marked()
	if !old || count > g.last {
		return false, nil
	}
	// One Delete has the use of a mark.
	err := d.cache.CompareAndDelete(ctx, g.mark)
	if err != nil {
		return false, unlessChanged(err)
	}
	return g.gaps[len(g.gaps)-1] <= count, nil
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
	if errors.Is(err, core.ErrConflict) || errors.Is(err, core.ErrMiss) {
		return nil
	}
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
