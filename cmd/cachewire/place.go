package main

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"os"
	"slices"
	"strings"

	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/core/config"
)

// A place says where a cache is. Open opens it.
type place struct {
	url string

	// If the cache is in a configuration file, its name and caches are not zero.
	name   string
	caches *config.Caches
	has    string // the prefix that the file gives it
}

// String returns the place in a form that may be shown.
func (p *place) String() string {
	if p.name != "" {
		return p.name
	}
	return core.RedactURL(p.url)
}

// prefix returns the prefix of the cache.
func (p *place) prefix() string {
	if p.has != "" {
		return p.has
	}
	_, query, _ := strings.Cut(p.url, "?")
	values, _ := url.ParseQuery(query) // if it is wrong, core.Open says so
	return values.Get("prefix")
}

func (p *place) open(ctx context.Context) (*core.Cache, error) {
	if p.caches != nil {
		return p.caches.Create(ctx, p.name)
	}
	return core.Open(ctx, p.url, nil)
}

// open opens the cache that the first of args names, and returns the other args.
func (c *command) open(ctx context.Context, t *tool, args []string) (
	*core.Cache, *place, []string, error) {

	p, rest, err := c.place(t, args)
	if err != nil {
		return nil, nil, nil, err
	}
	cache, err := p.open(ctx)
	return cache, p, rest, err
}

// place returns the place that the first of args names, or that of CACHE_URL if it names
// none, and the other args.
func (c *command) place(t *tool, args []string) (*place, []string, error) {
	if c.config != "" {
		if len(args) == 0 {
			return nil, nil, wrongUse("with -config, the first argument is the name of a cache " +
				"in it")
		}
		p, err := placeInFile(c.config, args[0])
		return p, args[1:], err
	}
	if len(args) > 0 && namesPlace(args[0]) {
		p, err := placeOf(t, args[0])
		return p, args[1:], err
	}
	if t.getenv("CACHE_URL") == "" {
		return nil, nil, wrongUse("which cache? Give a URL like redis://localhost, " +
			"or set CACHE_URL")
	}
	p, err := placeOf(t, "-")
	return p, args, err
}

// places returns the places that args name, or that of CACHE_URL if there are none.
func (c *command) places(t *tool, args []string) ([]*place, error) {
	if len(args) == 0 {
		p, _, err := c.place(t, nil)
		return []*place{p}, err
	}
	var all []*place
	for i, arg := range args {
		if c.config == "" && !namesPlace(arg) {
			return nil, wrongUse("%q is not a URL", arg)
		}
		p, _, err := c.place(t, args[i:i+1])
		if err != nil {
			return nil, err
		}
		all = append(all, p)
	}
	return all, nil
}

// namesPlace reports whether arg is a URL, a file with a URL, or - for CACHE_URL.
func namesPlace(arg string) bool {
	return arg == "-" || strings.HasPrefix(arg, "@") || strings.Contains(arg, "://")
}

func placeOf(t *tool, arg string) (*place, error) {
	switch file, isFile := strings.CutPrefix(arg, "@"); {
	case arg == "-":
		return &place{url: t.getenv("CACHE_URL")}, nil
	case isFile:
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, fmt.Errorf("the file with the URL: %w", err)
		}
		return &place{url: strings.TrimSpace(string(text))}, nil
	}
	if strings.Contains(core.RedactURL(arg), "xxxxx") &&
		core.DefaultRegistry.Check(arg, nil) == nil {

		return nil, wrongUse("every user of the system can read a secret in a command line: " +
			"put the URL into CACHE_URL, or into a file and give @FILE")
	}
	return &place{url: arg}, nil
}

// placeInFile returns the cache called name in the configuration file. Hooks of the file are
// those of another program, and are ignored, as are other caches, whose drivers may be, too.
// CACHEWIRE_DISABLE is about that program as well.
func placeInFile(file, name string) (*place, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var all config.Config
	if err := json.Unmarshal(text, &all); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	if name == "-" {
		if name = all.Default; name == "" {
			name = "default"
		}
	}
	found, ok := all.Caches[name]
	if !ok {
		return nil, wrongUse("%s has no cache %q; it has %s",
			file, name, strings.Join(slices.Sorted(maps.Keys(all.Caches)), ", "))
	}
	needed := config.Config{Default: name, Caches: map[string]config.Cache{}}
	for _, needs := range []string{name, found.Near, found.Far} {
		if cache, ok := all.Caches[needs]; ok {
			cache.Hooks = nil
			needed.Caches[needs] = cache
		}
	}
	if err := os.Unsetenv("CACHEWIRE_DISABLE"); err != nil {
		return nil, err
	}
	p := &place{url: found.URL, name: name, has: found.Prefix}
	if p.has == "" {
		p.has = all.Caches[found.Far].Prefix
	}
	p.caches, err = config.New(needed, nil)
	return p, err
}
