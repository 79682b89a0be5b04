package memcache_test

import (
	"errors"
	"net"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/memcache"
)

func TestNormalizeServersAddsPortsAndBrackets(t *testing.T) {
	longest := "/" + strings.Repeat("s", 106)
	for addr, want := range map[string]string{
		"cache1:11211":               "cache1:11211",
		"cache1:1":                   "cache1:1",
		"cache1:65535":               "cache1:65535",
		"cache1":                     "cache1:11211",
		"a.b-c_d.example.":           "a.b-c_d.example.:11211",
		"cache1:00080":               "cache1:80",
		"Cache1":                     "Cache1:11211", // unchanged, because ketama hashes it
		"10.0.0.1":                   "10.0.0.1:11211",
		"10.0.0.1:80":                "10.0.0.1:80",
		"[::1]:80":                   "[::1]:80",
		"[::1]":                      "[::1]:11211",
		"::1":                        "[::1]:11211",
		"::1:11211":                  "",
		"::1:1121":                   "[::1:1121]:11211", // an address, not a port
		"0:0:0:0:0:0:0:1":            "[0:0:0:0:0:0:0:1]:11211",
		"[FE80::1%eth0]:80":          "[FE80::1%eth0]:80",
		"fe80::1%eth0":               "[fe80::1%eth0]:11211",
		"::ffff:10.0.0.1":            "[::ffff:10.0.0.1]:11211",
		"/run/memcached.sock":        "/run/memcached.sock",
		"/run/my cache/a:1,[b].sock": "/run/my cache/a:1,[b].sock",
		"/run//x/../memcached.sock":  "/run//x/../memcached.sock",
		longest:                      longest,
	} {
		servers, err := memcache.NormalizeServers([]memcache.Server{{Addr: addr}})
		if want == "" {
			if !errors.Is(err, core.ErrConfig) {
				t.Errorf("%q: %v, %v; want ErrConfig", addr, servers, err)
			}
			continue
		}
		diff := cmp.Diff([]memcache.Server{{Addr: want, Weight: 1}}, servers)
		if diff != "" || err != nil {
			t.Errorf("%q: %v %s", addr, err, diff)
		}
		for _, s := range []memcache.Server{{Addr: addr}, {Addr: want}} {
			network := "tcp"
			if strings.HasPrefix(addr, "/") {
				network = "unix"
			}
			if s.Network() != network || s.String() != want {
				t.Errorf("%q: Network and String are %s %s, want %s %s",
					s.Addr, s.Network(), s.String(), network, want)
			}
		}
	}
}

// invalidAddrs are invalid texts for Server.Addr, each with a part of its error.
var invalidAddrs = map[string]string{
	"":                  "server 1 of 1 is empty; want host:port",
	":":                 "no host name",
	":11211":            "no host name",
	" ":                 "a space",
	"cache1 :80":        "a space",
	" cache1":           "a space",
	"cache1:80 ":        "a space",
	"a:80,b:80":         "a comma",
	"cache1\n":          "a control character",
	"\x00":              "a control character",
	"/run/\x00.sock":    "a control character",
	"/run/\x7f.sock":    "a control character",
	"cache1:":           "a port that is not a number from 1 to 65535",
	"cache1:0":          "a port that is not",
	"cache1:000":        "a port that is not",
	"cache1:65536":      "a port that is not",
	"cache1:-1":         "a port that is not",
	"cache1:+1":         "a port that is not",
	"cache1:0x50":       "a port that is not",
	"cache1:1_0":        "a port that is not",
	"cache1:memcache":   "a port that is not",
	"[::1]:":            "a port that is not",
	"[::1]:0":           "a port that is not",
	"[::1":              "brackets",
	"[::1]80":           "brackets",
	"[::1]::80":         "a port that is not",
	"[]":                "brackets",
	"[]:80":             "brackets",
	"[cache1]:80":       "brackets",
	"[10.0.0.1]:80":     "brackets",
	"[[::1]]:80":        "brackets",
	"::1]:80":           "several colons",
	"a:b:80":            "several colons",
	"cache1:80:3":       "several colons",
	"::1:11211":         "several colons",
	"::1%]":             "several colons",
	"::1%":              "several colons",
	"[::1%]]:80":        "brackets",
	"[::1%a@b]:80":      "brackets",
	"10.0.0.1%eth0":     "no host name",
	"user@cache1":       "no host name",
	"cäche":             "no host name",
	"cache1?":           "no host name",
	"cache*":            "no host name",
	"run/a.sock":        "a path that does not begin with /",
	"./a.sock":          "a path that does not begin with /",
	"unix:/run/a.sock":  "a path that does not begin with /",
	"tcp://cache1:80":   "a path that does not begin with /",
	"cache1:80/0":       "a path that does not begin with /",
	"/":                 "a path that ends with /",
	"/run/":             "a path that ends with /",
	`C:\run\a.sock`:     "a port that is not",
	"@memcached":        "no host name",
	"/" + longName(107): "a path of 108 bytes; want the path of a unix socket of at most 107 bytes",
}

