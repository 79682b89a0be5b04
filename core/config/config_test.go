package config_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/core/config"
	"github.com/cachewire/cachewire/core/internal/coretest"
)

// testRegistry returns a Registry with the schemes mem, memory and null, whose drivers open
// a new coretest.Backend.
func testRegistry() *core.Registry {
	var r core.Registry
	open := func(context.Context, *url.URL) (core.Backend, error) {
		return new(coretest.Backend), nil
	}
	for _, scheme := range []string{"mem", "memory", "null"} {
		r.Register(scheme, coretest.Driver(open))
	}
	return &r
}

// recordingDriver returns a driver that opens a new coretest.Backend and stores the URL in
// *u.
func recordingDriver(u **url.URL) core.Driver {
	return coretest.Driver(func(_ context.Context, opened *url.URL) (core.Backend, error) {
		*u = opened
		return new(coretest.Backend), nil
	})
}

// failingDriver returns a driver whose Open fails.
func failingDriver() core.Driver {
	return coretest.Driver(func(context.Context, *url.URL) (core.Backend, error) {
		return nil, io.EOF
	})
}

// A recorder is a hook that keeps every Op.
type recorder struct{ ops []core.Op }

func (r *recorder) After(_ context.Context, op *core.Op) { r.ops = append(r.ops, *op) }

func newCaches(t *testing.T, opts *config.Options, c config.Config) *config.Caches {
	t.Helper()
	cs, err := config.New(c, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cs.Close() })
	return cs
}

