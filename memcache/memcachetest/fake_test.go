package memcachetest_test

import (
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"
)

// A fakeTB is a test that may fail without failing the one that runs it.
type fakeTB struct {
	testing.TB

	mu       sync.Mutex
	ended    string // "fatal", "skip", or "" if it ran to its end
	failed   bool
	text     strings.Builder // of all failures, skips and logs
	cleanups []func()
}

// runFake runs f as a test of its own.
func runFake(t *testing.T, f func(t testing.TB)) *fakeTB {
	t.Helper()
	fake := &fakeTB{TB: t}
	var all sync.WaitGroup
	all.Go(func() { f(fake) })
	all.Wait()
	for i := len(fake.cleanups) - 1; i >= 0; i-- {
		fake.cleanups[i]()
	}
	return fake
}

// says tells that the fake test must have ended as ended, and said all of words.
func (f *fakeTB) says(t *testing.T, ended string, words ...string) {
	t.Helper()
	if f.ended != ended {
		t.Errorf("the test ended as %q, want %q", f.ended, ended)
	}
	for _, word := range words {
		if !strings.Contains(f.text.String(), word) {
			t.Errorf("the test says %q, want %q in it", f.text.String(), word)
		}
	}
}

func (f *fakeTB) note(failed bool, format string, args ...any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.failed = f.failed || failed
	fmt.Fprintf(&f.text, format+"\n", args...)
}

func (f *fakeTB) end(how string) {
	f.ended = how
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
