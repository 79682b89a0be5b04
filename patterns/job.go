package patterns

import (
	"context"
	"fmt"
	"runtime/debug"
	"slices"
	"strings"
	"time"
)

// A job loads one or more flights, which end together. It runs in a goroutine of its own. If
// the caller that started it cannot leave, it runs in the goroutine of that caller.
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
	background bool        // it runs without waiters until then
	until      time.Time   // when background ends
	limit      *time.Timer // ends background; nil if background was never set
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
// the flights whose callers need copies of the value.
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

// done ends a job, or the release of a lease, that running has counted.
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

// closeGrace is how long close waits for jobs that it has cancelled.
const closeGrace = time.Second

// close makes join return errClosed, and waits for all jobs. It cancels those that still run
// after the limit of loads in the background. If some have not ended a second later, it
// returns ErrTimeout with their keys.
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
