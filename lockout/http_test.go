package lockout_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/lockout"
	"github.com/cachewire/cachewire/memory"
	"github.com/cachewire/cachewire/null"
)

var serve = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
	io.WriteString(w, "served")
})

// byIP returns counter with a Key that is the address of the sender.
func byIP(counter lockout.Counter[*http.Request]) lockout.Counter[*http.Request] {
	counter.Key = func(r *http.Request) string { return "by_ip:" + lockout.Address{}.Of(r) }
	return counter
}

// sameRequest is the subject for lockouts that count requests.
func sameRequest(r *http.Request) *http.Request { return r }

// requestLockout returns a lockout called api that counts requests.
func requestLockout(
	t testing.TB, c *core.Cache, opts *lockout.Options[*http.Request],
	terms lockout.Terms[*http.Request],
) *lockout.Lockout[*http.Request] {
	t.Helper()
	locker, err := lockout.New(c, terms, opts)
	wantErr(t, err, nil)
	lo, err := locker.Define("api", terms)
	wantErr(t, err, nil)
	return lo
}

// get returns the reply of h to a request from an address.
func get(h http.Handler, from string) *http.Response {
	w := httptest.NewRecorder()
	r := httptest.NewRequest("GET", "/", nil)
	r.RemoteAddr = from
	h.ServeHTTP(w, r)
	return w.Result()
}

func wantReply(t *testing.T, got *http.Response, code int, header map[string]string) {
	t.Helper()
	if got.StatusCode != code {
		t.Errorf("%s, want %d", got.Status, code)
	}
	for _, name := range []string{"RateLimit-Policy", "RateLimit", "Retry-After"} {
		if value := strings.Join(got.Header.Values(name), " / "); value != header[name] {
			t.Errorf("%s: %s, want %q", name, value, header[name])
		}
	}
}

func TestHandlerRefusesUntilTheTimeInItsHeaders(t *testing.T) {
	for name, tt := range map[string]struct {
		algorithm lockout.Algorithm
		lock      time.Duration

		// room is t in the replies to the first request, the second, and a refused one.
		room [3]string
		wait time.Duration
	}{
		"fixed window": {
			lockout.FixedWindow, 0, [3]string{"60", "60", "60"}, 60 * time.Second,
		},
		"fixed window, with a lock": {
			lockout.FixedWindow, time.Hour, [3]string{"60", "3600", "3600"}, time.Hour,
		},
		"sliding window": {
			lockout.SlidingWindow, 0, [3]string{"61", "61", "61"}, 61 * time.Second,
		},
		"token bucket": {
			lockout.TokenBucket, 0, [3]string{"30", "30", "30"}, 30 * time.Second,
		},
		"token bucket, with a lock": {
			lockout.TokenBucket, time.Hour, [3]string{"30", "3600", "3600"}, time.Hour,
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				lo := requestLockout(t, cacheOf(t, must(memory.New(nil))), nil,
					lockout.Terms[*http.Request]{"by_ip": byIP(lockout.Counter[*http.Request]{
						Count: 2, Period: time.Minute, Duration: tt.lock, Algorithm: tt.algorithm,
					})})
				h := must(lockout.Handler(lo, sameRequest, serve, nil))
				policy := `"by_ip";q=2;w=60`
				for i, left := range []string{"1", "0"} {
					got := get(h, "192.0.2.1:1234")
					wantReply(t, got, 200, map[string]string{
						"RateLimit-Policy": policy,
						"RateLimit":        `"by_ip";r=` + left + ";t=" + tt.room[i],
					})
					if body, _ := io.ReadAll(got.Body); string(body) != "served" {
						t.Errorf("the body is %q, want served", body)
					}
				}
				wantReply(t, get(h, "192.0.2.1:4321"), 429, map[string]string{
					"RateLimit-Policy": policy,
					"RateLimit":        `"by_ip";r=0;t=` + tt.room[2],
					"Retry-After":      tt.room[2],
				})
				if got := get(h, "192.0.2.2:1234"); got.StatusCode != 200 {
					t.Errorf("another address: %s, want 200", got.Status)
				}
				time.Sleep(tt.wait - time.Second)
				got := get(h, "192.0.2.1:1234")
				if got.StatusCode != 429 || got.Header.Get("Retry-After") != "1" {
					t.Errorf("a second before the time: %s, Retry-After: %s; want 429, 1",
						got.Status, got.Header.Get("Retry-After"))
				}
				time.Sleep(time.Second)
				if got := get(h, "192.0.2.1:1234"); got.StatusCode != 200 {
					t.Errorf("at the time: %s, want 200", got.Status)
				}
			})
		})
	}
}

