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
//
// A claim is a wire that holds its own key. A mark is one that holds the key before
// it: all numbers up to there are missing for long, once the claim before it is gone.
// Both have numbers that were drawn, and what is true of wires is true of them.
type group struct {
	last    uint64      // up to which number the wires have been read
	count   core.Item   // the counter; its Token is nil if there is none for these numbers
	wires   []core.Item // the wires that were found, each holds the key that is wired
	marks   []core.Item // the marks that were found
	gaps    []uint64    // numbers above probe whose wire was not there
	settled uint64      // up to which number they are missing for long
	claimed bool        // whether another Delete has claimed a number
}

// read reads what is wired to master and not in g, adds it to g, and answers it.
// Beside an error it answers what it could read.
func (d *Dependency) read(ctx context.Context, master string, g *group) ([]core.Item, error) {
	if err := d.check(master); err != nil {
		return nil, err
	}
	numbers := slices.Concat(g.gaps, numbersOf(g.last+1, g.last+probe))
	items, err := d.getItems(ctx, append(keysAt(master, numbers), master))
	if err := errorOf(err, master); err != nil {
		return nil, err
	}
	g.count = items[master]
	count := uint64(0)
	if g.count.Token != nil {
		var err error
		if count, err = core.ParseCount(g.count.Value); err != nil {
			return nil, fmt.Errorf("the counter %q: %w", master, err)
		}
		count = min(count, maxCount)
	}
	var failed core.MultiError
	g.gaps = nil
	found := len(g.wires)
	g.add(master, numbers, count, items, err, &failed)
	if asked := g.last + probe; count > asked {
		rest := numbersOf(asked+1, count)
		items, err := d.getItems(ctx, keysAt(master, rest))
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
		case err != nil:
			failed.Add(wire, err)
		case ok && string(item.Value) == wire:
			g.claimed = true
		case ok && string(item.Value) == keyAt(master, numbers[i]-1):
			g.marks = append(g.marks, item)
			g.settled = max(g.settled, numbers[i])
		case ok:
			g.wires = append(g.wires, item)
		case probe < numbers[i] && numbers[i] <= count:
			g.gaps = append(g.gaps, numbers[i])
		}
	}
}

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
	began := time.Now()
	for round := range maxRounds {
		wires, err := d.read(ctx, master, &g)
		keys := keysOf(wires)
		if err := merge(len(keys), append(d.drop(ctx, keys, others), err)); err != nil {
			return err
		}
		// After the first round, g tells of numbers that another Delete may have let begin
		// anew. For some time its claims see to it that this does no harm.
		if round > 0 && late(began) {
			break
		}
		if done, err := d.reset(ctx, master, &g); done || err != nil {
			return err
		}
	}
	return nil
}

// merge makes one error of errs, which are nil, or of some of total keys, or others.
func merge(total int, errs []error) error {
	merged := core.MultiError{Verb: "Delete", Driver: "dependency", Total: total}
	var others []error
	for _, err := range errs {
		var multi *core.MultiError
		if !errors.As(err, &multi) {
			others = append(others, err)
			continue
		}
		for key, err := range multi.Errors {
			merged.Add(key, errors.Join(merged.Errors[key], err))
		}
	}
	if other := errors.Join(others...); other != nil {
		return errors.Join(other, merged.Err())
	}
	return merged.Err()
}

// reset deletes the wires of g, whose items are gone, and the counter, so that the
// numbers begin anew, or leaves that to a later Delete. It answers false where more
// was added, and has to be read.
func (d *Dependency) reset(ctx context.Context, master string, g *group) (done bool, err error) {
	items := append(g.wires, g.marks...)
	if g.last <= probe {
		if g.count.Token != nil {
			items = append(items, g.count)
		}
		_, err := d.remove(ctx, items)
		return true, err
	}
	if g.count.Token == nil || g.claimed {
		return true, nil
	}
	g.gaps = slices.DeleteFunc(g.gaps, func(n uint64) bool { return n <= g.settled })
	if len(g.gaps) > maxClaims && g.settled == 0 && g.last+2 <= maxCount {
		return true, d.setMark(ctx, master)
	}
	if err := d.claim(ctx, master, g); len(g.gaps) != 0 || err != nil {
		return false, err
	}
	// If another Delete was at it, too, the numbers may have begun anew already: then
	// what is known of the old ones says nothing of those.
	if all, err := d.remove(ctx, items); !all {
		return true, err
	}
	g.wires, g.marks = nil, nil
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
	all := d.storeMulti(ctx, core.Add, claims)
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
	err = d.storeMulti(ctx, core.CompareAndDelete, items)
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

// setMark makes a mark for a Delete to come: to claim so many numbers that are missing
// would keep Adds from them.
func (d *Dependency) setMark(ctx context.Context, master string) error {
	drawn := time.Now()
	last, err := d.draw(ctx, master, 2)
	if err != nil {
		return err
	}
	claim, mark := keyAt(master, last-1), keyAt(master, last)
	// The claim first: a mark without one would be believed at once.
	for _, item := range []core.Item{d.item(claim, claim, settledAfter), d.item(mark, claim, core.Forever)} {
		if late(drawn) {
			return nil
		}
		if changed, err := outcome(d.cache.Store(ctx, core.Add, item)); changed || err != nil {
			return err
		}
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
		err := chunked(keys, func(key string) string { return key }, func(some []string) error { return cache.DeleteMulti(ctx, some) })
		if err != nil {
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
	return each(masters, func(_ int, master string) error { return d.Delete(ctx, master, others...) })
}
