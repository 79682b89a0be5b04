package conformance

import (
	"bytes"
	"context"
	"reflect"
	"runtime/pprof"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cachewire/cachewire/core"
)

// A goroutineSet finds goroutines that outlive a backend. It recognizes them by a label
// that each goroutine inherits from the goroutine that started it. So cases that run in
// parallel do not disturb each other.
type goroutineSet struct {
	label   string
	backend string // the package of the backend
}

var lastLabel atomic.Uint64

const labelKey = "cachewire conformance"

// These are the labels of the goroutines that New and a case start, before a number.
const (
	labelNew  = "new "
	labelCase = "case "
)

// newGoroutineSet labels the goroutines that the calling goroutine starts from now on, as
// goroutines of New.
func newGoroutineSet() *goroutineSet {
	g := &goroutineSet{label: strconv.FormatUint(lastLabel.Add(1), 10)}
	labelGoroutine(labelNew + g.label)
	return g
}

func labelGoroutine(label string) {
	labels := pprof.Labels(labelKey, label)
	pprof.SetGoroutineLabels(pprof.WithLabels(context.Background(), labels))
}

// begin labels the goroutines that the calling goroutine starts from now on, as goroutines
// of a case with b.
func (g *goroutineSet) begin(b core.Backend) *goroutineSet {
	t := reflect.TypeOf(b)
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	g.backend = t.PkgPath() + "."
	labelGoroutine(labelCase + g.label)
	return g
}

// end removes the label from the calling goroutine.
func (g *goroutineSet) end() { pprof.SetGoroutineLabels(context.Background()) }

// left returns the stacks of the goroutines that still run, except those in known. The keys
// are the functions with which the goroutines began.
func (g *goroutineSet) left(known *leakLog) map[string]string {
	left := map[string]string{}
	for entry, stack := range g.running() {
		if !known.has(entry) {
			left[entry] = stack
		}
	}
	return left
}

// checkLeaks checks, after Close, that the goroutines of the backend have ended or soon do.
// A leak fails only the first case that finds it. Otherwise it would fail every case.
func (e *env) checkLeaks() {
	if e.goroutines == nil {
		return
	}
	deadline := time.Now().Add(5 * time.Second)
	late := func() bool { return time.Now().After(deadline) }
	pause := 5 * time.Millisecond
	if e.realClock != nil {
		start := e.realClock.now()
		late = func() bool {
			return time.Now().After(deadline) || e.realClock.now()-start > time.Second
		}
	}
	for ; ; time.Sleep(pause) {
		left := e.goroutines.left(e.leaks)
		if len(left) == 0 {
			e.leaking = len(e.goroutines.left(nil)) != 0
			return
		}
		if late() {
			e.leaking = true
			for entry, stack := range left {
				if e.leaks.add(entry) {
					// Not by errorf, which drops it if the case has many failures.
					e.failures = append(e.failures, "goroutines that outlive Close:\n"+stack)
				}
			}
			return
		}
	}
}

// A leakLog has the leaks that a run of the suite has found so far.
type leakLog struct {
	mu      sync.Mutex
	entries map[string]bool // guarded by mu
}

// has reports whether l has entry. A nil leakLog has none.
func (l *leakLog) has(entry string) bool {
	if l == nil {
		return false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.entries[entry]
}

// add adds entry, and reports whether it is new.
func (l *leakLog) add(entry string) bool {
	if l == nil {
		return true
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.entries[entry] {
		return false
	}
	if l.entries == nil {
		l.entries = map[string]bool{}
	}
	l.entries[entry] = true
	return true
}

// running returns the stacks of two kinds of goroutines: all that the case has started, and
// those that New has started in the backend's package. It leaves out other goroutines that
// New has started, such as those of a server. The keys are the functions with which they
// began.
func (g *goroutineSet) running() map[string]string {
	var profile bytes.Buffer
	if err := pprof.Lookup("goroutine").WriteTo(&profile, 1); err != nil {
		return nil
	}
	key := strconv.Quote(labelKey) + ":"
	ofNew, ofCase := key+strconv.Quote(labelNew+g.label), key+strconv.Quote(labelCase+g.label)
	running := map[string]string{}
	// A record is a line with the number of goroutines, one with the labels, and the stack.
	for record := range strings.SplitSeq(profile.String(), "\n\n") {
		_, labels, _ := strings.Cut(record, "\n# labels: ")
		labels, stack, _ := strings.Cut(labels, "\n")
		ours := strings.Contains(labels, ofCase) ||
			strings.Contains(labels, ofNew) && strings.Contains(stack, g.backend)
		if !ours || slices.ContainsFunc(ownGoroutines, func(f string) bool {
			return strings.Contains(stack, f)
		}) {
			continue
		}
		// The last line of the stack is "#	0x12	package.function+0x34	file.go:56".
		entry := stack[strings.LastIndex(strings.TrimSpace(stack), "\n")+1:]
		if fields := strings.Split(entry, "\t"); len(fields) > 2 {
			entry, _, _ = strings.Cut(fields[2], "+0x")
		}
		running[entry] = stack
	}
	return running
}

// ownGoroutines are functions in the stacks of the suite's own goroutines.
var ownGoroutines = []string{
	"conformance.(*goroutineSet).running+", "conformance.(*clock).run+", "conformance.watch+",
}
