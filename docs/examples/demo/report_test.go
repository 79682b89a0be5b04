package main

import (
	"errors"
	"strings"
	"testing"
	"time"
)

func TestReportPrintsTheTableRemarksAndTheNumberOfSymbols(t *testing.T) {
	files := []string{"a.go", "b.go"}
	a := exports{symbols: []string{"func A"}}
	b := exports{symbols: []string{"func B", "var C"}, broken: true}
	passes := []pass{
		{name: "first", duration: 1234567 * time.Microsecond, results: []result{
			{done: true, exports: a, miss: true},
			{done: true, exports: b, miss: true, cacheErr: errors.New("full")},
		}},
		{name: "second", duration: 25 * time.Millisecond, results: []result{
			{done: true, exports: a, hit: true},
			{done: true, exports: b, miss: true},
		}},
	}
	var out strings.Builder
	if err := report(&out, files, passes); err != nil {
		t.Fatal(err)
	}
	got, _, _ := strings.Cut(out.String(), " (checksum")
	const want = `   pass     files    time   hits   misses   errors   speed-up
   first        2   1.23s      0        2        1       1.0x
   second       2    25ms      1        1        0      49.4x

In the first pass the cache failed for 1 file, which took time but lost no symbols. The first error:
  full
In the first pass 1 file had syntax errors; the symbols that were found count.
In the second pass 1 file had syntax errors; the symbols that were found count.
All passes found the same 3 symbols`
	if got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
}

func TestReportReturnsAnErrorIfPassesDiffer(t *testing.T) {
	files := []string{"a.go", "b.go"}
	same := result{done: true, exports: exports{symbols: []string{"func A"}}}
	for name, other := range map[string]result{
		"other symbols": {done: true, exports: exports{symbols: []string{"func B"}}},
		"fewer symbols": {done: true},
		"syntax errors": {
			done: true, exports: exports{symbols: same.exports.symbols, broken: true},
		},
		"not readable": {done: true, exports: same.exports, fileErr: errors.New("gone")},
	} {
		t.Run(name, func(t *testing.T) {
			var out strings.Builder
			err := report(&out, files, []pass{
				{name: "first", results: []result{same, same}},
				{name: "second", results: []result{same, other}},
			})
			if err == nil || !strings.Contains(err.Error(), "different symbols in 1 file") ||
				!strings.HasSuffix(err.Error(), "b.go") {
				t.Errorf("report returned error %v, want one that names b.go", err)
			}
			if strings.Contains(out.String(), "the same") {
				t.Errorf("the report says that the passes found the same:\n%s", out.String())
			}
		})
	}
}

func TestThreeDigitsRoundsADuration(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0:                        "0s",
		999:                      "999ns",
		1234567:                  "1.23ms",
		15449999:                 "15.4ms",
		98765 * time.Microsecond: "98.8ms",
		61 * time.Second:         "1m1s",
	} {
		if got := threeDigits(d).String(); got != want {
			t.Errorf("threeDigits(%d) returned %s, want %s", d, got, want)
		}
	}
}