func getCache(t *testing.T, cs *config.Caches, name string) *core.Cache {
	t.Helper()
	c, err := cs.Get(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func put(t *testing.T, c *core.Cache, key, value string) {
	t.Helper()
	if err := c.Set(t.Context(), key, []byte(value), 0); err != nil {
		t.Fatal(err)
	}
}

// wantErr fails the test unless errors.Is(err, target).
func wantErr(t *testing.T, err, target error) {
	t.Helper()
	if !errors.Is(err, target) {
		t.Errorf("error is %v, want %v", err, target)
	}
}

// wantConfigErr fails the test unless err is ErrConfig and its text contains want and does
// not contain "secret".
func wantConfigErr(t *testing.T, err error, want string) {
	t.Helper()
	wantErr(t, err, core.ErrConfig)
	if err == nil || !strings.Contains(err.Error(), want) ||
		strings.Contains(err.Error(), "secret") {
		t.Errorf("error is %v, want it to contain %s and no secret", err, want)
	}
}

const configText = `{
	"default": "local",
	"caches": {
		"local": {"url": "mem://?max_items=10"},
		"shared": {
			"url": "mem://user:secret@host?api_key=abc&size=5", "prefix": "app:",
			"default_ttl": "10m", "timeout": "1s", "hooks": ["hook"]
		}
	}
}`

func TestConfigIsReadFromJSON(t *testing.T) {
	var c config.Config
	if err := json.Unmarshal([]byte(configText), &c); err != nil {
		t.Fatal(err)
	}
	want := config.Config{Default: "local", Caches: map[string]config.Cache{
		"local": {URL: "mem://?max_items=10"},
		"shared": {
			URL:        "mem://user:secret@host?api_key=abc&size=5",
			Prefix:     "app:",
			DefaultTTL: config.Duration(10 * time.Minute),
			Timeout:    config.Duration(time.Second),
			Hooks:      []string{"hook"},
		},
	}}
	if !reflect.DeepEqual(c, want) {
		t.Errorf("the config is %+v, want %+v", c, want)
	}
	text, err := json.Marshal(c)
	var again config.Config
	if err != nil || json.Unmarshal(text, &again) != nil || !reflect.DeepEqual(again, want) {
		t.Errorf("Marshal = %s, %v; want what Unmarshal reads as the same config", text, err)
	}
}

func TestErrorsOfWrongJSONSayWhere(t *testing.T) {
	for text, want := range map[string]string{
		`[]`: `the configuration: ` +
			`want an object like {"default": "a", "caches": {"a": {"url": "memory://"}}}`,
		`{"caches": []}`:       `caches: want an object like {"a": {"url": "memory://"}}`,
		`{"cache": {}}`:        "cache: unknown field; known: caches, default",
		`{"default": 1}`:       "default: want a string",
		`{"caches": {"a": 1}}`: `caches.a: want an object like {"url": "memory://"}`,
		`{"caches": {"a": {"ur": "", "timeout": 5, "default_ttl": "5", "hooks": "x"}}}`: "" +
			`caches.a.default_ttl: want a duration like "1m30s"; ` +
			`caches.a.hooks: want a list of strings; ` +
			`caches.a.timeout: want a duration like "1m30s"; ` +
			`caches.a.ur: unknown field; known: bus, default_ttl, far, hooks, near, prefix, ` +
			`timeout, url`,
	} {
		var c config.Config
		err := json.Unmarshal([]byte(text), &c)
		wantErr(t, err, core.ErrConfig)
		want = "cachewire: invalid configuration: " + want
		if err == nil || !strings.HasSuffix(err.Error(), want) {
			t.Errorf("%s: error is %v, want %s at its end", text, err, want)
		}
	}
	var d config.Duration
	wantErr(t, d.UnmarshalText([]byte("10")), core.ErrConfig)
}

func TestNewSaysWhatIsWrongAndWhere(t *testing.T) {
	hooks := map[string]core.Hook{"hook": &recorder{}}
	opts := &config.Options{Registry: testRegistry(), Hooks: hooks}
	for _, test := range []struct {
		cache config.Cache
		want  string // part of the error
	}{
		{config.Cache{URL: "mem://?default_ttl=bogus"},
			"configuration: caches.a.url: parameter default_ttl: want a duration"},
		{config.Cache{URL: "mem://?%zz=1"},
			"caches.a.url: malformed query"},
		{config.Cache{},
			"caches.a.url: the URL has no scheme; want one like"},
		{config.Cache{URL: "localhost:11211"},
			"caches.a.url: the URL has no scheme; want memcache://localhost:11211"},
		{config.Cache{URL: " mem://user:secret@host"},
			"caches.a.url: the URL begins or ends with white space"},
		{config.Cache{URL: "redis://user:secret@host"},
			`caches.a.url: no driver for "redis"; known: mem, memory, null (forgotten import?)`},
		{config.Cache{URL: "mem://user:secret@[::1"},
			"caches.a.url: the URL is wrong: "},
		{config.Cache{URL: "mem://", Hooks: []string{"hook", "hok"}},
			`caches.a.hooks[1]: unknown hook "hok"; Options.Hooks have: hook`},
		{config.Cache{URL: "mem://", DefaultTTL: -1},
			"caches.a.default_ttl: -1ns, want 0 (the item never expires) or more"},
		{config.Cache{URL: "mem://", Timeout: -1},
			"caches.a.timeout: -1ns, want 0 (none) or more"},
		{config.Cache{URL: "mem://", Prefix: strings.Repeat("x", 300)},
			"caches.a.prefix: prefix of 300 bytes, the longest is 250"},
		{config.Cache{URL: "mem://?prefix=a:", Prefix: "b:"},
			"caches.a.prefix: parameter prefix: the options have a prefix, too"},
	} {
		c := config.Config{Default: "a", Caches: map[string]config.Cache{"a": test.cache}}
		_, err := config.New(c, opts)
		wantConfigErr(t, err, test.want)
	}
	local := map[string]config.Cache{"local": {URL: "mem://", DefaultTTL: -1, Timeout: -1}}
	for _, test := range []struct {
		config config.Config
		want   string // part of the error
	}{
		{config.Config{Default: "", Caches: map[string]config.Cache{"": {URL: "mem://"}}},
			"caches.: a cache has no name"},
		{config.Config{Default: "locl", Caches: local},
			`default: no cache "locl"; want one of local`},
		{config.Config{Caches: local},
			`default: missing, and no cache is named "default"; want one of local`},
		{config.Config{Default: "locl", Caches: local},
			"caches.local.default_ttl: -1ns, want 0 (the item never expires) or mo"},
		{config.Config{Default: "locl", Caches: local},
			"caches.local.timeout: -1ns"},
	} {
		_, err := config.New(test.config, opts)
		wantConfigErr(t, err, test.want)
	}
	_, err := config.New(config.Config{}, &config.Options{Registry: new(core.Registry)})
	want := `cachewire: invalid configuration: caches.default.url: ` +
		`no driver for "memory"; known: none (forgotten import?)`
	if err == nil || err.Error() != want {
		t.Errorf("error is %v, want %s", err, want)
	}
	_, err = config.New(config.Config{}, &config.Options{
		Registry: testRegistry(),
		Hooks:    map[string]core.Hook{"none": nil},
	})
	wantConfigErr(t, err, `Options.Hooks["none"] is nil`)
}

func TestNewUsesTheDefaultRegistry(t *testing.T) {
	var u *url.URL
	core.Register("configtest", recordingDriver(&u))
	c := config.Config{Caches: map[string]config.Cache{"default": {URL: "configtest://host"}}}
	for _, opts := range []*config.Options{nil, {}} {
		u = nil
		getCache(t, newCaches(t, opts, c), "")
		if u == nil || u.Host != "host" {
			t.Errorf("the driver opened %v, want the host", u)
		}
	}
}

func TestDurationsPrintAsText(t *testing.T) {
	var out strings.Builder
	slog.New(slog.NewTextHandler(&out, nil)).Info("", "ttl", config.Duration(time.Minute))
	for _, text := range []string{
		fmt.Sprint(config.Duration(time.Minute)),
		fmt.Sprintf("%+v", config.Cache{DefaultTTL: config.Duration(time.Minute)}),
		out.String(),
	} {
		if !strings.Contains(text, "1m0s") {
			t.Errorf("a minute prints as %s", text)
		}
	}
}

func TestAConfigWithoutCachesHasABoundedOne(t *testing.T) {
	var u *url.URL
	var r core.Registry
	r.Register("memory", recordingDriver(&u))
	getCache(t, newCaches(t, &config.Options{Registry: &r}, config.Config{}), "")
	if u == nil || u.Scheme != "memory" || u.RawQuery != "max_bytes=64MiB" {
		t.Errorf("the driver opened %v, want memory://?max_bytes=64MiB", u)
	}
}

func TestCachesHaveTheSettingsOfTheConfig(t *testing.T) {
	hook := &recorder{}
	var c config.Config
	if err := json.Unmarshal([]byte(configText), &c); err != nil {
		t.Fatal(err)
	}
	var u *url.URL
	var stored []string
	b := &coretest.Backend{Before: func(_ context.Context, _, key string) error {
		stored = append(stored, key)
		return nil
	}}
	var r core.Registry
	open := func(_ context.Context, opened *url.URL) (core.Backend, error) {
		u = opened
		return b, nil
	}
	r.Register("mem", coretest.Driver(open))
	cs := newCaches(t, &config.Options{Registry: &r, Hooks: map[string]core.Hook{"hook": hook}}, c)
	c.Caches["shared"] = config.Cache{URL: "other://"} // has no effect after New
	if names := cs.Names(); !slices.Equal(names, []string{"local", "shared"}) {
		t.Errorf("Names = %q", names)
	}
	shared := getCache(t, cs, "shared")
	if got := u.String(); got != "mem://user:secret@host?api_key=abc&size=5" {
		t.Errorf("the driver opened %s", got)
	}
	put(t, shared, "k", "v")
	if !slices.Equal(b.TTLs, []time.Duration{10 * time.Minute}) ||
		!slices.Equal(stored, []string{"app:k"}) {
		t.Errorf("the backend stored %q for %v, want app:k for 10m0s", stored, b.TTLs)
	}
	if len(hook.ops) != 1 || hook.ops[0].Cache != "shared" {
		t.Errorf("the hook was called with %+v", hook.ops)
	}
	if getCache(t, cs, "shared") != shared || getCache(t, cs, "") != getCache(t, cs, "local") {
		t.Error("the second Get returned another cache")
	}
	_, err := cs.Get(t.Context(), "shard")
	wantErr(t, err, core.ErrNoNamespace)
	if err == nil || !strings.Contains(err.Error(), `"shard"; there are: local, shared`) {
		t.Errorf("error is %v", err)
	}

	described, err := json.Marshal(cs.Describe())
	want := `{"default":"local","caches":{"local":{"url":"mem://?max_items=10"},` +
		`"shared":{"url":"mem://xxxxx@host?api_key=xxxxx\u0026size=5",` +
		`"prefix":"app:","default_ttl":"10m0s","timeout":"1s","hooks":["hook"]}}}`
	if err != nil || string(described) != want {
		t.Errorf("Describe = %s, %v; want %s", described, err, want)
	}
}

// The caller may change the Config, the result of Describe, and the description that Create
// passes to it. The Caches stay as they are.
func TestCachesKeepTheirOwnConfig(t *testing.T) {
	hook := &recorder{}
	var u *url.URL
	var r core.Registry
	r.Register("mem", recordingDriver(&u))
	c := config.Config{Default: "a", Caches: map[string]config.Cache{
		"a": {URL: "mem://user:secret@host", Hooks: []string{"hook"}},
	}}
	hooks := map[string]core.Hook{"hook": hook}
	cs := newCaches(t, &config.Options{Registry: &r, Hooks: hooks}, c)
	delete(hooks, "hook")
	c.Caches["a"].Hooks[0] = "changed"
	cs.Describe().Caches["a"].Hooks[0] = "changed"
	created, err := cs.Create(t.Context(), "a", func(c *config.Cache) {
		c.Hooks[0], c.Hooks = "changed", nil
	})
	if wantErr(t, err, nil); created != nil {
		created.Close()
	}
	put(t, getCache(t, cs, "a"), "k", "v")
	if len(hook.ops) != 1 || u.User.String() != "user:secret" {
		t.Errorf("the hook was called %d times, want 1; the driver opened the URL of %v",
			len(hook.ops), u.User)
	}
}

func FuzzConfig(f *testing.F) {
	f.Add([]byte(configText))
	f.Add([]byte(`{"caches":{"":null,"a":{"url":null,"hooks":[null]}}}`))
	f.Add([]byte(`null`))
	f.Fuzz(func(t *testing.T, text []byte) {
		var c config.Config
		if json.Unmarshal(text, &c) != nil {
			return
		}
		again, err := json.Marshal(c)
		if err != nil {
			t.Fatal(err)
		}
		var other config.Config
		names := func(c config.Config) string {
			return fmt.Sprint(slices.Sorted(maps.Keys(c.Caches)))
		}
		if err := json.Unmarshal(again, &other); err != nil || names(c) != names(other) {
			t.Errorf("Unmarshal of %s = %+v, %v", again, other, err)
		}
		cs, err := config.New(c, &config.Options{Registry: testRegistry()})
		if err == nil {
			cs.Describe()
		}
	})
}
