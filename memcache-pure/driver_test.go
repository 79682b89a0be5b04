package memcachepure_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	gomemcache "github.com/bradfitz/gomemcache/memcache"

	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/memcache"
	memcachepure "github.com/cachewire/cachewire/memcache-pure"
	"github.com/cachewire/cachewire/memcache/memcachetest"
)

// openURL returns the cache of url. It is closed when the test ends.
func openURL(t *testing.T, url string) *core.Cache {
	t.Helper()
	c, err := core.Open(t.Context(), url, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func TestEveryFormOfURLOpensACache(t *testing.T) {
	servers := memcachetest.StartN(t, 2, nil).Addrs()
	socket := memcachetest.Start(t, &memcachetest.Options{Unix: true}).Addr()
	for _, url := range []string{
		"memcache://" + servers[0] + "?timeout=10s",
		"memcache://" + servers[0] + "," + servers[1] + "?timeout=10s&max_idle=4&max_open=8" +
			"&hash=ketama_weighted&dead=eject&eject_after=2&cool_down=1m&keys=sha1" +
			"&max_idle_time=1m&max_lifetime=1h&resolve=1m&expand=true",
		"memcache://?server=" + servers[0] + "&server=" + servers[1] +
			"&weight=1&weight=3&timeout=10s&keys=base64",
		"memcache://" + socket + "?timeout=10s&hash=modula&prefix=p:",
	} {
		c := openURL(t, url)
		set(t, c, "key with spaces", url)
		wantValue(t, c, "key with spaces", url)
		wantErr(t, c.Ping(t.Context()), nil)
	}
}

func TestInvalidURLsAreErrConfig(t *testing.T) {
	for url, part := range map[string]string{
		"memcache://":                             "server=host:port",
		"memcache://a:11211?max_idle=0":           "max_idle",
		"memcache://a:11211?max_open=-1":          "max_open",
		"memcache://a:11211?dead=maybe":           "fail, eject",
		"memcache://a:11211?keys=raw":             "auto, string, base64, sha1, sha256",
		"memcache://a:11211?timeout=5":            "timeout",
		"memcache://a:11211?timeout=0":            "timeout",
		"memcache://a:11211?cool_down=0s":         "cool_down",
		"memcache://a:11211?tls=yes":              "tls",
		"memcache:///run/memcached.sock?tls=true": "a unix socket, on which memcached has no TLS",
		"memcache://a:11211,a:11211":              "same",
		"memcache://a:11211?hash=modula&weight=2": "modula",
		"memcache://user:secret@":                 "host:port",
		"memcache://:secret@a:11211":              "only one of Username and Password",
		"memcache://a:11211?max_idle_time=0s":     "max_idle_time",
		"memcache://a:11211?max_lifetime=-1s":     "max_lifetime",
		"memcache://a:11211?resolve=0":            "resolve",
		"memcache://?server=a&server=b&weight=1":  "weight",

		"memcache://a:11211?hash=md5": "ketama, ketama_weighted, python_memcached, modula",
		"memcache://a:11211?colour=red": `unknown parameter "colour"; known: cool_down, dead, ` +
			"eject_after, expand, hash, keys, max_idle, max_idle_time, max_lifetime, max_open, " +
			"resolve, server, timeout, tls, weight, prefix, default_ttl",
	} {
		_, err := core.Open(t.Context(), url, nil)
		if !errors.Is(err, core.ErrConfig) ||
			!strings.Contains(err.Error(), part) ||
			strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: error is %v, want ErrConfig with %q", url, err, part)
		}
	}
}

func TestNewRefusesOptionsOutOfRange(t *testing.T) {
	for _, opts := range []memcachepure.Options{
		{MaxIdle: -1},
		{MaxOpen: -1},
		{Options: memcache.Options{Timeout: -1}},
		{Options: memcache.Options{Selection: 9}},
	} {
		_, err := memcachepure.New([]memcache.Server{{Addr: "a"}}, &opts)
		if !errors.Is(err, core.ErrConfig) {
			t.Errorf("%+v: error is %v, want ErrConfig", opts, err)
		}
	}
	if _, err := memcachepure.New(nil, nil); !errors.Is(err, core.ErrConfig) {
		t.Errorf("no servers: error is %v, want ErrConfig", err)
	}
}

func TestStatsAreTheSumOfTheServers(t *testing.T) {
	servers := memcachetest.StartN(t, 3, nil)
	c := openCache(t, longTimeoutOptions, servers.Addrs()...)
	for i := range 30 {
		set(t, c, fmt.Sprint(i), "value")
		wantValue(t, c, fmt.Sprint(i), "value")
	}
	c.Get(t.Context(), "absent")
	stats, err := c.Stats(t.Context())
	if err != nil || stats.Items != 30 || stats.Hits != 30 || stats.Misses != 1 ||
		stats.Bytes < 150 {
		t.Errorf("Stats = %+v, %v", stats, err)
	}
	servers[1].Kill()
	_, err = c.Stats(t.Context())
	wantErr(t, err, core.ErrUnavailable)
}

func TestVerbsAllocateLittleMoreThanGomemcache(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	addr := memcachetest.Start(t, nil).Addr()
	c := openCache(t, longTimeoutOptions, addr)
	bare := gomemcache.New(addr)
	bare.Timeout = longTimeoutOptions.Timeout
	defer bare.Close()
	value := []byte("value")
	set(t, c, "key", "value")
	set(t, c, "count", "1")
	for _, verb := range []struct {
		name string
		bare func() error
		ours func(ctx context.Context) error
	}{
		{
			"Get",
			func() error { _, err := bare.Get("key"); return err },
			func(ctx context.Context) error { _, err := c.Get(ctx, "key"); return err },
		},
		{
			"Set",
			func() error { return bare.Set(&gomemcache.Item{Key: "key", Value: value}) },
			func(ctx context.Context) error { return c.Set(ctx, "key", value, 0) },
		},
		{
			"Incr",
			func() error { _, err := bare.Increment("count", 1); return err },
			func(ctx context.Context) error { _, err := c.Incr(ctx, "count", 1); return err },
		},
		{
			"Touch",
			func() error { return bare.Touch("key", 0) },
			func(ctx context.Context) error { return c.Touch(ctx, "key", 0) },
		},
	} {
		cancellable, cancel := context.WithCancel(context.Background())
		budget := testing.AllocsPerRun(200, func() { wantErr(t, verb.bare(), nil) })
		plain := testing.AllocsPerRun(200, func() {
			wantErr(t, verb.ours(context.Background()), nil)
		})
		withCancel := testing.AllocsPerRun(200, func() {
			wantErr(t, verb.ours(cancellable), nil)
		})
		cancel()
		if plain > budget+1 || withCancel > budget+4 {
			t.Errorf("%s: %v allocations, %v with a cancellable context; gomemcache has %v",
				verb.name, plain, withCancel, budget)
		}
	}
}
