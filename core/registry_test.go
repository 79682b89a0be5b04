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

// opens answers a Driver that opens b and keeps the last URL in *u.
func opens(b core.Backend, u **url.URL) core.Driver {
	return driverFunc(func(_ context.Context, got *url.URL) (core.Backend, error) {
		if u != nil {
			*u = got
		}
		return b, nil
	})
}

// fails answers a Driver that opens nothing.
func fails(err error) core.Driver {
	return driverFunc(func(context.Context, *url.URL) (core.Backend, error) { return nil, err })
}

func TestZeroRegistryIsReadyToUse(t *testing.T) {
	var r core.Registry
	if got := r.Drivers(); len(got) != 0 {
		t.Errorf("Drivers = %q, want none", got)
	}
	_, err := r.Open(t.Context(), "mem://", nil)
	wantErr(t, err, core.ErrConfig)
	if want := `cachewire: invalid configuration: no driver for "mem"; known: none (forgotten import?)`; err == nil || err.Error() != want {
		t.Errorf("error is %v, want %s", err, want)
	}
	r.Register("mem", opens(newBackend(), nil))
	c, err := r.Open(t.Context(), "mem://", nil)
	if err != nil {
		t.Fatal(err)
	}
	put(t, c, "k", "v")
	wantValue(t, c, "k", "v")
}

func TestDriversAreListedInOrder(t *testing.T) {
	var r core.Registry
	for _, scheme := range []string{"redis", "memcache", "a+b-c.9", "memory"} {
		r.Register(scheme, fails(io.EOF))
	}
	if got, want := r.Drivers(), []string{"a+b-c.9", "memcache", "memory", "redis"}; !slices.Equal(got, want) {
		t.Errorf("Drivers = %q, want %q", got, want)
	}
	_, err := r.Open(t.Context(), "memorry://", nil)
	if want := `no driver for "memorry"; known: a+b-c.9, memcache, memory, redis (forgotten import?)`; err == nil || !strings.HasSuffix(err.Error(), want) {
		t.Errorf("error is %v, want %s at its end", err, want)
	}
}

func TestRegisterPanicsOnAMistakeInTheProgram(t *testing.T) {
	var r core.Registry
	r.Register("taken", fails(io.EOF))
	for name, register := range map[string]func(){
		"nil driver":        func() { r.Register("x", nil) },
		"duplicate":         func() { r.Register("taken", fails(io.EOF)) },
		"default duplicate": func() { core.Register(registerOnce(), fails(io.EOF)) },
		"empty scheme":      func() { r.Register("", fails(io.EOF)) },
		"upper case":        func() { r.Register("Mem", fails(io.EOF)) },
		"digit first":       func() { r.Register("9p", fails(io.EOF)) },
		"plus first":        func() { r.Register("+p", fails(io.EOF)) },
		"colon":             func() { r.Register("mem:", fails(io.EOF)) },
		"underscore":        func() { r.Register("mem_2", fails(io.EOF)) },
		"space":             func() { r.Register("mem ", fails(io.EOF)) },
		"not ASCII":         func() { r.Register("mém", fails(io.EOF)) },
		"broken UTF-8":      func() { r.Register("m\xff", fails(io.EOF)) },
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if p := recover(); p == nil {
					t.Error("no panic")
				} else if text := fmt.Sprint(p); !strings.HasPrefix(text, "cachewire: Register: ") {
					t.Errorf("panic says %q", text)
				}
			}()
			register()
		})
	}
	if got := r.Drivers(); !slices.Equal(got, []string{"taken"}) {
		t.Errorf("Drivers = %q after the panics", got)
	}
	// A panic leaves no lock behind.
	r.Register("after", fails(io.EOF))
}

var registered atomic.Int64

// registerOnce registers a driver by a scheme of its own in the default
// registry, which no test can empty.
func registerOnce() string {
	scheme := fmt.Sprint("core-test-", registered.Add(1))
	core.Register(scheme, opens(newBackend(), nil))
	return scheme
}

func TestPackageFunctionsUseTheDefaultRegistry(t *testing.T) {
	scheme := registerOnce()
	if !slices.Contains(core.Drivers(), scheme) {
		t.Errorf("Drivers = %q, want %s among them", core.Drivers(), scheme)
	}
	c, err := core.Open(t.Context(), scheme+"://", nil)
	if err != nil {
		t.Fatal(err)
	}
	put(t, c, "k", "v")
	_, err = core.Open(t.Context(), "nobody-has-this://", nil)
	wantErr(t, err, core.ErrConfig)
}

func TestSchemeIsReadInEitherCase(t *testing.T) {
	var r core.Registry
	r.Register("mem", opens(newBackend(), nil))
	_, err := r.Open(t.Context(), "MEM://", nil)
	wantErr(t, err, nil)
}

