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

var served = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "served") })

// byIP answers a counter by the address of requests.
func byIP(counter lockout.Counter[*http.Request]) lockout.Counter[*http.Request] {
	counter.Key = func(r *http.Request) string { return "by_ip:" + lockout.Address{}.Of(r) }
	return counter
}

func request(r *http.Request) *http.Request { return r }

// api answers a lockout of requests.
func api(t testing.TB, c *core.Cache, opts *lockout.Options[*http.Request], terms lockout.Terms[*http.Request]) *lockout.Lockout[*http.Request] {
	t.Helper()
	locker, err := lockout.New(c, terms, opts)
	wantErr(t, err, nil)
	lo, err := locker.Define("api", terms)
	wantErr(t, err, nil)
	return lo
}

// get answers the reply of h to a request from an address.
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

func TestHandler(t *testing.T) {
	for name, tt := range map[string]struct {
		algorithm lockout.Algorithm
		lock      time.Duration
		room      [3]string // when there is more room after the first, the second, and too many
		wait      time.Duration
	}{
		"fixed window":         {lockout.FixedWindow, 0, [3]string{"60", "60", "60"}, 60 * time.Second},
		"fixed window, a lock": {lockout.FixedWindow, time.Hour, [3]string{"60", "3600", "3600"}, time.Hour},
		"sliding window":       {lockout.SlidingWindow, 0, [3]string{"61", "61", "61"}, 61 * time.Second},
		"token bucket":         {lockout.TokenBucket, 0, [3]string{"30", "30", "30"}, 30 * time.Second},
		"token bucket, a lock": {lockout.TokenBucket, time.Hour, [3]string{"30", "3600", "3600"}, time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				lo := api(t, cacheOf(t, must(memory.New(nil))), nil, lockout.Terms[*http.Request]{
					"by_ip": byIP(lockout.Counter[*http.Request]{Count: 2, Period: time.Minute, Duration: tt.lock, Algorithm: tt.algorithm}),
				})
				h := must(lockout.Handler(lo, request, served, nil))
				policy := `"by_ip";q=2;w=60`
				for i, left := range []string{"1", "0"} {
					got := get(h, "192.0.2.1:1234")
					wantReply(t, got, 200, map[string]string{"RateLimit-Policy": policy, "RateLimit": `"by_ip";r=` + left + ";t=" + tt.room[i]})
					if body, _ := io.ReadAll(got.Body); string(body) != "served" {
						t.Errorf("%q", body)
					}
				}
				refused := map[string]string{"RateLimit-Policy": policy, "RateLimit": `"by_ip";r=0;t=` + tt.room[2], "Retry-After": tt.room[2]}
				wantReply(t, get(h, "192.0.2.1:4321"), 429, refused)
				if got := get(h, "192.0.2.2:1234"); got.StatusCode != 200 {
					t.Errorf("another address: %s", got.Status)
				}
				time.Sleep(tt.wait - time.Second)
				if got := get(h, "192.0.2.1:1234"); got.StatusCode != 429 || got.Header.Get("Retry-After") != "1" {
					t.Errorf("a second before the time: %s, Retry-After: %s", got.Status, got.Header.Get("Retry-After"))
				}
				time.Sleep(time.Second)
				if got := get(h, "192.0.2.1:1234"); got.StatusCode != 200 {
					t.Errorf("at the time: %s", got.Status)
				}
			})
		})
	}
}

// memcached cannot tell when a counter ends: then the header leaves it out, and
// Retry-After is the whole period.
func TestHandlerOnMemcached(t *testing.T) {
	lo := api(t, memcached(t), nil, lockout.Terms[*http.Request]{
		"by_ip":  byIP(lockout.Counter[*http.Request]{Count: 2, Period: 90 * time.Second}),
		`a "b"ü`: {Key: func(*http.Request) string { return "all" }, Count: 1 << 62, Period: 1500 * time.Millisecond},
	})
	h := must(lockout.Handler(lo, request, served, nil))
	for _, left := range []string{"1", "0"} {
		wantReply(t, get(h, "192.0.2.1:1234"), 200, map[string]string{
			"RateLimit-Policy": `"a \"b\"?";q=999999999999999, "by_ip";q=2;w=90`,
			"RateLimit":        `"a \"b\"?";r=999999999999999, "by_ip";r=` + left,
		})
	}
	wantReply(t, get(h, "192.0.2.1:1234"), 429, map[string]string{
		"RateLimit-Policy": `"by_ip";q=2;w=90`, "RateLimit": `"by_ip";r=0;t=90`, "Retry-After": "90",
	})
}