// memcached cannot report when a counter expires. So t is left out, except in a refusal,
// which has the whole period.
func TestHandlerLeavesOutTheTimeOnMemcached(t *testing.T) {
	lo := requestLockout(t, memcached(t), nil, lockout.Terms[*http.Request]{
		"by_ip": byIP(lockout.Counter[*http.Request]{Count: 2, Period: 90 * time.Second}),
		`a "b"ü`: {
			Key:    func(*http.Request) string { return "all" },
			Count:  1 << 62,
			Period: 1500 * time.Millisecond,
		},
	})
	h := must(lockout.Handler(lo, sameRequest, serve, nil))
	for _, left := range []string{"1", "0"} {
		wantReply(t, get(h, "192.0.2.1:1234"), 200, map[string]string{
			"RateLimit-Policy": `"a \"b\"?";q=999999999999999, "by_ip";q=2;w=90`,
			"RateLimit":        `"a \"b\"?";r=999999999999999, "by_ip";r=` + left,
		})
	}
	wantReply(t, get(h, "192.0.2.1:1234"), 429, map[string]string{
		"RateLimit-Policy": `"by_ip";q=2;w=90`,
		"RateLimit":        `"by_ip";r=0;t=90`,
		"Retry-After":      "90",
	})
}

func TestEachOfTwoNestedHandlersAddsItsPolicy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := cacheOf(t, must(memory.New(nil)))
		outer := requestLockout(t, c, nil, lockout.Terms[*http.Request]{
			"outer": byIP(lockout.Counter[*http.Request]{
				Count: 9, Period: time.Minute, Algorithm: lockout.TokenBucket,
			}),
		})
		opts := &lockout.Options[*http.Request]{Prefix: "d"}
		inner := requestLockout(t, c, opts, lockout.Terms[*http.Request]{
			"inner": byIP(lockout.Counter[*http.Request]{
				Count: 2, Period: 600 * time.Second, Algorithm: lockout.TokenBucket,
			}),
		})
		h := must(lockout.Handler(inner, sameRequest, serve, nil))
		h = must(lockout.Handler(outer, sameRequest, h, nil))
		wantReply(t, get(h, "192.0.2.1:1234"), 200, map[string]string{
			"RateLimit-Policy": `"outer";q=9;w=60 / "inner";q=2;w=600`,
			"RateLimit":        `"outer";r=8;t=7 / "inner";r=1;t=300`,
		})
	})
}

// A lock that a Python program has set does not say when it ends. Retry-After is the longest
// time that it can last.
func TestRetryAfterOfAPythonLockIsMaxDuration(t *testing.T) {
	c := cacheOf(t, must(memory.New(nil)))
	lo := requestLockout(t, c, nil, lockout.Terms[*http.Request]{
		"by_ip": byIP(lockout.Counter[*http.Request]{
			Count: 2, Period: time.Minute, Duration: time.Minute, MaxDuration: time.Hour,
		}),
	})
	err := c.Set(t.Context(), "lock:c:api:by_ip:192.0.2.1", []byte("1"), time.Minute)
	wantErr(t, err, nil)
	got := get(must(lockout.Handler(lo, sameRequest, serve, nil)), "192.0.2.1:1")
	if got.StatusCode != 429 || got.Header.Get("Retry-After") != "3600" {
		t.Errorf("%s, Retry-After: %s; want 429, 3600", got.Status, got.Header.Get("Retry-After"))
	}
}

