package main

import (
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// median returns the median of figures, which must not be empty.
func median(figures []float64) float64 {
	sorted := slices.Sorted(slices.Values(figures))
	n := len(sorted)
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}

// ratios returns the median of the ratios of the rates of b and other, round by round, with the
// least and the largest of them.
func (b *bench) ratios(other *bench) (middle, least, largest float64) {
	var all []float64
	for i, rate := range b.rates {
		all = append(all, rate/max(other.rates[i], 1e-9))
	}
	return median(all), slices.Min(all), slices.Max(all)
}

// A jsonBench has the figures of a cache in JSON. Times are in nanoseconds.
type jsonBench struct {
	URL       string               `json:"url"`
	PerSecond float64              `json:"verbs_per_second"`
	Rates     []float64            `json:"rounds"`
	Hits      int                  `json:"hits"`
	Misses    int                  `json:"misses"`
	Failed    int                  `json:"failed"`
	Verbs     map[string]jsonTimes `json:"verbs"`
	Ratio     *jsonRatio           `json:"ratio,omitempty"` // to the first cache
}

type jsonTimes struct {
	Count int64 `json:"count"`
	P50   int64 `json:"p50"`
	P90   int64 `json:"p90"`
	P99   int64 `json:"p99"`
	P999  int64 `json:"p99.9"`
	Max   int64 `json:"max"`
}

type jsonRatio struct {
	Median float64 `json:"median"`
	Min    float64 `json:"min"`
	Max    float64 `json:"max"`
}

func timesOf(h *hdrhistogram.Histogram) jsonTimes {
	at := h.ValueAtQuantile
	return jsonTimes{h.TotalCount(), at(50), at(90), at(99), at(99.9), h.Max()}
}

// printBench prints the figures of the caches.
func (t *tool) printBench(benches []*bench, asJSON bool) error {
	if asJSON {
		return t.printBenchJSON(benches)
	}
	var b strings.Builder
	table := tabwriter.NewWriter(&b, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(table, "cache\tverb\tcount\tp50\tp90\tp99\tp99.9\tmax\t")
	for i, bench := range benches {
		row := func(verb string, h *hdrhistogram.Histogram) {
			times := timesOf(h)
			fmt.Fprintf(table, "%d\t%s\t%d\t", i+1, verb, times.Count)
			for _, n := range []int64{times.P50, times.P90, times.P99, times.P999, times.Max} {
				fmt.Fprintf(table, "%v\t", shortTime(n))
			}
			fmt.Fprintln(table)
		}
		for _, verb := range benchVerbs {
			if h := bench.byVerb[verb]; h != nil {
				row(verb, h)
			}
		}
		if len(bench.byVerb) > 1 {
			row("all", bench.total)
		}
	}
	table.Flush()
	for i, bench := range benches {
		fmt.Fprintf(&b, "\n%d: %s: %s, %d found, %d not found, %d failed\n", i+1, bench.place,
			t.styled(bold, fmt.Sprintf("%.0f verbs a second", median(bench.rates))),
			bench.hits, bench.misses, bench.failed)
		printBars(&b, bench.total)
	}
	if len(benches) == 2 {
		middle, least, largest := benches[1].ratios(benches[0])
		fmt.Fprintf(&b, "\n2 does %s as many verbs as 1 (in single rounds %.2f to %.2f times)\n",
			t.styled(bold, fmt.Sprintf("%.2f times", middle)), least, largest)
	}
	_, err := io.WriteString(t.stdout, b.String())
	return err
}

// shortTime returns nanoseconds with three digits.
func shortTime(n int64) time.Duration {
	d := time.Duration(n)
	unit := time.Duration(1)
	for d/unit >= 1000 {
		unit *= 10
	}
	return d.Round(unit)
}

// printBars prints the histogram: for each power of two of a microsecond, the share of the verbs
// that took less, but not less than half. It leaves out less than a thousandth at both ends.
func printBars(w io.Writer, h *hdrhistogram.Histogram) {
	shares := map[int]int64{}
	for _, bar := range h.Distribution() {
		if bar.Count == 0 {
			continue
		}
		power := 0
		for time.Duration(bar.From) >= time.Microsecond<<power {
			power++
		}
		shares[power] += bar.Count
	}
	least, most, largest := math.MaxInt, 0, int64(1)
	for power, n := range shares {
		if n*1000 >= h.TotalCount() {
			least, most, largest = min(least, power), max(most, power), max(largest, n)
		}
	}
	for power := least; power <= most; power++ {
		n := shares[power]
		line := fmt.Sprintf("  < %-9v %5.1f%% %s", time.Microsecond<<power,
			100*float64(n)/float64(h.TotalCount()), strings.Repeat("█", int(40*n/largest)))
		fmt.Fprintln(w, strings.TrimRight(line, " "))
	}
}

func (t *tool) printBenchJSON(benches []*bench) error {
	for i, b := range benches {
		line := jsonBench{
			URL: b.place.String(), PerSecond: median(b.rates), Rates: b.rates,
			Hits: b.hits, Misses: b.misses, Failed: b.failed, Verbs: map[string]jsonTimes{},
		}
		for verb, h := range b.byVerb {
			line.Verbs[verb] = timesOf(h)
		}
		if i > 0 {
			middle, least, largest := b.ratios(benches[0])
			line.Ratio = &jsonRatio{middle, least, largest}
		}
		if err := t.printJSON(line); err != nil {
			return err
		}
	}
	return nil
}
