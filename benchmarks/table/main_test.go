package main

import (
	"strings"
	"testing"
)

func TestTable(t *testing.T) {
	const output = `goos: linux
pkg: example.com/benchmarks
BenchmarkX/near/Get/16/one-2         	  300000	     13000 ns/op	      96 B/op	       3 allocs/op
BenchmarkX/near/Get/16/one,_more-2   	  300000	     16000 ns/op	     224 B/op	       5 allocs/op
BenchmarkX/far/Get/1/one-2           	     100	   2345678 ns/op	      96 B/op	       3 allocs/op
PASS
BenchmarkX/near/Get/16/one-2         	  300000	     11000 ns/op	      96 B/op	       3 allocs/op
BenchmarkX/near/Get/16/one,_more-2   	  300000	     20000 ns/op	     224 B/op	       5 allocs/op
BenchmarkX/near/Get/16/one-2         	  300000	     10000 ns/op	      96 B/op	       3 allocs/op
`
	const want = `| | one | one, more | allocations |
|---|---:|---:|---|
| near, Get, 16 | 11µs | 1.64 | 3, 5 |
| far, Get, 1 | 2.35ms | | 3 |
`
	got, err := table(strings.NewReader(output))
	if got != want || err != nil {
		t.Errorf("table = %v\n%s\nwant\n%s", err, got, want)
	}
}

func TestTableOfNothingIsAnError(t *testing.T) {
	for _, output := range []string{"", "PASS\n", "BenchmarkX/one-2 100 many ns/op\n", "BenchmarkX/one-2 100 7 B/op\n"} {
		if got, err := table(strings.NewReader(output)); err == nil {
			t.Errorf("table of %q = %q, want an error", output, got)
		}
	}
}
