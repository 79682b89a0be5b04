package lockout_test

import (
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"github.com/cachewire/cachewire/lockout"
)

func prefixes(all ...string) (parsed []netip.Prefix) {
	for _, p := range all {
		parsed = append(parsed, netip.MustParsePrefix(p))
	}
	return parsed
}

// addressOf returns the address that a finds for a request from remote with the header lines.
func addressOf(a lockout.Address, remote, header string, lines ...string) string {
	r := httptest.NewRequest("GET", "/", nil)
	r.RemoteAddr = remote
	for _, line := range lines {
		r.Header.Add(header, line)
	}
	return a.Of(r)
}

func TestAddressOfAConnection(t *testing.T) {
	for remote, want := range map[string]string{
		"192.0.2.1:1234":                "192.0.2.1",
		"[2001:db8:1:2:3:4:5:6]:1234":   "2001:db8:1:2::/64",
		"[::ffff:192.0.2.1]:1234":       "192.0.2.1",
		"[fe80::1%eth0]:1234":           "fe80::/64",
		"@":                             "@",
		"/run/app.sock":                 "/run/app.sock",
		"":                              "",
		"[64:ff9b::192.0.2.1]:1":        "192.0.2.1", // NAT64
		"[64:ff9b:1:ffff::192.0.2.1]:1": "64:ff9b:1:ffff::c000:201",
		"[64:ff9b:1:ffff::192.0.2.2]:1": "64:ff9b:1:ffff::c000:202",
		"[64:ff9b:2::192.0.2.1]:1":      "64:ff9b:2::/64",
		"[::ffff:0:192.0.2.1]:1":        "192.0.2.1", // SIIT
		"[2001:0:4136:e378:8000:63bf:3fff:fdd2]:1": "192.0.2.45", // Teredo: RFC 4380, section 4
		"[2001:0:4136:e378:1234:5678:3fff:fdd2]:1": "192.0.2.45",
		"[2001:1:4136:e378::1]:1":                  "2001:1:4136:e378::/64",
		"[2002:c000:201:5::1]:1":                   "192.0.2.1", // 6to4
	} {
		if got := addressOf(lockout.Address{}, remote, ""); got != want {
			t.Errorf("%s: %s, want %s", remote, got, want)
		}
	}
	for bits, want := range map[int]string{
		128: "2001:db8:1:2::1", 48: "2001:db8:1::/48", 0: "2001:db8:1:2::/64",
		129: "2001:db8:1:2::/64", -1: "2001:db8:1:2::/64",
	} {
		got := addressOf(lockout.Address{IPv6: bits}, "[2001:db8:1:2::1]:1234", "")
		if got != want {
			t.Errorf("with %d bits: %s, want %s", bits, got, want)
		}
	}
}

