package main

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"slices"
	"text/tabwriter"
	"time"
)

// A tally has the figures of a pass.
type tally struct {
	files, hits, misses, errors int // files that are done; errors are those of the cache
	symbols                     int
	broken, unread              int    // files with syntax errors, and that could not be read
	checksum                    string // of the files and their symbols
	cacheErr, fileErr           error  // the first of each
}

// tally returns the figures of p, which is a pass over files.
func (p pass) tally(files []string) tally {
	var t tally
	hash := sha256.New()
	for i, r := range p.results {
		if !r.done {
			continue
		}
		t.files++
		t.symbols += len(r.exports.symbols)
		t.hits += toInt(r.hit)
		t.misses += toInt(r.miss)
		t.errors += toInt(r.cacheErr != nil)
		t.broken += toInt(r.exports.broken)
		t.unread += toInt(r.fileErr != nil)
		t.cacheErr = firstError(t.cacheErr, r.cacheErr)
		t.fileErr = firstError(t.fileErr, r.fileErr)
		fmt.Fprintf(hash, "%q %q %t %t\n",
			files[i], r.exports.symbols, r.exports.broken, r.fileErr != nil)
	}
	t.checksum = fmt.Sprintf("%.8x", hash.Sum(nil))
	return t
}

// report prints the figures of passes, and that all of them found the same symbols. It
// returns an error if they did not. A pass that was interrupted is not compared.
func report(w io.Writer, files []string, passes []pass) error {
	tallies := make([]tally, len(passes))
	for i, p := range passes {
		tallies[i] = p.tally(files)
	}
	printTable(w, passes, tallies, len(files))
	fmt.Fprintln(w)
	for i, t := range tallies {
		printRemarks(w, passes[i], t)
	}
	for i, t := range tallies {
		if t.files < len(files) {
			return nil // the pass was interrupted
		}
		if t.checksum != tallies[0].checksum {
			return differenceError(files, passes[0], passes[i])
		}
	}
	fmt.Fprintf(w, "All passes found the same %d symbols (checksum %s).\n",
		tallies[0].symbols, tallies[0].checksum)
	return nil
}

func printTable(w io.Writer, passes []pass, tallies []tally, total int) {
	tw := tabwriter.NewWriter(w, 0, 0, 3, ' ', tabwriter.AlignRight)
	fmt.Fprintln(tw, "pass  \tfiles\ttime\thits\tmisses\terrors\tspeed-up\t")
	for i, p := range passes {
		t := tallies[i]
		speedUp := "-" // of an interrupted pass
		if t.files == total {
			speedUp = fmt.Sprintf("%.1fx", float64(passes[0].duration)/float64(max(p.duration, 1)))
		}
		fmt.Fprintf(tw, "%-6s\t%d\t%v\t%d\t%d\t%d\t%s\t\n",
			p.name, t.files, threeDigits(p.duration), t.hits, t.misses, t.errors, speedUp)
	}
	tw.Flush()
}

// printRemarks prints what the table does not explain.
func printRemarks(w io.Writer, p pass, t tally) {
	name := p.name
	if p.remark != "" {
		fmt.Fprintln(w, p.remark)
	}
	if name == "first" && t.hits > 0 {
		fmt.Fprintf(w, "The cache already had %s before the first pass.\n", fileCount(t.hits))
	}
	if name == "second" && t.hits+t.errors == 0 && t.misses > 0 {
		fmt.Fprintln(w, "The second pass found nothing in the cache and parsed all files again.")
	}
	if t.cacheErr != nil {
		fmt.Fprintf(w, "In the %s pass the cache failed for %s, "+
			"which took time but lost no symbols. The first error:\n  %v\n",
			name, fileCount(t.errors), t.cacheErr)
	}
	if t.fileErr != nil {
		fmt.Fprintf(w, "In the %s pass %s could not be read. The first error:\n  %v\n",
			name, fileCount(t.unread), t.fileErr)
	}
	if t.broken > 0 {
		fmt.Fprintf(w, "In the %s pass %s had syntax errors; the symbols that were found count.\n",
			name, fileCount(t.broken))
	}
}

// differenceError returns an error that says for which files two passes differ.
func differenceError(files []string, first, other pass) error {
	var differing []string
	for i, path := range files {
		a, b := first.results[i], other.results[i]
		same := slices.Equal(a.exports.symbols, b.exports.symbols) &&
			a.exports.broken == b.exports.broken && (a.fileErr == nil) == (b.fileErr == nil)
		if !same {
			differing = append(differing, path)
		}
	}
	if len(differing) == 0 {
		return errors.New("the checksums of the passes differ, but not their symbols")
	}
	return fmt.Errorf("the passes found different symbols in %s, "+
		"which may have changed meanwhile; the first: %s", fileCount(len(differing)), differing[0])
}

// threeDigits returns d rounded to three digits.
func threeDigits(d time.Duration) time.Duration {
	unit := time.Duration(1)
	for d/unit >= 1000 {
		unit *= 10
	}
	return d.Round(unit)
}

func fileCount(files int) string {
	if files == 1 {
		return "1 file"
	}
	return fmt.Sprintf("%d files", files)
}

func toInt(b bool) int {
	if b {
		return 1
	}
	return 0
}

func firstError(a, b error) error {
	if a != nil {
		return a
	}
	return b
}
