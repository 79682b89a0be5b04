package core_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cachewire/cachewire/core"
)

// A driverFunc is a Driver of one function.
type driverFunc func(ctx context.Context, u *url.URL) (core.Backend, error)

func (d driverFunc) Open(ctx context.Context, u *url.URL) (core.Backend, error) { return d(ctx, u) }

// backendDriver returns a Driver that opens b. If u is not nil, it stores the URL in *u.
func backendDriver(b core.Backend, u **url.URL) core.Driver {
	return driverFunc(func(_ context.Context, got *url.URL) (core.Backend, error) {
		if u != nil {
			*u = got
		}
		return b, nil
	})
}

// failingDriver returns a Driver whose Open returns err and no backend.
func failingDriver(err error) core.Driver {
	return driverFunc(func(context.Context, *url.URL) (core.Backend, error) { return nil, err })
}

func TestZeroRegistryIsReadyToUse(t *testing.T) {
	var r core.Registry
	if got := r.Drivers(); len(got) != 0 {
		t.Errorf("Drivers = %q, want none", got)
	}
	_, err := r.Open(t.Context(), "mem://", nil)
	wantErr(t, err, core.ErrConfig)
	wantErrText(t, err, `cachewire: invalid configuration: `+
		`no driver for "mem"; known: none (forgotten import?)`)
	r.Register("mem", backendDriver(newBackend(), nil))
	c, err := r.Open(t.Context(), "mem://", nil)
	if err != nil {
		t.Fatal(err)
	}
	put(t, c, "k", "v")
	wantValue(t, c, "k", "v")
}

func TestDriversAreSorted(t *testing.T) {
	var r core.Registry
	for _, scheme := range []string{"redis", "memcache", "a+b-c.9", "memory"} {
		r.Register(scheme, failingDriver(io.EOF))
	}
	got, want := r.Drivers(), []string{"a+b-c.9", "memcache", "memory", "redis"}
	if !slices.Equal(got, want) {
		t.Errorf("Drivers = %q, want %q", got, want)
	}
	_, err := r.Open(t.Context(), "memorry://", nil)
	wantText := `no driver for "memorry"; ` +
		`known: a+b-c.9, memcache, memory, redis (forgotten import?)`
	if err == nil || !strings.HasSuffix(err.Error(), wantText) {
		t.Errorf("error is %v, want %s at its end", err, wantText)
	}
}

func TestRegisterPanicsOnAMistakeInTheProgram(t *testing.T) {
	var r core.Registry
	r.Register("taken", failingDriver(io.EOF))
	for name, register := range map[string]func(){
		"nil driver":        func() { r.Register("x", nil) },
		"duplicate":         func() { r.Register("taken", failingDriver(io.EOF)) },
		"default duplicate": func() { core.Register(registerNew(), failingDriver(io.EOF)) },
		"empty scheme":      func() { r.Register("", failingDriver(io.EOF)) },
		"upper case":        func() { r.Register("Mem", failingDriver(io.EOF)) },
		"digit first":       func() { r.Register("9p", failingDriver(io.EOF)) },
		"plus first":        func() { r.Register("+p", failingDriver(io.EOF)) },
		"colon":             func() { r.Register("mem:", failingDriver(io.EOF)) },
		"underscore":        func() { r.Register("mem_2", failingDriver(io.EOF)) },
		"space":             func() { r.Register("mem ", failingDriver(io.EOF)) },
		"not ASCII":         func() { r.Register("mém", failingDriver(io.EOF)) },
		"broken UTF-8":      func() { r.Register("m\xff", failingDriver(io.EOF)) },
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if p := recover(); p == nil {
					t.Error("Register did not panic")
				} else if text := fmt.Sprint(p); !strings.HasPrefix(text, "cachewire: Register: ") {
					t.Errorf("Register panicked with %q", text)
				}
			}()
			register()
		})
	}
	if got := r.Drivers(); !slices.Equal(got, []string{"taken"}) {
		t.Errorf("Drivers = %q after the panics, want taken", got)
	}
	// The panics have released the lock.
	r.Register("after", failingDriver(io.EOF))
}

var registered atomic.Int64

// registerNew registers a driver in the DefaultRegistry, and returns its scheme. Each call
// uses a new scheme, because drivers cannot be removed.
func registerNew() string {
	scheme := fmt.Sprint("core-test-", registered.Add(1))
	core.Register(scheme, backendDriver(newBackend(), nil))
	return scheme
}

func TestPackageFunctionsUseTheDefaultRegistry(t *testing.T) {
	scheme := registerNew()
	if !slices.Contains(core.Drivers(), scheme) {
		t.Errorf("Drivers = %q, want %s among them", core.Drivers(), scheme)
	}
	c, err := core.Open(t.Context(), scheme+"://", nil)
	if err != nil {
		t.Fatal(err)
	}
	put(t, c, "k", "v")
	_, err = core.Open(t.Context(), "not-registered://", nil)
	wantErr(t, err, core.ErrConfig)
}

