package core_test

import (
	"context"
	"errors"
	"io"
	"slices"
	"testing"

	"github.com/cachewire/cachewire/core"
)

func newClient(t *testing.T, caches map[string]*core.Cache, defaultName string) *core.Client {
	t.Helper()
	cl, err := core.NewClient(caches, defaultName)
	if err != nil {
		t.Fatalf("NewClient: %v", err)
	}
	return cl
}

func namespace(t *testing.T, cl *core.Client, name string) *core.Cache {
	t.Helper()
	c, err := cl.Namespace(name)
	if err != nil {
		t.Fatalf("Namespace: %v", err)
	}
	return c
}

func TestThreeCachesUnderThreeNamesAreSeparate(t *testing.T) {
	caches := map[string]*core.Cache{
		"default":    open(t, newBackend(), nil),
		"membership": open(t, newBackend(), nil),
		"funds":      open(t, newBackend(), nil),
	}
	cl := newClient(t, caches, "default")
	for name, c := range caches {
		if namespace(t, cl, name) != c {
			t.Errorf("Namespace(%q) returned another cache", name)
		}
		put(t, namespace(t, cl, name), "x1", name)
	}
	for name := range caches {
		wantValue(t, namespace(t, cl, name), "x1", name)
	}
	if want := []string{"default", "funds", "membership"}; !slices.Equal(cl.Names(), want) {
		t.Errorf("Names = %q, want %q", cl.Names(), want)
	}
}

// The Client does not change the keys.
func TestOneCacheUnderAllNamesSharesItsKeys(t *testing.T) {
	b := newBackend()
	c := open(t, b, nil)
	cl := newClient(t, map[string]*core.Cache{"default": c, "membership": c, "funds": c}, "default")
	wantErr(t, namespace(t, cl, "default").Add(t.Context(), "x1", []byte("1"), 0), nil)
	wantErr(t, namespace(t, cl, "funds").Add(t.Context(), "x1", []byte("2"), 0), core.ErrExists)
	wantValue(t, namespace(t, cl, "membership"), "x1", "1")
	if got := b.keys(); !slices.Equal(got, []string{"x1"}) {
		t.Errorf("the backend has the keys %q, want x1", got)
	}
}

func TestEmptyNameStandsForTheDefault(t *testing.T) {
	c := open(t, newBackend(), nil)
	cl := newClient(t, map[string]*core.Cache{"a": open(t, newBackend(), nil), "b": c}, "b")
	if namespace(t, cl, "") != c {
		t.Error("Namespace of the empty name did not return the default cache")
	}
}

func TestUnknownNameIsErrNoNamespaceWithAListOfNames(t *testing.T) {
	c := open(t, newBackend(), nil)
	cl := newClient(t, map[string]*core.Cache{"funds": c, "default": c}, "default")
	got, err := cl.Namespace("fund")
	wantErr(t, err, core.ErrNoNamespace)
	wantErrText(t, err, `cachewire: unknown namespace "fund"; there are: default, funds`)
	if got != nil {
		t.Error("Namespace returned a Cache with the error")
	}
}

func TestNewClientRefusesWrongArguments(t *testing.T) {
	c := open(t, newBackend(), nil)
	for name, test := range map[string]struct {
		caches      map[string]*core.Cache
		defaultName string
		want        string // part of the error
	}{
		"no caches": {
			nil, "default", `"default"; there are: none`,
		},
		"nil cache": {
			map[string]*core.Cache{"default": c, "funds": nil}, "default", `"funds" is nil`,
		},
		"nil default": {
			map[string]*core.Cache{"default": nil}, "default", `"default" is nil`,
		},
		"missing default": {
			map[string]*core.Cache{"a": c, "b": c}, "c", `"c"; there are: a, b`,
		},
		"no default": {
			map[string]*core.Cache{"a": c}, "", `there are: a`,
		},
		"cache without name": {
			map[string]*core.Cache{"": c}, "", `no name`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			cl, err := core.NewClient(test.caches, test.defaultName)
			wantErr(t, err, core.ErrConfig)
			wantErrContains(t, err, test.want)
			if cl != nil {
				t.Error("NewClient returned a Client with the error")
			}
		})
	}
}

