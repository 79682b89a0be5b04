package patterns

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cachewire/cachewire/core"
)

var (
	errClosed = fmt.Errorf("%w: patterns: the Cached is closed", core.ErrClosed)

	// errSkipped is the error of a flight that has loaded nothing, because another one loads
	// the value, or another process does. Callers join again.
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
	stored  chan struct{} // closed when it has been; made if there is a write that waits

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

// late reports whether the outcome, which may be read, was found in the cache by a look that
// had begun before this caller joined. Then it may be older than an invalidation that has
// returned before the caller began.
func (j *joinedFlight[T]) late() bool {
	return !j.started && !j.flight.loaded && j.looks == j.flight.looks
}

// A job loads one or more flights, which end together. It runs in a goroutine of its own, or
// in that of the caller who started it if that cannot leave.
type job[T any] struct {
	flights    []*flight[T]
	load       loadFunc[T]
	endedSince bool // for load
	ctx        loadContext
	cancel     context.CancelFunc
	node       node
	inline     bool // it runs in the goroutine of the caller

	// The fields below are guarded by flights.mu.

	waiters    int         // callers that wait, summed over the flights
	cancelled  bool        // because all callers have left, or because it took too long
	sealed     bool        // its flights are not in the table any more
	background bool        // it needs no waiters until then
	until      time.Time   // when background ends
	limit      *time.Timer // ends background; nil if that never was set
}

// A loadFunc sets the outcomes of the flights of a job. Its context is cancelled when no
// caller waits any more. If endedSince is false, no flight has ended since the caller looked
// into the cache.
type loadFunc[T any] func(ctx context.Context, group []*flight[T], endedSince bool)

// A loadContext is the context of a job. It has the node of the job, for ErrRecursive.
type loadContext struct {
	context.Context
	node *node
}

func (c *loadContext) Value(key any) any {
	if key == (nodeKey{}) {
		return c.node
	}
	return c.Context.Value(key)
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

// join returns the running flight of key, or one that it starts with a job, which the caller
// must run. The job is nil if there was a flight. The caller must wait until done is closed, or
// call leave.
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

// joinMulti is join for many keys. The job has the flights of those that have none.
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

// refresh starts a job in the background for those of keys that have no running flight.
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

// started returns fl for the caller who started it. It is called with flights.mu held.
func (fl *flight[T]) started() joinedFlight[T] {
	if !fl.job.inline {
		fl.done = make(chan struct{})
	}
	return joinedFlight[T]{flight: fl, started: true, done: fl.done}
}

// start makes j ready to run, with one waiter for each of its flights. It is called with mu
// held.
func (f *flights[T]) start(j *job[T], o *joinOptions[T]) {
	j.load, j.inline = o.load, o.inline
	j.endedSince = f.endCount.Load() != o.endCount
	j.ctx.Context, j.cancel = context.WithCancel(context.WithoutCancel(o.ctx))
	j.ctx.node, j.node.job = &j.node, j
	j.waiters = len(j.flights)
	f.running++
	if f.byKey == nil {
		f.byKey = map[string]*flight[T]{}
	}
	for _, fl := range j.flights {
		fl.job, fl.err = j, errGoexit
		if fl.older = f.byKey[fl.key]; fl.older != nil {
			fl.older.dropped = true
			fl.older.newer = fl
		}
		f.byKey[fl.key] = fl
	}
}

// run runs j.
func (f *flights[T]) run(j *job[T]) {
	defer f.done() // this and the others run even if the loader ends the goroutine
	defer j.cancel()
	defer f.finish(j)
	defer f.recoverPanic(j)
	j.load(&j.ctx, j.flights, j.endedSince)
	for _, fl := range f.seal(j) {
		f.encode(fl)
	}
}

// recoverPanic turns a panic of j outside the loader, in a codec or a hook, into the error of
// its flights. It must be deferred.
func (f *flights[T]) recoverPanic(j *job[T]) {
	r := recover()
	if r == nil {
		return
	}
	err := &PanicError{Value: r, Stack: debug.Stack()}
	for _, fl := range j.flights {
		fl.err = err
	}
	f.mu.Lock()
	background := j.background
	f.mu.Unlock()
	if background {
		f.report(err)
	}
}

// seal removes the flights of j from the table, so that no more callers join them. It returns
// those whose callers need copies of the value.
func (f *flights[T]) seal(j *job[T]) (shared []*flight[T]) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if j.sealed {
		return nil
	}
	j.sealed = true
	// Before callers find no flight: those who have read the old count look again.
	f.endCount.Add(uint64(len(j.flights)))
	for _, fl := range j.flights {
		f.remove(fl)
		if fl.joiners != 0 && fl.err == nil && f.encode != nil {
			shared = append(shared, fl)
		}
	}
	return shared
}

// remove removes fl from the list of its key. It is called with mu held.
func (f *flights[T]) remove(fl *flight[T]) {
	switch {
	case fl.newer != nil:
		fl.newer.older = fl.older
	case fl.older != nil:
		f.byKey[fl.key] = fl.older
	default:
		delete(f.byKey, fl.key)
	}
	if fl.older != nil {
		fl.older.newer = fl.newer
	}
	fl.older, fl.newer = nil, nil
}

// finish wakes the waiters of j, and releases the leases of its flights.
func (f *flights[T]) finish(j *job[T]) {
	f.seal(j)
	var lease *Lease // only a job with one flight has one
	f.mu.Lock()
	if j.limit != nil {
		j.limit.Stop()
	}
	for _, fl := range j.flights {
		if fl.done != nil {
			close(fl.done)
		}
		lease, fl.lease = fl.lease, nil
	}
	if lease != nil {
		f.running++
	}
	f.mu.Unlock()
	if lease == nil {
		return
	}
	release := func() {
		defer f.done()
		f.release(lease)
	}
	if j.inline {
		go release() // the caller waits
	} else {
		release()
	}
}

// done ends what was counted by running.
func (f *flights[T]) done() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.running--; f.running == 0 && f.idle != nil {
		close(f.idle)
	}
}