func TestHandlerHonoursRefuseActionAndFailClosed(t *testing.T) {
	synctest.Test(t, testRefusals)
}

func testRefusals(t *testing.T) {
	const from = "192.0.2.1:1"
	terms := lockout.Terms[*http.Request]{"by_ip": byIP(lockout.Counter[*http.Request]{
		Count: 1, Period: time.Minute, Duration: time.Minute,
	})}
	refuse := func(w http.ResponseWriter, r *http.Request, locked *lockout.LockedError) {
		text := locked.Lockout + " " + locked.Counter + " " + r.URL.Path
		http.Error(w, text, http.StatusTeapot)
	}
	lo := requestLockout(t, cacheOf(t, must(memory.New(nil))), nil, terms)
	h := must(lockout.Handler(lo, sameRequest, serve, refuse))
	get(h, from)
	got := get(h, from)
	body, _ := io.ReadAll(got.Body)
	if got.StatusCode != http.StatusTeapot || string(body) != "api by_ip /\n" ||
		got.Header.Get("Retry-After") != "60" {
		t.Errorf("%s %q %v", got.Status, body, got.Header)
	}
	trial := lo.WithAction(func(context.Context, *http.Request, *lockout.LockedError) error {
		return nil
	})
	wantReply(t, get(must(lockout.Handler(trial, sameRequest, serve, refuse)), from), 200, nil)

	closed := cacheOf(t, must(memory.New(nil)))
	closed.Close()
	failOpen := requestLockout(t, closed, nil, terms)
	wantReply(t, get(must(lockout.Handler(failOpen, sameRequest, serve, nil)), from), 200, nil)
	opts := &lockout.Options[*http.Request]{FailClosed: true}
	failClosed := requestLockout(t, closed, opts, terms)
	wantReply(t, get(must(lockout.Handler(failClosed, sameRequest, serve, nil)), from), 503, nil)

	for _, none := range []*lockout.Lockout[*http.Request]{
		nil, requestLockout(t, cacheOf(t, null.New()), nil, terms),
	} {
		for range 3 {
			wantReply(t, get(must(lockout.Handler(none, sameRequest, serve, nil)), from), 200, nil)
		}
	}
	_, noSubject := lockout.Handler(lo, nil, serve, nil)
	wantErr(t, noSubject, core.ErrConfig)
	_, noNext := lockout.Handler(lo, sameRequest, nil, nil)
	wantErr(t, noNext, core.ErrConfig)
}

