package core_test

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"testing"
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
