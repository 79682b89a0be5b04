// Table makes a table out of the output of Go benchmarks, in which the last part of
// a name says which of several rivals ran, and the parts before it at what:
//
//	for i in 1 2 3 4 5; do go test -run='^$' -bench=Pure ./benchmarks/memcached; done | go run ./benchmarks/table
//
// Of several runs it takes the median. The time of the first rival of a row is
// given as it is, and those of the others as multiples of it.
package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
)

func main() {
	text, err := table(os.Stdin)
	if err != nil {
		fmt.Fprintln(os.Stderr, "table:", err)
		os.Exit(1)
	}
	fmt.Print(text)
}

// A row is what several rivals did at one thing.
type row struct {
	name    string
	results map[string]*result // by rival
}

type result struct {
	times  []float64 // nanoseconds
	allocs string
}

// table answers the table of the benchmarks that in tells of.
func table(in io.Reader) (string, error) {
	var rows []*row
	var rivals []string
	byName := map[string]*row{}
	for lines := bufio.NewScanner(in); ; {
		if !lines.Scan() {
			if err := lines.Err(); err != nil {
				return "", err
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
			rows = append(rows, r)
		}
		if !slices.Contains(rivals, rival) {
			rivals = append(rivals, rival)
		}
		if r.results[rival] == nil {
			r.results[rival] = &result{}
		}
		if err := r.results[rival].add(fields[2:]); err != nil {
			return "", fmt.Errorf("%q: %w", lines.Text(), err)
		}
	}
	if len(rows) == 0 {
		return "", fmt.Errorf("there is no benchmark in the input")
	}
	var b strings.Builder
	fmt.Fprintf(&b, "| | %s | allocations |\n|---|%s---|\n", strings.Join(rivals, " | "), strings.Repeat("---:|", len(rivals)))
	for _, r := range rows {
		r.write(&b, rivals)
	}
	return b.String(), nil
}

// split answers the parts of a benchmark's name: BenchmarkX/what/it/did/rival-8.
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
func (r *result) add(fields []string) error {
	for i := 0; i+1 < len(fields); i += 2 {
		switch fields[i+1] {
		case "ns/op":
			ns, err := strconv.ParseFloat(fields[i], 64)
			if err != nil {
				return err
			}
			r.times = append(r.times, ns)
		case "allocs/op":
			r.allocs = fields[i]
		}
	}
	if len(r.times) == 0 {
		return fmt.Errorf("no ns/op")
	}
	return nil
}

func (r *row) write(b *strings.Builder, rivals []string) {
	fmt.Fprintf(b, "| %s |", r.name)
	var base float64
	var allocs []string
	for _, rival := range rivals {
		result := r.results[rival]
		switch {
		case result == nil:
			b.WriteString(" |")
			continue
		case base == 0:
			base = median(result.times)
			fmt.Fprintf(b, " %v |", shown(base))
		default:
			fmt.Fprintf(b, " %.2f |", median(result.times)/base)
		}
		allocs = append(allocs, result.allocs)
	}
	fmt.Fprintf(b, " %s |\n", strings.Join(allocs, ", "))
}

// shown answers ns with three digits that count.
func shown(ns float64) time.Duration {
	d, unit := time.Duration(ns), time.Duration(1)
	for d/unit >= 1000 {
		unit *= 10
	}
	return d.Round(unit)
}

func median(times []float64) float64 {
	slices.Sort(times)
	middle := len(times) / 2
	if len(times)%2 == 1 {
		return times[middle]
	}
	return (times[middle-1] + times[middle]) / 2
}
