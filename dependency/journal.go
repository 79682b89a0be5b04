package dependency

import (
	"context"
	"hash/maphash"
	"slices"
	"sync"
)

// A Moment is a moment in the life of a Dependency in this process: how many master keys were
// deleted through it before.
type Moment uint64

// stripes is how many groups of master keys a journal distinguishes.
const stripes = 256

// A journal records the Deletes that were called in this process. The zero value is not
// usable.
type journal struct {
	seed maphash.Seed

	mu  sync.Mutex
	now Moment // guarded by mu

	// deleted has the Moment of the last Delete of a master key of each stripe. It is guarded
	// by mu. Its size is fixed, so that master keys leave nothing behind.
	deleted [stripes]Moment

	// holds has the holds that were not released. It is guarded by mu.
	holds []*hold
}

// A hold is a store that a Delete of its master keys waits for.
type hold struct {
	masters  []string
	released chan struct{} // closed when it is released
}

func (j *journal) stripe(master string) *Moment {
	return &j.deleted[maphash.String(j.seed, master)%stripes]
}

// deletedSince is Dependency.DeletedSince with mu held.
func (j *journal) deletedSince(m Moment, masters []string) bool {
	if j.now == m {
		return false
	}
	return slices.ContainsFunc(masters, func(master string) bool { return *j.stripe(master) > m })
}

// record records a Delete of master, and waits until all holds of it are released. If ctx is
// done, it returns the error of ctx.
func (j *journal) record(ctx context.Context, master string) error {
	j.mu.Lock()
	j.now++
	*j.stripe(master) = j.now
	var held []*hold
	for _, h := range j.holds {
		if slices.Contains(h.masters, master) {
			held = append(held, h)
		}
	}
	j.mu.Unlock()
	for _, h := range held {
		select {
		case <-h.released:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return ctx.Err()
}

// Now returns the present Moment. Note it before you make a value, for DeletedSince and Hold.
func (d *Dependency) Now() Moment {
	d.journal.mu.Lock()
	defer d.journal.mu.Unlock()
	return d.journal.now
}

// DeletedSince reports whether a Delete of one of masters has begun since m, through d in this
// process. It may also return true, rarely, if another master key was deleted.
func (d *Dependency) DeletedSince(m Moment, masters ...string) bool {
	d.journal.mu.Lock()
	defer d.journal.mu.Unlock()
	return d.journal.deletedSince(m, masters)
}

// Hold lets a program store and wire an item without a Delete in between. If DeletedSince
// returns true for m and masters, Hold returns false: a value that was made since m must not
// be stored. Otherwise a Delete of one of masters through d, in this process, waits until
// release is called. Call it soon, when the item is stored and wired. The Delete then deletes
// the item.
func (d *Dependency) Hold(m Moment, masters ...string) (release func(), ok bool) {
	j := &d.journal
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.deletedSince(m, masters) {
		return nil, false
	}
	h := &hold{masters, make(chan struct{})}
	j.holds = append(j.holds, h)
	return sync.OnceFunc(func() {
		j.mu.Lock()
		defer j.mu.Unlock()
		j.holds = slices.DeleteFunc(j.holds, func(other *hold) bool { return other == h })
		close(h.released)
	}), true
}
