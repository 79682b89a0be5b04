package core_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cachewire/cachewire/core"
)

// registry answers a Registry with drivers for mem, memory and null, and a hook.
func registry(hook core.Hook) *core.Registry {
	var r core.Registry
	for _, scheme := range []string{"mem", "memory", "null"} {
		r.Register(scheme, driverFunc(func(context.Context, *url.URL) (core.Backend, error) { return newBackend(), nil }))
	}
	r.RegisterHook("hook", hook)
	return &r
}

func newCaches(t *testing.T, r *core.Registry, config core.Config) *core.Caches {
	t.Helper()
	cs, err := r.NewCaches(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cs.Close() })
	return cs
}

func getCache(t *testing.T, cs *core.Caches, name string) *core.Cache {
	t.Helper()
	c, err := cs.Get(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

const configText = `{
	"default": "local",
	"caches": {
		"local": {"url": "mem://?max_items=10"},
		"shared": {"url": "mem://user:secret@host?prefix=url:&api_key=abc&size=5", "prefix": "app:", "default_ttl": "10m", "timeout": "1s", "hooks": ["hook"]}
	}
}`

func TestConfigIsReadFromJSON(t *testing.T) {
	var config core.Config
	if err := json.Unmarshal([]byte(configText), &config); err != nil {
		t.Fatal(err)
	}
	want := core.Config{Default: "local", Caches: map[string]core.CacheConfig{
		"local": {URL: "mem://?max_items=10"},
		"shared": {
			URL: "mem://user:secret@host?prefix=url:&api_key=abc&size=5", Prefix: "app:",
			DefaultTTL: core.Duration(10 * time.Minute), Timeout: core.Duration(time.Second), Hooks: []string{"hook"},
		},
	}}
	if !reflect.DeepEqual(config, want) {
		t.Errorf("%+v", config)
	}
	text, err := json.Marshal(config)
	var again core.Config
	if err != nil || json.Unmarshal(text, &again) != nil || !reflect.DeepEqual(again, want) {
		t.Errorf("written as %s, %v", text, err)
	}
}

func TestWrongConfigurationSaysWhere(t *testing.T) {
	for text, want := range map[string]string{
		`[]`:                   ": want an object",
		`{"caches": []}`:       "caches: want an object",
		`{"cache": {}}`:        "cache: unknown field; known: caches, default",
		`{"default": 1}`:       "default: want a text",
		`{"caches": {"a": 1}}`: "caches.a: want an object",
		`{"caches": {"a": {"ur": "", "timeout": 5, "default_ttl": "5", "hooks": "x"}}}`: `caches.a.default_ttl: want a duration like "1m30s"; caches.a.hooks: want a list of texts; ` +
			`caches.a.timeout: want a duration like "1m30s"; caches.a.ur: unknown field; known: default_ttl, hooks, prefix, timeout, url`,
	} {
		var config core.Config
		err := json.Unmarshal([]byte(text), &config)
		if wantErr(t, err, core.ErrConfig); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", text, err, want)
		}
	}
	var d core.Duration
	wantErr(t, d.UnmarshalText([]byte("10")), core.ErrConfig)
	r := registry(&recorder{})
	for want, c := range map[string]core.CacheConfig{
		"caches.a.url: parameter default_ttl: want a duration":                              {URL: "mem://?default_ttl=bogus"},
		"caches.a.url: malformed query":                                                     {URL: "mem://?%zz=1"},
		"caches.a.url: the URL has no scheme; want one like":                                {},
		`caches.a.url: no driver for "redis"; known: mem, memory, null (forgotten import?)`: {URL: "redis://user:secret@host"},
		`caches.a.url: the URL is wrong: `:                                                  {URL: "mem://user:secret@[::1"},
		`caches.a.hooks[1]: unknown hook "hok"; known: hook (not registered yet?)`:          {URL: "mem://", Hooks: []string{"hook", "hok"}},
		"caches.a: default time to live -1ns, want 0 (for ever) or more":                    {URL: "mem://", DefaultTTL: -1},
		"caches.a: time-out -1ns, want 0 (none) or more":                                    {URL: "mem://", Timeout: -1},
		"caches.a: prefix of 300 bytes, the longest is 250":                                 {URL: "mem://", Prefix: strings.Repeat("x", 300)},
	} {
		_, err := r.NewCaches(core.Config{Caches: map[string]core.CacheConfig{"a": c}})
		if wantErr(t, err, core.ErrConfig); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%v, want %s", err, want)
		}
	}
	_, err := r.NewCaches(core.Config{Caches: map[string]core.CacheConfig{"": {URL: "mem://"}}})
	wantErr(t, err, core.ErrConfig)
	_, err = r.NewCaches(core.Config{Default: "locl", Caches: map[string]core.CacheConfig{"local": {URL: "mem://", DefaultTTL: -1, Timeout: -1}}})
	for _, want := range []string{`default: no cache "locl"; there are: local`, "default time to live -1ns", "time-out -1ns"} {
		if wantErr(t, err, core.ErrConfig); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
	var none core.Registry
	_, err = none.NewCaches(core.Config{})
	if want := `cachewire: invalid configuration: caches.default.url: no driver for "memory"; known: none (forgotten import?)`; err == nil || err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
	for name, register := range map[string]func(){
		"nil":   func() { none.RegisterHook("x", nil) },
		"empty": func() { none.RegisterHook("", &recorder{}) },
		"taken": func() { r.RegisterHook("hook", &recorder{}) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: no panic", name)
				}
			}()
			register()
		}()
	}
}

