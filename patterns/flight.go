package patterns

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cachewire/cachewire/core"
)

var (
	errClosed = fmt.Errorf("%w: patterns: the Cached is closed", core.ErrClosed)

	// errSkipped is the error of a flight that has loaded nothing, because another flight or
	// another process loads the value. Callers join again.
	errSkipped = errors.New("patterns: skipped")
)

// A flight is a load of one key, which all its callers in this process share.
type flight[T any] struct {
	key string
	job *job[T]

	// The outcome, which may be read once done is closed.
	value   T
	err     error
	loaded  bool       // the loader was called
	encoded *core.Item // the value, for callers that get a copy; nil if they share it

	// The fields below are guarded by flights.mu. Looks may be read once done is closed.

	looks   int           // how many looks into the cache have begun; see late
	done    chan struct{} // made if there is a caller that waits on it
	joiners int           // callers that have joined the flight since it was started
	begun   bool          // the loader is called, or was
	origin  origin        // what was true before that
	lease   *Lease        // of the pass, held while the value is loaded; may be nil

	// dropped says that the value must not be stored, and that no caller may join any more:
	// a write of the key has begun, another flight has replaced this one, or it was cancelled.
	dropped bool

	storing bool          // the value is being stored
	stored  chan struct{} // closed when the value has been stored; made if a write waits

	// The unfinished flights of a key are a list, from the newest to the oldest. All but the
	// newest are dropped.
	older, newer *flight[T]
}

// A joinedFlight is a flight that a caller waits for.
type joinedFlight[T any] struct {
	flight  *flight[T]
	started bool            // by this caller
	looks   int             // the looks of the flight when this caller joined
	done    <-chan struct{} // the done of the flight
}

// late reports whether the outcome was found in the cache by a look that had begun before
// this caller joined. Then it may be older than an invalidation that has returned before the
// caller began. It may be called once done is closed.
func (j *joinedFlight[T]) late() bool {
	return !j.started && !j.flight.loaded && j.looks == j.flight.looks
}

// flights are the running loads of a Cached.
type flights[T any] struct {
	mu     sync.Mutex
	closed bool // guarded by mu

	// byKey has the newest unfinished flight of each key. A flight is removed when it ends.
	// The map is guarded by mu.
	byKey map[string]*flight[T]

	running int           // guarded by mu: jobs, and releases of leases after them
	idle    chan struct{} // guarded by mu: closed when running is 0; made by close

	endCount atomic.Uint64 // how many flights have ended

	// These are set once, by New.
	limit   time.Duration      // how long a job in the background may run without waiters
	linger  time.Duration      // how long a job runs on after its last waiter has left
	report  func(error)        // called with the panic of a job in the background
	tooSlow func([]string)     // called with the keys of a job that has taken longer; mu is held
	release func(lease *Lease) // releases the lease of a flight that has ended
	encode  func(*flight[T])   // sets encoded of a flight; nil if callers may share values
}

// joinOptions say how a caller joins flights.
type joinOptions[T any] struct {
	endCount uint64          // as it was before the caller looked into the cache
	outdated []*flight[T]    // flights that the caller must not join
	alone    bool            // the caller joins no flight at all
	inline   bool            // the job that is started runs in the goroutine of the caller
	load     loadFunc[T]     // of the job that is started
	ctx      context.Context // whose values the job gets
}

// join returns the running flight of key, or a new one. With a new one it returns a job,
// which the caller must run. The caller must wait until done is closed, or call leave.
func (f *flights[T]) join(key string, o *joinOptions[T]) (joinedFlight[T], *job[T], error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return joinedFlight[T]{}, nil, errClosed
	}
	if fl := f.joinable(key, o); fl != nil {
		return fl.join(), nil, nil
	}
	var s struct { // one allocation
		job    job[T]
		flight flight[T]
		group  [1]*flight[T]
	}
	one := &s
	one.flight.key = key
	one.group[0] = &one.flight
	one.job.flights = one.group[:]
	f.start(&one.job, o)
	return one.flight.started(), &one.job, nil
}

// joinMulti is join for many keys. The job has the new flights.
func (f *flights[T]) joinMulti(
	keys []string, o *joinOptions[T],
) ([]joinedFlight[T], *job[T], error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return nil, nil, errClosed
	}
	joined := make([]joinedFlight[T], len(keys))
	j := &job[T]{}
	for i, key := range keys {
		if fl := f.joinable(key, o); fl != nil {
			joined[i] = fl.join()
		} else {
			fl := &flight[T]{key: key}
			j.flights = append(j.flights, fl)
			joined[i].flight = fl
		}
	}
	if len(j.flights) == 0 {
		return joined, nil, nil
	}
	f.start(j, o)
	for i := range joined {
		if fl := joined[i].flight; fl.job == j {
			joined[i] = fl.started()
		}
	}
	return joined, j, nil
}