func TestOpenTakesTheCachesParametersBeforeTheDriverSeesTheURL(t *testing.T) {
	for _, test := range []struct {
		url  string
		opts *core.Options
		key  string        // as the backend sees it
		ttl  time.Duration // the default
		rest string        // the query as the driver sees it
	}{
		{"mem://", nil, "k", 0, ""},
		{"mem://?", nil, "k", 0, ""},
		{"mem://?prefix=app:&default_ttl=10m", nil, "app:k", 10 * time.Minute, ""},
		{"mem://?prefix=a%20%26&x=1", nil, "a &k", 0, "x=1"},
		{"mem://?prefix=&default_ttl=0", nil, "k", 0, ""},
		{"mem://?b=2&default_ttl=1s&a=1&b=1", nil, "k", time.Second, "b=2&a=1&b=1"},
		{"mem://?%70refix=a:&x=%26&y=+&", nil, "a:k", 0, "x=%26&y=+&"},
		{"mem://?prefix=app:&default_ttl=10m", &core.Options{}, "app:k", 10 * time.Minute, ""},
		{"mem://?prefix=&default_ttl=10m", &core.Options{Prefix: "own:"}, "own:k", 10 * time.Minute, ""},
		{"mem://?prefix=app:&default_ttl=10m", &core.Options{DefaultTTL: 1}, "app:k", 1, ""},
		{"mem://?default_ttl=10m", &core.Options{DefaultTTL: core.Forever}, "k", 0, ""},
		{"mem://?timeout=5s", &core.Options{Prefix: "own:", DefaultTTL: 1}, "own:k", 1, "timeout=5s"},
	} {
		t.Run(test.url, func(t *testing.T) {
			var r core.Registry
			var u *url.URL
			b := newBackend()
			r.Register("mem", opens(b, &u))
			given := core.Options{}
			if test.opts != nil {
				given = *test.opts
			}
			c, err := r.Open(t.Context(), test.url, test.opts)
			if err != nil {
				t.Fatal(err)
			}
			wantErr(t, c.Set(t.Context(), "k", nil, 0), nil)
			if got := b.log()[0]; got.keys[0] != test.key || got.ttl != test.ttl {
				t.Errorf("the backend saw %q for %v, want %q for %v", got.keys[0], got.ttl, test.key, test.ttl)
			}
			if u.RawQuery != test.rest {
				t.Errorf("the driver saw the query %q, want %q", u.RawQuery, test.rest)
			}
			if test.opts != nil && (test.opts.Prefix != given.Prefix || test.opts.DefaultTTL != given.DefaultTTL) {
				t.Error("Open changed the caller's Options")
			}
		})
	}
}

func TestOpenRefusesTwoPrefixes(t *testing.T) {
	var r core.Registry
	r.Register("mem", driverFunc(func(context.Context, *url.URL) (core.Backend, error) { return newBackend(), nil }))
	const rawURL = "mem://?prefix=a:"
	opts := &core.Options{Prefix: "b:"}
	c, err := r.Open(t.Context(), rawURL, opts)
	wantErr(t, err, core.ErrConfig)
	if want := "cachewire: open mem://: invalid configuration: parameter prefix: the options have a prefix, too; want one of them"; c != nil || err == nil || err.Error() != want {
		t.Errorf("Open = %v, %v; want %s", c, err, want)
	}
	wantErr(t, r.Check(rawURL, opts), core.ErrConfig)
}

// A URL that other clients take for one, and one that was pasted with a space, are refused
// with what would be right.
func TestOpenSaysWhatIsMissing(t *testing.T) {
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
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "S3") {
			t.Errorf("%q: error is %v, want %s", rawURL, err, want)
		}
	}
}

