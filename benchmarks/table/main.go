// Table makes a table out of the output of Go benchmarks, in which the last part of
// a name says which of several rivals ran, and the parts before it at what:
//
//	for i in 1 2 3 4 5; do go test -run='^$' -bench=Pure ./benchmarks/memcached; done | go run ./benchmarks/table
//
// Of several runs it takes the median. The time of the first rival of a row is
// given as it is, and those of the others as multiples of what it took in the same run. Flags:
//
//	-unit U     not of times, but of what the benchmarks report as U, as it is
//	-svg file   draws a chart of the rows as well
package main

import (
	"bufio"
	"flag"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
)

func main() {
	var opts options
	flag.StringVar(&opts.unit, "unit", "ns/op", "what to make a table of")
	svg := flag.String("svg", "", "a file for a chart")
	flag.Parse()
	t, err := read(os.Stdin, opts)
	if err == nil && *svg != "" {
		err = os.WriteFile(*svg, []byte(t.svg()), 0o644)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "table:", err)
		os.Exit(1)
	}
	fmt.Print(t.markdown())
}

type options struct {
	unit string
}

// A table is what several rivals did at several things.
type table struct {
	options
	rows   []*row
	rivals []string
}

// A row is what several rivals did at one thing.
type row struct {
	name    string
	results map[string]*result // by rival
}

type result struct {
	values []float64
	allocs string
}

// read reads the output of benchmarks.
func read(in io.Reader, opts options) (*table, error) {
	t := &table{options: opts}
	byName := map[string]*row{}
	for lines := bufio.NewScanner(in); ; {
		if !lines.Scan() {
			if err := lines.Err(); err != nil {
				return nil, err
			}
			break
		}
		fields := strings.Fields(lines.Text())
		if len(fields) < 4 || !strings.HasPrefix(fields[0], "Benchmark") {
			continue
		}
		name, rival := split(fields[0])
		r := byName[name]
		if r == nil {
			r = &row{name: name, results: map[string]*result{}}
			byName[name] = r
			t.rows = append(t.rows, r)
		}
		if !slices.Contains(t.rivals, rival) {
			t.rivals = append(t.rivals, rival)
		}
		if r.results[rival] == nil {
			r.results[rival] = &result{}
		}
		if err := r.results[rival].add(fields[2:], opts.unit); err != nil {
			return nil, fmt.Errorf("%q: %w", lines.Text(), err)
		}
	}
	if len(t.rows) == 0 {
		return nil, fmt.Errorf("there is no benchmark in the input")
	}
	for _, r := range t.rows {
		runs := 0
		for rival, result := range r.results {
			if runs == 0 {
				runs = len(result.values)
			}
			if len(result.values) != runs {
				return nil, fmt.Errorf("%s: %s ran %d times, another %d times", r.name, rival, len(result.values), runs)
			}
		}
	}
	return t, nil
}

// times tells whether t is of times, which are given as multiples of the first.
func (t *table) times() bool { return t.unit == "ns/op" }

// allocs tells whether t tells allocations, too: where it is of times, and they were counted.
func (t *table) allocs() bool {
	for _, r := range t.rows {
		for _, result := range r.results {
			if t.times() && result.allocs != "" {
				return true
			}
		}
	}
	return false
}

func (t *table) markdown() string {
	var b strings.Builder
	head, rule := " allocations |", "---|"
	if !t.allocs() {
		head, rule = "", ""
	}
	fmt.Fprintf(&b, "| | %s |%s\n|---|%s%s\n", strings.Join(t.rivals, " | "), head, strings.Repeat("---:|", len(t.rivals)), rule)
	for _, r := range t.rows {
		r.write(&b, t)
	}
	return b.String()
}

// split answers the parts of a benchmark's name, BenchmarkX/what/it/did/rival-8.
func split(name string) (what, rival string) {
	if at := strings.LastIndexByte(name, '-'); at >= 0 {
		if _, err := strconv.Atoi(name[at+1:]); err == nil { // GOMAXPROCS
			name = name[:at]
		}
	}
	parts := strings.Split(strings.ReplaceAll(name, "_", " "), "/")
	last := len(parts) - 1
	return strings.Join(parts[min(1, last):last], ", "), parts[last]
}

// add notes values and their units, in turn.
func (r *result) add(fields []string, unit string) error {
	for i := 0; i+1 < len(fields); i += 2 {
		switch fields[i+1] {
		case unit:
			value, err := strconv.ParseFloat(fields[i], 64)
			if err != nil {
				return err
			}
			r.values = append(r.values, value)
		case "allocs/op":
			r.allocs = fields[i]
		}
	}
	if len(r.values) == 0 {
		return fmt.Errorf("no %s", unit)
	}
	return nil
}

func (r *row) write(b *strings.Builder, t *table) {
	fmt.Fprintf(b, "| %s |", r.name)
	var base []float64
	var allocs []string
	for _, rival := range t.rivals {
		result := r.results[rival]
		switch {
		case result == nil:
			b.WriteString(" |")
			continue
		case !t.times():
			fmt.Fprintf(b, " %.4g |", median(result.values))
			continue
		case base == nil:
			base = result.values
			fmt.Fprintf(b, " %v |", shown(median(base)))
		default:
			fmt.Fprintf(b, " %.2f |", ratio(result.values, base))
		}
		allocs = append(allocs, result.allocs)
	}
	if t.allocs() {
		fmt.Fprintf(b, " %s |", strings.Join(allocs, ", "))
	}
	b.WriteString("\n")
}

// shown answers ns with three digits that count.
func shown(ns float64) time.Duration {
	d, unit := time.Duration(ns), time.Duration(1)
	for d/unit >= 1000 {
		unit *= 10
	}
	return d.Round(unit)
}

// ratio answers the median of the ratios of values that are of one run.
func ratio(values, base []float64) float64 {
	ratios := make([]float64, len(values))
	for i := range ratios {
		ratios[i] = values[i] / base[i]
	}
	return median(ratios)
}

func median(values []float64) float64 {
	values = slices.Sorted(slices.Values(values))
	middle := len(values) / 2
	if len(values)%2 == 1 {
		return values[middle]
	}
	return (values[middle-1] + values[middle]) / 2
}