func TestCachesAreAsTheConfigSays(t *testing.T) {
	hook := &recorder{}
	var config core.Config
	if err := json.Unmarshal([]byte(configText), &config); err != nil {
		t.Fatal(err)
	}
	var u *url.URL
	b := newBackend()
	var r core.Registry
	r.Register("mem", opens(b, &u))
	r.RegisterHook("hook", hook)
	cs := newCaches(t, &r, config)
	config.Caches["shared"] = core.CacheConfig{URL: "other://"} // is not looked at again
	if names := cs.Names(); !slices.Equal(names, []string{"local", "shared"}) {
		t.Errorf("Names = %q", names)
	}
	c := getCache(t, cs, "shared")
	if got := u.String(); got != "mem://user:secret@host?api_key=abc&size=5" {
		t.Errorf("opened %s", got)
	}
	wantErr(t, c.Set(t.Context(), "k", nil, core.DefaultTTL), nil)
	if call := b.calls[0]; call.ttl != 10*time.Minute || !slices.Equal(call.keys, []string{"app:k"}) {
		t.Errorf("%+v", call)
	}
	if len(hook.ops) != 1 || hook.ops[0].Cache != "shared" {
		t.Errorf("the hook heard of %+v", hook.ops)
	}
	if getCache(t, cs, "shared") != c || getCache(t, cs, "") != getCache(t, cs, "local") {
		t.Error("the second Get answers another cache")
	}
	_, err := cs.Get(t.Context(), "shard")
	wantErr(t, err, core.ErrNoNamespace)
	if err == nil || !strings.Contains(err.Error(), `"shard"; there are: local, shared`) {
		t.Errorf("error is %v", err)
	}

	described, err := json.Marshal(cs.Describe())
	if want := `{"default":"local","caches":{"local":{"url":"mem://?max_items=10"},"shared":{"url":"mem://xxxxx@host?prefix=url:\u0026api_key=xxxxx\u0026size=5",` +
		`"prefix":"app:","default_ttl":"10m0s","timeout":"1s","hooks":["hook"]}}}`; err != nil || string(described) != want {
		t.Errorf("%s, %v; want %s", described, err, want)
	}
}

func TestCreateAnswersANewCacheEachTime(t *testing.T) {
	cs := newCaches(t, registry(&recorder{}), core.Config{})
	c := getCache(t, cs, "")
	one, err := cs.Create(t.Context(), "", func(c *core.CacheConfig) { c.Prefix = "one:" })
	wantErr(t, err, nil)
	defer one.Close()
	two, err := cs.Create(t.Context(), "default")
	wantErr(t, err, nil)
	defer two.Close()
	if one == two || one == c || two == c {
		t.Error("Create answers the same cache again")
	}
	put(t, one, "k", "v")
	_, err = two.Get(t.Context(), "k")
	wantErr(t, err, core.ErrMiss)
	_, err = cs.Create(t.Context(), "other")
	wantErr(t, err, core.ErrNoNamespace)
	for _, change := range []func(c *core.CacheConfig){
		func(c *core.CacheConfig) { c.URL = "redis://" },
		func(c *core.CacheConfig) { c.Hooks = append(c.Hooks, "hok") },
	} {
		_, err = cs.Create(t.Context(), "", change)
		wantErr(t, err, core.ErrConfig)
	}
	wantErr(t, cs.Close(), nil)
	put(t, one, "k", "v") // is the caller's
	_, err = cs.Create(t.Context(), "")
	wantErr(t, err, core.ErrClosed)
}