func TestCheckCallsNoDriver(t *testing.T) {
	var r core.Registry
	r.Register("mem", driverFunc(func(context.Context, *url.URL) (core.Backend, error) {
		t.Error("the driver is called")
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
	r.Register("mem", opens(newBackend(), &u))
	_, err := r.Open(t.Context(), "mem://user:pass@a:1,b:2/path?default_ttl=1s#fragment", nil)
	wantErr(t, err, nil)
	if password, _ := u.User.Password(); u.Scheme != "mem" || u.User.Username() != "user" || password != "pass" ||
		u.Host != "a:1,b:2" || u.Path != "/path" || u.Fragment != "fragment" {
		t.Errorf("the driver saw %+v", u)
	}
}

func TestOpenUsesHooksAndTimeoutOfTheOptions(t *testing.T) {
	var r core.Registry
	b, hook := newBackend(), &recorder{}
	var deadline bool
	b.before = func(ctx context.Context, _, _ string) error { _, deadline = ctx.Deadline(); return nil }
	r.Register("mem", opens(b, nil))
	c, err := r.Open(t.Context(), "mem://", &core.Options{Hooks: []core.Hook{hook}, Timeout: time.Hour})
	wantErr(t, err, nil)
	put(t, c, "k", "v")
	if !deadline || len(hook.ops) != 1 {
		t.Errorf("deadline %t, %d ops; want true and 1", deadline, len(hook.ops))
	}
}

// The driver is not asked when the URL or the options are wrong already.
func TestOpenRefusesWhatIsWrongBeforeTheDriverIsAsked(t *testing.T) {
	var r core.Registry
	asked := false
	r.Register("mem", driverFunc(func(context.Context, *url.URL) (core.Backend, error) {
		asked = true
		return newBackend(), nil
	}))
	for _, test := range []struct {
		url  string
		opts *core.Options
		says string
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
		if err != nil && !strings.Contains(err.Error(), test.says) {
			t.Errorf("%q: error %q does not say %q", test.url, err, test.says)
		}
		if c != nil || asked {
			t.Errorf("%q: Cache %v, driver asked: %t", test.url, c, asked)
		}
	}
}

// What the driver did not ask for is an error of its Params, if it has them.
func TestParameterThatNobodyKnowsIsAnError(t *testing.T) {
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
	if err != nil && !(strings.Contains(err.Error(), "mem://host/path") && strings.Contains(err.Error(), `unknown parameter "sise"; known: size, prefix, default_ttl`)) {
		t.Errorf("error %q does not say where and what", err)
	}
}

func TestDriversErrorIsWrappedWithItsCause(t *testing.T) {
	var r core.Registry
	cause := &url.Error{Op: "dial", URL: "x", Err: io.EOF}
	r.Register("mem", fails(fmt.Errorf("%w: %w", core.ErrUnavailable, cause)))
	c, err := r.Open(t.Context(), "mem://a:1/db", nil)
	wantErr(t, err, core.ErrUnavailable)
	wantErr(t, err, io.EOF)
	var got *url.Error
	if !errors.As(err, &got) || got != cause || c != nil {
		t.Errorf("Open = %v, %v; want the cause within reach", c, err)
	}
	if want := `cachewire: open mem://a:1/db: unavailable: dial "x": EOF`; err == nil || err.Error() != want {
		t.Errorf("error is %v, want %s", err, want)
	}
	if errors.Is(err, core.ErrConfig) {
		t.Error("a server that does not answer looks like a wrong URL")
	}
}

func TestDriverThatAnswersNoBackendIsAnError(t *testing.T) {
	var r core.Registry
	r.Register("mem", fails(nil))
	c, err := r.Open(t.Context(), "mem://", nil)
	wantErr(t, err, core.ErrConfig)
	if c != nil {
		t.Error("a Cache comes beside the error")
	}
}

func TestDriverSeesTheContext(t *testing.T) {
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
		t.Errorf("the driver saw %v", got)
	}
	var none context.Context
	_, err = r.Open(none, "mem://", nil)
	wantErr(t, err, nil)
	if got == nil {
		t.Error("the driver saw a nil context")
	}
}

func TestRegistryIsForManyGoroutines(t *testing.T) {
	var r core.Registry
	var panics atomic.Int64
	together(32, func(i int) {
		r.Register(fmt.Sprint("mem", i), opens(newBackend(), nil))
		c, err := r.Open(t.Context(), fmt.Sprint("mem", i, "://"), nil)
		if err != nil {
			t.Error(err)
			return
		}
		put(t, c, "k", "v")
		if got := r.Drivers(); !slices.Contains(got, fmt.Sprint("mem", i)) || !slices.IsSorted(got) {
			t.Errorf("Drivers = %q", got)
		}
		_, _ = r.Open(t.Context(), "unknown://", nil)
		func() {
			defer func() {
				if recover() != nil {
					panics.Add(1)
				}
			}()
			r.Register("contested", fails(io.EOF))
		}()
	})
	if got := panics.Load(); got != 31 {
		t.Errorf("%d of 32 goroutines could not register the same scheme, want 31", got)
	}
	if got := len(r.Drivers()); got != 33 {
		t.Errorf("%d drivers, want 33", got)
	}
}

func TestURLMayHaveAPercentEncodedAt(t *testing.T) {
	var r core.Registry
	var seen *url.URL
	r.Register("x", driverFunc(func(_ context.Context, u *url.URL) (core.Backend, error) {
		seen = u
		return newBackend(), nil
	}))
	cache, err := r.Open(t.Context(), "x://me:p%40ss@host/run/a%40b?name=c%40d&prefix=e%40f#g%40h", nil)
	if err != nil {
		t.Fatalf("Open of a URL in which each @ but one is percent-encoded: %v", err)
	}
	defer cache.Close()
	if seen.Path != "/run/a@b" || seen.Query().Get("name") != "c@d" || seen.Fragment != "g@h" {
		t.Errorf("the driver saw %v", seen)
	}
	for _, rawURL := range []string{"x://host/a@b", "x://host?a=b@c", "x://host#a@b", "x:a@b"} {
		if _, err := r.Open(t.Context(), rawURL, nil); !errors.Is(err, core.ErrConfig) || !strings.Contains(err.Error(), "%40") {
			t.Errorf("Open(%q): error is %v, want %v that says how to write an @", rawURL, err, core.ErrConfig)
		}
	}
}