// Handlers within handlers each tell of their own policy.
func TestHandlersWithinHandlers(t *testing.T) { synctest.Test(t, handlersWithin) }

func handlersWithin(t *testing.T) {
	c := cacheOf(t, must(memory.New(nil)))
	outer := api(t, c, nil, lockout.Terms[*http.Request]{"outer": byIP(lockout.Counter[*http.Request]{Count: 9, Period: time.Minute, Algorithm: lockout.TokenBucket})})
	inner := api(t, c, &lockout.Options[*http.Request]{Prefix: "d"}, lockout.Terms[*http.Request]{"inner": byIP(lockout.Counter[*http.Request]{Count: 2, Period: 600 * time.Second, Algorithm: lockout.TokenBucket})})
	h := must(lockout.Handler(outer, request, must(lockout.Handler(inner, request, served, nil)), nil))
	wantReply(t, get(h, "192.0.2.1:1234"), 200, map[string]string{
		"RateLimit-Policy": `"outer";q=9;w=60 / "inner";q=2;w=600`, "RateLimit": `"outer";r=8;t=7 / "inner";r=1;t=300`,
	})
}

// Of a lock that a Python program has set it is not known when it ends: as late as can be.
func TestRetryAfterALockOfPython(t *testing.T) {
	c := cacheOf(t, must(memory.New(nil)))
	lo := api(t, c, nil, lockout.Terms[*http.Request]{"by_ip": byIP(lockout.Counter[*http.Request]{Count: 2, Period: time.Minute, Duration: time.Minute, MaxDuration: time.Hour})})
	wantErr(t, c.Set(t.Context(), "lock:c:api:by_ip:192.0.2.1", []byte("1"), time.Minute), nil)
	if got := get(must(lockout.Handler(lo, request, served, nil)), "192.0.2.1:1"); got.StatusCode != 429 || got.Header.Get("Retry-After") != "3600" {
		t.Errorf("%s, Retry-After: %s", got.Status, got.Header.Get("Retry-After"))
	}
}

func TestHandlerRefusesAsItIsTold(t *testing.T) { synctest.Test(t, handlerRefuses) }

func handlerRefuses(t *testing.T) {
	terms := lockout.Terms[*http.Request]{"by_ip": byIP(lockout.Counter[*http.Request]{Count: 1, Period: time.Minute, Duration: time.Minute})}
	refuse := func(w http.ResponseWriter, r *http.Request, locked *lockout.LockedError) {
		http.Error(w, locked.Lockout+" "+locked.Counter+" "+r.URL.Path, http.StatusTeapot)
	}
	lo := api(t, cacheOf(t, must(memory.New(nil))), nil, terms)
	h := must(lockout.Handler(lo, request, served, refuse))
	get(h, "192.0.2.1:1")
	got := get(h, "192.0.2.1:1")
	if body, _ := io.ReadAll(got.Body); got.StatusCode != http.StatusTeapot || string(body) != "api by_ip /\n" || got.Header.Get("Retry-After") != "60" {
		t.Errorf("%s %q %v", got.Status, body, got.Header)
	}
	trial := lo.WithAction(func(context.Context, *http.Request, *lockout.LockedError) error { return nil })
	wantReply(t, get(must(lockout.Handler(trial, request, served, refuse)), "192.0.2.1:1"), 200, nil)

	closed := cacheOf(t, must(memory.New(nil)))
	closed.Close()
	wantReply(t, get(must(lockout.Handler(api(t, closed, nil, terms), request, served, nil)), "192.0.2.1:1"), 200, nil)
	failClosed := api(t, closed, &lockout.Options[*http.Request]{FailClosed: true}, terms)
	wantReply(t, get(must(lockout.Handler(failClosed, request, served, nil)), "192.0.2.1:1"), 503, nil)

	for _, none := range []*lockout.Lockout[*http.Request]{nil, api(t, cacheOf(t, null.New()), nil, terms)} {
		for range 3 {
			wantReply(t, get(must(lockout.Handler(none, request, served, nil)), "192.0.2.1:1"), 200, nil)
		}
	}
	_, noOf := lockout.Handler(lo, nil, served, nil)
	wantErr(t, noOf, core.ErrConfig)
	_, noNext := lockout.Handler(lo, request, nil, nil)
	wantErr(t, noNext, core.ErrConfig)
}

