package config_test

import (
	"encoding/json"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/core/config"
)

const tierFile = `{
	"default": "hot",
	"caches": {
		"local": {"url": "memory://?max_items=10"},
		"shared": {"url": "mem://user:p%40ss@host?a=b%26c", "prefix": "app:", "default_ttl": "1h"},
		"hot": {"near": "local", "far": "shared", "bus": "poll"},
		"own": {"near": "local", "far": "shared", "url": "tiered://?near_ttl=1m",
			"prefix": "own:", "default_ttl": "1m"}
	}
}`

func TestATierIsMadeOfTwoNames(t *testing.T) {
	var opened *url.URL
	r := testRegistry()
	r.Register("tiered", recordingDriver(&opened))
	var c config.Config
	wantErr(t, json.Unmarshal([]byte(tierFile), &c), nil)
	cs := newCaches(t, &config.Options{Registry: r}, c)
	for name, want := range map[string]struct {
		query string
		name  string
		ttl   time.Duration
	}{
		"hot": {"bus=poll&far=mem://user:p%40ss@host?a=b%26c&near=memory://?max_items=10", "hot",
			time.Hour},
		"own": {"far=mem://user:p%40ss@host?a=b%26c&near=memory://?max_items=10&near_ttl=1m", "own",
			time.Minute},
	} {
		cache := getCache(t, cs, name)
		var parts []string
		for key, values := range opened.Query() {
			parts = append(parts, key+"="+values[0])
		}
		for _, part := range parts {
			if !strings.Contains(want.query, part) {
				t.Errorf("%s was opened with %q, want only %s", name, part, want.query)
			}
		}
		if got := len(strings.Join(parts, "&")); got != len(want.query) {
			t.Errorf("%s was opened with %q, want %s", name, parts, want.query)
		}
		if cache.DefaultTTL() != want.ttl {
			t.Errorf("%s has the default time to live %v, want %v",
				name, cache.DefaultTTL(), want.ttl)
		}
		put(t, cache, "k", "v")
	}
	if d := cs.Describe(); d.Caches["hot"].URL != "" || d.Caches["hot"].Far != "shared" ||
		strings.Contains(d.Caches["shared"].URL, "p%40ss") {
		t.Errorf("Describe: %+v", d.Caches)
	}
}

func TestMistakesInATierNameTheHalf(t *testing.T) {
	r := testRegistry()
	r.Register("tiered", failingDriver())
	for _, c := range []struct {
		hot  config.Cache
		want string
	}{
		{config.Cache{Near: "local"}, "caches.hot.far: missing; want the name of a cache"},
		{config.Cache{Far: "local"}, "caches.hot.near: missing"},
		{config.Cache{Bus: "poll"}, "caches.hot.near: missing"},
		{config.Cache{Near: "loca", Far: "local"},
			`caches.hot.near: no cache "loca"; want one of hot, local`},
		{config.Cache{Near: "local", Far: "hot"},
			`caches.hot.far: the cache "hot" is a tier itself`},
		{config.Cache{Near: "local", Far: "local", URL: "memory://"},
			"caches.hot.url: want tiered://"},
		{config.Cache{Near: "local", Far: "local", URL: "tiered://?far=a"},
			"caches.hot.url: parameter far: there is a field far, too"},
		{config.Cache{Near: "local", Far: "local", Bus: "a", URL: "tiered://?bus=a"},
			"caches.hot.url: parameter bus"},
	} {
		_, err := config.New(config.Config{Default: "local", Caches: map[string]config.Cache{
			"local": {URL: "memory://"}, "hot": c.hot,
		}}, &config.Options{Registry: r})
		wantErr(t, err, core.ErrConfig)
		if err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: %v; want an error with %q", c.hot, err, c.want)
		}
	}
	// Without package tiered, it says what to import.
	_, err := config.New(config.Config{Default: "local", Caches: map[string]config.Cache{
		"local": {URL: "memory://"}, "hot": {Near: "local", Far: "local"},
	}}, &config.Options{Registry: testRegistry()})
	if err == nil || !strings.Contains(err.Error(), `no driver for "tiered"`) {
		t.Errorf("without the driver: %v", err)
	}
}

func TestDisabledCachesAreNoTiers(t *testing.T) {
	t.Setenv("CACHEWIRE_DISABLE", "1")
	var c config.Config
	wantErr(t, json.Unmarshal([]byte(tierFile), &c), nil)
	cs := newCaches(t, &config.Options{Registry: testRegistry()}, c)
	put(t, getCache(t, cs, "hot"), "k", "v")
}