func TestNewClientCopiesTheMap(t *testing.T) {
	c := open(t, newBackend(), nil)
	caches := map[string]*core.Cache{"default": c, "funds": c}
	cl := newClient(t, caches, "default")
	delete(caches, "funds")
	caches["default"] = nil
	caches["new"] = c
	if namespace(t, cl, "default") != c || namespace(t, cl, "funds") != c {
		t.Error("Namespace returned another cache")
	}
	_, err := cl.Namespace("new")
	wantErr(t, err, core.ErrNoNamespace)
	names := cl.Names()
	names[0] = "changed"
	if !slices.Equal(cl.Names(), []string{"default", "funds"}) {
		t.Errorf("Names = %q, want default and funds", cl.Names())
	}
}

// countingCache returns a Cache whose backend returns err from Flush and Close, and
// functions that return how often the backend was flushed and closed.
func countingCache(t *testing.T, err error) (c *core.Cache, flushes, closes func() int) {
	b := newBackend()
	b.before = func(context.Context, string, string) error { return err }
	return open(t, b, nil), func() int { return len(b.takeCalls()) }, b.closeCount
}

func TestClientFlushesAndClosesEachDistinctCacheOnce(t *testing.T) {
	one, oneFlushes, oneCloses := countingCache(t, nil)
	two, twoFlushes, twoCloses := countingCache(t, nil)
	cl := newClient(t, map[string]*core.Cache{"a": one, "b": two, "c": one, "d": one}, "a")
	wantErr(t, cl.Flush(t.Context()), nil)
	if a, b := oneFlushes(), twoFlushes(); a != 1 || b != 1 {
		t.Errorf("the caches were flushed %d and %d times, want once each", a, b)
	}
	for range 2 {
		wantErr(t, cl.Close(), nil)
	}
	if a, b := oneCloses(), twoCloses(); a != 1 || b != 1 {
		t.Errorf("the caches were closed %d and %d times, want once each", a, b)
	}
	_, err := namespace(t, cl, "c").Get(t.Context(), "k")
	wantErr(t, err, core.ErrClosed)
	wantErr(t, cl.Flush(t.Context()), core.ErrClosed)
}

func TestClientTriesAllCachesAndJoinsTheErrors(t *testing.T) {
	a, aFlushes, aCloses := countingCache(t, io.EOF)
	b, bFlushes, bCloses := countingCache(t, nil)
	c, cFlushes, cCloses := countingCache(t, io.ErrClosedPipe)
	cl := newClient(t, map[string]*core.Cache{"a": a, "a too": a, "b": b, "c": c}, "b")
	for verb, err := range map[string]error{"Flush": cl.Flush(t.Context()), "Close": cl.Close()} {
		wantErr(t, err, io.EOF)
		wantErr(t, err, io.ErrClosedPipe)
		wantErrText(t, err, `namespace "a": cachewire: `+verb+` (core_test): EOF`+"\n"+
			`namespace "c": cachewire: `+verb+` (core_test): io: read/write on closed pipe`)
	}
	for name, n := range map[string]int{
		"a flushed": aFlushes(), "b flushed": bFlushes(), "c flushed": cFlushes(),
		"a closed": aCloses(), "b closed": bCloses(), "c closed": cCloses(),
	} {
		if n != 1 {
			t.Errorf("%s %d times, want once", name, n)
		}
	}
}

func TestPrefixesOfOneCacheUnderTwoNamesAreSeparate(t *testing.T) {
	f := newFullBackend()
	c := open(t, f, nil)
	cl := newClient(t, map[string]*core.Cache{
		"membership": withPrefix(t, c, "m:"),
		"funds":      withPrefix(t, c, "f:"),
	}, "funds")
	put(t, namespace(t, cl, "membership"), "x1", "1")
	put(t, namespace(t, cl, "funds"), "x1", "2")
	put(t, c, "x1", "3")
	wantErr(t, namespace(t, cl, "funds").Flush(t.Context()), nil)
	if got, want := f.keys(), []string{"m:x1", "x1"}; !slices.Equal(got, want) {
		t.Errorf("the backend has the keys %q, want %q", got, want)
	}
	wantErr(t, cl.Flush(t.Context()), nil)
	wantErr(t, cl.Close(), nil)
	wantValue(t, c, "x1", "3")
}

func TestClientFlushReturnsTheErrorOfItsContext(t *testing.T) {
	done, cancel := context.WithCancel(t.Context())
	cancel()
	cl := newClient(t, map[string]*core.Cache{
		"a": open(t, newBackend(), nil),
		"b": open(t, newBackend(), nil),
	}, "a")
	if err := cl.Flush(done); !errors.Is(err, context.Canceled) {
		t.Errorf("error is %v, want %v", err, context.Canceled)
	}
}
