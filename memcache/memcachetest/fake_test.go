package memcachetest_test

import (
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"
)

// A fakeTB is an inner test, whose failure does not fail the test that runs it.
type fakeTB struct {
	testing.TB

	mu       sync.Mutex
	ended    string // "fatal", "skip", or "" if it ran to its end
	failed   bool
	text     strings.Builder // of all failures, skips and logs
	cleanups []func()
}

// runFake runs f as an inner test.
func runFake(t *testing.T, f func(t testing.TB)) *fakeTB {
	t.Helper()
	fake := &fakeTB{TB: t}
	var wg sync.WaitGroup
	wg.Go(func() { f(fake) })
	wg.Wait()
	for i := len(fake.cleanups) - 1; i >= 0; i-- {
		fake.cleanups[i]()
	}
	return fake
}

// wantEnd checks that the inner test ended as ended, and that its output contains parts.
func (f *fakeTB) wantEnd(t *testing.T, ended string, parts ...string) {
	t.Helper()
	if f.ended != ended {
		t.Errorf("the inner test ended as %q, want %q", f.ended, ended)
	}
	for _, part := range parts {
		if !strings.Contains(f.text.String(), part) {
			t.Errorf("the output is %q, want %q in it", f.text.String(), part)
		}
	}
}

func (f *fakeTB) note(failed bool, format string, args ...any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.failed = f.failed || failed
	fmt.Fprintf(&f.text, format+"\n", args...)
}

func (f *fakeTB) end(ended string) {
	f.ended = ended
	runtime.Goexit()
}

func (f *fakeTB) Helper()                           {}
func (f *fakeTB) Cleanup(c func())                  { f.cleanups = append(f.cleanups, c) }
func (f *fakeTB) Logf(format string, args ...any)   { f.note(false, format, args...) }
func (f *fakeTB) Errorf(format string, args ...any) { f.note(true, format, args...) }

func (f *fakeTB) Fatalf(format string, args ...any) {
	f.note(true, format, args...)
	f.end("fatal")
}

func (f *fakeTB) Skipf(format string, args ...any) {
	f.note(false, format, args...)
	f.end("skip")
}

func (f *fakeTB) Failed() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.failed
}
