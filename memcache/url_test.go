package memcache_test

import (
	"errors"
	"net/url"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/memcache"
)

// listOf returns servers of weight 1.
func listOf(addrs ...string) []memcache.Server {
	servers := make([]memcache.Server, len(addrs))
	for i, addr := range addrs {
		servers[i] = memcache.Server{Addr: addr, Weight: 1}
	}
	return servers
}

func TestParseURLReadsEachFormOfServers(t *testing.T) {
	for raw, want := range map[string][]memcache.Server{
		"memcache://a":                  listOf("a:11211"),
		"memcache://a/":                 listOf("a:11211"),
		"memcache://a:1,b:2":            listOf("a:1", "b:2"),
		"memcache://b,a:2":              listOf("b:11211", "a:2"),
		"memcache://a,b,c":              listOf("a:11211", "b:11211", "c:11211"),
		"memcache://[::1]:1":            listOf("[::1]:1"),
		"memcache://[::1]":              listOf("[::1]:11211"),
		"memcache://[fe80::1%25eth0]:1": listOf("[fe80::1%eth0]:1"),

		"memcache://?server=a":                              listOf("a:11211"),
		"memcache:///?server=a":                             listOf("a:11211"),
		"memcache://?server=b:1&server=a":                   listOf("b:1", "a:11211"),
		"memcache://?server=[::1]:11211&server=b":           listOf("[::1]:11211", "b:11211"),
		"memcache://?server=%5B::1%5D:1":                    listOf("[::1]:1"),
		"memcache://?server=::1&server=::2":                 listOf("[::1]:11211", "[::2]:11211"),
		"memcache://?server=[fe80::1%25eth0]":               listOf("[fe80::1%eth0]:11211"),
		"memcache://?server=/run/a.sock&server=/run/b.sock": listOf("/run/a.sock", "/run/b.sock"),

		"memcache:///run/memcached.sock":            listOf("/run/memcached.sock"),
		"memcache:/run/memcached.sock":              listOf("/run/memcached.sock"),
		"memcache:///run/my%20cache/%2540%2Fa.sock": listOf("/run/my cache/%40/a.sock"),
		"memcache:///run/a,b:1.sock":                listOf("/run/a,b:1.sock"),

		"memcache:///run/memcached.sock?weight=2": {{"/run/memcached.sock", 2}},
		"memcache://a,b:2?weight=3&weight=1":      {{"a:11211", 3}, {"b:2", 1}},
		"memcache://?server=[::1]:11211&server=b:11211&weight=3&weight=1": {
			{"[::1]:11211", 3}, {"b:11211", 1},
		},
		"memcache://?weight=3&server=a&weight=65535&server=b": {
			{"a:11211", 3}, {"b:11211", 65535},
		},
		"memcache-pooled://10.0.0.1:11211,10.0.0.2:11211,10.0.0.3:11211?tls=true": listOf(
			"10.0.0.1:11211", "10.0.0.2:11211", "10.0.0.3:11211",
		),
	} {
		u, err := url.Parse(raw)
		if err != nil {
			t.Fatal(err)
		}
		before := *u
		got, _, err := memcache.ParseURL(u, core.NewParams(u))
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("%s: %v %s", raw, err, diff)
		}
		if diff := cmp.Diff(&before, u); diff != "" {
			t.Errorf("%s: ParseURL changed the URL: %s", raw, diff)
		}
	}
}

const wantForms = "; want memcache://host:port,host:port " +
	"or memcache://?server=host:port&server=[::1]:port " +
	"(with &weight=1 for each server, or for none) or memcache:///run/memcached.sock"