func TestAddress(t *testing.T) {
	trusted := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("2001:db8:ffff::/48")}
	for name, tt := range map[string]struct {
		address   lockout.Address
		remote    string
		forwarded []string
		want      string
	}{
		"IPv4":                       {remote: "192.0.2.1:1234", want: "192.0.2.1"},
		"IPv6 is a /64":              {remote: "[2001:db8:1:2:3:4:5:6]:1234", want: "2001:db8:1:2::/64"},
		"IPv6 with more bits":        {address: lockout.Address{IPv6: 128}, remote: "[2001:db8::1]:1234", want: "2001:db8::1"},
		"IPv6 with fewer bits":       {address: lockout.Address{IPv6: 48}, remote: "[2001:db8:1:2::1]:1234", want: "2001:db8:1::/48"},
		"no such number of bits":     {address: lockout.Address{IPv6: 129}, remote: "[2001:db8:1:2::1]:1234", want: "2001:db8:1:2::/64"},
		"IPv4 in IPv6":               {remote: "[::ffff:192.0.2.1]:1234", want: "192.0.2.1"},
		"a zone":                     {remote: "[fe80::1%eth0]:1234", want: "fe80::/64"},
		"no address":                 {remote: "@", want: "@"},
		"a header nobody is to send": {remote: "192.0.2.1:1234", forwarded: []string{"198.51.100.1"}, want: "192.0.2.1"},
		"not from a trusted one":     {lockout.Address{Trusted: trusted}, "192.0.2.1:1234", []string{"198.51.100.1"}, "192.0.2.1"},
		"from a trusted one":         {lockout.Address{Trusted: trusted}, "10.0.0.1:1234", []string{"198.51.100.1"}, "198.51.100.1"},
		"trusted in IPv6 form":       {lockout.Address{Trusted: []netip.Prefix{netip.MustParsePrefix("::ffff:10.0.0.0/104")}}, "10.0.0.1:1234", []string{"198.51.100.1"}, "198.51.100.1"},
		"a trusted one in IPv6 form": {lockout.Address{Trusted: trusted}, "[::ffff:10.0.0.1]:1234", []string{"198.51.100.1"}, "198.51.100.1"},
		"the client's own is not":    {lockout.Address{Trusted: trusted}, "10.0.0.1:1234", []string{"10.9.9.9, 203.0.113.9, 198.51.100.1"}, "198.51.100.1"},
		"two proxies":                {lockout.Address{Trusted: trusted}, "10.0.0.1:1234", []string{"203.0.113.9", "198.51.100.1,10.0.0.2"}, "198.51.100.1"},
		"two proxies, two lines":     {lockout.Address{Trusted: trusted}, "10.0.0.1:1234", []string{"203.0.113.9, 198.51.100.1", "10.0.0.2"}, "198.51.100.1"},
		"all are trusted":            {lockout.Address{Trusted: trusted}, "10.0.0.1:1234", []string{"10.0.0.3, 10.0.0.2"}, "10.0.0.3"},
		"no header":                  {lockout.Address{Trusted: trusted}, "10.0.0.1:1234", nil, "10.0.0.1"},
		"an empty header":            {lockout.Address{Trusted: trusted}, "10.0.0.1:1234", []string{""}, "10.0.0.1"},
		"junk ahead of a trusted":    {lockout.Address{Trusted: trusted}, "10.0.0.1:1234", []string{"junk, 10.0.0.2"}, "10.0.0.2"},
		"ports":                      {lockout.Address{Trusted: trusted}, "10.0.0.1:1234", []string{"198.51.100.1:8080"}, "198.51.100.1"},
		"IPv6 in brackets":           {lockout.Address{Trusted: trusted}, "[2001:db8:ffff::1]:1", []string{"[2001:db8:1:2::3]:8080"}, "2001:db8:1:2::/64"},
		"IPv6 in brackets, no port":  {lockout.Address{Trusted: trusted}, "[2001:db8:ffff::1]:1", []string{"[2001:db8:1:2::3]"}, "2001:db8:1:2::/64"},
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
			t.Errorf("%q, %q: nobody", remote, forwarded)
		}
	})
}
