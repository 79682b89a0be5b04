package dependency

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/cachewire/cachewire/core"
)

// A wireSet has the wires of a master key that have been read. Delete finds each wire, even
// one that is made while it runs, because of these rules:
//
//   - The first wires, up to alwaysRead, are read whatever the count is.
//   - The counter is deleted, so that the numbers begin again, only if it has not changed
//     since a wire was found for each number up to it. If a wire is missing, an Add may be
//     about to make it. If few are missing, Delete claims their numbers, so that the Add
//     takes another one. If many are missing, they must have been missing for long.
//   - The counter is deleted after the wires above alwaysRead. A wire that is left would hide
//     that its number has been drawn again and is not wired yet. A claim would hide that,
//     too. So a claim lives longer than an Add may take to use the number, and the counter
//     stays while there are claims.
//
// A claim is a wire that holds its own key. A mark is a wire that holds the key of the number
// before it. That number has a claim. Once the claim is gone, the numbers up to the mark have
// been missing for long. Claims and marks have numbers that were drawn, and the rules for
// wires also hold for them.
type wireSet struct {
	last    uint64      // the number up to which the wires have been read
	count   core.Item   // the counter; its Token is nil if there is none for these numbers
	wires   []core.Item // the wires that were found; each holds the key that is wired
	marks   []core.Item // the marks that were found
	gaps    []uint64    // numbers above alwaysRead whose wire was not found
	settled uint64      // the number up to which gaps have been missing for long
	claimed bool        // whether a claim was found
}

// read reads the wires of master that are not in s. It adds them to s and returns them. If
// it returns an error, it also returns the wires that it could read.
func (d *Dependency) read(ctx context.Context, master string, s *wireSet) ([]core.Item, error) {
	if err := d.checkMaster(master); err != nil {
		return nil, err
	}
	numbers := slices.Concat(s.gaps, numbersFromTo(s.last+1, s.last+alwaysRead))
	items, err := d.getItems(ctx, append(keysAt(master, numbers), master))
	if err := errorFor(master, err); err != nil {
		return nil, err
	}
	s.count = items[master]
	count := uint64(0)
	if s.count.Token != nil {
		var err error
		if count, err = core.ParseCount(s.count.Value); err != nil {
			return nil, fmt.Errorf("the counter %q: %w", master, err)
		}
		count = min(count, maxCount)
	}
	var failed core.MultiError
	s.gaps = nil
	before := len(s.wires)
	s.add(master, numbers, count, items, err, &failed)
	if end := s.last + alwaysRead; count > end {
		rest := numbersFromTo(end+1, count)
		items, err := d.getItems(ctx, keysAt(master, rest))
		s.add(master, rest, count, items, err, &failed)
	}
	if count < s.last { // another Delete has run, and the numbers have begun again
		s.count = core.Item{}
	}
	s.last = max(s.last, count)
	return s.wires[before:], failed.Err()
}

// add adds the wires with numbers to s. items and err are what getItems returned for them.
func (s *wireSet) add(
	master string, numbers []uint64, count uint64,
	items map[string]core.Item, err error, failed *core.MultiError,
) {
	for i, wire := range keysAt(master, numbers) {
		item, ok := items[wire]
		switch err := errorFor(wire, err); {
		case err != nil:
			failed.Add(wire, err)
		case ok && string(item.Value) == wire:
			s.claimed = true
		case ok && string(item.Value) == keyAt(master, numbers[i]-1):
			s.marks = append(s.marks, item)
			s.settled = max(s.settled, numbers[i])
		case ok:
			s.wires = append(s.wires, item)
		case alwaysRead < numbers[i] && numbers[i] <= count:
			s.gaps = append(s.gaps, numbers[i])
		}
	}
}

// keysOf returns the keys that wires hold, each once.
func keysOf(wires []core.Item) []string {
	seen := make(map[string]bool, len(wires))
	keys := make([]string, 0, len(wires))
	for _, item := range wires {
		// Other programs may have written anything into a wire.
		if key := string(item.Value); !seen[key] && isKey(key) {
			seen[key] = true
			keys = append(keys, key)
		}
	}
	return keys
}

// Delete deletes the items that are wired to master from the cache of d. Others are further
// caches whose keys are wired to the same master key; Delete deletes the items from them,
// too. An absent item is not an error. Delete waits for holds of master; see Hold. If ctx is
// done before they are released, it returns the error of ctx and deletes nothing.
//
// The error says what failed. If it is a *core.MultiError, or wraps one, that has the keys of
// the items and the wires that may still be present. The items stay wired, so that the next
// Delete tries again.
func (d *Dependency) Delete(ctx context.Context, master string, others ...*core.Cache) error {
	if ctx == nil {
		ctx = context.Background()
	}
	if err := d.journal.record(ctx, master); err != nil {
		return err
	}
	var s wireSet
	began := time.Now()
	for round := range maxRounds {
		wires, err := d.read(ctx, master, &s)
		keys := keysOf(wires)
		if err := merge(len(keys), append(d.deleteItems(ctx, keys, others), err)); err != nil {
			return err
		}
		// After the first round, another Delete may have let the numbers begin again, and s
		// still has the old ones. The claims of that Delete prevent any harm, but only for
		// some time.
		if round > 0 && late(began) {
			break
		}
		if done, err := d.reset(ctx, master, &s); done || err != nil {
			return err
		}
	}
	return nil
}