func TestAddressOfARequestIsThatOfItsSender(t *testing.T) {
	trusted := []netip.Prefix{
		netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("2001:db8:ffff::/48"),
	}
	mapped := []netip.Prefix{netip.MustParsePrefix("::ffff:10.0.0.0/104")}
	for name, tt := range map[string]struct {
		address   lockout.Address
		remote    string
		forwarded []string
		want      string
	}{
		"IPv4": {remote: "192.0.2.1:1234", want: "192.0.2.1"},
		"IPv6 is a /64": {
			remote: "[2001:db8:1:2:3:4:5:6]:1234", want: "2001:db8:1:2::/64",
		},
		"IPv6 with more bits": {
			address: lockout.Address{IPv6: 128},
			remote:  "[2001:db8::1]:1234", want: "2001:db8::1",
		},
		"IPv6 with fewer bits": {
			address: lockout.Address{IPv6: 48},
			remote:  "[2001:db8:1:2::1]:1234", want: "2001:db8:1::/48",
		},
		"IPv6 with too many bits is a /64": {
			address: lockout.Address{IPv6: 129},
			remote:  "[2001:db8:1:2::1]:1234", want: "2001:db8:1:2::/64",
		},
		"IPv4 in IPv6":      {remote: "[::ffff:192.0.2.1]:1234", want: "192.0.2.1"},
		"IPv6 with a zone":  {remote: "[fe80::1%eth0]:1234", want: "fe80::/64"},
		"not an IP address": {remote: "@", want: "@"},
		"a header, but no proxies are trusted": {
			remote: "192.0.2.1:1234", forwarded: []string{"198.51.100.1"}, want: "192.0.2.1",
		},
		"a header from an address that is not trusted": {
			lockout.Address{Trusted: trusted}, "192.0.2.1:1234",
			[]string{"198.51.100.1"}, "192.0.2.1",
		},
		"a header from a trusted address": {
			lockout.Address{Trusted: trusted}, "10.0.0.1:1234",
			[]string{"198.51.100.1"}, "198.51.100.1",
		},
		"trusted network in IPv6 form": {
			lockout.Address{Trusted: mapped}, "10.0.0.1:1234",
			[]string{"198.51.100.1"}, "198.51.100.1",
		},
		"trusted address in IPv6 form": {
			lockout.Address{Trusted: trusted}, "[::ffff:10.0.0.1]:1234",
			[]string{"198.51.100.1"}, "198.51.100.1",
		},
		"what the client wrote is ignored": {
			lockout.Address{Trusted: trusted}, "10.0.0.1:1234",
			[]string{"10.9.9.9, 203.0.113.9, 198.51.100.1"}, "198.51.100.1",
		},
		"two proxies": {
			lockout.Address{Trusted: trusted}, "10.0.0.1:1234",
			[]string{"203.0.113.9", "198.51.100.1,10.0.0.2"}, "198.51.100.1",
		},
		"two proxies, two lines": {
			lockout.Address{Trusted: trusted}, "10.0.0.1:1234",
			[]string{"203.0.113.9, 198.51.100.1", "10.0.0.2"}, "198.51.100.1",
		},
		"all addresses are trusted": {
			lockout.Address{Trusted: trusted}, "10.0.0.1:1234",
			[]string{"10.0.0.3, 10.0.0.2"}, "10.0.0.3",
		},
		"no header": {lockout.Address{Trusted: trusted}, "10.0.0.1:1234", nil, "10.0.0.1"},
		"an empty header": {
			lockout.Address{Trusted: trusted}, "10.0.0.1:1234", []string{""}, "10.0.0.1",
		},
		"junk before a trusted address": {
			lockout.Address{Trusted: trusted}, "10.0.0.1:1234",
			[]string{"junk, 10.0.0.2"}, "10.0.0.2",
		},
		"an address with a port": {
			lockout.Address{Trusted: trusted}, "10.0.0.1:1234",
			[]string{"198.51.100.1:8080"}, "198.51.100.1",
		},
		"IPv6 in brackets": {
			lockout.Address{Trusted: trusted}, "[2001:db8:ffff::1]:1",
			[]string{"[2001:db8:1:2::3]:8080"}, "2001:db8:1:2::/64",
		},
		"IPv6 in brackets, no port": {
			lockout.Address{Trusted: trusted}, "[2001:db8:ffff::1]:1",
			[]string{"[2001:db8:1:2::3]"}, "2001:db8:1:2::/64",
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := httptest.NewRequest("GET", "/", nil)
			r.RemoteAddr = tt.remote
			for _, line := range tt.forwarded {
				r.Header.Add("X-Forwarded-For", line)
			}
			if got := tt.address.Of(r); got != tt.want {
				t.Errorf("%s, want %s", got, tt.want)
			}
		})
	}
}

func FuzzAddress(f *testing.F) {
	f.Add("10.0.0.1:1", "1.2.3.4, [::1]:5, ,")
	f.Add("[fe80::1%x]:1", ",,,]")
	f.Fuzz(func(t *testing.T, remote, forwarded string) {
		r := httptest.NewRequest("GET", "/", nil)
		r.RemoteAddr = remote
		r.Header["X-Forwarded-For"] = []string{forwarded}
		all := []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0"), netip.MustParsePrefix("::/0")}
		if got := (lockout.Address{Trusted: all}).Of(r); got == "" && remote != "" {
			t.Errorf("%q, %q: no address", remote, forwarded)
		}
	})
}
