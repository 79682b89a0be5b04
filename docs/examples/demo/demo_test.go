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

// tree writes files, by path with slashes, under a new directory and answers it.
func tree(t *testing.T, files map[string]string) string {
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

// manyFiles are files with two symbols each.
func manyFiles(n int) map[string]string {
	files := map[string]string{}
	for i := range n {
		files[fmt.Sprintf("p%d/file.go", i)] = fmt.Sprintf("package p%d\nfunc F%d() {}\ntype T%d int\n", i, i, i)
	}
	return files
}

type driverFunc func() core.Backend

func (f driverFunc) Open(context.Context, *url.URL) (core.Backend, error) { return f(), nil }

var schemes atomic.Int64

// serve answers a URL that opens b each time. A b that keeps its items when it
// is closed is to the demo what a server is.
func serve(b core.Backend) string {
	scheme := fmt.Sprintf("test%d", schemes.Add(1))
	core.Register(scheme, driverFunc(func() core.Backend { return b }))
	return scheme + "://"
}

// A server is a cache that outlives the demo and fails where a test wants it to.
type server struct {
	core.Backend
	get   func() error
	store func() error
}

func newServer() *server {
	fine := func() error { return nil }
	return &server{Backend: mapdriver.New(), get: fine, store: fine}
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

// An outcome is what a run of the demo left behind.
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

// row answers the line of the table for the pass called name.
func (o outcome) row(t *testing.T, name string) row {
	t.Helper()
	for line := range strings.Lines(o.stdout) {
		if f := strings.Fields(line); len(f) == 7 && f[0] == name {
			return row{f[1], f[3], f[4], f[5], f[6]}
		}
	}
	t.Fatalf("no %s pass in the table:\n%s%s", name, o.stdout, o.stderr)
	return row{}
}

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

func (o outcome) want(t *testing.T, code int, texts ...string) {
	t.Helper()
	if o.code != code {
		t.Errorf("exit code %d, want %d", o.code, code)
	}
	for _, text := range texts {
		if !strings.Contains(o.stdout+o.stderr, text) {
			t.Errorf("nothing printed says %q", text)
		}
	}
	if t.Failed() {
		t.Logf("standard output:\n%s\nstandard error:\n%s", o.stdout, o.stderr)
	}
}

func TestSecondPassHitsAllFilesAndFindsTheSame(t *testing.T) {
	dir := tree(t, manyFiles(10))
	o := runDemo(t.Context(), "", "-dir", dir) // memory://
	o.want(t, 0, "10 Go files in "+dir, "All passes found the same 20 symbols")
	o.wantRow(t, "first", row{"10", "0", "10", "0", "1.0x"})
	o.wantRow(t, "second", row{files: "10", hits: "10", misses: "0", errors: "0"})
}

func TestThirdPassMissesJustTheInvalidatedPackage(t *testing.T) {
	files := manyFiles(10)
	files["large/a.go"], files["large/b.go"], files["large/sub/c.go"] = "package large", "package large", "package sub"
	dir := tree(t, files)
	o := runDemo(t.Context(), "", "-dir", dir)
	o.want(t, 0, "Before the third pass "+filepath.Join(dir, "large")+" was invalidated, a package of 2 files.", "All passes found")
	o.wantRow(t, "second", row{files: "13", hits: "13", misses: "0", errors: "0"})
	o.wantRow(t, "third", row{files: "13", hits: "11", misses: "2", errors: "0"})
}

func TestWithoutACacheBothPassesMiss(t *testing.T) {
	dir := tree(t, manyFiles(10))
	o := runDemo(t.Context(), "null://", "-dir", dir)
	o.want(t, 0, "found nothing in the cache", "All passes found the same 20 symbols")
	o.wantRow(t, "first", row{"10", "0", "10", "0", "1.0x"})
	o.wantRow(t, "second", row{files: "10", hits: "0", misses: "10", errors: "0"})
}

func TestSecondRunHitsWhatTheFirstLeftInTheCache(t *testing.T) {
	dir := tree(t, manyFiles(10))
	cacheURL := serve(newServer())
	before := runDemo(t.Context(), cacheURL, "-dir", dir)
	before.want(t, 0)

	o := runDemo(t.Context(), cacheURL, "-dir", dir)
	o.want(t, 0, "The cache knew 10 files before the first pass")
	o.wantRow(t, "first", row{"10", "10", "0", "0", "1.0x"})
	if checksum(t, before) != checksum(t, o) {
		t.Errorf("the runs differ:\n%s\n%s", before.stdout, o.stdout)
	}
}

func checksum(t *testing.T, o outcome) string {
	t.Helper()
	_, sum, found := strings.Cut(o.stdout, "checksum ")
	if !found {
		t.Fatalf("no checksum in:\n%s", o.stdout)
	}
	return sum
}

func TestFailingCacheCostsErrorsAndNoSymbols(t *testing.T) {
	dir := tree(t, manyFiles(10))
	s := newServer()
	s.get = func() error { return fmt.Errorf("%w: %w", core.ErrUnavailable, errors.New("connection refused")) }
	s.store = func() error {
		t.Error("the demo stores what it could not ask for")
		return nil
	}
	o := runDemo(t.Context(), serve(s), "-dir", dir)
	o.want(t, 0, "the cache failed for 10 files", "connection refused", "All passes found the same 20 symbols")
	o.wantRow(t, "first", row{"10", "0", "0", "10", "1.0x"})
	o.wantRow(t, "second", row{files: "10", hits: "0", misses: "0", errors: "10"})
	o.want(t, 0, "could not be invalidated: ")
}

func TestCacheThatRefusesEveryValueCostsErrorsAndNoSymbols(t *testing.T) {
	dir := tree(t, manyFiles(10))
	s := newServer()
	s.store = func() error { return core.ErrTooLarge }
	o := runDemo(t.Context(), serve(s), "-dir", dir)
	o.want(t, 0, "value too large", "All passes found the same 20 symbols")
	o.wantRow(t, "second", row{files: "10", hits: "0", misses: "10", errors: "10"})
}

func TestInterruptedPassIsReportedAsFarAsItCame(t *testing.T) {
	dir := tree(t, manyFiles(50))
	ctx, interrupt := context.WithCancel(t.Context())
	defer interrupt()
	s := newServer()
	var gets atomic.Int64
	s.get = func() error {
		if gets.Add(1) == 160 { // in the second pass: the first has three for each file
			interrupt()
			return ctx.Err()
		}
		return nil
	}
	o := runDemo(ctx, serve(s), "-dir", dir)
	o.want(t, 130, "demo: interrupted")
	o.wantRow(t, "first", row{"50", "0", "50", "0", "1.0x"})
	second := o.row(t, "second")
	if second.files == "50" || second.files != second.hits || second.errors != "0" || second.speedUp != "-" {
		t.Errorf("second pass: %+v, want fewer than 50 files, all hits, and no speed-up", second)
	}
	if strings.Contains(o.stdout, "All passes") {
		t.Errorf("an interrupted pass is compared:\n%s", o.stdout)
	}
}

func TestInterruptBeforeAnyWork(t *testing.T) {
	ctx, interrupt := context.WithCancel(t.Context())
	interrupt()
	for _, args := range [][]string{nil, {"-dir", tree(t, manyFiles(1))}} {
		o := runDemo(ctx, "", args...)
		o.want(t, 130)
		if o.stdout != "" || o.stderr != "demo: interrupted\n" {
			t.Errorf("printed %q and %q", o.stdout, o.stderr)
		}
	}
}

func TestBadCacheURLIsAClearError(t *testing.T) {
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
			if !strings.HasPrefix(o.stderr, "demo: CACHE_URL cannot be used: ") || !strings.Contains(o.stderr, tt.want) {
				t.Errorf("standard error: %q, want it to name CACHE_URL and say %q", o.stderr, tt.want)
			}
			if strings.Contains(o.stderr, "secret") {
				t.Errorf("standard error shows a password: %q", o.stderr)
			}
		})
	}
}

func TestArguments(t *testing.T) {
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
	dir := tree(t, map[string]string{"readme.txt": "nothing here"})
	runDemo(t.Context(), "", "-dir", dir).want(t, 1, "no Go files in "+dir)
	runDemo(t.Context(), "", "-dir", filepath.Join(dir, "absent")).want(t, 1, "absent")
}
