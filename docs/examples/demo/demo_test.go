package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/docs/examples/mapdriver"
)

// writeTree writes files, by their paths with slashes, to a new directory and returns it.
func writeTree(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// manyFiles returns n files with two symbols each, each in a package of its own.
func manyFiles(n int) map[string]string {
	files := map[string]string{}
	for i := range n {
		path := fmt.Sprintf("p%d/file.go", i)
		files[path] = fmt.Sprintf("package p%d\nfunc F%d() {}\ntype T%d int\n", i, i, i)
	}
	return files
}

type driverFunc func() core.Backend

func (f driverFunc) Open(context.Context, *url.URL) (core.Backend, error) { return f(), nil }

var schemes atomic.Int64

// register returns a URL that opens b each time.
func register(b core.Backend) string {
	scheme := fmt.Sprintf("test%d", schemes.Add(1))
	core.Register(scheme, driverFunc(func() core.Backend { return b }))
	return scheme + "://"
}

// A server is a backend that keeps its items when it is closed, as a server does. It fails
// if get or store returns an error.
type server struct {
	core.Backend
	get   func() error // called by GetItem
	store func() error // called by Store
}

func newServer() *server {
	succeed := func() error { return nil }
	return &server{Backend: mapdriver.New(), get: succeed, store: succeed}
}

func (s *server) Close() error { return nil }

func (s *server) GetItem(ctx context.Context, key string) (core.Item, error) {
	if err := s.get(); err != nil {
		return core.Item{}, err
	}
	return s.Backend.GetItem(ctx, key)
}

func (s *server) Store(ctx context.Context, mode core.Mode, item core.Item) error {
	if err := s.store(); err != nil {
		return err
	}
	return s.Backend.Store(ctx, mode, item)
}

// An outcome is the exit code and the output of a run of the demo.
type outcome struct {
	code           int
	stdout, stderr string
}

func runDemo(ctx context.Context, cacheURL string, args ...string) outcome {
	env := func(name string) string {
		if name == "CACHE_URL" {
			return cacheURL
		}
		return ""
	}
	var stdout, stderr bytes.Buffer
	code := run(ctx, args, env, &stdout, &stderr)
	return outcome{code, stdout.String(), stderr.String()}
}

// A row is a line of the table without its time.
type row struct{ files, hits, misses, errors, speedUp string }

// row returns the line of the table for the pass with that name.
func (o outcome) row(t *testing.T, name string) row {
	t.Helper()
	for line := range strings.Lines(o.stdout) {
		if f := strings.Fields(line); len(f) == 7 && f[0] == name {
			return row{f[1], f[3], f[4], f[5], f[6]}
		}
	}
	t.Fatalf("the table has no %s pass:\n%s%s", name, o.stdout, o.stderr)
	return row{}
}

// wantRow checks the line of the table for the pass with that name. If want.speedUp is "",
// any speed-up is right.
func (o outcome) wantRow(t *testing.T, name string, want row) {
	t.Helper()
	got := o.row(t, name)
	if want.speedUp == "" {
		want.speedUp = got.speedUp
	}
	if got != want {
		t.Errorf("%s pass: %+v, want %+v\n%s", name, got, want, o.stdout)
	}
}

// want checks the exit code, and that the output contains texts.
func (o outcome) want(t *testing.T, code int, texts ...string) {
	t.Helper()
	if o.code != code {
		t.Errorf("exit code %d, want %d", o.code, code)
	}
	for _, text := range texts {
		if !strings.Contains(o.stdout+o.stderr, text) {
			t.Errorf("the output does not contain %q", text)
		}
	}
	if t.Failed() {
		t.Logf("standard output:\n%s\nstandard error:\n%s", o.stdout, o.stderr)
	}
}

func TestSecondPassHitsAllFilesAndFindsTheSameSymbols(t *testing.T) {
	dir := writeTree(t, manyFiles(10))
	o := runDemo(t.Context(), "", "-dir", dir) // memory://
	o.want(t, 0, "10 Go files in "+dir, "All passes found the same 20 symbols")
	o.wantRow(t, "first", row{"10", "0", "10", "0", "1.0x"})
	o.wantRow(t, "second", row{files: "10", hits: "10", misses: "0", errors: "0"})
}

func TestThirdPassMissesOnlyTheInvalidatedPackage(t *testing.T) {
	files := manyFiles(10)
	files["large/a.go"], files["large/b.go"] = "package large", "package large"
	files["large/sub/c.go"] = "package sub"
	dir := writeTree(t, files)
	o := runDemo(t.Context(), "", "-dir", dir)
	large := filepath.Join(dir, "large")
	o.want(t, 0, "Before the third pass "+large+" was invalidated, a package of 2 files.",
		"All passes found")
	o.wantRow(t, "second", row{files: "13", hits: "13", misses: "0", errors: "0"})
	o.wantRow(t, "third", row{files: "13", hits: "11", misses: "2", errors: "0"})
}

func TestWithTheNullDriverBothPassesMiss(t *testing.T) {
	dir := writeTree(t, manyFiles(10))
	o := runDemo(t.Context(), "null://", "-dir", dir)
	o.want(t, 0, "found nothing in the cache", "All passes found the same 20 symbols")
	o.wantRow(t, "first", row{"10", "0", "10", "0", "1.0x"})
	o.wantRow(t, "second", row{files: "10", hits: "0", misses: "10", errors: "0"})
}

func TestSecondRunHitsWhatTheFirstRunCached(t *testing.T) {
	dir := writeTree(t, manyFiles(10))
	cacheURL := register(newServer())
	before := runDemo(t.Context(), cacheURL, "-dir", dir)
	before.want(t, 0)

	o := runDemo(t.Context(), cacheURL, "-dir", dir)
	o.want(t, 0, "The cache already had 10 files before the first pass")
	o.wantRow(t, "first", row{"10", "10", "0", "0", "1.0x"})
	if checksum(t, before) != checksum(t, o) {
		t.Errorf("the checksums of the runs differ:\n%s\n%s", before.stdout, o.stdout)
	}
}

func checksum(t *testing.T, o outcome) string {
	t.Helper()
	_, sum, found := strings.Cut(o.stdout, "checksum ")
	if !found {
		t.Fatalf("there is no checksum in:\n%s", o.stdout)
	}
	return sum
}

func TestCacheThatCannotBeReadLosesNoSymbols(t *testing.T) {
	dir := writeTree(t, manyFiles(10))
	s := newServer()
	s.get = func() error {
		return fmt.Errorf("%w: %w", core.ErrUnavailable, errors.New("connection refused"))
	}
	s.store = func() error {
		t.Error("the demo stores a value although its read failed")
		return nil
	}
	o := runDemo(t.Context(), register(s), "-dir", dir)
	o.want(t, 0, "the cache failed for 10 files", "connection refused",
		"All passes found the same 20 symbols")
	o.wantRow(t, "first", row{"10", "0", "0", "10", "1.0x"})
	o.wantRow(t, "second", row{files: "10", hits: "0", misses: "0", errors: "10"})
	o.want(t, 0, "could not be invalidated: ")
}

func TestCacheThatRefusesEveryValueLosesNoSymbols(t *testing.T) {
	dir := writeTree(t, manyFiles(10))
	s := newServer()
	s.store = func() error { return core.ErrTooLarge }
	o := runDemo(t.Context(), register(s), "-dir", dir)
	o.want(t, 0, "value too large", "All passes found the same 20 symbols")
	o.wantRow(t, "second", row{files: "10", hits: "0", misses: "10", errors: "10"})
}

func TestReportOfAnInterruptedPassHasTheFilesThatAreDone(t *testing.T) {
	dir := writeTree(t, manyFiles(50))
	ctx, interrupt := context.WithCancel(t.Context())
	defer interrupt()
	s := newServer()
	var gets atomic.Int64
	s.get = func() error {
		if gets.Add(1) == 160 { // in the second pass: the first one reads three times for each file
			interrupt()
			return ctx.Err()
		}
		return nil
	}
	o := runDemo(ctx, register(s), "-dir", dir)
	o.want(t, 130, "demo: interrupted")
	o.wantRow(t, "first", row{"50", "0", "50", "0", "1.0x"})
	second := o.row(t, "second")
	if second.files == "50" || second.files != second.hits || second.errors != "0" ||
		second.speedUp != "-" {
		t.Errorf("second pass: %+v, want fewer than 50 files, all hits, and no speed-up", second)
	}
	if strings.Contains(o.stdout, "All passes") {
		t.Errorf("the report compares an interrupted pass:\n%s", o.stdout)
	}
}

func TestInterruptBeforeTheFirstPassPrintsNoReport(t *testing.T) {
	ctx, interrupt := context.WithCancel(t.Context())
	interrupt()
	for _, args := range [][]string{nil, {"-dir", writeTree(t, manyFiles(1))}} {
		o := runDemo(ctx, "", args...)
		o.want(t, 130)
		if o.stdout != "" || o.stderr != "demo: interrupted\n" {
			t.Errorf("standard output %q and standard error %q, want the message alone",
				o.stdout, o.stderr)
		}
	}
}

func TestErrorOfAWrongCacheURLNamesTheVariableAndNoPassword(t *testing.T) {
	for _, tt := range []struct{ url, want string }{
		{"nosuch://user:secret@host", `no driver for "nosuch"; known: `},
		{"memory", "no scheme"},
		{"memory://?colour=red", `unknown parameter "colour"`},
		{"memory://?max_items=many", "max_items: want a whole number"},
		{"memory://user:secret@host", "want memory://, then nothing"},
		{"null://?default_ttl=-1s", "default_ttl: want a duration"},
	} {
		t.Run(tt.url, func(t *testing.T) {
			o := runDemo(t.Context(), tt.url)
			o.want(t, 1)
			if o.stdout != "" {
				t.Errorf("standard output: %q, want nothing", o.stdout)
			}
			if !strings.HasPrefix(o.stderr, "demo: CACHE_URL cannot be used: ") ||
				!strings.Contains(o.stderr, tt.want) {
				t.Errorf("standard error: %q, want it to name CACHE_URL and say %q",
					o.stderr, tt.want)
			}
			if strings.Contains(o.stderr, "secret") {
				t.Errorf("standard error contains a password: %q", o.stderr)
			}
		})
	}
}

func TestUnknownArgumentsAreUsageErrorsAndHelpListsTheDrivers(t *testing.T) {
	o := runDemo(t.Context(), "", "-nosuch")
	o.want(t, 2, "-nosuch", "demo -help")
	if o.stdout != "" {
		t.Errorf("standard output: %q, want nothing", o.stdout)
	}
	runDemo(t.Context(), "", "-dir", ".", "more").want(t, 2, `unknown argument "more"`)

	o = runDemo(t.Context(), "", "--help")
	o.want(t, 0, "CACHE_URL", "-dir")
	for _, driver := range core.Drivers() {
		if !strings.Contains(o.stdout, driver) {
			t.Errorf("the help does not list the driver %s:\n%s", driver, o.stdout)
		}
	}
	if o.stderr != "" {
		t.Errorf("standard error: %q, want nothing", o.stderr)
	}
}

func TestDirectoryWithoutGoFilesIsAnError(t *testing.T) {
	dir := writeTree(t, map[string]string{"readme.txt": "nothing here"})
	runDemo(t.Context(), "", "-dir", dir).want(t, 1, "no Go files in "+dir)
	runDemo(t.Context(), "", "-dir", filepath.Join(dir, "absent")).want(t, 1, "absent")
}