func longName(n int) string { return strings.Repeat("s", n) }

func TestInvalidAddrsAreRefusedWithWhatIsWanted(t *testing.T) {
	for addr, want := range invalidAddrs {
		servers, err := memcache.NormalizeServers([]memcache.Server{{Addr: addr}})
		wantConfigError(t, strconv.Quote(addr), err, want)
		if err != nil && !strings.Contains(err.Error(), "; want ") {
			t.Errorf("%q: error %q does not say what is wanted", addr, err)
		}
		if servers != nil {
			t.Errorf("%q: NormalizeServers returned %v, want nil", addr, servers)
		}
		if s := (memcache.Server{Addr: addr}); s.String() != addr {
			t.Errorf("%q: Address() = %q, want it unchanged", addr, s.String())
		}
	}
}

// wantConfigError checks that err, the result of input, is ErrConfig and contains parts.
func wantConfigError(t *testing.T, input string, err error, parts ...string) {
	t.Helper()
	if !errors.Is(err, core.ErrConfig) {
		t.Errorf("%s: error is %v, want ErrConfig", input, err)
		return
	}
	for _, part := range parts {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%s: error is %q, want one with %q", input, err, part)
		}
	}
}

func TestDuplicateServersAreRefused(t *testing.T) {
	for _, pair := range [][2]string{
		{"cache1", "cache1:11211"},
		{"cache1:011", "cache1:11"},
		{"cache1", "CACHE1"},
		{"::1", "[::1]:11211"},
		{"::1", "[0:0:0:0:0:0:0:1]"},
		{"[FD00::1]", "[fd00::1]"},
		{"10.0.0.1", "::ffff:10.0.0.1"},
		{"fe80::1%eth0", "[fe80:0::1%eth0]"},
		{"/run/a.sock", "/run/a.sock"},
		{"/run/a.sock", "/run//x/.././a.sock"},
	} {
		_, err := memcache.NormalizeServers([]memcache.Server{
			{Addr: "other"}, {Addr: pair[0]}, {Addr: pair[1], Weight: 2},
		})
		wantConfigError(t, strings.Join(pair[:], " "), err,
			"server 3 of 3 is the same as server 2; want each server once")
	}
}

func TestServersThatMayDifferAreAccepted(t *testing.T) {
	servers := []memcache.Server{
		{Addr: "cache1"}, {Addr: "cache1."}, {Addr: "cache1:11212"}, {Addr: "cache2"},
		{Addr: "localhost"}, {Addr: "127.0.0.1"}, {Addr: "::1"}, {Addr: "::1:1"},
		{Addr: "0.0.0.0"}, {Addr: "::"},
		{Addr: "fe80::1%eth0"}, {Addr: "fe80::1%eth1"}, {Addr: "fe80::1"}, {Addr: "fe80::1%ETH0"},
		{Addr: "/run/a"}, {Addr: "/run/A"}, {Addr: "/cache1"},
	}
	got, err := memcache.NormalizeServers(servers)
	if err != nil || len(got) != len(servers) {
		t.Errorf("%v, %v", got, err)
	}
}

func TestWeightsOutOfRangeAreRefused(t *testing.T) {
	for weight, want := range map[int]int{
		0: 1, 1: 1, 2: 2, memcache.MaxWeight: 65535, // accepted
		-1: 0, memcache.MaxWeight + 1: 0, // refused
	} {
		servers := []memcache.Server{{Addr: "a"}, {Addr: "b", Weight: weight}}
		got, err := memcache.NormalizeServers(servers)
		if want == 0 {
			wantConfigError(t, strconv.Itoa(weight), err,
				"server 2 of 2 has weight "+strconv.Itoa(weight)+"; want 1 to 65535, or 0 for 1")
			continue
		}
		diff := cmp.Diff([]memcache.Server{{"a:11211", 1}, {"b:11211", want}}, got)
		if diff != "" || err != nil {
			t.Errorf("weight %d: %v %s", weight, err, diff)
		}
	}
}

