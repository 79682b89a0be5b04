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
// The zero Config has one cache, called default, on memory://.
type Config struct {
	// Default is the name that the empty one stands for; "" is "default". If it is
	// not among Caches, it is a cache on memory://.
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
	if _, ok := caches[c.Default]; !ok {
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
	}
	opts := Options{Prefix: c.Prefix, DefaultTTL: time.Duration(c.DefaultTTL), Timeout: time.Duration(c.Timeout)}
	if err := opts.check(); err != nil {
		note("", err)
	}
	for i, hook := range c.Hooks {
		if _, err := r.hook(hook); err != nil {
			note(fmt.Sprintf(".hooks[%d]", i), err)
		}
	}
	return wrong
}

// redacted answers rawURL without what may be secret: the password, and parameters
// whose names tell of one.
func redacted(rawURL string) string {
	u, err := parseURL(rawURL)
	if err != nil {
		return "?"
	}
	pairs := strings.Split(u.RawQuery, "&")
	for i, pair := range pairs {
		name, _, _ := strings.Cut(pair, "=")
		plain, _ := url.QueryUnescape(name)
		plain = strings.ToLower(plain)
		secret := strings.HasSuffix(plain, "key")
		for _, word := range []string{"pass", "pwd", "secret", "token", "credential", "auth"} {
			secret = secret || strings.Contains(plain, word)
		}
		if secret {
			pairs[i] = name + "=xxxxx"
		}
	}
	u.RawQuery = strings.Join(pairs, "&")
	text := u.Redacted()
	if rest := strings.TrimPrefix(text, u.Scheme+":"); !strings.HasPrefix(rest, "//") { // left out where there is no host
		text = u.Scheme + "://" + rest
	}
	return text
}
