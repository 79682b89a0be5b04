package core

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"time"
)

// A Config names caches, so that a program asks for one by name and a file says
// what stands behind it. It is filled by encoding/json, or by any package for YAML
// or TOML, and [NewCaches] opens it:
//
//	{
//		"default": "local",
//		"caches": {
//			"local":  {"url": "memory://?max_items=10000", "default_ttl": "10m"},
//			"shared": {"url": "memcache://127.0.0.1:11211", "prefix": "app:", "timeout": "200ms", "hooks": ["timing"]}
//		}
//	}
//
// A Config without caches has one on memory://.
type Config struct {
	// Default is the name that the empty one stands for; "" is "default".
	Default string `json:"default,omitempty" yaml:"default,omitempty" toml:"default,omitempty"`

	Caches map[string]CacheConfig `json:"caches,omitempty" yaml:"caches,omitempty" toml:"caches,omitempty"`
}

// A CacheConfig is what a Config says of one cache.
type CacheConfig struct {
	// URL is that of Open; null:// switches the cache off.
	URL string `json:"url" yaml:"url" toml:"url"`

	// These are the Cache's Options, where they are not zero.
	Prefix     string   `json:"prefix,omitempty" yaml:"prefix,omitempty" toml:"prefix,omitempty"`
	DefaultTTL Duration `json:"default_ttl,omitempty" yaml:"default_ttl,omitempty" toml:"default_ttl,omitempty"`
	Timeout    Duration `json:"timeout,omitempty" yaml:"timeout,omitempty" toml:"timeout,omitempty"`

	// Hooks are names under which RegisterHook has made some known.
	Hooks []string `json:"hooks,omitempty" yaml:"hooks,omitempty" toml:"hooks,omitempty"`
}

// A Duration is a time.Duration that is written as text, like 1m30s.
type Duration time.Duration

// MarshalText answers the text.
func (d Duration) MarshalText() ([]byte, error) { return []byte(time.Duration(d).String()), nil }

// UnmarshalText reads a text as time.ParseDuration does. The error is ErrConfig.
func (d *Duration) UnmarshalText(text []byte) error {
	value, err := time.ParseDuration(string(text))
	if err != nil {
		return fmt.Errorf("%w: %q, want a duration like 1m30s", ErrConfig, text)
	}
	*d = Duration(value)
	return nil
}

// UnmarshalJSON reads JSON. The error is ErrConfig and names all that is wrong,
// such as fields that are not known, and where.
func (c *Config) UnmarshalJSON(data []byte) error {
	var wrong []string
	var caches map[string]json.RawMessage
	unmarshalFields(data, "", &wrong, map[string]any{"default": &c.Default, "caches": &caches})
	for name, data := range caches {
		var cache CacheConfig
		cache.unmarshal(data, "caches."+name+".", &wrong)
		if c.Caches == nil {
			c.Caches = map[string]CacheConfig{}
		}
		c.Caches[name] = cache
	}
	return configError(wrong)
}

// UnmarshalJSON reads JSON as that of Config does.
func (c *CacheConfig) UnmarshalJSON(data []byte) error {
	var wrong []string
	c.unmarshal(data, "", &wrong)
	return configError(wrong)
}

func (c *CacheConfig) unmarshal(data []byte, where string, wrong *[]string) {
	unmarshalFields(data, where, wrong, map[string]any{
		"url": &c.URL, "prefix": &c.Prefix, "default_ttl": &c.DefaultTTL, "timeout": &c.Timeout, "hooks": &c.Hooks,
	})
}

// unmarshalFields reads the object in data into fields, and notes what is wrong.
func unmarshalFields(data []byte, where string, wrong *[]string, fields map[string]any) {
	var values map[string]json.RawMessage
	if json.Unmarshal(data, &values) != nil {
		*wrong = append(*wrong, strings.TrimSuffix(where, ".")+": want an object")
		return
	}
	for name, value := range values {
		field, ok := fields[name]
		if !ok {
			*wrong = append(*wrong, fmt.Sprintf("%s%s: unknown field; known: %s", where, name, strings.Join(slices.Sorted(maps.Keys(fields)), ", ")))
			continue
		}
		if json.Unmarshal(value, field) == nil {
			continue
		}
		want := "a text"
		switch field.(type) {
		case *Duration:
			want = "a duration like \"1m30s\""
		case *[]string:
			want = "a list of texts"
		case *map[string]json.RawMessage:
			want = "an object"
		}
		*wrong = append(*wrong, where+name+": want "+want)
	}
}

// complete answers c with the default filled in.
func (c Config) complete() Config {
	if c.Default == "" {
		c.Default = "default"
	}
	caches := map[string]CacheConfig{}
	for name, cache := range c.Caches {
		cache.Hooks = slices.Clone(cache.Hooks)
		caches[name] = cache
	}
	if len(caches) == 0 {
		caches[c.Default] = CacheConfig{URL: "memory://"}
	}
	c.Caches = caches
	return c
}

// check answers what is wrong with c, called name, as far as it can be known
// without opening it.
func (r *Registry) check(name string, c CacheConfig) []string {
	var wrong []string
	note := func(field string, err error) {
		wrong = append(wrong, "caches."+name+field+": "+strings.TrimPrefix(err.Error(), ErrConfig.Error()+": "))
	}
	if name == "" {
		note("", fmt.Errorf("a cache has no name; the empty name stands for the default"))
	}
	if u, err := parseURL(c.URL); err != nil {
		note(".url", err)
	} else if _, err := r.driver(u); err != nil {
		note(".url", err)
	} else if _, err := urlOptions(u, nil); err != nil {
		note(".url", err)
	}
	for _, opts := range []Options{{Prefix: c.Prefix}, {DefaultTTL: time.Duration(c.DefaultTTL)}, {Timeout: time.Duration(c.Timeout)}} {
		if err := opts.check(); err != nil {
			note("", err)
		}
	}
	for i, hook := range c.Hooks {
		if _, err := r.hook(hook); err != nil {
			note(fmt.Sprintf(".hooks[%d]", i), err)
		}
	}
	return wrong
}

// redacted answers rawURL without what may be secret: user and password, parameters
// whose name or value tells of one, and what cannot be read.
func redacted(rawURL string) string {
	const hidden = "xxxxx"
	u, err := parseURL(rawURL)
	if err != nil {
		return hidden
	}
	text := u.Scheme + "://"
	if u.User != nil {
		text += hidden + "@"
	}
	text += u.Host + u.EscapedPath()
	if _, err := url.ParseQuery(u.RawQuery); err != nil {
		return text + "?" + hidden
	}
	for i, pair := range strings.Split(u.RawQuery, "&") {
		if u.RawQuery == "" {
			break
		}
		name, value, _ := strings.Cut(pair, "=")
		if mayBeSecret(name, value) {
			pair = name + "=" + hidden
		}
		text += string("?&"[min(i, 1)]) + pair
	}
	return text
}

// mayBeSecret tells whether a parameter is not to be shown. Both parts are escaped.
func mayBeSecret(name, value string) bool {
	name, _ = url.QueryUnescape(name)
	name = strings.ToLower(name)
	value, _ = url.QueryUnescape(value)
	if strings.ContainsAny(value, "@") || name != "keys" && strings.Contains(name, "key") {
		return true
	}
	for _, word := range []string{"pass", "pw", "secret", "token", "credential", "auth", "dsn", "sig", "sas", "user"} {
		if strings.Contains(name, word) {
			return true
		}
	}
	return false
}
