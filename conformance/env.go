package conformance

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	"github.com/cachewire/cachewire/core"
)

// An env has an empty cache for a case, and methods to check the cache and to report
// failures. The methods that begin with want report a failure and let the case continue.
type env struct {
	suite
	ctx      context.Context
	cache    *core.Cache
	backend  core.Backend // the backend of cache
	other    core.Backend // nil unless the case has twoBackends
	prefix   string       // the prefix of cache
	closeAll func() error

	fakeTime   bool       // the case runs in a bubble of testing/synctest
	realClock  *realClock // nil unless fakeTime
	clock      *clock     // nil in fake time, which does not pass while the process is stopped
	goroutines *goroutineSet
	cleanups   []func()   // called when the case has ended
	later      []lifetime // see wantLeft

	mu      sync.Mutex
	outcome // guarded by mu
}

// newEnv returns an env for a case with the backend b.
func newEnv(ctx context.Context, s suite, b core.Backend) *env {
	return &env{suite: s, ctx: ctx, backend: b}
}

// inNewGoroutine calls f in a new goroutine, which fatalf can end, and waits for it. A
// panic is a failure.
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

// inParallel calls f(0) to f(n-1), each in its own goroutine, and waits for all of them.
// They start at the same moment.
func (e *env) inParallel(n int, f func(i int)) {
	var ready, ended sync.WaitGroup
	start := make(chan struct{})
	ready.Add(n)
	for i := range n {
		ended.Go(func() {
			e.inNewGoroutine(func() {
				ready.Done()
				<-start
				f(i)
			})
		})
	}
	ready.Wait()
	close(start)
	ended.Wait()
}

// cleanUp calls the cleanups.
func (e *env) cleanUp() {
	for _, cleanup := range e.cleanups {
		cleanup()
	}
}

// errStop is the value with which fatalf panics.
var errStop = errors.New("the case ends here")

// errorf reports a failure.
func (e *env) errorf(format string, args ...any) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.failures) < 10 { // more would not help
		e.failures = append(e.failures, fmt.Sprintf(format, args...))
	}
}

// fatalf reports a failure and ends the goroutine.
func (e *env) fatalf(format string, args ...any) {
	e.errorf(format, args...)
	panic(errStop)
}

// decline records that the backend lacks something, such as an optional interface.
func (e *env) decline(what string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.declined = append(e.declined, what)
}

// note records a figure that the case has measured.
func (e *env) note(format string, args ...any) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.notes = append(e.notes, fmt.Sprintf(format, args...))
}

// resolution returns the longest time by which an item may outlive its time to live.
func (e *env) resolution() time.Duration {
	if r := e.cache.Traits().Resolution; r > 0 {
		return r
	}
	return 10 * time.Millisecond
}

// wantInTime checks that a verb whose context was done returned in time. The contract allows
// 50 milliseconds. In real time, half a second is added for a busy machine.
func (e *env) wantInTime(what string, took time.Duration) {
	limit := 50 * time.Millisecond
	if !e.fakeTime {
		limit += 500 * time.Millisecond
	}
	if took > limit {
		e.errorf("%s under a context that was done took %v", what, took)
	}
}

// readFlags returns the flags with which the backend returns an item that was stored with flags.
func (e *env) readFlags(flags uint32) uint32 {
	if e.cache.Traits().ByValue {
		switch flags {
		case core.FlagBytes, core.FlagText, core.FlagInt:
			return 0
		}
	}
	return flags
}

// changedBack returns the value for a store that must change the token of an item with
// value. It returns value itself, or another value if Traits.ByValue is set: then the same
// value keeps the same token.
func (e *env) changedBack(value string) string {
	if e.cache.Traits().ByValue {
		return value + ", changed"
	}
	return value
}

// declineStates reports whether Traits.ByValue is set, and then declines the case: two
// states with the same value have the same token.
func (e *env) declineStates() bool {
	if !e.cache.Traits().ByValue {
		return false
	}
	e.decline("another token for the same value, by Traits.ByValue")
	return true
}

// fullKey returns the key in the backend: key with the prefix.
func (e *env) fullKey(key string) string { return e.prefix + key }

// limitSize returns n, or Traits.MaxValue if the backend has this limit and it is less.
func (e *env) limitSize(n int) int {
	if limit := e.cache.Traits().MaxValue; limit > 0 {
		return min(n, limit)
	}
	return n
}

// want checks that err is target, by errors.Is. A nil target means no error.
func (e *env) want(what string, err, target error) {
	if !errors.Is(err, target) {
		e.errorf("%s: error is %v, want %v", what, err, target)
	}
}

// must ends the goroutine with a failure if err is not nil. It is for the verbs that the
// rest of the case depends on.
func (e *env) must(what string, err error) {
	if err != nil {
		e.fatalf("%s: error is %v, want no error", what, err)
	}
}

