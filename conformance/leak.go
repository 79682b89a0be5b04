package conformance

import (
	"bytes"
	"context"
	"reflect"
	"runtime/pprof"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/cachewire/cachewire/core"
)

// A goroutineSet finds goroutines that outlive a backend. It knows them by a label, which
// every goroutine has from the one that started it. So cases that run in parallel do not
// disturb each other.
type goroutineSet struct {
	label    string
	existing map[string]int // how many New has started, such as those of a server, by entry
}

var lastLabel atomic.Uint64

const labelKey = "cachewire conformance"

// labelGoroutines labels the goroutines that the calling one starts from now on.
func labelGoroutines() *goroutineSet {
	g := &goroutineSet{label: strconv.FormatUint(lastLabel.Add(1), 10)}
	pprof.SetGoroutineLabels(pprof.WithLabels(context.Background(), pprof.Labels(labelKey, g.label)))
	return g
}

// reset ends what labelGoroutines began.
func (g *goroutineSet) reset() { pprof.SetGoroutineLabels(context.Background()) }

// baseline excludes the goroutines that run now, which New has started, other than those of
// the package of b.
func (g *goroutineSet) baseline(b core.Backend) *goroutineSet {
	t := reflect.TypeOf(b)
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	g.existing = map[string]int{}
	for entry, running := range g.running() {
		if t.PkgPath() == "" || !strings.Contains(running.stack, t.PkgPath()+".") {
			g.existing[entry] = running.n
		}
	}
	return g
}

// leaked waits a few seconds until the goroutines have ended, and returns the stacks of
// those that have not.
func (g *goroutineSet) leaked() string {
	if g == nil {
		return ""
	}
	for deadline := time.Now().Add(5 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		var left []string
		for entry, running := range g.running() {
			if running.n > g.existing[entry] {
				left = append(left, running.stack)
			}
		}
		if len(left) == 0 || time.Now().After(deadline) {
			return strings.Join(left, "\n")
		}
	}
}

// runningGoroutines are those that began with the same function.
type runningGoroutines struct {
	n     int
	stack string // of one of them
}

// running returns the goroutines with the label, without those of the suite, by the function
// with which they began. Their stacks change, but not that.
func (g *goroutineSet) running() map[string]runningGoroutines {
	var profile bytes.Buffer
	if err := pprof.Lookup("goroutine").WriteTo(&profile, 1); err != nil {
		return nil
	}
	label := strconv.Quote(labelKey) + ":" + strconv.Quote(g.label)
	running := map[string]runningGoroutines{}
	// A record is a line with the number of goroutines, one with the labels, and the stack.
	for record := range strings.SplitSeq(profile.String(), "\n\n") {
		_, labels, _ := strings.Cut(record, "\n# labels: ")
		labels, stack, _ := strings.Cut(labels, "\n")
		if !strings.Contains(labels, label) || slices.ContainsFunc(ownGoroutines, func(f string) bool {
			return strings.Contains(stack, f)
		}) {
			continue
		}
		count, _, _ := strings.Cut(record, " ")
		n, _ := strconv.Atoi(count)
		// The last line of the stack is "#	0x12	package.function+0x34	file.go:56".
		entry := stack[strings.LastIndex(strings.TrimSpace(stack), "\n")+1:]
		if fields := strings.Split(entry, "\t"); len(fields) > 2 {
			entry, _, _ = strings.Cut(fields[2], "+0x")
		}
		running[entry] = runningGoroutines{running[entry].n + n, stack}
	}
	return running
}

// ownGoroutines are functions in the stacks of the suite's own goroutines.
var ownGoroutines = []string{
	"conformance.watch+", "conformance.(*goroutineSet).running+", "conformance.(*clock).run+",
}
