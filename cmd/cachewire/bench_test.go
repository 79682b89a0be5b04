package main_test

import (
	"encoding/json"
	"strings"
	"testing"
)

// A benchReport is what the tests read of the JSON of bench.
type benchReport struct {
	URL                  string
	Rounds               []float64
	Hits, Misses, Failed int
	Verbs                map[string]struct{ Count, P50, Max int64 }
	Ratio                struct{ Median, Min, Max float64 }
}

// bench runs bench -json and returns its reports.
func (c tool) bench(args ...string) (reports []benchReport) {
	c.t.Helper()
	r := c.run(append([]string{"bench", "-json", "-duration", "200ms", "-keys", "50"}, args...)...)
	if r.status != 0 || r.stderr != "" {
		c.t.Fatalf("bench %q: %+v", args, r)
	}
	for line := range strings.Lines(r.stdout) {
		var report benchReport
		if err := json.Unmarshal([]byte(line), &report); err != nil {
			c.t.Fatal(err)
		}
		reports = append(reports, report)
	}
	return reports
}

func TestBenchCallsTheVerbsOfTheMix(t *testing.T) {
	eachServer(t, func(t *testing.T, c tool) {
		c.want(0, "", "set", "mine", "v")
		mix := "get=6,set=1,add=1,delete=1,incr=3,touch=1"
		reports := c.bench("-mix", mix, "-dist", "uniform")
		if len(reports) != 1 {
			t.Fatalf("%d reports, want 1", len(reports))
		}
		r := reports[0]
		var sum int64
		for _, verb := range []string{"get", "set", "add", "delete", "incr", "touch"} {
			v := r.Verbs[verb]
			if v.Count == 0 || v.P50 <= 0 || v.Max < v.P50 {
				t.Errorf("%s: %+v", verb, v)
			}
			sum += v.Count
		}
		if int64(r.Hits+r.Misses) != sum || r.Failed != 0 || r.Hits == 0 || r.Misses == 0 {
			t.Errorf("%d found, %d not found, %d failed; want %d together, none failed",
				r.Hits, r.Misses, r.Failed, sum)
		}
		if gets, incrs := r.Verbs["get"].Count, r.Verbs["incr"].Count; gets < incrs {
			t.Errorf("%d gets and %d incrs; want about twice as many", gets, incrs)
		}
		stats := c.run("stats", "-json")
		if !strings.Contains(stats.stdout, `"items":1,`) {
			t.Errorf("after bench: %s; want only the item that was there before", stats.stdout)
		}
		c.want(0, "v", "get", "mine")
	})
}

func TestBenchComparesTwoCaches(t *testing.T) {
	c := tool{t: t}
	// A cache in the process is faster than one over the network by any measure.
	reports := c.bench(redisURL(t), "memory://", "-size", "10-1000")
	if len(reports) != 2 || reports[1].URL != "memory://" {
		t.Fatalf("reports: %+v", reports)
	}
	if n := len(reports[0].Rounds); n != 5 || len(reports[1].Rounds) != n {
		t.Errorf("%d and %d rounds, want 5", n, len(reports[1].Rounds))
	}
	if r := reports[1].Ratio; r.Median <= 1 || r.Min > r.Median || r.Max < r.Median {
		t.Errorf("memory:// beside Redis: %+v, want more than 1", r)
	}
	r := c.run("bench", "memory://", "memory://", "-duration", "100ms")
	for _, want := range []string{"p99.9", "█", "verbs a second", "2 does "} {
		if r.status != 0 || !strings.Contains(r.stdout, want) {
			t.Errorf("bench: %+v; want %q", r, want)
		}
	}
}

func TestBenchReportsAFailure(t *testing.T) {
	c := tool{t: t}
	r := c.run("bench", redisURL(t)+"?max_value=1024", "-size", "1025", "-duration", "100ms")
	if r.status != 3 || !strings.Contains(r.stderr, "too large") {
		t.Errorf("bench with values that are too large: %+v", r)
	}
}

func TestBenchRefusesALoadThatItCannotMake(t *testing.T) {
	c := tool{t: t}.with("memory://")
	for flag, value := range map[string]string{
		"-mix": "gets=1", "-dist": "normal", "-size": "10-5", "-keys": "0", "-goroutines": "0",
		"-duration": "-1s",
	} {
		c.wantError(2, flag, "bench", flag, value)
	}
	c.wantError(2, "not a URL", "bench", "nonsense")
}
