package tiered_test

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"testing"
	"time"
)

// A step is a verb of a history. Every write has a value of its own, except deletes, whose value
// is "".
type step struct {
	process    int
	key, value string
	write      bool
	begin, end time.Duration // unknownEnd if the write failed, or its process was killed
}

// unknownEnd is the end of a write that may take place at any time.
const unknownEnd = time.Duration(math.MaxInt64)

// checkHistory returns the reads that are wrong. A read of v is wrong if a write began after the
// write of v had returned, and itself had returned more than bound before the read began. For
// writes of the reader's own process, bound is 0.
func checkHistory(steps []step, bound time.Duration) (wrong []string) {
	type place struct {
		key     string
		process int // -1 for the writes of all processes
	}
	writes := map[place][]step{}
	written := map[[2]string][]step{} // by key and value
	for _, s := range steps {
		if s.write {
			for _, p := range []place{{s.key, -1}, {s.key, s.process}} {
				writes[p] = append(writes[p], s)
			}
			written[[2]string{s.key, s.value}] = append(written[[2]string{s.key, s.value}], s)
		}
	}
	latest := map[place][]step{} // [i] is the write that began last among the first i by end
	for p, all := range writes {
		slices.SortFunc(all, func(a, b step) int { return cmp.Compare(a.end, b.end) })
		last := all[0]
		for _, w := range all {
			if w.begin > last.begin {
				last = w
			}
			latest[p] = append(latest[p], last)
		}
	}
	for _, r := range steps {
		if r.write {
			continue
		}
		from, known := time.Duration(-1), r.value == "" // keys are absent at first
		for _, w := range written[[2]string{r.key, r.value}] {
			if w.begin <= r.end {
				from, known = max(from, w.end), true
			}
		}
		if !known {
			wrong = append(wrong, fmt.Sprintf("%q of key %q was read, and never written before",
				r.value, r.key))
			continue
		}
		for p, limit := range map[place]time.Duration{{r.key, -1}: bound, {r.key, r.process}: 0} {
			n, _ := slices.BinarySearchFunc(writes[p], r.begin-limit,
				func(w step, t time.Duration) int { return cmp.Compare(w.end, t) })
			if n == 0 {
				continue
			}
			if w := latest[p][n-1]; w.begin > from {
				wrong = append(wrong, fmt.Sprintf("process %d read %q of key %q at %v; process %d "+
					"had replaced it by %q from %v to %v", r.process, r.value, r.key, r.begin,
					w.process, w.value, w.begin, w.end))
			}
		}
	}
	return wrong
}

// The checker finds what it must find.
func TestTheCheckerOfHistoriesFindsOldReads(t *testing.T) {
	w1 := step{key: "k", write: true, value: "1", begin: 1, end: 2}
	w2 := step{key: "k", write: true, value: "2", begin: 3, end: 4}
	lost := step{key: "k", write: true, value: "3", begin: 3, end: unknownEnd}
	for _, c := range []struct {
		read  step
		wrong bool
	}{
		{step{process: 0, value: "1", begin: 5, end: 6}, true}, // its own write
		{step{process: 1, value: "1", begin: 5, end: 6}, false},
		{step{process: 1, value: "1", begin: 14, end: 15}, false},
		{step{process: 1, value: "1", begin: 15, end: 16}, true}, // more than 10 after
		{step{process: 1, value: "2", begin: 15, end: 16}, false},
		{step{process: 1, value: "3", begin: 15, end: 16}, false}, // it may be the last one
		{step{process: 1, value: "", begin: 15, end: 16}, true},
		{step{process: 1, value: "", begin: 1, end: 2}, false},
		{step{process: 1, value: "never", begin: 1, end: 2}, true},
		{step{process: 0, value: "1", begin: 3, end: 6}, false}, // during the write
	} {
		c.read.key = "k"
		if got := checkHistory([]step{w1, w2, lost, c.read}, 10); (len(got) > 0) != c.wrong {
			t.Errorf("%+v: %q, want wrong %v", c.read, got, c.wrong)
		}
	}
}