// However many ask at once a cache is opened once; an open that fails is tried again.
func TestOneOpens(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var opens atomic.Int64
		var r core.Registry
		r.Register("mem", driverFunc(func(ctx context.Context, _ *url.URL) (core.Backend, error) {
			n := opens.Add(1)
			select {
			case <-time.After(time.Second):
			case <-ctx.Done():
				return nil, ctx.Err()
			}
			if n < 3 {
				return nil, io.EOF
			}
			return newBackend(), nil
		}))
		cs := newCaches(t, &r, core.Config{Caches: map[string]core.CacheConfig{"default": {URL: "mem://"}, "other": {URL: "mem://"}}})
		_, err := cs.Get(t.Context(), "")
		if wantErr(t, err, io.EOF); err == nil || !strings.HasPrefix(err.Error(), "caches.default: ") {
			t.Errorf("error is %v", err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		_, err = cs.Get(ctx, "")
		wantErr(t, err, context.DeadlineExceeded)
		var all sync.WaitGroup
		caches := make([]*core.Cache, 50)
		for i := range caches {
			all.Go(func() { caches[i], _ = cs.Get(context.Background(), "") })
		}
		all.Go(func() { // who gives up waits no longer
			time.Sleep(10 * time.Millisecond)
			began := time.Now()
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
			defer cancel()
			if _, err := cs.Get(ctx, ""); !errors.Is(err, context.DeadlineExceeded) || time.Since(began) > 11*time.Millisecond {
				t.Errorf("%v after %v", err, time.Since(began))
			}
		})
		all.Wait()
		for _, c := range caches {
			if c == nil || c != caches[0] {
				t.Fatal("not all have the same cache")
			}
		}
		if opens.Load() != 3 {
			t.Errorf("opened %d times, want 3", opens.Load())
		}
	})
}

func TestCachesAreClosedInReverse(t *testing.T) {
	var closed []string
	var r core.Registry
	r.Register("mem", driverFunc(func(_ context.Context, u *url.URL) (core.Backend, error) {
		b := newBackend()
		b.before = func(_ context.Context, verb, _ string) error {
			if verb == "Close" {
				closed = append(closed, u.Host)
				if u.Host == "b" {
					return io.EOF
				}
			}
			return nil
		}
		return b, nil
	}))
	config := core.Config{Default: "a", Caches: map[string]core.CacheConfig{}}
	for _, name := range []string{"a", "b", "c", "d"} {
		config.Caches[name] = core.CacheConfig{URL: "mem://" + name}
	}
	cs := newCaches(t, &r, config)
	for _, name := range []string{"b", "d", "a"} {
		getCache(t, cs, name)
	}
	err := cs.Close()
	if wantErr(t, err, io.EOF); !slices.Equal(closed, []string{"a", "d", "b"}) || err == nil || !strings.Contains(err.Error(), "caches.b: ") {
		t.Errorf("closed %q, %v", closed, err)
	}
	wantErr(t, cs.Close(), nil)
	for _, name := range []string{"a", "c"} {
		_, err = cs.Get(t.Context(), name)
		wantErr(t, err, core.ErrClosed)
	}
}

// A cache that is being opened when Caches is closed is closed as well.
func TestCloseWhileOpening(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var closed atomic.Bool
		var r core.Registry
		r.Register("memory", driverFunc(func(context.Context, *url.URL) (core.Backend, error) {
			time.Sleep(time.Second)
			b := newBackend()
			b.before = func(_ context.Context, verb, _ string) error {
				closed.Store(verb == "Close")
				return nil
			}
			return b, nil
		}))
		cs := newCaches(t, &r, core.Config{})
		go func() {
			time.Sleep(time.Millisecond)
			wantErr(t, cs.Close(), nil)
		}()
		_, err := cs.Get(t.Context(), "")
		if wantErr(t, err, core.ErrClosed); !closed.Load() {
			t.Error("the cache stays open")
		}
	})
}

