package conformance

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"time"

	"github.com/cachewire/cachewire/core"
)

// An env is what a case works with: a fresh cache, and the means to say what is
// wrong with it.
type env struct {
	ctx      context.Context
	cache    *core.Cache
	backend  core.Backend // under cache
	prefix   string       // that cache has
	closeAll func() error
	fakeTime bool   // in a bubble of testing/synctest
	clock    *clock // nil in fake time, which never stands still

	mu      sync.Mutex
	outcome // guarded by mu
}

// inNewGoroutine calls f in a goroutine of its own, which fatalf can end, and
// waits for it. A panic is a failure.
func (e *env) inNewGoroutine(f func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer func() {
			if p := recover(); p != nil && p != errStop {
				e.errorf("panic: %v\n%s", p, debug.Stack())
			}
		}()
		f()
	}()
	<-done
}

// goAll calls f(0) to f(n-1), each in a goroutine, all from one moment on, and
// waits for all.
func (e *env) goAll(n int, f func(i int)) {
	var ready, all sync.WaitGroup
	start := make(chan struct{})
	ready.Add(n)
	for i := range n {
		all.Go(func() {
			e.inNewGoroutine(func() {
				ready.Done()
				<-start
				f(i)
			})
		})
	}
	ready.Wait()
	close(start)
	all.Wait()
}

// errStop is what fatalf panics with.
var errStop = errors.New("the case ends here")

func (e *env) errorf(format string, args ...any) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.failures) < 10 { // more would tell no more
		e.failures = append(e.failures, fmt.Sprintf(format, args...))
	}
}

func (e *env) fatalf(format string, args ...any) {
	e.errorf(format, args...)
	panic(errStop)
}

// decline notes that the backend lacks an optional interface.
func (e *env) decline(what string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.declined = append(e.declined, what)
}

// resolution is how long at most an item may outlive its time.
func (e *env) resolution() time.Duration {
	if r := e.cache.Traits().Resolution; r > 0 {
		return r
	}
	return 10 * time.Millisecond
}

// inTime says that a verb took no longer than one may whose context is done: 50
// milliseconds by the contract, and in real time some more for machines that
// have much to do.
func (e *env) inTime(what string, took time.Duration) {
	limit := 50 * time.Millisecond
	if !e.fakeTime {
		limit += 500 * time.Millisecond
	}
	if took > limit {
		e.errorf("%s under a context that was done took %v", what, took)
	}
}

// full answers key as the backend knows it.
func (e *env) full(key string) string { return e.prefix + key }

// size answers n, or the length of the largest value if that is less.
func (e *env) size(n int) int {
	if limit := e.cache.Traits().MaxValue; limit > 0 {
		return min(n, limit)
	}
	return n
}

// want says that err must be target, by errors.Is; nil is no error.
func (e *env) want(what string, err, target error) {
	if !errors.Is(err, target) {
		e.errorf("%s: error is %v, want %v", what, err, target)
	}
}

// must is want for what the case cannot go on without.
func (e *env) must(what string, err error) {
	if err != nil {
		e.fatalf("%s: error is %v, want none", what, err)
	}
}

// set stores value for ever, which must succeed.
func (e *env) set(key, value string) {
	e.must("Set "+show(key), e.cache.Set(e.ctx, key, []byte(value), 0))
}

// item answers what is under key, which must be there.
func (e *env) item(key string) core.Item {
	item, err := e.cache.GetItem(e.ctx, key)
	e.must("GetItem "+show(key), err)
	return item
}

// A reader is a verb that reads one key.
type reader struct {
	verb string
	read func(key string) ([]byte, error)
}

// readers are Get, and where that does not call the backend's Get, also GetItem, which does.
func (e *env) readers() []reader {
	all := []reader{{"Get", func(key string) ([]byte, error) { return e.cache.Get(e.ctx, key) }}}
	if _, ok := e.backend.(core.ValueGetter); ok {
		all = append(all, reader{"GetItem", func(key string) ([]byte, error) {
			item, err := e.cache.GetItem(e.ctx, key)
			return item.Value, err
		}})
	}
	return all
}

// holds says that key must be there with value.
func (e *env) holds(key, value string) {
	for _, r := range e.readers() {
		switch got, err := r.read(key); {
		case err != nil:
			e.errorf("%s %s: error is %v, want the value %s", r.verb, show(key), err, show(value))
		case string(got) != value:
			e.errorf("%s %s: %s, want %s", r.verb, show(key), show(string(got)), show(value))
		}
	}
}

// lacks says that key must be absent.
func (e *env) lacks(key string) {
	for _, r := range e.readers() {
		if got, err := r.read(key); err != core.ErrMiss {
			e.errorf("%s %s: %s and error %v, want none and %v", r.verb, show(key), show(string(got)), err, core.ErrMiss)
		}
	}
}

// counts says that key must be a counter that stands at n.
func (e *env) counts(key string, n uint64) {
	if got, err := e.cache.Count(e.ctx, key); err != nil || got != n {
		e.errorf("Count %s: %d and error %v, want %d and none", show(key), got, err, n)
	}
}

// moved says that a counter's verb must have answered n.
func (e *env) moved(what string, got uint64, err error, n uint64) {
	if err != nil || got != n {
		e.errorf("%s: %d and error %v, want %d and none", what, got, err, n)
	}
}

// failsFor says that the error of a multi verb must be a *core.MultiError with
// just these keys, each with this error. With no keys there must be no error.
func (e *env) failsFor(what string, err error, want map[string]error) {
	if len(want) == 0 {
		e.want(what, err, nil)
		return
	}
	var multi *core.MultiError
	if !errors.As(err, &multi) {
		e.errorf("%s: error is %v, want a *core.MultiError for %d keys", what, err, len(want))
		return
	}
	for key, target := range want {
		if !errors.Is(multi.Errors[key], target) {
			e.errorf("%s: error of %s is %v, want %v", what, show(key), multi.Errors[key], target)
		}
	}
	for key, err := range multi.Errors {
		if _, ok := want[key]; !ok {
			e.errorf("%s: %s failed, and should not: %v", what, show(key), err)
		}
	}
}

// sameValues says that GetMulti's answer must be want.
func (e *env) sameValues(what string, got map[string][]byte, want map[string]string) {
	for key, value := range want {
		if v, ok := got[key]; !ok {
			e.errorf("%s: %s is missing", what, show(key))
		} else if string(v) != value {
			e.errorf("%s: %s is %s, want %s", what, show(key), show(string(v)), show(value))
		}
	}
	for key := range got {
		if _, ok := want[key]; !ok {
			e.errorf("%s: %s is there, and should not be", what, show(key))
		}
	}
}

// bytesOf answers values as SetMulti takes them.
func bytesOf(values map[string]string) map[string][]byte {
	b := make(map[string][]byte, len(values))
	for key, value := range values {
		b[key] = []byte(value)
	}
	return b
}

// show answers s, quoted and not too long.
func show(s string) string {
	const most = 60
	if len(s) <= most {
		return fmt.Sprintf("%q", s)
	}
	return fmt.Sprintf("%q… (%d bytes)", s[:most], len(s))
}

// isAll tells whether b is n times the byte c.
func isAll(b []byte, c byte, n int) bool {
	return len(b) == n && bytes.Count(b, []byte{c}) == n
}