func TestNoServersAreRefused(t *testing.T) {
	for _, servers := range [][]memcache.Server{nil, {}} {
		_, err := memcache.NormalizeServers(servers)
		wantConfigError(t, "no servers", err, "no servers; want one or more")
	}
}

func TestErrorNamesEveryInvalidServer(t *testing.T) {
	_, err := memcache.NormalizeServers([]memcache.Server{
		{Addr: "a:0"}, {Addr: "b"}, {Addr: "c", Weight: -1}, {Addr: "b:11211"}, {},
	})
	wantConfigError(t, "list", err,
		"server 1 of 5 has a port",
		"; server 3 of 5 has weight",
		"; server 4 of 5 is the same as server 2;",
		"; server 5 of 5 is empty")
}

func TestNormalizeServersDoesNotChangeItsArgument(t *testing.T) {
	servers := []memcache.Server{{Addr: "b"}, {Addr: "a:1", Weight: 3}}
	got, err := memcache.NormalizeServers(servers)
	diff := cmp.Diff([]memcache.Server{{"b:11211", 1}, {"a:1", 3}}, got)
	if diff != "" || err != nil {
		t.Error(err, diff)
	}
	if diff := cmp.Diff([]memcache.Server{{"b", 0}, {"a:1", 3}}, servers); diff != "" {
		t.Error("the argument changed:", diff)
	}
}

// A text given as an address may be a password by mistake.
func TestNoErrorShowsAnAddr(t *testing.T) {
	for _, addr := range []string{
		"S3CRET", "user:S3CRET@host", "user:S3CRET", "S3CRET@host:1", "/S3CRET/", "S3CRET/host",
		"[S3CRET]:1", "a:S3CRET:b", "S3 CRET", "S3CRET:0",
	} {
		servers := []memcache.Server{{Addr: addr}, {Addr: addr, Weight: -1}}
		_, err := memcache.NormalizeServers(servers)
		if err == nil || strings.Contains(err.Error(), "S3") {
			t.Errorf("%q: error is %v, want one that does not show the Addr", addr, err)
		}
	}
}

// A server that is accepted does not change if it is normalized again, and has an address
// that can be dialed.
func FuzzNormalizeServers(f *testing.F) {
	for addr := range invalidAddrs {
		f.Add(addr, 1)
	}
	for _, addr := range []string{
		"cache1", "cache1:80", "::1", "[::1]:80", "fe80::1%eth0", "/run/memcached.sock",
	} {
		f.Add(addr, 0)
		f.Add(addr, 65536)
	}
	f.Fuzz(func(t *testing.T, addr string, weight int) {
		once, err := memcache.NormalizeServers([]memcache.Server{{addr, weight}})
		if err != nil {
			if !errors.Is(err, core.ErrConfig) || once != nil {
				t.Fatalf("%q: %v, %v", addr, once, err)
			}
			return
		}
		twice, err := memcache.NormalizeServers(once)
		if diff := cmp.Diff(once, twice); diff != "" || err != nil {
			t.Fatalf("%q: normalized again: %v %s", addr, err, diff)
		}
		duplicates := []memcache.Server{{Addr: addr}, once[0]}
		if _, err := memcache.NormalizeServers(duplicates); err == nil {
			t.Errorf("%q and %q are accepted as two servers", addr, once[0].Addr)
		}
		s := memcache.Server{Addr: addr}
		if s.String() != once[0].Addr || s.Network() != once[0].Network() {
			t.Errorf("%q: Network and String are %s %s, normalized %v",
				addr, s.Network(), s.String(), once[0])
		}
		if s.Network() == "unix" {
			return
		}
		host, port, err := net.SplitHostPort(s.String())
		if err != nil || host == "" || !strings.Contains(addr, host) {
			t.Errorf("%q: the host of %q is %q, %v", addr, s.String(), host, err)
		}
		if n, err := strconv.Atoi(port); err != nil || n < 1 || n > 65535 {
			t.Errorf("%q: the port of %q is %q", addr, s.String(), port)
		}
	})
}
