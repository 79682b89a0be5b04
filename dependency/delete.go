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
	mark  core.Item   // see useMark; its Token is nil if there is none
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
	if err == nil && len(dropErrs) == 0 {
		errs = append(errs, d.reset(ctx, master, &g))
	}
	return errors.Join(errs...)
}

// reset does away with the wires of g, whose items are gone, and with the counter,
// so that the numbers begin anew. A counter that has moved since it was read stays:
// its numbers are for the next Delete. Where an Add may be about to wire one of the
// numbers, all stay as they are. The wires then are for the next Delete, too, which
// finds that most of their items are gone.
func (d *Dependency) reset(ctx context.Context, master string, g *group) error {
	marked := false
	if g.count.Token != nil && len(g.gaps) != 0 {
		var err error
		if marked, err = d.useMark(ctx, master, g); err != nil || !marked {
			return err
		}
	}
	// First the wires: one that was left would take its number from an Add that has
	// drawn it anew, and hide that it is missing.
	if len(g.wires) != 0 {
		changed, err := outcome(d.cache.StoreMulti(ctx, core.CompareAndDelete, g.wires))
		if changed || err != nil { // another Delete was faster, and the number is used anew
			return err
		}
	}
	if g.count.Token == nil {
		return nil
	}
	_, err := outcome(d.cache.CompareAndDelete(ctx, g.count))
	if marked { // another may have been made, which would not be true of the new numbers
		_, deleteErr := outcome(d.cache.Delete(ctx, master+"0"))
		err = errors.Join(err, deleteErr)
	}
	return err
}

// useMark tells whether no Add is about to make one of the wires that are missing in
// g: if it did, and the numbers had begun anew meanwhile, its wire would be above the
// count, and no Delete would find it. A mark says how far the numbers were given out
// at some time. Of those that were given out long ago, as far as they are missing, the
// wires have expired, or were deleted. One Delete has the use of a mark; where there
// is none, it is made.
func (d *Dependency) useMark(ctx context.Context, master string, g *group) (bool, error) {
	if g.last < probe {
		return false, nil // it costs nothing to read all
	}
	if g.mark.Token == nil {
		mark := d.item(master+"0", fmt.Sprintf("%d %d", g.last, time.Now().Unix()), markTTL)
		err := d.cache.Store(ctx, core.Add, mark)
		if errors.Is(err, core.ErrExists) {
			err = nil
		}
		return false, err
	}
	var count uint64
	var at int64
	_, err := fmt.Sscanf(string(g.mark.Value), "%d %d", &count, &at)
	if err == nil && time.Since(time.Unix(at, 0)) < settledAfter {
		return false, nil
	}
	if casErr := d.cache.CompareAndDelete(ctx, g.mark); casErr != nil {
		_, casErr = outcome(casErr)
		return false, casErr
	}
	return err == nil && g.gaps[len(g.gaps)-1] <= count && count <= g.last, nil
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

// outcome answers whether err, of a compare verb or a Delete, tells of items that have
// changed since they were read, and what else it tells but that some are gone.
func outcome(err error) (changed bool, left error) {
	var multi *core.MultiError
	switch {
	case errors.As(err, &multi):
		var failed core.MultiError
		for key, err := range multi.Errors {
			itemChanged, err := outcome(err)
			changed = changed || itemChanged
			failed.Add(key, err)
		}
		return changed, failed.Err()
	case errors.Is(err, core.ErrConflict):
		return true, nil
	case errors.Is(err, core.ErrMiss):
		return false, nil
	}
	return false, err
}

// DeleteMulti is Delete for several master keys. It tries all, and joins the errors.
func (d *Dependency) DeleteMulti(ctx context.Context, masters []string, others ...*core.Cache) error {
	errs := make([]error, len(masters))
	for i, master := range masters {
		errs[i] = d.Delete(ctx, master, others...)
	}
	return errors.Join(errs...)
}
