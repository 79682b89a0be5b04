package patterns

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cachewire/cachewire/core"
)

// A PanicError is the error of a load that panicked, in the loader, or in a codec or hook.
// It is returned to all callers that wait for the load.
type PanicError struct {
	Value any    // the value of the panic
	Stack []byte // the stack of the goroutine that panicked
}

// Error returns one line, without the stack.
func (e *PanicError) Error() string {
	return fmt.Sprintf("patterns: the load panicked: %v", e.Value)
}

// Format formats the error for package fmt. The verb %+v adds the stack.
func (e *PanicError) Format(s fmt.State, verb rune) {
	switch {
	case verb == 'v' && s.Flag('+'):
		fmt.Fprintf(s, "%s\n\n%s", e.Error(), e.Stack)
	case verb == 'v' && s.Flag('#'):
		fmt.Fprintf(s, "&patterns.PanicError{Value:%#v}", e.Value)
	default:
		fmt.Fprintf(s, fmt.FormatString(s, verb), e.Error())
	}
}

// Unwrap returns Value if it is an error.
func (e *PanicError) Unwrap() error {
	err, _ := e.Value.(error)
	return err
}

var (
	errGoexit = errors.New("patterns: the loader ended its goroutine")
	errClosed = fmt.Errorf("%w: patterns: the Cached is closed", core.ErrClosed)

	// errSkipped is the error of a flight in the background that loaded nothing, because
	// another process loads the value.
	errSkipped = errors.New("patterns: skipped")
)

// A flight is a load of one key, which all its callers in this process share.
type flight[T any] struct {
	key string
	job *job[T]

	// The outcome, which may be read once done is closed.
	done   chan struct{}
	value  T
	err    error
	loaded bool // the loader was called

	dropped bool // guarded by flights.mu: the loaded value must not be stored
}

// A joinedFlight is a flight that a caller waits for.
type joinedFlight[T any] struct {
	flight  *flight[T]
	started bool // by this caller
}

// A job is a goroutine that loads one or more flights. They end together.
type job[T any] struct {
	flights    []*flight[T]
	cancel     context.CancelFunc
	after      func()      // called when the flights have ended; may be nil
	waiters    int         // guarded by flights.mu: callers that wait, summed over the flights
	background bool        // guarded by flights.mu: the job needs no waiters
	limit      *time.Timer // guarded by flights.mu: resets background; nil if it never was set
}

// flights are the running loads of a Cached.
type flights[T any] struct {
	mu     sync.Mutex
	byKey  map[string]*flight[T] // guarded by mu: flights that new callers join
	closed bool                  // guarded by mu

	// storing has the keys for which a loaded value is being stored. The channel of a key is
	// closed when the store has ended. The map is guarded by mu.
	storing map[string]chan struct{}

	limit    time.Duration  // how long a job in the background may run without waiters
	report   func(error)    // called with the panic of a job in the background
	running  sync.WaitGroup // of jobs; none is added once closed is set
	endCount atomic.Uint64  // how many flights have ended
}

// A loadFunc sets the outcomes of the flights of a job. It runs in the goroutine of the job,
// with a context that is cancelled when no caller waits any more. If endedSince is false, no
// flight has ended since the caller looked into the cache.
type loadFunc[T any] func(ctx context.Context, group []*flight[T], endedSince bool)

// join returns the flights of keys. It joins the running ones, and starts a job with run for
// the others. The caller passes the endCount that it read before it looked into the cache.
// For each flight, the caller must wait until done is closed, or call leave.
func (f *flights[T]) join(
	ctx context.Context, keys []string, endCount uint64, run loadFunc[T],
) ([]joinedFlight[T], error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return nil, errClosed
	}
	joined := make([]joinedFlight[T], len(keys))
	var started []*flight[T]
	for i, key := range keys {
		fl := f.byKey[key]
		joined[i].started = fl == nil
		if fl == nil {
			fl = &flight[T]{key: key, done: make(chan struct{}), err: errGoexit}
			started = append(started, fl)
		} else {
			fl.job.waiters++
		}
		joined[i].flight = fl
	}
	if len(started) != 0 {
		f.start(ctx, started, f.endCount.Load() != endCount, run).waiters = len(started)
	}
	return joined, nil
}

// refresh starts a job in the background for those of keys that have no running flight.
func (f *flights[T]) refresh(ctx context.Context, keys []string, run loadFunc[T]) {
	f.mu.Lock()
	defer f.mu.Unlock()
	var started []*flight[T]
	for _, key := range keys {
		if f.byKey[key] == nil && !f.closed {
			fl := &flight[T]{key: key, done: make(chan struct{}), err: errGoexit}
			started = append(started, fl)
		}
	}
	if len(started) != 0 {
		f.runInBackground(f.start(ctx, started, true, run))
	}
}

