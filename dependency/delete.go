package dependency

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/cachewire/cachewire/core"
)

// A group is what is known of the wires of a master key. It takes these rules for
// each wire to be found, those that are made while a Delete runs, too:
//
//   - The first wires, up to probe, are asked for whatever the count is.
//   - The counter is deleted, so that the numbers begin anew, if it has not moved
//     since all wires up to it were there. While one is missing, an Add may be about
//     to make it. Where a few are, they are claimed, so that it takes another number;
//     where many are, they must be missing for long.
//   - It is deleted after the wires above probe: one that was left would hide that
//     its number, drawn anew, is not wired yet. So a claim, too, lives longer than an
//     Add that draws its number anew, and while there are claims the counter stays.
type group struct {
	last    uint64      // up to which number the wires have been read
	count   core.Item   // the counter; its Token is nil if there is none for these numbers
	mark    core.Item   // see settled; its Token is nil if there is none
	wires   []core.Item // the wires that were found, each holds the key that is wired
	gaps    []uint64    // numbers above probe whose wire was not there
	claimed bool        // whether another Delete has claimed a number
}

// read reads what is wired to master and not in g, adds it to g, and answers it.
// Beside an error it answers what it could read.
func (d *Dependency) read(ctx context.Context, master string, g *group) ([]core.Item, error) {
	if err := d.check(master); err != nil {
		return nil, err
	}
	numbers := slices.Concat(g.gaps, numbersOf(g.last+1, g.last+probe))
	keys := append(keysAt(master, numbers), master, master+"0")
	items, err := d.cache.GetItems(ctx, keys)
	if err := errorOf(err, master); err != nil {
		return nil, err
	}
	g.count, g.mark = items[master], items[master+"0"]
	count := uint64(0)
	if g.count.Token != nil {
		var err error
		if count, err = core.ParseCount(g.count.Value); err != nil {
			return nil, fmt.Errorf("the counter %q: %w", master, err)
		}
		if count > maxCount {
			return nil, fmt.Errorf("%w: the counter %q is %d, more than %d: it is not that of a dependency", core.ErrNotNumber, master, count, maxCount)
		}
	}
	var failed core.MultiError
	g.gaps = nil
	found := len(g.wires)
	g.add(master, numbers, count, items, err, &failed)
	if asked := g.last + probe; count > asked {
		rest := numbersOf(asked+1, count)
		items, err := d.cache.GetItems(ctx, keysAt(master, rest))
		g.add(master, rest, count, items, err, &failed)
	}
	if count < g.last { // another Delete was at it, and the numbers have begun anew
		g.count = core.Item{}
	}
	g.last = max(g.last, count)
	return g.wires[found:], failed.Err()
}

// add adds the wires of numbers to g, of which items and err are what GetItems
// answered.
func (g *group) add(master string, numbers []uint64, count uint64, items map[string]core.Item, err error, failed *core.MultiError) {
	for i, wire := range keysAt(master, numbers) {
		item, ok := items[wire]
		switch err := errorOf(err, wire); {
		case numbers[i] > max(count, probe): // it came after the counter was read
		case err != nil:
			failed.Add(wire, err)
		case ok && isClaim(item):
			g.claimed = true
		case ok:
			g.wires = append(g.wires, item)
		case numbers[i] > probe:
			g.gaps = append(g.gaps, numbers[i])
		}
	}
}

// isClaim tells whether item is a claim: a wire of its own key, which means nothing to
// a Python program that finds it.
func isClaim(item core.Item) bool { return string(item.Value) == item.Key }