// refresh starts a job in the background for the keys that have no running flight.
func (f *flights[T]) refresh(keys []string, o *joinOptions[T]) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return
	}
	j := &job[T]{}
	for _, key := range keys {
		if f.joinable(key, o) == nil {
			j.flights = append(j.flights, &flight[T]{key: key})
		}
	}
	if len(j.flights) != 0 {
		f.start(j, o)
		j.waiters = 0
		f.keepRunning(j, f.limit)
		go f.run(j)
	}
}

// joinable returns the flight of key that a caller may join, or nil. It is called with mu held.
func (f *flights[T]) joinable(key string, o *joinOptions[T]) *flight[T] {
	fl := f.byKey[key]
	if fl == nil || fl.dropped || o.alone || slices.Contains(o.outdated, fl) {
		return nil
	}
	return fl
}

// join adds a caller to fl. It is called with flights.mu held.
func (fl *flight[T]) join() joinedFlight[T] {
	fl.joiners++
	fl.job.waiters++
	if fl.done == nil {
		fl.done = make(chan struct{})
	}
	return joinedFlight[T]{flight: fl, looks: fl.looks, done: fl.done}
}

// started returns fl for the caller that started it. It is called with flights.mu held.
func (fl *flight[T]) started() joinedFlight[T] {
	if !fl.job.inline {
		fl.done = make(chan struct{})
	}
	return joinedFlight[T]{flight: fl, started: true, done: fl.done}
}

// beginLook records that a look into the cache for group begins.
func (f *flights[T]) beginLook(group ...*flight[T]) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, fl := range group {
		fl.looks++
	}
}

// begin records that the loader of group is called next, and what was true before the call.
func (f *flights[T]) begin(group []*flight[T], o origin) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, fl := range group {
		fl.begun, fl.origin = true, o
		fl.loaded = true
	}
}

// begun returns the flights of keys whose loader has been called, and their origins.
func (f *flights[T]) begun(keys ...string) (begun []*flight[T], origins []origin) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, key := range keys {
		if fl := f.byKey[key]; fl != nil && !fl.dropped && fl.begun {
			begun, origins = append(begun, fl), append(origins, fl.origin)
		}
	}
	return begun, origins
}

// setLease gives fl a lease, and reports whether fl needs it. A flight that was dropped does
// not need it. It has the lease until it ends, or until a newer flight takes it.
func (f *flights[T]) setLease(fl *flight[T], lease *Lease) (needed bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	fl.lease = lease
	return !fl.dropped
}

// takeLease gives fl the lease of an older flight, and reports whether there was one. That
// flight may still be loading, and stores nothing.
func (f *flights[T]) takeLease(fl *flight[T]) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	for older := fl.older; older != nil; older = older.older {
		if older.lease != nil {
			fl.lease, older.lease = older.lease, nil
			return true
		}
	}
	return false
}

// leaseOf returns the lease of fl, or nil.
func (f *flights[T]) leaseOf(fl *flight[T]) *Lease {
	f.mu.Lock()
	defer f.mu.Unlock()
	return fl.lease
}

// isDropped reports whether fl is dropped.
func (f *flights[T]) isDropped(fl *flight[T]) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return fl.dropped
}

// drop makes sure that the flights of keys store nothing from now on, because a write of
// these keys follows. It waits until stores that have begun have ended, or ctx is done.
func (f *flights[T]) drop(ctx context.Context, keys ...string) error {
	var storing []chan struct{}
	f.mu.Lock()
	for _, key := range keys {
		for fl := f.byKey[key]; fl != nil; fl = fl.older {
			fl.dropped = true
			if !fl.storing {
				continue
			}
			if fl.stored == nil {
				fl.stored = make(chan struct{})
			}
			storing = append(storing, fl.stored)
		}
	}
	f.mu.Unlock()
	for _, stored := range storing {
		select {
		case <-stored:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// beginStore reports whether the value that fl has loaded may be stored. If so, the caller
// must call endStore once it has stored the value.
func (f *flights[T]) beginStore(fl *flight[T]) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	fl.storing = !fl.dropped
	return fl.storing
}

// endStore ends the store that beginStore allowed.
func (f *flights[T]) endStore(fl *flight[T]) {
	f.mu.Lock()
	defer f.mu.Unlock()
	fl.storing = false
	if fl.stored != nil {
		close(fl.stored)
		fl.stored = nil
	}
}
