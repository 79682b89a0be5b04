package main

import (
	"bytes"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

func TestProgressOnATerminalLeavesAnEmptyLine(t *testing.T) {
	var out bytes.Buffer
	const width = 60
	p := startProgressOn(&out, func() int { return width }, "first pass", 10)
	for range 10 {
		p.step()
	}
	p.stop()
	shown := strings.Split(out.String(), "\r")
	if len(shown) < 3 || !strings.HasPrefix(shown[1], "first pass [") {
		t.Fatalf("there is no bar in %q", shown)
	}
	blank, last := shown[len(shown)-2], shown[len(shown)-1]
	if strings.TrimLeft(blank, " ") != "" || last != "" {
		t.Errorf("the output ends with %q and %q, want blanks and a carriage return", blank, last)
	}
	for _, line := range shown {
		if utf8.RuneCountInString(line) >= width {
			t.Errorf("%q does not fit into %d columns", line, width)
		}
		if len(line) > len(blank) {
			t.Errorf("%q is not covered by %d blanks", line, len(blank))
		}
	}
}

func TestProgressWithoutATerminalPrintsPlainLines(t *testing.T) {
	o := runDemo(t.Context(), "", "-dir", writeTree(t, manyFiles(10)))
	want := "first pass: 10 files\nfirst pass: 10 of 10 files done\n" +
		"second pass: 10 files\nsecond pass: 10 of 10 files done\n" +
		"third pass: 10 files\nthird pass: 10 of 10 files done\n"
	if o.stderr != want {
		t.Errorf("standard error %q\nwant %q", o.stderr, want)
	}
	for _, r := range o.stdout + o.stderr {
		if r != '\n' && unicode.IsControl(r) {
			t.Fatalf("there is a control character %q in %q", r, o.stdout+o.stderr)
		}
	}
}

func TestBarFitsTheWidth(t *testing.T) {
	for _, tt := range []struct {
		done, total, width int
		want               string
	}{
		{0, 10, 40, "pass [                    ]  0 of 10"},
		{5, 10, 40, "pass [##########          ]  5 of 10"},
		{10, 10, 40, "pass [####################] 10 of 10"},
		{0, 0, 40, "pass [                      ] 0 of 0"},
		{1, 2, 23, "pass [##   ] 1 of 2"},
		{1, 2, 20, "1 of 2"}, // no room for a bar
		{1, 2, 8, "1 of"},
		{1, 2, 1, ""},
	} {
		if got := bar("pass", tt.done, tt.total, tt.width); got != tt.want {
			t.Errorf("bar(%d, %d, width %d)\n got %q\nwant %q",
				tt.done, tt.total, tt.width, got, tt.want)
		}
	}
}
