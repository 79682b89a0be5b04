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

// A Config describes caches by name. Read it with encoding/json, or with any package for
// YAML or TOML:
//
//	{
//		"default": "local",
//		"caches": {
//			"local": {"url": "memory://?max_items=10000", "default_ttl": "10m"},
//			"shared": {
//				"url":     "memcache://127.0.0.1:11211",
//				"prefix":  "app:",
//				"timeout": "200ms",
//				"hooks":   ["timing"]
//			}
//		}
//	}
//
// If a Config has no caches, it means a single cache, the default, with the URL
// memory://?max_bytes=64MiB.
type Config struct {
	// Default is the name of the default cache. If "", it is "default".
	Default string `json:"default,omitempty" yaml:"default,omitempty" toml:"default,omitempty"`

	// Caches are the descriptions of the caches by name.
	Caches map[string]Cache `json:"caches,omitempty" yaml:"caches,omitempty" toml:"caches,omitempty"`
}

// A Cache describes one cache.
type Cache struct {
	// URL is the URL for core.Open. With null://, the cache keeps nothing.
	URL string `json:"url,omitempty" yaml:"url,omitempty" toml:"url,omitempty"`

	// Near and Far make the cache a tier of two others, which they name; see package tiered,
	// which the program must import. Only the URLs of these two apply, and their prefix and
	// default time to live if they are Far's and the cache has none of its own. Bus is the kind
	// of its bus. The URL of the cache may then be missing, or tiered:// with other parameters.
	// core.DefaultRegistry opens the two.
	Near string `json:"near,omitempty" yaml:"near,omitempty" toml:"near,omitempty"`
	Far  string `json:"far,omitempty" yaml:"far,omitempty" toml:"far,omitempty"`
	Bus  string `json:"bus,omitempty" yaml:"bus,omitempty" toml:"bus,omitempty"`

	// Prefix, DefaultTTL and Timeout are fields of core.Options. The prefix must not be
	// in the URL as well. A DefaultTTL that is not zero takes precedence over the URL.
	Prefix     string   `json:"prefix,omitempty" yaml:"prefix,omitempty" toml:"prefix,omitempty"`
	DefaultTTL Duration `json:"default_ttl,omitempty" yaml:"default_ttl,omitempty" toml:"default_ttl,omitempty"`
	Timeout    Duration `json:"timeout,omitempty" yaml:"timeout,omitempty" toml:"timeout,omitempty"`

	// Hooks are names of hooks in Options.Hooks.
	Hooks []string `json:"hooks,omitempty" yaml:"hooks,omitempty" toml:"hooks,omitempty"`
}

// A Duration is a time.Duration whose text has the form 1m30s.
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

// UnmarshalJSON parses data. The error is core.ErrConfig. It lists everything that is
// wrong, such as unknown fields, each with its place in the configuration.
func (c *Config) UnmarshalJSON(data []byte) error {
	var wrong []string
	var caches map[string]json.RawMessage
	const want = `an object like {"default": "a", "caches": {"a": {"url": "memory://"}}}`
	unmarshalFields(data, "", want, &wrong,
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

// UnmarshalJSON parses data, as Config.UnmarshalJSON does.
func (c *Cache) UnmarshalJSON(data []byte) error {
	var wrong []string
	c.unmarshal(data, "", &wrong)
	return configError(wrong)
}

func (c *Cache) unmarshal(data []byte, path string, wrong *[]string) {
	unmarshalFields(data, path, `an object like {"url": "memory://"}`, wrong, map[string]any{
		"url":         &c.URL,
		"near":        &c.Near,
		"far":         &c.Far,
		"bus":         &c.Bus,
		"prefix":      &c.Prefix,
		"default_ttl": &c.DefaultTTL,
		"timeout":     &c.Timeout,
		"hooks":       &c.Hooks,
	})
}

// unmarshalFields parses the object in data into fields, and appends the mistakes to wrong.
// Path is the place of the object in the configuration; want describes such an object.
func unmarshalFields(data []byte, path, want string, wrong *[]string, fields map[string]any) {
	var values map[string]json.RawMessage
	if json.Unmarshal(data, &values) != nil {
		if path == "" {
			path = "the configuration"
		}
		*wrong = append(*wrong, path+": want "+want)
		return
	}
	if path != "" {
		path += "."
	}
	for name, value := range values {
		field, ok := fields[name]
		if !ok {
			known := strings.Join(slices.Sorted(maps.Keys(fields)), ", ")
			*wrong = append(*wrong,
				fmt.Sprintf("%s%s: unknown field; known: %s", path, name, known))
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
		*wrong = append(*wrong, path+name+": want "+want)
	}
}

// configError returns a core.ErrConfig that lists the mistakes in wrong, or nil if there are
// none.
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