func TestSchemeInAURLMayBeUpperCase(t *testing.T) {
	var r core.Registry
	r.Register("mem", backendDriver(newBackend(), nil))
	_, err := r.Open(t.Context(), "MEM://", nil)
	wantErr(t, err, nil)
}

func TestOpenRemovesTheParametersOfTheCacheFromTheURL(t *testing.T) {
	for _, test := range []struct {
		url  string
		opts *core.Options
		key  string        // with which the backend must be called for k
		ttl  time.Duration // with which the backend must be called for 0
		rest string        // the query with which the driver must be called
	}{
		{"mem://", nil, "k", 0, ""},
		{"mem://?", nil, "k", 0, ""},
		{"mem://?prefix=app:&default_ttl=10m", nil, "app:k", 10 * time.Minute, ""},
		{"mem://?prefix=a%20%26&x=1", nil, "a &k", 0, "x=1"},
		{"mem://?prefix=&default_ttl=0", nil, "k", 0, ""},
		{"mem://?b=2&default_ttl=1s&a=1&b=1", nil, "k", time.Second, "b=2&a=1&b=1"},
		{"mem://?%70refix=a:&x=%26&y=+&", nil, "a:k", 0, "x=%26&y=+&"},
		{"mem://?prefix=app:&default_ttl=10m", &core.Options{}, "app:k", 10 * time.Minute, ""},
		{"mem://?prefix=&default_ttl=10m", &core.Options{Prefix: "own:"},
			"own:k", 10 * time.Minute, ""},
		{"mem://?prefix=app:&default_ttl=10m", &core.Options{DefaultTTL: 1}, "app:k", 1, ""},
		{"mem://?default_ttl=10m", &core.Options{DefaultTTL: core.Forever}, "k", 0, ""},
		{"mem://?timeout=5s", &core.Options{Prefix: "own:", DefaultTTL: 1},
			"own:k", 1, "timeout=5s"},
	} {
		t.Run(test.url, func(t *testing.T) {
			var r core.Registry
			var u *url.URL
			b := newBackend()
			r.Register("mem", backendDriver(b, &u))
			given := core.Options{}
			if test.opts != nil {
				given = *test.opts
			}
			c, err := r.Open(t.Context(), test.url, test.opts)
			if err != nil {
				t.Fatal(err)
			}
			wantErr(t, c.Set(t.Context(), "k", nil, 0), nil)
			if got := b.takeCalls()[0]; got.keys[0] != test.key || got.ttl != test.ttl {
				t.Errorf("the backend was called with %q for %v, want %q for %v",
					got.keys[0], got.ttl, test.key, test.ttl)
			}
			if u.RawQuery != test.rest {
				t.Errorf("the driver was called with the query %q, want %q",
					u.RawQuery, test.rest)
			}
			if test.opts != nil && (test.opts.Prefix != given.Prefix ||
				test.opts.DefaultTTL != given.DefaultTTL) {
				t.Error("Open changed the caller's Options")
			}
		})
	}
}

func TestOpenRefusesTwoPrefixes(t *testing.T) {
	var r core.Registry
	r.Register("mem", backendDriver(newBackend(), nil))
	const rawURL = "mem://?prefix=a:"
	opts := &core.Options{Prefix: "b:"}
	c, err := r.Open(t.Context(), rawURL, opts)
	wantErr(t, err, core.ErrConfig)
	wantErrText(t, err, "cachewire: open mem://: invalid configuration: "+
		"parameter prefix: the options have a prefix, too; want one of them")
	if c != nil {
		t.Error("Open returned a Cache with the error")
	}
	wantErr(t, r.Check(rawURL, opts), core.ErrConfig)
}

// Other clients accept host:port without a scheme, and a pasted URL may have a space at its
// end.
func TestOpenSuggestsTheRightURL(t *testing.T) {
	var r core.Registry
	for rawURL, want := range map[string]string{
		"localhost:11211":       "the URL has no scheme; want memcache://localhost:11211",
		"127.0.0.1:11211":       "the URL has no scheme; want memcache://127.0.0.1:11211",
		"my-host.example:6379":  "the URL has no scheme; want redis://my-host.example:6379",
		"localhost:80":          "the URL has no scheme; want scheme://localhost:80",
		":11211":                "the URL has no scheme; want memcache://localhost:11211",
		"localhost":             "the URL has no scheme; want one like memory://",
		" memory://":            "the URL begins or ends with white space; want none",
		"memory://?size=5\n":    "the URL begins or ends with white space; want none",
		"localhost:99999":       "",
		"user:S3CRET@host:6379": "",
	} {
		_, err := r.Open(t.Context(), rawURL, nil)
		wantErr(t, err, core.ErrConfig)
		if err == nil || !strings.Contains(err.Error(), want) ||
			strings.Contains(err.Error(), "S3") {
			t.Errorf("%q: error is %v, want it to contain %s and no secret", rawURL, err, want)
		}
	}
}