// set stores value under key, and the item never expires. It must succeed.
func (e *env) set(key, value string) {
	e.must("Set "+quote(key), e.cache.Set(e.ctx, key, []byte(value), 0))
}

// item returns the item under key, which must be present.
func (e *env) item(key string) core.Item {
	item, err := e.cache.GetItem(e.ctx, key)
	e.must("GetItem "+quote(key), err)
	return item
}

// A reader is a verb that reads the value of one key.
type reader struct {
	verb string
	read func(key string) ([]byte, error)
}

// readers returns Get. If the backend is a core.ValueGetter, it also returns GetItem,
// because Get then does not call the GetItem of the backend.
func (e *env) readers() []reader {
	readers := []reader{{"Get", func(key string) ([]byte, error) {
		return e.cache.Get(e.ctx, key)
	}}}
	if _, ok := core.Ability[core.ValueGetter](e.backend); ok {
		readers = append(readers, reader{"GetItem", func(key string) ([]byte, error) {
			item, err := e.cache.GetItem(e.ctx, key)
			return item.Value, err
		}})
	}
	return readers
}

// wantValue checks that key is present with value.
func (e *env) wantValue(key, value string) {
	for _, r := range e.readers() {
		switch got, err := r.read(key); {
		case err != nil:
			e.errorf("%s %s: error is %v, want the value %s", r.verb, quote(key), err, quote(value))
		case string(got) != value:
			e.errorf("%s %s: value is %s, want %s",
				r.verb, quote(key), quote(string(got)), quote(value))
		}
	}
}

// wantDigits checks that key is present with the digits value, which spaces may follow:
// some caches do not shorten a counter.
func (e *env) wantDigits(key, value string) {
	for _, r := range e.readers() {
		got, err := r.read(key)
		if err != nil || strings.TrimRight(string(got), " ") != value {
			e.errorf("%s %s: value is %s and error %v, want %s, which spaces may follow",
				r.verb, quote(key), quote(string(got)), err, quote(value))
		}
	}
}

// wantMiss checks that key is absent.
func (e *env) wantMiss(key string) {
	for _, r := range e.readers() {
		if got, err := r.read(key); err != core.ErrMiss {
			e.errorf("%s %s: value %s and error %v, want no value and %v",
				r.verb, quote(key), quote(string(got)), err, core.ErrMiss)
		}
	}
}

// wantCount checks that key holds a counter whose number is n.
func (e *env) wantCount(key string, n uint64) {
	if got, err := e.cache.Count(e.ctx, key); err != nil || got != n {
		e.errorf("Count %s: %d and error %v, want %d and no error", quote(key), got, err, n)
	}
}

// wantNumber checks that a verb on a counter has returned n.
func (e *env) wantNumber(what string, got uint64, err error, n uint64) {
	if err != nil || got != n {
		e.errorf("%s: %d and error %v, want %d and no error", what, got, err, n)
	}
}

// wantFailures checks that the error of a multi verb is a *core.MultiError with exactly the
// keys and errors of want. If want is empty, err must be nil.
func (e *env) wantFailures(what string, err error, want map[string]error) {
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
			e.errorf("%s: error of %s is %v, want %v", what, quote(key), multi.Errors[key], target)
		}
	}
	for key, err := range multi.Errors {
		if _, ok := want[key]; !ok {
			e.errorf("%s: error of %s is %v, want no error", what, quote(key), err)
		}
	}
}

// wantValues checks that GetMulti has returned exactly the values of want.
func (e *env) wantValues(what string, got map[string][]byte, want map[string]string) {
	for key, value := range want {
		if v, ok := got[key]; !ok {
			e.errorf("%s: %s is not in the map", what, quote(key))
		} else if string(v) != value {
			e.errorf("%s: value of %s is %s, want %s",
				what, quote(key), quote(string(v)), quote(value))
		}
	}
	for key := range got {
		if _, ok := want[key]; !ok {
			e.errorf("%s: %s is in the map, want it left out", what, quote(key))
		}
	}
}

// bytesOf returns values in the form that SetMulti takes.
func bytesOf(values map[string]string) map[string][]byte {
	b := make(map[string][]byte, len(values))
	for key, value := range values {
		b[key] = []byte(value)
	}
	return b
}

// quote returns s in quotes, shortened if it is long.
func quote(s string) string {
	const most = 60
	if len(s) <= most {
		return fmt.Sprintf("%q", s)
	}
	return fmt.Sprintf("%q… (%d bytes)", s[:most], len(s))
}

// consistsOf reports whether b is the byte c, n times.
func consistsOf(b []byte, c byte, n int) bool {
	return len(b) == n && bytes.Count(b, []byte{c}) == n
}