// start starts a job that calls run with group. It is called with mu held.
func (f *flights[T]) start(
	ctx context.Context, group []*flight[T], endedSince bool, run loadFunc[T],
) *job[T] {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	j := &job[T]{flights: group, cancel: cancel}
	if f.byKey == nil {
		f.byKey = map[string]*flight[T]{}
	}
	for _, fl := range group {
		fl.job = j
		f.byKey[fl.key] = fl
	}
	f.running.Add(1)
	go func() {
		defer f.running.Done()
		defer cancel()
		defer func() { // runs even if the loader ends the goroutine
			f.finish(j)
			if j.after != nil {
				j.after()
			}
		}()
		defer f.recoverPanic(j)
		run(ctx, group, endedSince)
	}()
	return j
}

// runInBackground lets j run without waiters until limit. It is called with mu held.
func (f *flights[T]) runInBackground(j *job[T]) {
	if !j.background {
		j.background = true
		j.limit = time.AfterFunc(f.limit, func() {
			f.mu.Lock()
			defer f.mu.Unlock()
			j.background = false
			f.cancelIfUnused(j)
		})
	}
}

// cancelIfUnused cancels j if no caller waits for it and it is not in the background. It is
// called with mu held.
func (f *flights[T]) cancelIfUnused(j *job[T]) {
	if j.waiters > 0 || j.background {
		return
	}
	j.cancel()
	for _, fl := range j.flights { // a new caller must not join a cancelled load
		fl.dropped = true
		f.forget(fl)
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

// finish ends the flights of j and wakes their waiters.
func (f *flights[T]) finish(j *job[T]) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, fl := range j.flights {
		close(fl.done)
		f.forget(fl)
		f.endCount.Add(1)
	}
	if j.limit != nil {
		j.limit.Stop()
	}
}

// leave removes a caller from the waiters of fl. If background is set, the load then goes on
// in the background. Otherwise it is cancelled if it has no other waiters and is not in the
// background.
func (f *flights[T]) leave(fl *flight[T], background bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	j := fl.job
	j.waiters--
	if background {
		f.runInBackground(j)
	}
	f.cancelIfUnused(j)
}

// forget removes fl, so that new callers do not join it. It is called with mu held.
func (f *flights[T]) forget(fl *flight[T]) {
	if f.byKey[fl.key] == fl {
		delete(f.byKey, fl.key)
	}
}

// drop makes sure that the flights of keys store nothing from now on, because a write of
// these keys follows. It waits until stores that have begun have ended, or ctx is done.
func (f *flights[T]) drop(ctx context.Context, keys ...string) error {
	var storing []chan struct{}
	f.mu.Lock()
	for _, key := range keys {
		if fl := f.byKey[key]; fl != nil {
			fl.dropped = true
			f.forget(fl)
		}
		if done := f.storing[key]; done != nil {
			storing = append(storing, done)
		}
	}
	f.mu.Unlock()
	for _, done := range storing {
		select {
		case <-done:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// beginStore reports whether the value that fl has loaded may be stored. If so, the caller
// must call endStore once it has stored the value. beginStore waits for another store of the
// key.
func (f *flights[T]) beginStore(fl *flight[T]) bool {
	for {
		f.mu.Lock()
		before := f.storing[fl.key] // of a flight that was dropped while it stored
		if fl.dropped {
			f.mu.Unlock()
			return false
		}
		if before == nil {
			if f.storing == nil {
				f.storing = map[string]chan struct{}{}
			}
			f.storing[fl.key] = make(chan struct{})
			f.mu.Unlock()
			return true
		}
		f.mu.Unlock()
		<-before
	}
}

// endStore ends the store of key that beginStore allowed.
func (f *flights[T]) endStore(key string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	close(f.storing[key])
	delete(f.storing, key)
}

// close makes join return errClosed, and waits for all jobs.
func (f *flights[T]) close() {
	f.mu.Lock()
	f.closed = true
	f.mu.Unlock()
	f.running.Wait()
}

// callLoader calls load, and turns a panic into a *PanicError.
func callLoader[T any](load func() (T, error)) (v T, err error) {
	defer func() {
		// After runtime.Goexit, recover returns nil and the goroutine goes on ending.
		if r := recover(); r != nil {
			err = &PanicError{Value: r, Stack: debug.Stack()}
		}
	}()
	return load()
}