func TestCheckCallsNoDriver(t *testing.T) {
	var r core.Registry
	r.Register("mem", driverFunc(func(context.Context, *url.URL) (core.Backend, error) {
		t.Error("the driver was called")
		return nil, nil
	}))
	wantErr(t, r.Check("mem://host?size=5", nil), nil)
	wantErr(t, r.Check("mem://host?default_ttl=x", nil), core.ErrConfig)
	wantErr(t, r.Check("mem://host", &core.Options{Timeout: -1}), core.ErrConfig)
	wantErr(t, r.Check("other://host", nil), core.ErrConfig)
}

func TestOpenPassesTheRestOfTheURLToTheDriver(t *testing.T) {
	var r core.Registry
	var u *url.URL
	r.Register("mem", backendDriver(newBackend(), &u))
	_, err := r.Open(t.Context(), "mem://user:pass@a:1,b:2/path?default_ttl=1s#fragment", nil)
	wantErr(t, err, nil)
	password, _ := u.User.Password()
	if u.Scheme != "mem" || u.User.Username() != "user" || password != "pass" ||
		u.Host != "a:1,b:2" || u.Path != "/path" || u.Fragment != "fragment" {
		t.Errorf("the driver was called with %+v", u)
	}
}

func TestOpenUsesTheHooksAndTheTimeoutOfTheOptions(t *testing.T) {
	var r core.Registry
	b, hook := newBackend(), &recorder{}
	var deadline bool
	b.before = func(ctx context.Context, _, _ string) error {
		_, deadline = ctx.Deadline()
		return nil
	}
	r.Register("mem", backendDriver(b, nil))
	opts := &core.Options{Hooks: []core.Hook{hook}, Timeout: time.Hour}
	c, err := r.Open(t.Context(), "mem://", opts)
	wantErr(t, err, nil)
	put(t, c, "k", "v")
	if !deadline || len(hook.afterOps) != 1 {
		t.Errorf("has a deadline: %t, %d ops; want true and 1", deadline, len(hook.afterOps))
	}
}

func TestOpenDoesNotCallTheDriverIfTheURLOrTheOptionsAreWrong(t *testing.T) {
	var r core.Registry
	called := false
	r.Register("mem", driverFunc(func(context.Context, *url.URL) (core.Backend, error) {
		called = true
		return newBackend(), nil
	}))
	for _, test := range []struct {
		url  string
		opts *core.Options
		want string // part of the error
	}{
		{"", nil, "no scheme"},
		{"mem", nil, "no scheme"},
		{"//host", nil, "no scheme"},
		{"mem://%zz", nil, "URL"},
		{"mem://[::1", nil, "scheme://?server=host:port&server=[::1]:port"},
		{"://", nil, "URL"},
		{"\x00", nil, "URL"},
		{"other://", nil, "forgotten import?"},
		{"mem://?default_ttl=soon", nil, "default_ttl"},
		{"mem://?default_ttl=-1s", nil, "default_ttl"},
		{"mem://?default_ttl=", nil, "default_ttl"},
		{"mem://?default_ttl=1s&default_ttl=1s", nil, "default_ttl is given 2 times"},
		{"mem://?prefix=a&prefix=b", nil, "prefix is given 2 times"},
		{"mem://?prefix=" + strings.Repeat("p", 251), nil, "prefix of 251 bytes"},
		{"mem://?prefix=%zz", nil, "malformed query"},
		{"mem://?a;b", nil, "malformed query"},
		{"mem://", &core.Options{Timeout: -1}, "time-out"},
		{"mem://", &core.Options{Hooks: []core.Hook{nil}}, "hook 0"},
	} {
		c, err := r.Open(t.Context(), test.url, test.opts)
		wantErr(t, err, core.ErrConfig)
		if err != nil && !strings.Contains(err.Error(), test.want) {
			t.Errorf("%q: error is %v, want it to contain %q", test.url, err, test.want)
		}
		if c != nil || called {
			t.Errorf("%q: Open returned the Cache %v, called the driver: %t; want nil, false",
				test.url, c, called)
		}
	}
}