// keysOf answers the keys that wires hold, each once.
func keysOf(wires []core.Item) []string {
	seen := make(map[string]bool, len(wires))
	keys := make([]string, 0, len(wires))
	for _, item := range wires {
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
	var g group
	for range maxRounds {
		wires, err := d.read(ctx, master, &g)
		errs := append(d.drop(ctx, keysOf(wires), others), err)
		if err := errors.Join(errs...); err != nil {
			return err
		}
		if done, err := d.reset(ctx, master, &g); done || err != nil {
			return err
		}
	}
	return nil
}

// reset deletes the wires of g, whose items are gone, and the counter, so that the
// numbers begin anew, or leaves that to a later Delete. It answers false where more
// was added, and has to be read.
func (d *Dependency) reset(ctx context.Context, master string, g *group) (done bool, err error) {
	items := g.wires
	if g.mark.Token != nil {
		items = append(items, g.mark) // it is not true of new numbers
	}
	if g.last <= probe {
		if g.count.Token != nil {
			items = append(items, g.count)
		}
		_, err := d.remove(ctx, items)
		return true, err
	}
	if g.count.Token == nil {
		return true, nil
	}
	g.forgetSettled()
	if g.claimed || len(g.gaps) > maxClaims {
		return true, d.setMark(ctx, g)
	}
	if err := d.claim(ctx, master, g); len(g.gaps) != 0 || err != nil {
		return false, err
	}
	// If another Delete was at it, too, the numbers may have begun anew already: then
	// what is known of the old ones says nothing of those.
	if all, err := d.remove(ctx, items); !all {
		return true, err
	}
	g.wires = nil
	return d.remove(ctx, []core.Item{g.count})
}

// claim makes wires of the numbers that are missing in g, which mean nothing, so that
// no Add can. In g stay those that were wired meanwhile.
func (d *Dependency) claim(ctx context.Context, master string, g *group) error {
	if len(g.gaps) == 0 {
		return nil
	}
	claims := make([]core.Item, len(g.gaps))
	for i, wire := range keysAt(master, g.gaps) {
		claims[i] = d.item(wire, wire, settledAfter)
	}
	all := d.cache.StoreMulti(ctx, core.Add, claims)
	var failed core.MultiError
	var wired []uint64
	for i, claim := range claims {
		changed, err := outcome(errorOf(all, claim.Key))
		if changed {
			wired = append(wired, g.gaps[i])
		}
		if err != nil {
			failed.Add(claim.Key, err)
		}
	}
	g.gaps = wired
	return failed.Err()
}

// remove deletes items that are as they were read, and answers whether all were.
func (d *Dependency) remove(ctx context.Context, items []core.Item) (all bool, err error) {
	if len(items) == 0 {
		return true, nil
	}
	err = d.cache.StoreMulti(ctx, core.CompareAndDelete, items)
	if err == nil {
		return true, nil
	}
	var failed core.MultiError
	for _, item := range items {
		if _, err := outcome(errorOf(err, item.Key)); err != nil {
			failed.Add(item.Key, err)
		}
	}
	return false, failed.Err()
}

// settled reads the mark, which is stored under the number 0: at a time the count was
// so far.
func (g *group) settled() (count uint64, at time.Time) {
	var unix int64
	if _, err := fmt.Sscanf(string(g.mark.Value), "%d %d", &count, &unix); err != nil {
		return 0, time.Time{}
	}
	return count, time.Unix(unix, 0)
}

// forgetSettled takes gaps out of g whose numbers were given out long ago: their wires
// have expired or were deleted, and no Add is about to make them.
func (g *group) forgetSettled() {
	if count, at := g.settled(); time.Since(at) >= settledAfter {
		g.gaps = slices.DeleteFunc(g.gaps, func(n uint64) bool { return n <= count })
	}
}

// setMark makes a mark for a Delete to come, unless there is one that ages.
func (d *Dependency) setMark(ctx context.Context, g *group) error {
	if _, at := g.settled(); time.Since(at) < settledAfter {
		return nil
	}
	mark := d.item(g.count.Key+"0", fmt.Sprintf("%d %d", g.last, time.Now().Unix()), markTTL)
	mode := core.Add
	if mark.Token = g.mark.Token; mark.Token != nil {
		mode = core.CompareAndSwap
	}
	if changed, err := outcome(d.cache.Store(ctx, mode, mark)); changed || err != nil {
		return err // another Delete made one
	}
	// Another Delete that read the counter before there was a mark must not let the
	// numbers begin anew and leave it. The counter as it is, stored anew, stops it.
	if changed, err := outcome(d.cache.CompareAndSwap(ctx, g.count)); changed || err != nil {
		_, deleteErr := outcome(d.cache.Delete(context.WithoutCancel(ctx), mark.Key))
		return errors.Join(err, deleteErr)
	}
	return nil
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

// outcome answers whether err, of a verb with a condition, tells that the item is not
// as it was read, or otherwise err.
func outcome(err error) (changed bool, left error) {
	switch {
	case errors.Is(err, core.ErrConflict), errors.Is(err, core.ErrMiss), errors.Is(err, core.ErrExists):
		return true, nil
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
