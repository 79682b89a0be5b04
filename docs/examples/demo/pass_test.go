package main

import (
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/docs/examples/mapdriver"
)

// newTestIndexer returns an indexer of the files in dir with an empty cache.
func newTestIndexer(t *testing.T, dir string) *indexer {
	t.Helper()
	cache, err := core.New(mapdriver.New(), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cache.Close() })
	files, err := goFiles(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	x, err := newIndexer(cache, files, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { x.cached.Close() })
	return x
}

// passTally makes a pass and returns its figures. It checks the number of steps.
func (x *indexer) passTally(t *testing.T) tally {
	t.Helper()
	var steps atomic.Int64
	p, err := x.pass(t.Context(), "test", func() { steps.Add(1) })
	if err != nil {
		t.Fatal(err)
	}
	if got := steps.Load(); got != int64(len(x.files)) {
		t.Errorf("step was called %d times for %d files", got, len(x.files))
	}
	return p.tally(x.files)
}

func TestChangedFileIsParsedAgain(t *testing.T) {
	const before, after = "package p\nfunc A() {}\n", "package p\nfunc B() {}\n"
	for _, tt := range []struct {
		name   string
		change func(t *testing.T, path string)
	}{
		{"another size", func(t *testing.T, path string) {
			rewrite(t, path, after+"func C() {}\n", modTime(t, path))
		}},
		{"another time", func(t *testing.T, path string) {
			rewrite(t, path, after, modTime(t, path).Add(time.Second))
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			files := manyFiles(5)
			files["changing.go"] = before
			dir := writeTree(t, files)
			x := newTestIndexer(t, dir)
			old := x.passTally(t)

			tt.change(t, filepath.Join(dir, "changing.go"))
			got := x.passTally(t)
			if got.hits != 5 || got.misses != 1 {
				t.Errorf("%d hits and %d misses, want 5 and 1", got.hits, got.misses)
			}
			if got.checksum == old.checksum {
				t.Error("the checksum did not change with the file")
			}
			if again := x.passTally(t); again.hits != 6 || again.checksum != got.checksum {
				t.Errorf("%d hits and checksum %s, want 6 and %s",
					again.hits, again.checksum, got.checksum)
			}
		})
	}
}

func TestHitDoesNotReadTheFile(t *testing.T) {
	dir := writeTree(t, map[string]string{"file.go": "package p\nfunc A() {}\n"})
	path := filepath.Join(dir, "file.go")
	x := newTestIndexer(t, dir)
	before := x.passTally(t)
	rewrite(t, path, "package p\nfunc B() {}\n", modTime(t, path)) // the key stays the same
	if after := x.passTally(t); after.hits != 1 || after.checksum != before.checksum {
		t.Errorf("%d hits and checksum %s, want 1 and that of the cached value, %s",
			after.hits, after.checksum, before.checksum)
	}
}

func TestFileWithSyntaxErrorsIsCachedWithTheSymbolsThatWereFound(t *testing.T) {
	files := manyFiles(3)
	files["broken.go"] = "package p\nfunc A() {}\nfunc B( {\n"
	x := newTestIndexer(t, writeTree(t, files))
	first := x.passTally(t)
	if first.broken != 1 || first.symbols < 7 {
		t.Errorf("%d broken files and %d symbols, want 1 and at least 7",
			first.broken, first.symbols)
	}
	second := x.passTally(t)
	if second.hits != 4 || second.broken != 1 || second.checksum != first.checksum {
		t.Errorf("second pass: %+v, want 4 hits and the symbols of the first pass: %+v",
			second, first)
	}
}

func TestPassContinuesAfterAFileThatCannotBeRead(t *testing.T) {
	dir := writeTree(t, manyFiles(3))
	x := newTestIndexer(t, dir)
	if err := os.Remove(x.files[1]); err != nil {
		t.Fatal(err)
	}
	got := x.passTally(t)
	if got.files != 3 || got.misses != 2 || got.unread != 1 || got.fileErr == nil ||
		got.errors != 0 {
		t.Errorf("%+v, want 3 files, 2 misses and 1 file that could not be read", got)
	}
}

func TestBytesThatCannotBeDecodedAreReplaced(t *testing.T) {
	dir := writeTree(t, manyFiles(3))
	x := newTestIndexer(t, dir)
	key, err := keyOf(x.files[0])
	if err != nil {
		t.Fatal(err)
	}
	if err := x.cached.Typed().Cache().Set(t.Context(), key, []byte("junk"), 0); err != nil {
		t.Fatal(err)
	}
	if got := x.passTally(t); got.errors != 1 || got.misses != 2 || got.symbols != 6 {
		t.Errorf("first pass: %+v, want 1 error, 2 misses and 6 symbols", got)
	}
	if got := x.passTally(t); got.errors != 0 || got.hits != 3 {
		t.Errorf("second pass: %+v, want 3 hits", got)
	}
}

func TestPassKeepsTheOrderOfTheFiles(t *testing.T) {
	x := newTestIndexer(t, writeTree(t, map[string]string{
		"a.go": "package p\nfunc A() {}",
		"b.go": "package p\nfunc B() {}",
		"c.go": "package p\nfunc C() {}",
	}))
	p, err := x.pass(t.Context(), "test", func() {})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, r := range p.results {
		got = append(got, r.exports.symbols...)
	}
	if want := []string{"func A", "func B", "func C"}; !slices.Equal(got, want) {
		t.Errorf("symbols %q, want %q", got, want)
	}
}

func modTime(t *testing.T, path string) time.Time {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info.ModTime()
}

// rewrite gives a file other contents, and mod as its modification time.
func rewrite(t *testing.T, path, contents string, mod time.Time) {
	t.Helper()
	if err := os.WriteFile(path, []byte(contents), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(path, mod, mod); err != nil {
		t.Fatal(err)
	}
}