func TestClientOfCaches(t *testing.T) {
	cs := newCaches(t, registry(&recorder{}), core.Config{Default: "b", Caches: map[string]core.CacheConfig{"a": {URL: "mem://"}, "b": {URL: "memory://"}}})
	client, err := cs.Client(t.Context())
	wantErr(t, err, nil)
	for name, same := range map[string]string{"": "b", "a": "a", "b": "b"} {
		if c, err := client.Namespace(name); err != nil || c != getCache(t, cs, same) {
			t.Errorf("%q: %v, %v", name, c, err)
		}
	}
	c := getCache(t, cs, "a")
	wantErr(t, cs.Close(), nil)
	_, err = c.Get(t.Context(), "k")
	wantErr(t, err, core.ErrClosed)
	wantErr(t, client.Close(), nil)
}

func TestCachesAreSwitchedOff(t *testing.T) {
	config := core.Config{Caches: map[string]core.CacheConfig{"default": {URL: "mem://"}, "other": {URL: "memory://x"}}}
	for _, tt := range [][]string{
		{"", "mem://", "memory://x"}, {"0", "mem://", "memory://x"}, {"true", "null://", "null://"}, {"1", "null://", "null://"},
	} {
		value, want := tt[0], tt[1:]
		t.Setenv("CACHEWIRE_DISABLE", value)
		cs := newCaches(t, registry(&recorder{}), config)
		var got []string
		for _, name := range cs.Names() {
			got = append(got, cs.Describe().Caches[name].URL)
		}
		for i := range got {
			if !strings.HasPrefix(got[i], want[i]) {
				t.Errorf("CACHEWIRE_DISABLE=%s: %q, want %q", value, got, want)
			}
		}
	}
	var opened *url.URL
	var r core.Registry
	r.Register("null", opens(newBackend(), &opened))
	cs := newCaches(t, &r, config)
	getCache(t, cs, "other")
	if opened.Scheme != "null" {
		t.Errorf("Get opens %v", opened)
	}
	opened = nil
	c, err := cs.Create(t.Context(), "", func(c *core.CacheConfig) { c.URL = "mem://" })
	if wantErr(t, err, nil); opened == nil || opened.Scheme != "null" {
		t.Errorf("Create opens %v", opened)
	}
	c.Close()
	var none core.Registry
	none.Register("mem", fails(io.EOF))
	none.Register("memory", fails(io.EOF))
	t.Setenv("CACHEWIRE_DISABLE", "0")
	newCaches(t, &none, config)
	t.Setenv("CACHEWIRE_DISABLE", "1")
	_, err = none.NewCaches(config)
	if wantErr(t, err, core.ErrConfig); err == nil || !strings.Contains(err.Error(), `no driver for "null"`) || !strings.Contains(err.Error(), "CACHEWIRE_DISABLE=1") {
		t.Errorf("error is %v", err)
	}
	t.Setenv("CACHEWIRE_DISABLE", "yes please")
	_, err = none.NewCaches(config)
	wantErr(t, err, core.ErrConfig)
}

// Others have the error of the one who opens; who comes later has it tried again, and so
// have they if it was the opener's own.
func TestWhoWaitsForAnOpenThatFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var opens atomic.Int64
		var r core.Registry
		r.Register("memory", driverFunc(func(ctx context.Context, _ *url.URL) (core.Backend, error) {
			opens.Add(1)
			select {
			case <-time.After(5 * time.Second):
			case <-ctx.Done():
				return nil, ctx.Err()
			}
			return nil, io.EOF
		}))
		cs := newCaches(t, &r, core.Config{})
		began := time.Now()
		var all sync.WaitGroup
		all.Go(func() {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			_, err := cs.Get(ctx, "")
			wantErr(t, err, context.DeadlineExceeded)
		})
		synctest.Wait()
		for range 100 {
			all.Go(func() {
				var none context.Context
				_, err := cs.Get(none, "")
				wantErr(t, err, io.EOF)
			})
		}
		all.Wait()
		if opens.Load() != 2 || time.Since(began) != 6*time.Second {
			t.Errorf("%d opens in %v, want 2 in 6 s", opens.Load(), time.Since(began))
		}
		gone, cancel := context.WithCancel(t.Context())
		cancel()
		for range 20 {
			_, err := cs.Get(gone, "")
			wantErr(t, err, context.Canceled)
		}
		if opens.Load() != 2 {
			t.Error("opened for one whose context is done")
		}
	})
}

