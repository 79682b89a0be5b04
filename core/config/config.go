package config

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/cachewire/cachewire/core"
)

// A Config describes caches by name. It is filled by encoding/json, or by any package
// for YAML or TOML:
//
//	{
//		"default": "local",
//		"caches": {
//			"local":  {"url": "memory://?max_items=10000", "default_ttl": "10m"},
//			"shared": {"url": "memcache://127.0.0.1:11211", "prefix": "app:", "timeout": "200ms", "hooks": ["timing"]}
//		}
//	}
//
// A Config without caches has one, on memory://?max_bytes=64MiB.
type Config struct {
	// Default is the name of the default cache. If "", it is "default".
	Default string `json:"default,omitempty" yaml:"default,omitempty" toml:"default,omitempty"`

	Caches map[string]Cache `json:"caches,omitempty" yaml:"caches,omitempty" toml:"caches,omitempty"`
}

// A Cache describes one cache.
type Cache struct {
	// URL is that of core.Open; null:// switches the cache off.
	URL string `json:"url" yaml:"url" toml:"url"`

	// These are the cache's core.Options. A prefix must not be in the URL as well. The
	// other fields, if not zero, take precedence over the URL.
	Prefix     string   `json:"prefix,omitempty" yaml:"prefix,omitempty" toml:"prefix,omitempty"`
	DefaultTTL Duration `json:"default_ttl,omitempty" yaml:"default_ttl,omitempty" toml:"default_ttl,omitempty"`
	Timeout    Duration `json:"timeout,omitempty" yaml:"timeout,omitempty" toml:"timeout,omitempty"`

	// Hooks are names of Options.Hooks.
	Hooks []string `json:"hooks,omitempty" yaml:"hooks,omitempty" toml:"hooks,omitempty"`
}

// A Duration is a time.Duration that is written as text, like 1m30s.
type Duration time.Duration

// String returns the duration as time.Duration formats it.
func (d Duration) String() string { return time.Duration(d).String() }

// MarshalText returns the duration as time.Duration formats it.
func (d Duration) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText parses text as time.ParseDuration does. The error is core.ErrConfig.
func (d *Duration) UnmarshalText(text []byte) error {
	value, err := time.ParseDuration(string(text))
	if err != nil {
		return fmt.Errorf("%w: %q, want a duration like 1m30s", core.ErrConfig, text)
	}
	*d = Duration(value)
	return nil
}

// UnmarshalJSON reads JSON. The error is core.ErrConfig; it names everything that is
// wrong, such as unknown fields, and where.
func (c *Config) UnmarshalJSON(data []byte) error {
	var wrong []string
	var caches map[string]json.RawMessage
	unmarshalFields(data, "", `an object like {"default": "a", "caches": {"a": {"url": "memory://"}}}`, &wrong,
		map[string]any{"default": &c.Default, "caches": &caches})
	for name, data := range caches {
		var cache Cache
		cache.unmarshal(data, "caches."+name, &wrong)
		if c.Caches == nil {
			c.Caches = map[string]Cache{}
		}
		c.Caches[name] = cache
	}
	return configError(wrong)
}

// UnmarshalJSON reads JSON, as Config.UnmarshalJSON does.
func (c *Cache) UnmarshalJSON(data []byte) error {
	var wrong []string
	c.unmarshal(data, "", &wrong)
	return configError(wrong)
}

func (c *Cache) unmarshal(data []byte, where string, wrong *[]string) {
	unmarshalFields(data, where, `an object like {"url": "memory://"}`, wrong, map[string]any{
		"url": &c.URL, "prefix": &c.Prefix, "default_ttl": &c.DefaultTTL, "timeout": &c.Timeout, "hooks": &c.Hooks,
	})
}

// unmarshalFields reads the object in data, which is at where in the configuration, into
// fields, and adds what is wrong to wrong.
func unmarshalFields(data []byte, where, want string, wrong *[]string, fields map[string]any) {
	var values map[string]json.RawMessage
	if json.Unmarshal(data, &values) != nil {
		if where == "" {
			where = "the configuration"
		}
		*wrong = append(*wrong, where+": want "+want)
		return
	}
	if where != "" {
		where += "."
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
		want := "a string"
		switch field.(type) {
		case *Duration:
			want = "a duration like \"1m30s\""
		case *[]string:
			want = "a list of strings"
		case *map[string]json.RawMessage:
			want = `an object like {"a": {"url": "memory://"}}`
		}
		*wrong = append(*wrong, where+name+": want "+want)
	}
}

// configError returns the core.ErrConfig that names what is wrong, or nil.
func configError(wrong []string) error {
	if len(wrong) == 0 {
		return nil
	}
	slices.Sort(wrong)
	return fmt.Errorf("%w: %s", core.ErrConfig, strings.Join(slices.Compact(wrong), "; "))
}

// complete returns a copy of c with the defaults filled in.
func (c Config) complete() Config {
	if c.Default == "" {
		c.Default = "default"
	}
	caches := map[string]Cache{}
	for name, cache := range c.Caches {
		cache.Hooks = slices.Clone(cache.Hooks)
		caches[name] = cache
	}
	if len(caches) == 0 {
		caches[c.Default] = Cache{URL: "memory://?max_bytes=64MiB"}
	}
	c.Caches = caches
	return c
}