// keepRunning lets j run without waiters for d from now. It is called with mu held.
func (f *flights[T]) keepRunning(j *job[T], d time.Duration) {
	until := time.Now().Add(d)
	if j.background && j.until.After(until) {
		return
	}
	j.background, j.until = true, until
	if j.limit != nil {
		j.limit.Reset(d)
		return
	}
	j.limit = time.AfterFunc(d, func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		if time.Now().Before(j.until) || j.sealed {
			return // it has been reset meanwhile, or the job is over
		}
		j.background = false
		if f.cancelIfUnused(j) {
			f.tooSlow(j.keys())
		}
	})
}

// cancelIfUnused cancels j if no caller waits for it and it is not in the background. It
// reports whether it did. It is called with mu held.
func (f *flights[T]) cancelIfUnused(j *job[T]) bool {
	if j.waiters > 0 || j.background {
		return false
	}
	j.cancelled = true
	j.cancel()
	for _, fl := range j.flights { // a new caller must not join a cancelled load
		fl.dropped = true
	}
	return true
}

// leave removes a caller from the waiters of fl. If background is set, the load then goes on
// in the background. Otherwise it is cancelled, once it has lingered, if it has no other
// waiters and is not in the background.
func (f *flights[T]) leave(fl *flight[T], background bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	j := fl.job
	j.waiters--
	switch {
	case j.waiters > 0 && !background, j.sealed:
		return
	case background:
		f.keepRunning(j, f.limit)
	case f.linger != 0:
		f.keepRunning(j, f.linger)
	default:
		f.cancelIfUnused(j)
	}
}

// wasCancelled reports whether j was cancelled, because all its callers have left, or because
// it took too long and tooSlow was called.
func (f *flights[T]) wasCancelled(j *job[T]) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return j.cancelled
}

// beginLook notes that a look into the cache for group is next.
func (f *flights[T]) beginLook(group ...*flight[T]) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, fl := range group {
		fl.looks++
	}
}

// begin notes that the loader of group is called next, and what was true before.
func (f *flights[T]) begin(group []*flight[T], o origin) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, fl := range group {
		fl.begun, fl.origin = true, o
		fl.loaded = true
	}
}

// begun returns those of the flights of keys whose loader has been called, with their origins.
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

// setLease gives fl a lease, and reports whether fl needs it. If not, because fl was dropped,
// fl has the lease until it ends, or until a newer flight takes it.
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

// closeGrace is how long close waits for jobs that it has cancelled.
const closeGrace = time.Second

// close makes join return errClosed, and waits for all jobs. It cancels those that still run
// after the limit of loads in the background. The error is ErrTimeout, with their keys, if they
// have not ended a second later.
func (f *flights[T]) close() error {
	f.mu.Lock()
	f.closed = true
	if f.running == 0 {
		f.mu.Unlock()
		return nil
	}
	if f.idle == nil {
		f.idle = make(chan struct{})
	}
	idle := f.idle
	f.mu.Unlock()
	timer := time.NewTimer(f.limit)
	defer timer.Stop()
	select {
	case <-idle:
		return nil
	case <-timer.C:
	}
	keys := f.cancelAll()
	timer.Reset(closeGrace)
	select {
	case <-idle:
		return nil
	case <-timer.C:
	}
	return fmt.Errorf("%w: Close: these loads do not end: %s", ErrTimeout, strings.Join(keys, ", "))
}

// cancelAll cancels all jobs, and returns their keys, quoted.
func (f *flights[T]) cancelAll() (keys []string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, fl := range f.byKey {
		for ; fl != nil; fl = fl.older {
			fl.job.cancel()
			fl.dropped = true
			keys = append(keys, fl.job.node.String())
		}
	}
	slices.Sort(keys)
	return slices.Compact(keys)
}

// keys returns the keys of j.
func (j *job[T]) keys() []string {
	keys := make([]string, len(j.flights))
	for i, fl := range j.flights {
		keys[i] = fl.key
	}
	return keys
}
