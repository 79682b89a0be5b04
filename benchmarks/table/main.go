// Table makes a table of the output of Go benchmarks. The last part of a benchmark's name
// is the rival, and the parts before it are the benchmark:
//
//	for i in 1 2 3 4 5; do
//		go test -run='^$' -bench=Pure ./benchmarks/memcached
//	done | go run ./benchmarks/table
//
// The results of several runs become their median. The table has the time of the first rival
// of each row; for the other rivals it has the ratio of their time to that of the first one
// in the same run. Flags:
//
//	-unit U     make a table of the results in unit U, as they are, instead of times
//	-svg file   also draw a chart of the rows
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
	flag.StringVar(&opts.unit, "unit", "ns/op", "the unit of the results in the table")
	svg := flag.String("svg", "", "the file to which a chart is written")
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

// A table has the results of several rivals in several benchmarks.
type table struct {
	options
	rows   []*row
	rivals []string
}

// A row has the results of several rivals in one benchmark.
type row struct {
	name    string
	results map[string]*result // by rival
}

// A result is the result of one rival in one benchmark.
type result struct {
	values []float64 // one for each run
	allocs string    // of the last run; "" if allocations were not counted
}

// read reads the output of benchmarks. It returns an error if there are none, or if the rivals
// of a row did not run equally often.
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
		return nil, fmt.Errorf("the input has no benchmarks")
	}
	for _, r := range t.rows {
		runs := 0
		for rival, result := range r.results {
			if runs == 0 {
				runs = len(result.values)
			}
			if len(result.values) != runs {
				return nil, fmt.Errorf("%s: %s ran %d times, and another rival %d times",
					r.name, rival, len(result.values), runs)
			}
		}
	}
	return t, nil
}

// hasTimes reports whether the table is of times. Only these become ratios.
func (t *table) hasTimes() bool { return t.unit == "ns/op" }

// hasAllocs reports whether the table has a column of allocations: it is of times, and they
// were counted.
func (t *table) hasAllocs() bool {
	for _, r := range t.rows {
		for _, result := range r.results {
			if t.hasTimes() && result.allocs != "" {
				return true
			}
		}
	}
	return false
}

func (t *table) markdown() string {
	var b strings.Builder
	head, rule := " allocations |", "---|"
	if !t.hasAllocs() {
		head, rule = "", ""
	}
	fmt.Fprintf(&b, "| | %s |%s\n", strings.Join(t.rivals, " | "), head)
	fmt.Fprintf(&b, "|---|%s%s\n", strings.Repeat("---:|", len(t.rivals)), rule)
	for _, r := range t.rows {
		r.write(&b, t)
	}
	return b.String()
}

// split returns the row and the rival of a benchmark named BenchmarkX/the/row/rival-8.
func split(name string) (row, rival string) {
	if at := strings.LastIndexByte(name, '-'); at >= 0 {
		if _, err := strconv.Atoi(name[at+1:]); err == nil { // GOMAXPROCS
			name = name[:at]
		}
	}
	parts := strings.Split(strings.ReplaceAll(name, "_", " "), "/")
	last := len(parts) - 1
	return strings.Join(parts[min(1, last):last], ", "), parts[last]
}

// add adds the results of one run. In fields, each number is followed by its unit.
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
		return fmt.Errorf("no result in %s", unit)
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
		case !t.hasTimes():
			fmt.Fprintf(b, " %.4g |", median(result.values))
			continue
		case base == nil:
			base = result.values
			fmt.Fprintf(b, " %v |", threeDigits(median(base)))
		default:
			fmt.Fprintf(b, " %.2f |", ratio(result.values, base))
		}
		allocs = append(allocs, result.allocs)
	}
	if t.hasAllocs() {
		fmt.Fprintf(b, " %s |", strings.Join(allocs, ", "))
	}
	b.WriteString("\n")
}

// threeDigits returns ns rounded to three significant digits.
func threeDigits(ns float64) time.Duration {
	d, unit := time.Duration(ns), time.Duration(1)
	for d/unit >= 1000 {
		unit *= 10
	}
	return d.Round(unit)
}

// ratio returns the median of the ratios of values to base, taken run by run.
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