func TestAddressBehindProxies(t *testing.T) {
	const proxy, sender = "10.0.0.1:1234", "198.51.100.1"
	trusted := lockout.Address{Trusted: prefixes("10.0.0.0/8", "2001:db8:ffff::/48")}
	with := func(header string) lockout.Address {
		a := trusted
		a.Header = header
		return a
	}
	socket := lockout.Address{Trusted: trusted.Trusted, TrustSocket: true}
	const xff, xreal, forwarded = "X-Forwarded-For", "X-Real-IP", "Forwarded"
	for name, tt := range map[string]struct {
		address lockout.Address
		remote  string
		header  string
		lines   []string
		want    string
	}{
		"no proxy is trusted": {
			lockout.Address{}, "192.0.2.1:1", xff, []string{sender}, "192.0.2.1",
		},
		"a proxy that is not trusted": {trusted, "192.0.2.1:1", xff, []string{sender}, "192.0.2.1"},
		"a trusted proxy":             {trusted, proxy, xff, []string{sender}, sender},
		"a network in IPv6 form": {
			lockout.Address{Trusted: prefixes("::ffff:10.0.0.0/104")},
			proxy, xff, []string{sender}, sender,
		},
		"a proxy in IPv6 form": {trusted, "[::ffff:10.0.0.1]:1", xff, []string{sender}, sender},
		"no proxy is translated": { // or anyone could have an address of our network
			trusted, "[2002:a00:1::1]:1", xff, []string{sender}, "10.0.0.1",
		},
		"what the client wrote is ignored": {
			trusted, proxy, xff, []string{"10.9.9.9, 203.0.113.9, " + sender}, sender,
		},
		"two proxies": {trusted, proxy, xff, []string{"203.0.113.9", sender + ",10.0.0.2"}, sender},
		"two proxies, two lines": {
			trusted, proxy, xff, []string{"203.0.113.9, " + sender, "10.0.0.2"}, sender,
		},
		"all addresses are trusted": {
			trusted, proxy, xff, []string{"10.0.0.3, 10.0.0.2"}, "10.0.0.3",
		},
		"no header":       {trusted, proxy, xff, nil, "10.0.0.1"},
		"an empty header": {trusted, proxy, xff, []string{""}, "10.0.0.1"},
		"junk before a proxy": {
			trusted, proxy, xff, []string{sender + ", junk, 10.0.0.2"}, "10.0.0.2",
		},
		"unknown": {
			trusted, proxy, xff, []string{sender + ", unknown"}, "10.0.0.1",
		},
		"a port": {trusted, proxy, xff, []string{sender + ":8080"}, sender},
		"IPv6 with a port": {
			trusted, "[2001:db8:ffff::1]:1", xff, []string{"[2001:db8:1:2::3]:8080"},
			"2001:db8:1:2::/64",
		},
		"IPv6 in brackets": {
			trusted, proxy, xff, []string{"[2001:db8:1:2::3]"}, "2001:db8:1:2::/64",
		},
		"empty elements": {
			trusted, proxy, xff, []string{sender + ", ,,10.0.0.2 , ,", "", ","}, sender,
		},
		"quoted strings": {
			trusted, proxy, xff, []string{`"` + sender + `", "10.0.0.2"`}, sender,
		},
		"a quotation mark of the client hides nothing": {
			trusted, proxy, xff, []string{`"203.0.113.9, ` + sender}, sender,
		},
		"nor does a backslash": {trusted, proxy, xff, []string{`\, "` + sender + `"`}, sender},
		"another header is not believed": {
			trusted, proxy, xreal, []string{sender}, "10.0.0.1",
		},
		"Forwarded is not believed": {
			trusted, proxy, forwarded, []string{"for=" + sender}, "10.0.0.1",
		},
		"X-Real-IP":            {with(xreal), proxy, xreal, []string{sender}, sender},
		"x-real-ip":            {with("x-real-ip"), proxy, xreal, []string{sender}, sender},
		"only X-Real-IP":       {with(xreal), proxy, xff, []string{sender}, "10.0.0.1"},
		"X-Real-IP, no proxy":  {with(xreal), "192.0.2.1:1", xreal, []string{sender}, "192.0.2.1"},
		"X-Real-IP of a proxy": {with(xreal), proxy, xreal, []string{"10.0.0.7"}, "10.0.0.7"},
		"Forwarded": {
			with(forwarded), proxy, forwarded, []string{"for=" + sender}, sender,
		},
		"forwarded": {
			with("forwarded"), proxy, forwarded, []string{"For=" + sender}, sender,
		},
		"only Forwarded": {with(forwarded), proxy, xff, []string{sender}, "10.0.0.1"},
		"Forwarded with other parameters": {
			with(forwarded), proxy, forwarded,
			[]string{`for=203.0.113.9, proto=https;by="_x;y,z";for="` + sender + `:_port"; host=a`},
			sender,
		},
		"Forwarded with IPv6": {
			with(forwarded), proxy, forwarded, []string{`for="[2001:db8:1:2::3]:4711"`},
			"2001:db8:1:2::/64",
		},
		"Forwarded by two proxies": {
			with(forwarded), proxy, forwarded,
			[]string{"for=203.0.113.9", "for=" + sender + ", for=10.0.0.2;by=10.0.0.1"}, sender,
		},
		"Forwarded with an escaped quotation mark": {
			with(forwarded), proxy, forwarded,
			[]string{`for=203.0.113.9, secret="a\", b";for=` + sender}, sender,
		},
		"Forwarded, unknown": {
			with(forwarded), proxy, forwarded, []string{"for=" + sender + ", for=unknown"},
			"10.0.0.1",
		},
		"Forwarded, no for": {
			with(forwarded), proxy, forwarded, []string{"for=" + sender + ", proto=http"},
			"10.0.0.1",
		},
		"Forwarded, obfuscated": {
			with(forwarded), proxy, forwarded, []string{"for=" + sender + ", for=_hidden"},
			"10.0.0.1",
		},
		"a socket is not trusted": {trusted, "@", xff, []string{sender}, "@"},
		"a trusted socket":        {socket, "@", xff, []string{sender}, sender},
		"a socket without a name": {socket, "", xff, []string{sender}, sender},
		"a socket, two proxies": {
			socket, "@", xff, []string{"203.0.113.9, " + sender + ", 10.0.0.2"}, sender,
		},
		"a socket, no header": {socket, "@", xff, nil, "@"},
		"a socket, junk":      {socket, "@", xff, []string{sender + ", junk"}, "@"},
		"a socket does not matter for others": {
			socket, "192.0.2.1:1", xff, []string{sender}, "192.0.2.1",
		},
	} {
		t.Run(name, func(t *testing.T) {
			if got := addressOf(tt.address, tt.remote, tt.header, tt.lines...); got != tt.want {
				t.Errorf("%s, want %s", got, tt.want)
			}
		})
	}
}

// The address that a proxy has added decides, whatever a client sends.
func FuzzAddress(f *testing.F) {
	f.Add("1.2.3.4, [::1]:5, ,", uint8(0))
	f.Add(`for="1.2.3.4`, uint8(1))
	f.Add(`for=1.2.3.4;by="\"`, uint8(1))
	f.Add(`\`, uint8(2))
	f.Fuzz(func(t *testing.T, written string, kind uint8) {
		a := lockout.Address{Trusted: prefixes("10.0.0.0/8")}
		header := []string{"X-Forwarded-For", "Forwarded", "X-Real-IP"}[kind%3]
		a.Header = header
		for _, added := range []string{"198.51.100.7", `"198.51.100.7"`} {
			if header == "Forwarded" {
				added = "for=" + added + ";proto=https"
			}
			got := addressOf(a, "10.0.0.1:1", header, written+", "+added)
			if got != "198.51.100.7" {
				t.Errorf("%s: %s, %s: %s", header, written, added, got)
			}
		}
		all := lockout.Address{Trusted: prefixes("0.0.0.0/0", "::/0"), Header: header}
		if got := addressOf(all, "10.0.0.1:1", header, written); got == "" ||
			strings.ContainsAny(got, " ,") {
			t.Errorf("%s: %s: no address: %q", header, written, got)
		}
	})
}
