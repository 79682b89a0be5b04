package memcachemeta_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/memcache"
	memcachemeta "github.com/cachewire/cachewire/memcache-meta"
	"github.com/cachewire/cachewire/memcache/memcachetest"
)

func TestEveryFormOfURLOpensACache(t *testing.T) {
	servers := memcachetest.StartN(t, 2, nil).Addrs()
	socket := memcachetest.Start(t, &memcachetest.Options{Unix: true}).Addr()
	for _, url := range []string{
		"memcache+meta://" + servers[0] + "?timeout=10s",
		"memcache+meta://" + servers[0] + "," + servers[1] + "?timeout=10s" +
			"&hash=ketama_weighted&dead=eject&eject_after=2&cool_down=1m&keys=sha1" +
			"&max_idle_time=1m&max_lifetime=1h&resolve=1m&expand=true",
		"memcache+meta://?server=" + servers[0] + "&server=" + servers[1] +
			"&weight=1&weight=3&timeout=10s&keys=base64",
		"memcache+meta://" + socket + "?timeout=10s&hash=modula&prefix=p:",
	} {
		c, err := core.Open(t.Context(), url, nil)
		if err != nil {
			t.Fatal(err)
		}
		set(t, c, "key with spaces", url)
		wantValue(t, c, "key with spaces", url)
		wantErr(t, c.Ping(t.Context()), nil)
		wantErr(t, c.Close(), nil)
	}
}

func TestInvalidURLsAreErrConfig(t *testing.T) {
	for url, part := range map[string]string{
		"memcache+meta://":                            "memcache+meta://?server=host:port",
		"memcache+meta://a:11211?max_idle=4":          `unknown parameter "max_idle"`,
		"memcache+meta://a:11211?timeout=5":           "timeout",
		"memcache+meta:///run/m.sock?tls=true":        "a unix socket, on which memcached has no",
		"memcache+meta://user:secret@":                "host:port",
		"memcache+meta://:secret@a:11211":             "only one of Username and Password",
		"memcache+meta://a:11211,a:11211":             "same",
		"memcache+meta://a?hash=modula&weight=2":      "modula",
		"memcache+meta://?server=a&server=b&weight=1": "weight",
	} {
		_, err := core.Open(t.Context(), url, nil)
		if !errors.Is(err, core.ErrConfig) || !strings.Contains(err.Error(), part) ||
			strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: error is %v, want ErrConfig with %q", url, err, part)
		}
	}
	for _, opts := range []memcache.Options{{Timeout: -1}, {Selection: 9}} {
		_, err := memcachemeta.New([]memcache.Server{{Addr: "a"}},
			&memcachemeta.Options{Options: opts})
		wantErr(t, err, core.ErrConfig)
	}
	_, err := memcachemeta.New(nil, nil)
	wantErr(t, err, core.ErrConfig)
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
		stats.Bytes < 150 || stats.Pool.Total != 3 || stats.Pool.Idle != 3 {
		t.Errorf("Stats = %+v, %v", stats, err)
	}
	servers[1].Kill()
	_, err = c.Stats(t.Context())
	wantErr(t, err, core.ErrUnavailable)
}