func TestADriverThatPanicsHarmsNoLaterOpen(t *testing.T) {
	panics := true
	var r core.Registry
	r.Register("memory", driverFunc(func(context.Context, *url.URL) (core.Backend, error) {
		if panics {
			panic("boom")
		}
		return newBackend(), nil
	}))
	cs := newCaches(t, &r, core.Config{})
	func() {
		defer func() {
			if recover() == nil {
				t.Error("no panic")
			}
		}()
		cs.Get(t.Context(), "")
	}()
	panics = false
	put(t, getCache(t, cs, ""), "k", "v")
}

// Describe, and what a caller does to the Config and to what Create shows it, changes
// nothing.
func TestTheConfigIsCachesOwn(t *testing.T) {
	hook := &recorder{}
	var u *url.URL
	var r core.Registry
	r.Register("mem", opens(newBackend(), &u))
	r.RegisterHook("hook", hook)
	config := core.Config{Caches: map[string]core.CacheConfig{"a": {URL: "mem://user:secret@host", Hooks: []string{"hook"}}}}
	cs := newCaches(t, &r, config)
	config.Caches["a"].Hooks[0] = "changed"
	cs.Describe().Caches["a"].Hooks[0] = "changed"
	c, err := cs.Create(t.Context(), "a", func(c *core.CacheConfig) { c.Hooks[0], c.Hooks = "changed", nil })
	if wantErr(t, err, nil); c != nil {
		c.Close()
	}
	put(t, getCache(t, cs, "a"), "k", "v")
	if len(hook.ops) != 1 || u.User.String() != "user:secret" {
		t.Errorf("the hook heard of %d verbs, opened for %v", len(hook.ops), u.User)
	}
}

func TestDescribeShowsNoSecrets(t *testing.T) {
	for rawURL, want := range map[string]string{
		"mem://a:1,b:2/path?size=5&keys=auto&timeout=1s": "mem://a:1,b:2/path?size=5&keys=auto&timeout=1s",
		"mem://user:secret@host":                         "mem://xxxxx@host",
		"mem://secret@host":                              "mem://xxxxx@host",
		"mem://h?API_Key=secret&PASSWORD=secret&a=1":     "mem://h?API_Key=xxxxx&PASSWORD=xxxxx&a=1",
		"mem://h?%70assword=secret":                      "mem://h?%70assword=xxxxx",
		"mem://h?encryption_keys=secret&pw=secret":       "mem://h?encryption_keys=xxxxx&pw=xxxxx",
		"mem://h?proxy=http://user:secret%40host":        "mem://h?proxy=xxxxx",
		"mem://h?auth_token=secret#password=secret":      "mem://h?auth_token=xxxxx",
	} {
		cs := newCaches(t, registry(&recorder{}), core.Config{Caches: map[string]core.CacheConfig{"a": {URL: rawURL}}})
		if got := cs.Describe().Caches["a"].URL; got != want {
			t.Errorf("%s is shown as %s, want %s", rawURL, got, want)
		}
	}
}

func FuzzConfig(f *testing.F) {
	f.Add([]byte(configText))
	f.Add([]byte(`{"caches":{"":null,"a":{"url":null,"hooks":[null]}}}`))
	f.Add([]byte(`null`))
	f.Fuzz(func(t *testing.T, text []byte) {
		var config core.Config
		if json.Unmarshal(text, &config) != nil {
			return
		}
		again, err := json.Marshal(config)
		if err != nil {
			t.Fatal(err)
		}
		var other core.Config
		if err := json.Unmarshal(again, &other); err != nil || fmt.Sprint(slices.Sorted(maps.Keys(config.Caches))) != fmt.Sprint(slices.Sorted(maps.Keys(other.Caches))) {
			t.Errorf("%s is read as %+v, %v", again, other, err)
		}
		cs, err := registry(&recorder{}).NewCaches(config)
		if err == nil {
			cs.Describe()
		}
	})
}