func TestParseURLRefusesInvalidURLsWithWhatIsWanted(t *testing.T) {
	const (
		none   = "the URL names no server" + wantForms
		both   = "the URL names servers in two ways" + wantForms
		path   = "the URL has a path after its servers" + wantForms
		user   = "only one of Username and Password is set; want both or none"
		noUser = "the URL has an @ without a user before it" + wantForms
		opaque = "the URL has no // after its scheme" + wantForms
		hash   = "the URL has a #" + wantForms
		weight = "want a whole number from 1 to 65535"
		times  = "parameter weight is given 1 times for 2 servers; " +
			"want none, or one for each server in their order"
		unix = "the URL has the host unix, but the path of a unix socket follows three slashes" +
			wantForms
	)
	for raw, want := range map[string]string{
		"memcache://":                             none,
		"memcache:":                               none,
		"memcache:///":                            none,
		"memcache://?weight=1":                    none,
		"memcache://?servers=a":                   `unknown parameter "servers"`,
		"memcache://a?server=b":                   both,
		"memcache://a?server=":                    both,
		"memcache://a/run/memcached.sock":         path,
		"memcache://a/0":                          path,
		"memcache://a:11211/path":                 path,
		"memcache://unix:/tmp/x":                  unix,
		"memcache://unix/tmp/x":                   unix,
		"memcache:///run/memcached.sock?server=a": both,
		"memcache://user@a":                       user,
		"memcache://:S3CRET@a":                    user,
		"memcache://@a":                           noUser,
		"memcache://:@a":                          noUser,
		"memcache://user:S3CRET@":                 none,
		"memcache://user:S3CRET%20@a":             "a space or a control character",
		"memcache://user:S3CRET@a?timeout=1":      "timeout",
		"memcache://S3CRET@/run/memcached.sock":   user,
		"memcache:a:11211":                        opaque,
		"memcache:S3CRET":                         opaque,
		"memcache://a#S3CRET":                     hash,

		"memcache://a,":                      "server 2 of 2 is empty",
		"memcache://,a":                      "server 1 of 2 is empty",
		"memcache://a,,b":                    "server 2 of 3 is empty",
		"memcache://:11211":                  "server 1 of 1 has no host name",
		"memcache://a:":                      "server 1 of 1 has a port that is not",
		"memcache://a:1:2":                   "server 1 of 1 has several colons",
		"memcache://a:0":                     "server 1 of 1 has a port that is not",
		"memcache://a:1,a:1":                 "server 2 of 2 is the same as server 1",
		"memcache://?server=":                "server 1 of 1 is empty",
		"memcache://?server=a,b":             "server 1 of 1 has a space or a comma",
		"memcache://?server=a+b":             "server 1 of 1 has a space",
		"memcache://?server=a&server=%20b":   "server 2 of 2 has a space",
		"memcache://?server=user:S3CRET%40a": "server 1 of 1 has a port that is not",
		"memcache:///run/":                   "server 1 of 1 is a path that ends with /",
		"memcache:///run/a%00.sock":          "server 1 of 1 has a control character",
		"memcache://?server=a&server=run/a.sock": "server 2 of 2 is a path that does not begin " +
			"with /",

		"memcache://?server=a&server=b&weight=1": times,
		"memcache://?server=a&weight=1&weight=2": "parameter weight is given 2 times for 1 servers",
		"memcache://a,b?weight=1":                "parameter weight is given 1 times for 2 servers",

		"memcache://?server=a&server=b&weight=1&weight": "parameter weight of server 2 of 2 " +
			"is invalid; " + weight,
		"memcache://a?weight=0":                    weight,
		"memcache://a?weight=-1":                   weight,
		"memcache://a?weight=65536":                weight,
		"memcache://a?weight=1.5":                  weight,
		"memcache://a?weight=S3CRET":               weight,
		"memcache://a?weight=99999999999999999999": weight,
	} {
		u, err := url.Parse(raw)
		if err != nil {
			t.Fatal(err)
		}
		got, _, err := memcache.ParseURL(u, core.NewParams(u))
		wantConfigError(t, raw, err, want)
		if got != nil {
			t.Errorf("%s: ParseURL returned %v, want nil", raw, got)
		}
		if err != nil && strings.Contains(err.Error(), "S3CRET") {
			t.Errorf("%s: the error shows a secret: %v", raw, err)
		}
	}
}

func TestParseURLErrorShowsTheScheme(t *testing.T) {
	u := &url.URL{Scheme: "mine"}
	_, _, err := memcache.ParseURL(u, core.NewParams(u))
	wantConfigError(t, "mine://", err,
		"want mine://host:port,host:port or mine://?server=", " or mine:///run/")
}

// The host of a URL that was not parsed can be any text.
func TestParseURLChecksAHostThatWasNotParsed(t *testing.T) {
	for _, host := range []string{"a, b", "a:1, b:1", "a\n", "a b"} {
		u := &url.URL{Scheme: "memcache", Host: host}
		_, _, err := memcache.ParseURL(u, core.NewParams(u))
		wantConfigError(t, host, err, "; want host:port")
	}
}

// ParseURL reads all of its parameters, even if the servers are invalid.
func TestParseURLNamesUnknownParametersFirst(t *testing.T) {
	for _, raw := range []string{
		"memcache://a?weight=1",
		"memcache://a?server=b&weight=2",
		"memcache://?server=a&server=b&weight=1",
		"memcache://user@a?server=a&weight=1",
	} {
		u, err := url.Parse(raw + "&other=1")
		if err != nil {
			t.Fatal(err)
		}
		_, _, err = memcache.ParseURL(u, core.NewParams(u))
		const want = `unknown parameter "other"; known: cool_down, dead, eject_after, expand, ` +
			"hash, keys, max_idle_time, max_lifetime, resolve, server, timeout, tls, weight, " +
			"prefix, default_ttl"
		if err == nil ||
			!strings.HasSuffix(err.Error(), want) ||
			strings.Count(err.Error(), "unknown") != 1 {
			t.Errorf("%s: error is %v, want %q", raw, err, want)
		}
	}
}

func FuzzParseURL(f *testing.F) {
	for _, raw := range []string{
		"memcache://a:1,b:2",
		"memcache://?server=[::1]:1&server=b&weight=3&weight=1",
		"memcache:///run/my%20cache.sock",
		"memcache://",
		"memcache://[::1]",
		"memcache://a/b",
		"memcache:a",
		"memcache://u:p@a",
		"memcache://a#b",
		"memcache://a?weight=x&server=;",
	} {
		f.Add(raw)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		u, err := url.Parse(raw)
		if err != nil {
			return
		}
		servers, _, err := memcache.ParseURL(u, core.NewParams(u))
		if (err == nil) == (len(servers) == 0) || err != nil && !errors.Is(err, core.ErrConfig) {
			t.Fatalf("%q: %v, %v", raw, servers, err)
		}
		if err != nil {
			return
		}
		again, err := memcache.NormalizeServers(servers)
		if diff := cmp.Diff(servers, again); diff != "" || err != nil {
			t.Errorf("%q: the servers are not normalized: %v %s", raw, err, diff)
		}
		// Every list can also be written as parameters.
		q := url.Values{}
		for _, s := range servers {
			q.Add("server", s.Addr)
			q.Add("weight", strconv.Itoa(s.Weight))
		}
		u = &url.URL{Scheme: "memcache", RawQuery: q.Encode()}
		again, _, err = memcache.ParseURL(u, core.NewParams(u))
		if diff := cmp.Diff(servers, again); diff != "" || err != nil {
			t.Errorf("%q as %s: %v %s", raw, u, err, diff)
		}
	})
}