// merge joins errs into one error. Each is nil, a *core.MultiError about some of total keys,
// or another error.
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

// reset deletes the wires of s, whose items have been deleted, and the counter, so that the
// numbers begin again. Or it leaves that to a later Delete. It returns false if more wires
// were added, which must be read first.
func (d *Dependency) reset(ctx context.Context, master string, s *wireSet) (done bool, err error) {
	items := append(s.wires, s.marks...)
	if s.last <= alwaysRead {
		if s.count.Token != nil {
			items = append(items, s.count)
		}
		_, err := d.remove(ctx, items)
		return true, err
	}
	if s.count.Token == nil || s.claimed {
		return true, nil
	}
	s.gaps = slices.DeleteFunc(s.gaps, func(n uint64) bool { return n <= s.settled })
	if len(s.gaps) > maxClaims && s.settled == 0 && s.last+2 <= maxCount {
		return true, d.setMark(ctx, master)
	}
	if err := d.claim(ctx, master, s); len(s.gaps) != 0 || err != nil {
		return false, err
	}
	// If another Delete is running, the numbers may have begun again already. Then s
	// describes the old numbers, and not the new ones.
	if all, err := d.remove(ctx, items); !all {
		return true, err
	}
	s.wires, s.marks = nil, nil
	return d.remove(ctx, []core.Item{s.count})
}

// claim stores claims under the gaps of s, so that no Add can use these numbers. It leaves a
// number in s.gaps if it was wired meanwhile.
func (d *Dependency) claim(ctx context.Context, master string, s *wireSet) error {
	if len(s.gaps) == 0 {
		return nil
	}
	claims := make([]core.Item, len(s.gaps))
	for i, wire := range keysAt(master, s.gaps) {
		claims[i] = d.item(wire, wire, settledAfter)
	}
	storeErr := d.storeMulti(ctx, core.Add, claims)
	var failed core.MultiError
	var wired []uint64
	for i, claim := range claims {
		changed, err := outcome(errorFor(claim.Key, storeErr))
		if changed {
			wired = append(wired, s.gaps[i])
		}
		if err != nil {
			failed.Add(claim.Key, err)
		}
	}
	s.gaps = wired
	return failed.Err()
}

// remove deletes the items that have not changed since they were read. It reports whether all
// were deleted.
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
		if _, err := outcome(errorFor(item.Key, err)); err != nil {
			failed.Add(item.Key, err)
		}
	}
	return false, failed.Err()
}

// setMark stores a mark for a later Delete. If so many numbers are missing, claims for all of
// them would keep Adds from using theirs.
func (d *Dependency) setMark(ctx context.Context, master string) error {
	drawn := time.Now()
	last, err := d.draw(ctx, master, 2)
	if err != nil {
		return err
	}
	claim, mark := keyAt(master, last-1), keyAt(master, last)
	// The claim is stored first, because a mark without a claim holds at once.
	for _, item := range []core.Item{
		d.item(claim, claim, settledAfter), d.item(mark, claim, core.Forever),
	} {
		if late(drawn) {
			return nil
		}
		changed, err := outcome(d.cache.Store(ctx, core.Add, item))
		if changed || err != nil {
			return err
		}
	}
	return nil
}

// deleteItems deletes keys from the cache of d and from others. It returns the error of each
// cache that failed.
func (d *Dependency) deleteItems(
	ctx context.Context, keys []string, others []*core.Cache,
) []error {
	if len(keys) == 0 {
		return nil
	}
	var errs []error
	for _, cache := range append([]*core.Cache{d.cache}, others...) {
		err := inChunks(keys, identity, func(chunk []string) error {
			return cache.DeleteMulti(ctx, chunk)
		})
		if err != nil {
			errs = append(errs, err)
		}
	}
	return errs
}

// outcome interprets err, the error of a verb with a condition. It reports whether the item
// has changed since it was read, and returns any other error.
func outcome(err error) (changed bool, other error) {
	switch {
	case errors.Is(err, core.ErrConflict),
		errors.Is(err, core.ErrMiss),
		errors.Is(err, core.ErrExists):
		return true, nil
	}
	return false, err
}

// DeleteMulti is Delete for several master keys. It tries all of them, and joins the errors.
func (d *Dependency) DeleteMulti(
	ctx context.Context, masters []string, others ...*core.Cache,
) error {
	return each(masters, func(_ int, master string) error {
		return d.Delete(ctx, master, others...)
	})
}
