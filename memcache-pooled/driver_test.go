package memcachepooled_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	rainycape "github.com/rainycape/memcache"

	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/memcache/memcachetest"
)

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
		"memcache+pooled://" + servers[0] + "?timeout=10s",
		"memcache+pooled://" + servers[0] + "," + servers[1] +
			"?timeout=10s&size=2&max=8&lazy=true" +
			"&max_idle_time=1m&max_lifetime=1h&acquire_timeout=1s" +
			"&hash=ketama_weighted&dead=eject&eject_after=2&cool_down=1m&keys=sha1",
		"memcache+pooled://?server=" + servers[0] + "&server=" + servers[1] +
			"&weight=1&weight=3&timeout=10s&keys=base64",
		"memcache+pooled://" + socket + "?timeout=10s&size=3&hash=modula&prefix=p:",
	} {
		c := openURL(t, url)
		set(t, c, "key with spaces", url)
		wantValue(t, c, "key with spaces", url)
		wantErr(t, c.Ping(t.Context()), nil)
	}
}

func TestInvalidURLsAreErrConfig(t *testing.T) {
	for url, part := range map[string]string{
		"memcache+pooled://":                               "server=host:port",
		"memcache+pooled://a:11211?size=-1":                "size",
		"memcache+pooled://a:11211?max=0":                  "max",
		"memcache+pooled://a:11211?max_idle_time=0":        "max_idle_time",
		"memcache+pooled://a:11211?max_lifetime=1":         "max_lifetime",
		"memcache+pooled://a:11211?acquire_timeout=-1s":    "acquire_timeout",
		"memcache+pooled://a:11211?timeout=0":              "timeout",
		"memcache+pooled://a:11211?lazy=1":                 "lazy",
		"memcache+pooled://user:secret@":                   "host:port",
		"memcache+pooled://user@a:11211":                   "only one of Username and Password",
		"memcache+pooled:///run/memcached.sock?tls=true":   "unix socket",
		"memcache+pooled://?server=a&server=b&weight=1":    "weight",
		"memcache+pooled:///run/memcached.sock?size=a-lot": "size",

		"memcache+pooled://a:11211?size=9&max=8": "MinClients is 9; " +
			"want 0 to MaxClients, which is 8",
		"memcache+pooled://a:11211?hash=md5": "ketama, ketama_weighted, python_memcached, modula",
		"memcache+pooled://a:11211?colour=red": `unknown parameter "colour"; known: ` +
			"acquire_timeout, cool_down, dead, eject_after, expand, hash, keys, lazy, max, " +
			"max_idle_time, max_lifetime, resolve, server, size, timeout, tls, weight, prefix, " +
			"default_ttl",
	} {
		c, err := core.Open(t.Context(), url, nil)
		wantErr(t, err, core.ErrConfig)
		if err != nil &&
			(!strings.Contains(err.Error(), part) || strings.Contains(err.Error(), "secret")) {
			t.Errorf("%s: error is %v, want one with %q and without the password", url, err, part)
		}
		if c != nil {
			t.Errorf("%s: Open returned a cache, want nil", url)
		}
	}
}

func TestLoginIsNotSupported(t *testing.T) {
	_, err := core.Open(t.Context(), "memcache+pooled://user:secret@a:11211", nil)
	wantErr(t, err, errors.ErrUnsupported)
	if err != nil && (strings.Contains(err.Error(), "secret") ||
		!strings.Contains(err.Error(), "want memcachepure")) {
		t.Errorf("error is %v, want one that names memcachepure, without the password", err)
	}
}

func TestAsSetsAClient(t *testing.T) {
	servers := memcachetest.StartN(t, 3, nil)
	c := openCache(t, longTimeoutOptions, servers.Addrs()...)
	var client *rainycape.Client
	if !c.As(&client) {
		t.Fatal("As returned false")
	}
	for _, key := range []string{"a", "b", "c", "d", "e", "f"} { // on all servers
		set(t, c, key, "value of "+key)
		if item, err := client.Get(key); err != nil || string(item.Value) != "value of "+key {
			t.Errorf("Get(%q) = %v, %v; want %q", key, item, err, "value of "+key)
		}
	}
	wantErr(t, client.Flush(0), nil)
	for _, server := range servers {
		if n := server.Stat("cmd_flush"); n != "1" {
			t.Errorf("a server received %s flushes, want 1", n)
		}
	}
}

// A verb has one allocation more than the library, and three more if its context can be done.
func TestVerbsAllocateLittleMoreThanTheLibrary(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	addr := memcachetest.Start(t, nil).Addr()
	c := openCache(t, longTimeoutOptions, addr)
	bare, err := rainycape.New(addr)
	if err != nil {
		t.Fatal(err)
	}
	bare.SetTimeout(longTimeoutOptions.Timeout)
	defer bare.Close()
	value := []byte("value")
	set(t, c, "key", "value")
	set(t, c, "count", "1")
	for _, verb := range []struct {
		name        string
		cancellable float64
		bare        func() error
		ours        func(ctx context.Context) error
	}{
		{
			"Get", 4,
			func() error { _, err := bare.Get("key"); return err },
			func(ctx context.Context) error { _, err := c.Get(ctx, "key"); return err },
		},
		{
			"Set", 4,
			func() error { return bare.Set(&rainycape.Item{Key: "key", Value: value}) },
			func(ctx context.Context) error { return c.Set(ctx, "key", value, 0) },
		},
		{
			"Incr", 4,
			func() error { _, err := bare.Increment("count", 1); return err },
			func(ctx context.Context) error { _, err := c.Incr(ctx, "count", 1); return err },
		},
	} {
		ctx, cancel := context.WithCancel(context.Background())
		budget := testing.AllocsPerRun(200, func() { wantErr(t, verb.bare(), nil) })
		plain := testing.AllocsPerRun(200, func() {
			wantErr(t, verb.ours(context.Background()), nil)
		})
		withCancel := testing.AllocsPerRun(200, func() { wantErr(t, verb.ours(ctx), nil) })
		cancel()
		if plain > budget+1 || withCancel > budget+verb.cancellable {
			t.Errorf("%s: %v allocations, %v with a cancellable context; rainycape has %v",
				verb.name, plain, withCancel, budget)
		}
	}
}
