package main

import (
	"encoding/xml"
	"io"
	"slices"
	"strings"
	"testing"
)

func TestTableHasMediansAndRatios(t *testing.T) {
	const output = `goos: linux
pkg: example.com/benchmarks
BenchmarkX/near/Get/16/one-2         	  300000	     13000 ns/op	      96 B/op	       3 allocs/op
BenchmarkX/near/Get/16/one,_more-2   	  300000	     30000 ns/op	     224 B/op	       5 allocs/op
BenchmarkX/far/Get/1/one-2           	     100	   2345678 ns/op	      96 B/op	       3 allocs/op
PASS
BenchmarkX/near/Get/16/one-2         	  300000	     11000 ns/op	      96 B/op	       3 allocs/op
BenchmarkX/near/Get/16/one,_more-2   	  300000	     20000 ns/op	     224 B/op	       5 allocs/op
BenchmarkX/near/Get/16/one-2         	  300000	     10000 ns/op	      96 B/op	       3 allocs/op
BenchmarkX/near/Get/16/one,_more-2   	  300000	     50000 ns/op	     224 B/op	       5 allocs/op
`
	const want = `| | one | one, more | allocations |
|---|---:|---:|---|
| near, Get, 16 | 11µs | 2.31 | 3, 5 |
| far, Get, 1 | 2.35ms | | 3 |
`
	got := markdown(t, output, options{unit: "ns/op"})
	if got != want {
		t.Errorf("table\n%s\nwant\n%s", got, want)
	}
}

func markdown(t *testing.T, output string, opts options) string {
	t.Helper()
	table, err := read(strings.NewReader(output), opts)
	if err != nil {
		t.Fatal(err)
	}
	return table.markdown()
}

const withoutAllocs = `BenchmarkY/zipf,90%/one-2   10  100 ns/op  12.5 %hits
BenchmarkY/zipf,90%/two-2   10  300 ns/op  50 %hits
BenchmarkY/scan/one-2       10  200 ns/op  7.25 %hits
`

func TestTableWithoutAllocationsAndInAnotherUnit(t *testing.T) {
	const want = "| | one | two |\n|---|---:|---:|\n" +
		"| zipf,90% | 100ns | 3.00 |\n| scan | 200ns | |\n"
	if got := markdown(t, withoutAllocs, options{unit: "ns/op"}); got != want {
		t.Errorf("table\n%s\nwant\n%s", got, want)
	}
	const hits = "| | one | two |\n|---|---:|---:|\n| zipf,90% | 12.5 | 50 |\n| scan | 7.25 | |\n"
	if got := markdown(t, withoutAllocs, options{unit: "%hits"}); got != hits {
		t.Errorf("table\n%s\nwant\n%s", got, hits)
	}
}

// The chart is valid XML. The length of each bar is proportional to its result.
func TestChartHasABarForEachResult(t *testing.T) {
	table, err := read(strings.NewReader(withoutAllocs), options{unit: "%hits"})
	if err != nil {
		t.Fatal(err)
	}
	var widths []string
	for decoder := xml.NewDecoder(strings.NewReader(table.svg())); ; {
		token, err := decoder.Token()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if e, ok := token.(xml.StartElement); ok && e.Name.Local == "rect" {
			for _, a := range e.Attr {
				if a.Name.Local == "width" && strings.Contains(a.Value, ".") {
					widths = append(widths, a.Value)
				}
			}
		}
	}
	if want := []string{"130.0", "520.0", "75.4"}; !slices.Equal(widths, want) {
		t.Errorf("the bars have widths %q, want %q", widths, want)
	}
}

func TestWrongInputIsAnError(t *testing.T) {
	for _, output := range []string{
		"",
		"PASS\n",
		"BenchmarkX/one-2 100 many ns/op\n",
		"BenchmarkX/one-2 100 7 B/op\n",
		"BenchmarkX/one-2 100 7 ns/op\n" +
			"BenchmarkX/two-2 100 7 ns/op\nBenchmarkX/two-2 100 7 ns/op\n",
	} {
		if got, err := read(strings.NewReader(output), options{unit: "ns/op"}); err == nil {
			t.Errorf("table of %q = %q, want an error", output, got.markdown())
		}
	}
}
