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

// A PanicError is the error of a load whose loader panicked. All callers that wait for the
// load get it.
type PanicError struct {
	Value any    // the value of the panic
	Stack []byte // the stack of the goroutine that panicked
}

// Error returns one line, without the stack.
func (e *PanicError) Error() string {
	return fmt.Sprintf("patterns: the loader panicked: %v", e.Value)
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

	// errSkipped is the outcome of a refresh which found that somebody else does it.
	errSkipped = errors.New("patterns: skipped")
)

// A flight is a load that the callers of a key share.
type flight[T any] struct {
	key  string
	work *work[T]

	done  chan struct{} // closed when value and err are there
	value T
	err   error

	loaded  bool // the loader was called; read once done is closed
	dropped bool // guarded by flights.mu: what was loaded is not to be stored
}

// A joined is a flight that a caller waits for.
type joined[T any] struct {
	flight *flight[T]
	mine   bool // the caller has started it
}

// A work is what one goroutine does for a flight, or for several.
type work[T any] struct {
	flights    []*flight[T]
	cancel     context.CancelFunc
	after      func()      // is done when the flights have landed; nil for nothing
	waiters    int         // guarded by flights.mu
	background bool        // guarded by flights.mu: it goes on when the last waiter has gone
	limit      *time.Timer // guarded by flights.mu: cancels it in the background
}

// flights are the loads of a Cached that are under way.
type flights[T any] struct {
	mu      sync.Mutex
	byKey   map[string]*flight[T]    // guarded by mu
	storing map[string]chan struct{} // guarded by mu: keys of which a load is being stored; closed when it has been
	closed  bool                     // guarded by mu
	limit   time.Duration            // how long a work may go on that nobody waits for
	report  func(error)              // is told of a panic of such a work
	running sync.WaitGroup           // of works; nothing is added once closed is set
	ended   atomic.Uint64            // how many have ended
}

// A crew makes the outcomes of flights and leaves them there. It runs in a goroutine
// of its own, under a context that is done when nobody waits any more. If anew is
// false, no flight has ended since the caller began.
type crew[T any] func(ctx context.Context, mine []*flight[T], anew bool)

// join answers the flights of keys: those that are under way, and new ones, which run
// does. Began is what ended was when the caller had not looked into the cache yet.
// Each flight must be left, unless its outcome has come: those of one crew land together.
func (f *flights[T]) join(ctx context.Context, keys []string, began uint64, run crew[T]) ([]joined[T], error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return nil, errClosed
	}
	all := make([]joined[T], len(keys))
	var mine []*flight[T]
	for i, key := range keys {
		fl := f.byKey[key]
		all[i].mine = fl == nil
		if fl == nil {
			fl = &flight[T]{key: key, done: make(chan struct{}), err: errGoexit}
			mine = append(mine, fl)
		} else {
			fl.work.waiters++
		}
		all[i].flight = fl
	}
	if len(mine) != 0 {
		f.start(ctx, mine, f.ended.Load() != began, run).waiters = len(mine)
	}
	return all, nil
}

// refresh starts flights for those of keys that have none, for which nobody waits.
func (f *flights[T]) refresh(ctx context.Context, keys []string, run crew[T]) {
	f.mu.Lock()
	defer f.mu.Unlock()
	var mine []*flight[T]
	for _, key := range keys {
		if f.byKey[key] == nil && !f.closed {
			mine = append(mine, &flight[T]{key: key, done: make(chan struct{}), err: errGoexit})
		}
	}
	if len(mine) != 0 {
		f.keep(f.start(ctx, mine, true, run))
	}
}

// start is called with mu held.
func (f *flights[T]) start(ctx context.Context, mine []*flight[T], anew bool, run crew[T]) *work[T] {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	w := &work[T]{flights: mine, cancel: cancel}
	if f.byKey == nil {
		f.byKey = map[string]*flight[T]{}
	}
	for _, fl := range mine {
		fl.work = w
		f.byKey[fl.key] = fl
	}
	f.running.Add(1)
	go func() {
		defer f.running.Done()
		defer cancel()
		defer func() { // also if the loader ends the goroutine
			f.land(w)
			if w.after != nil {
				w.after()
			}
		}()
		defer f.caught(w)
		run(ctx, mine, anew)
	}()
	return w
}

// keep lets w go on without waiters, for as long as limit. It is called with mu held.
func (f *flights[T]) keep(w *work[T]) {
	if !w.background {
		w.background = true
		w.limit = time.AfterFunc(f.limit, func() {
			f.mu.Lock()
			defer f.mu.Unlock()
			w.background = false
			f.abandon(w)
		})
	}
}

// abandon cancels w if nobody waits for it. It is called with mu held.
func (f *flights[T]) abandon(w *work[T]) {
	if w.waiters > 0 || w.background {
		return
	}
	w.cancel()
	for _, fl := range w.flights { // who comes now must not wait for what was given up
		fl.dropped = true
		f.forget(fl)
	}
}

// caught makes a panic of w, that of a codec or a hook, the outcome of its flights.
func (f *flights[T]) caught(w *work[T]) {
	r := recover()
	if r == nil {
		return
	}
	err := &PanicError{Value: r, Stack: debug.Stack()}
	for _, fl := range w.flights {
		fl.err = err
	}
	f.mu.Lock()
	background := w.background
	f.mu.Unlock()
	if background {
		f.report(err)
	}
}

// land makes the outcomes of w known to those who wait.
func (f *flights[T]) land(w *work[T]) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, fl := range w.flights {
		close(fl.done)
		f.forget(fl)
		f.ended.Add(1)
	}
	if w.limit != nil {
		w.limit.Stop()
	}
}

// leave is what a caller does that waits no more. If keep is set, the load goes on.
func (f *flights[T]) leave(fl *flight[T], keep bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	w := fl.work
	w.waiters--
	if keep {
		f.keep(w)
	}
	f.abandon(w)
}

// forget is called with mu held.
func (f *flights[T]) forget(fl *flight[T]) {
	if f.byKey[fl.key] == fl {
		delete(f.byKey, fl.key)
	}
}

// drop sees to it that no flight of keys stores what it loads: somebody else is about
// to write. What is being stored right now it waits for, unless ctx is done.
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

// mayStore tells whether what fl has loaded may be stored. Then stored must be called
// afterwards.
func (f *flights[T]) mayStore(fl *flight[T]) bool {
	for {
		f.mu.Lock()
		before := f.storing[fl.key] // that of a flight which was dropped too late
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

func (f *flights[T]) stored(key string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	close(f.storing[key])
	delete(f.storing, key)
}

// close waits for all flights.
func (f *flights[T]) close() {
	f.mu.Lock()
	f.closed = true
	f.mu.Unlock()
	f.running.Wait()
}

// guard calls load, and makes a panic an error.
func guard[T any](load func() (T, error)) (v T, err error) {
	defer func() {
		// Recover answers nil after runtime.Goexit, too, and that goes on.
		if r := recover(); r != nil {
			err = &PanicError{Value: r, Stack: debug.Stack()}
		}
	}()
	return load()
}