func TestUnknownParameterIsAnError(t *testing.T) {
	var r core.Registry
	r.Register("mem", driverFunc(func(_ context.Context, u *url.URL) (core.Backend, error) {
		p := core.NewParams(u)
		p.Int("size", 1, 0, 10)
		return newBackend(), p.Err()
	}))
	_, err := r.Open(t.Context(), "mem://?prefix=a:&default_ttl=1s&size=3", nil)
	wantErr(t, err, nil)
	_, err = r.Open(t.Context(), "mem://host/path?prefix=a:&sise=3", nil)
	wantErr(t, err, core.ErrConfig)
	wantErrContains(t, err, "mem://host/path")
	wantErrContains(t, err, `unknown parameter "sise"; known: size, prefix, default_ttl`)
}

func TestOpenWrapsTheErrorOfTheDriver(t *testing.T) {
	var r core.Registry
	cause := &url.Error{Op: "dial", URL: "x", Err: io.EOF}
	r.Register("mem", failingDriver(fmt.Errorf("%w: %w", core.ErrUnavailable, cause)))
	c, err := r.Open(t.Context(), "mem://a:1/db", nil)
	wantErr(t, err, core.ErrUnavailable)
	wantErr(t, err, io.EOF)
	var got *url.Error
	if !errors.As(err, &got) || got != cause || c != nil {
		t.Errorf("Open = %v, %v; want nil and an error around the cause", c, err)
	}
	wantErrText(t, err, `cachewire: open mem://a:1/db: unavailable: dial "x": EOF`)
	if errors.Is(err, core.ErrConfig) {
		t.Error("the error is ErrConfig, although the URL is right")
	}
}

func TestOpenFailsIfTheDriverReturnsNoBackend(t *testing.T) {
	var r core.Registry
	r.Register("mem", failingDriver(nil))
	c, err := r.Open(t.Context(), "mem://", nil)
	wantErr(t, err, core.ErrConfig)
	if c != nil {
		t.Error("Open returned a Cache with the error")
	}
}

func TestOpenPassesTheContextToTheDriver(t *testing.T) {
	var r core.Registry
	var got context.Context
	r.Register("mem", driverFunc(func(ctx context.Context, _ *url.URL) (core.Backend, error) {
		got = ctx
		return newBackend(), nil
	}))
	ctx := context.WithValue(t.Context(), ctxKey("k"), "v")
	_, err := r.Open(ctx, "mem://", nil)
	wantErr(t, err, nil)
	if got != ctx {
		t.Errorf("the driver was called with %v, want %v", got, ctx)
	}
	var nilCtx context.Context
	_, err = r.Open(nilCtx, "mem://", nil)
	wantErr(t, err, nil)
	if got == nil {
		t.Error("the driver was called with a nil context")
	}
}

func TestRegistryMayBeUsedByManyGoroutines(t *testing.T) {
	var r core.Registry
	var panics atomic.Int64
	runConcurrently(32, func(i int) {
		r.Register(fmt.Sprint("mem", i), backendDriver(newBackend(), nil))
		c, err := r.Open(t.Context(), fmt.Sprint("mem", i, "://"), nil)
		if err != nil {
			t.Error(err)
			return
		}
		put(t, c, "k", "v")
		scheme := fmt.Sprint("mem", i)
		if got := r.Drivers(); !slices.Contains(got, scheme) || !slices.IsSorted(got) {
			t.Errorf("Drivers = %q, want sorted schemes with %s", got, scheme)
		}
		_, _ = r.Open(t.Context(), "unknown://", nil)
		func() {
			defer func() {
				if recover() != nil {
					panics.Add(1)
				}
			}()
			r.Register("contested", failingDriver(io.EOF))
		}()
	})
	if got := panics.Load(); got != 31 {
		t.Errorf("%d of 32 goroutines failed to register the same scheme, want 31", got)
	}
	if got := len(r.Drivers()); got != 33 {
		t.Errorf("the registry has %d drivers, want 33", got)
	}
}

func TestURLMayHaveAPercentEncodedAtSign(t *testing.T) {
	var r core.Registry
	var u *url.URL
	r.Register("x", backendDriver(newBackend(), &u))
	const rawURL = "x://me:p%40ss@host/run/a%40b?name=c%40d&prefix=e%40f#g%40h"
	cache, err := r.Open(t.Context(), rawURL, nil)
	if err != nil {
		t.Fatalf("Open(%q): %v", rawURL, err)
	}
	defer cache.Close()
	if u.Path != "/run/a@b" || u.Query().Get("name") != "c@d" || u.Fragment != "g@h" {
		t.Errorf("the driver was called with %v", u)
	}
	for _, rawURL := range []string{"x://host/a@b", "x://host?a=b@c", "x://host#a@b", "x:a@b"} {
		_, err := r.Open(t.Context(), rawURL, nil)
		if !errors.Is(err, core.ErrConfig) || !strings.Contains(err.Error(), "%40") {
			t.Errorf("Open(%q): error is %v, want %v that contains %%40",
				rawURL, err, core.ErrConfig)
		}
	}
}
