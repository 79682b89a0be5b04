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

// A tally is a pass in numbers.
type tally struct {
	files, hits, misses, errors int
	symbols                     int
	broken, unread              int
	checksum                    string
	cacheErr, fileErr           error // the first of each
}

// sum adds up what p found in files.
func (p pass) sum(files []string) tally {
	var t tally
	all := sha256.New()
	for i, r := range p.results {
		if !r.done {
			continue
		}
		t.files++
		t.symbols += len(r.exports.symbols)
		t.hits += one(r.hit)
		t.misses += one(r.miss)
		t.errors += one(r.cacheErr != nil)
		t.broken += one(r.exports.broken)
		t.unread += one(r.fileErr != nil)
		t.cacheErr = first(t.cacheErr, r.cacheErr)
		t.fileErr = first(t.fileErr, r.fileErr)
		fmt.Fprintf(all, "%q %q %t %t\n", files[i], r.exports.symbols, r.exports.broken, r.fileErr != nil)
	}
	t.checksum = fmt.Sprintf("%.8x", all.Sum(nil))
	return t
}

// report prints what passes found, and whether they found the same. If not, it
// is an error.
func report(w io.Writer, files []string, passes []pass) error {
	tallies := make([]tally, len(passes))
	for i, p := range passes {
		tallies[i] = p.sum(files)
	}
	table(w, passes, tallies, len(files))
	fmt.Fprintln(w)
	for i, t := range tallies {
		remarks(w, passes[i], t)
	}
	for i, t := range tallies {
		if t.files < len(files) {
			return nil // interrupted: there is nothing to compare
		}
		if t.checksum != tallies[0].checksum {
			return differ(files, passes[0], passes[i])
		}
	}
	fmt.Fprintf(w, "All passes found the same %d symbols (checksum %s).\n", tallies[0].symbols, tallies[0].checksum)
	return nil
}

func table(w io.Writer, passes []pass, tallies []tally, total int) {
	tw := tabwriter.NewWriter(w, 0, 0, 3, ' ', tabwriter.AlignRight)
	fmt.Fprintln(tw, "pass  \tfiles\ttime\thits\tmisses\terrors\tspeed-up\t")
	for i, p := range passes {
		t := tallies[i]
		speedUp := "-" // an interrupted pass compares with nothing
		if t.files == total {
			speedUp = fmt.Sprintf("%.1fx", float64(passes[0].took)/float64(max(p.took, 1)))
		}
		fmt.Fprintf(tw, "%-6s\t%d\t%v\t%d\t%d\t%d\t%s\t\n", p.name, t.files, short(p.took), t.hits, t.misses, t.errors, speedUp)
	}
	tw.Flush()
}

// remarks prints what the table does not explain.
func remarks(w io.Writer, p pass, t tally) {
	name := p.name
	if p.remark != "" {
		fmt.Fprintln(w, p.remark)
	}
	if name == "first" && t.hits > 0 {
		fmt.Fprintf(w, "The cache knew %s before the first pass.\n", count(t.hits))
	}
	if name == "second" && t.hits+t.errors == 0 && t.misses > 0 {
		fmt.Fprintln(w, "The second pass found nothing in the cache, so it had all the work again.")
	}
	if t.cacheErr != nil {
		fmt.Fprintf(w, "In the %s pass the cache failed for %s, which cost time but no symbols. The first error:\n  %v\n",
			name, count(t.errors), t.cacheErr)
	}
	if t.fileErr != nil {
		fmt.Fprintf(w, "In the %s pass %s could not be read. The first error:\n  %v\n", name, count(t.unread), t.fileErr)
	}
	if t.broken > 0 {
		fmt.Fprintf(w, "In the %s pass %s had syntax errors; what could be parsed of them counts.\n", name, count(t.broken))
	}
}

// differ answers an error that says where two passes differ.
func differ(files []string, first, other pass) error {
	var where []string
	for i, path := range files {
		a, b := first.results[i], other.results[i]
		same := slices.Equal(a.exports.symbols, b.exports.symbols) &&
			a.exports.broken == b.exports.broken && (a.fileErr == nil) == (b.fileErr == nil)
		if !same {
			where = append(where, path)
		}
	}
	if len(where) == 0 {
		return errors.New("the passes differ in their checksums and nowhere else")
	}
	return fmt.Errorf("the passes found different symbols in %s, which may have changed meanwhile; the first: %s", count(len(where)), where[0])
}

// short answers d with three digits.
func short(d time.Duration) time.Duration {
	unit := time.Duration(1)
	for d/unit >= 1000 {
		unit *= 10
	}
	return d.Round(unit)
}

func count(files int) string {
	if files == 1 {
		return "1 file"
	}
	return fmt.Sprintf("%d files", files)
}

func one(yes bool) int {
	if yes {
		return 1
	}
	return 0
}

func first(a, b error) error {
	if a != nil {
		return a
	}
	return b
}
