package lockout_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/lockout"
	"github.com/cachewire/cachewire/null"
)

var serve = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
	io.WriteString(w, "served")
})

// requests returns a lockout called api that counts requests by their address.
func requests(
	t testing.TB, c *core.Cache, opts *lockout.Options[*http.Request],
	rules ...lockout.Rule[*http.Request],
) *lockout.Lockout[*http.Request] {
	t.Helper()
	for i := range rules {
		if rules[i].Key == nil {
			rules[i].Key = lockout.Address{}.Of
		}
	}
	l, err := lockout.New(c, "api", rules, opts)
	wantErr(t, err, nil)
	return l
}

// handlerOf returns the handler of l, which passes requests to serve.
func handlerOf(t testing.TB, l *lockout.Lockout[*http.Request]) http.Handler {
	t.Helper()
	h, err := l.Handler(func(r *http.Request) *http.Request { return r }, serve, nil)
	wantErr(t, err, nil)
	return h
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
		rate lockout.Rate
		lock time.Duration

		policy string
		room   [3]string     // t in the replies to the first request, the second, and a refused one
		wait   time.Duration // from the second one on
	}{
		"fixed window": {
			lockout.Rate{Count: 2, Period: time.Minute}, 0,
			"q=2;w=60", [3]string{"50", "50", "50"}, 50 * time.Second,
		},
		"fixed window, with a lock": {
			lockout.Rate{Count: 2, Period: time.Minute}, time.Hour,
			"q=2;w=60", [3]string{"50", "3600", "3600"}, time.Hour,
		},
		"sliding window": { // once the window has ended, less than two count
			lockout.Rate{Count: 2, Period: time.Minute, Algorithm: lockout.SlidingWindow}, 0,
			"q=2;w=60", [3]string{"51", "51", "51"}, 50*time.Second + 1,
		},
		"token bucket": {
			lockout.Rate{Count: 2, Period: time.Minute, Algorithm: lockout.TokenBucket}, 0,
			"q=2;w=60", [3]string{"30", "30", "30"}, 30 * time.Second,
		},
		"token bucket, with a burst": { // 2 in 10 seconds are as much as 12 in 60
			lockout.Rate{
				Count: 12, Period: time.Minute, Algorithm: lockout.TokenBucket, Burst: 2,
			}, 0,
			"q=2;w=10", [3]string{"5", "5", "5"}, 5 * time.Second,
		},
		"token bucket, with a burst that does not divide": { // nor does 9 divide a minute
			lockout.Rate{
				Count: 9, Period: time.Minute, Algorithm: lockout.TokenBucket, Burst: 2,
			}, 0,
			"q=2", [3]string{"7", "7", "7"}, 6_666_666_667,
		},
		"token bucket, with a lock": {
			lockout.Rate{Count: 2, Period: time.Minute, Algorithm: lockout.TokenBucket}, time.Hour,
			"q=2;w=60", [3]string{"30", "3600", "3600"}, time.Hour,
		},
		"parts of a second": {
			lockout.Rate{Count: 2, Period: 1500 * time.Millisecond}, 0,
			"q=2", [3]string{"1", "1", "1"}, 500 * time.Millisecond,
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := handlerOf(t, requests(t, inMemory(t), nil, lockout.Rule[*http.Request]{
					Name: "by_ip", Rate: tt.rate, Lock: tt.lock,
				}))
				time.Sleep(10 * time.Second)
				for i, left := range []string{"1", "0"} {
					got := get(h, "192.0.2.1:1234")
					wantReply(t, got, 200, map[string]string{
						"RateLimit-Policy": `"by_ip";` + tt.policy,
						"RateLimit":        `"by_ip";r=` + left + ";t=" + tt.room[i],
					})
					if body, _ := io.ReadAll(got.Body); string(body) != "served" {
						t.Errorf("the body is %q, want served", body)
					}
				}
				wantReply(t, get(h, "192.0.2.1:4321"), 429, map[string]string{
					"RateLimit-Policy": `"by_ip";` + tt.policy,
					"RateLimit":        `"by_ip";r=0;t=` + tt.room[2],
					"Retry-After":      tt.room[2],
				})
				if got := get(h, "192.0.2.2:1234"); got.StatusCode != 200 {
					t.Errorf("another address: %s, want 200", got.Status)
				}
				time.Sleep(tt.wait - time.Millisecond)
				got := get(h, "192.0.2.1:1234")
				if got.StatusCode != 429 || got.Header.Get("Retry-After") != "1" {
					t.Errorf("shortly before the time: %s, Retry-After: %s; want 429, 1",
						got.Status, got.Header.Get("Retry-After"))
				}
				time.Sleep(time.Millisecond)
				if got := get(h, "192.0.2.1:1234"); got.StatusCode != 200 {
					t.Errorf("at the time: %s, want 200", got.Status)
				}
			})
		})
	}
}

// Each algorithm also reports the time on memcached, which cannot say how long an item lives.
func TestHandlerHasTheTimeOnMemcached(t *testing.T) {
	for name, algorithm := range algorithms {
		h := handlerOf(t, requests(t, memcached(t), nil, lockout.Rule[*http.Request]{
			Name: "by_ip", Rate: lockout.Rate{Count: 1, Period: time.Hour, Algorithm: algorithm},
		}))
		for _, code := range []int{200, 429} {
			got := get(h, "192.0.2.1:1234")
			var left, seconds int
			_, err := fmt.Sscanf(got.Header.Get("RateLimit"), `"by_ip";r=%d;t=%d`, &left, &seconds)
			wantErr(t, err, nil)
			if got.StatusCode != code || left != 0 || seconds < 1 || seconds > 7200 {
				t.Errorf("%s: %s, RateLimit: %s", name, got.Status, got.Header.Get("RateLimit"))
			}
		}
	}
}

// A request counts for as much as its length says. The reply to a refused one says when there
// is room for all of it. If it never fits, the reply has no time.
func TestHandlerRefusesARequestThatCountsForMore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := handlerOf(t, requests(t, inMemory(t), &lockout.Options[*http.Request]{
			Cost: func(r *http.Request) uint64 { return uint64(r.ContentLength) },
		}, lockout.Rule[*http.Request]{
			Name: "bytes",
			Rate: lockout.Rate{Count: 60, Period: time.Minute, Algorithm: lockout.TokenBucket},
		}))
		post := func(length int) *http.Response {
			w := httptest.NewRecorder()
			body := strings.NewReader(strings.Repeat("x", length))
			h.ServeHTTP(w, httptest.NewRequest("POST", "/", body))
			return w.Result()
		}
		const policy = `"bytes";q=60;w=60`
		wantReply(t, post(50), 200, map[string]string{
			"RateLimit-Policy": policy, "RateLimit": `"bytes";r=10;t=1`,
		})
		wantReply(t, post(30), 429, map[string]string{
			"RateLimit-Policy": policy, "RateLimit": `"bytes";r=10;t=1`, "Retry-After": "20",
		})
		wantReply(t, post(61), 429, map[string]string{
			"RateLimit-Policy": policy, "RateLimit": `"bytes";r=10;t=1`,
		})
		wantReply(t, post(0), 200, map[string]string{
			"RateLimit-Policy": policy, "RateLimit": `"bytes";r=10;t=1`,
		})
		time.Sleep(20 * time.Second)
		wantReply(t, post(30), 200, map[string]string{
			"RateLimit-Policy": policy, "RateLimit": `"bytes";r=0;t=1`,
		})
		time.Sleep(time.Hour)
		wantReply(t, post(0), 200, map[string]string{
			"RateLimit-Policy": policy, "RateLimit": `"bytes";r=60`,
		})
	})
}

func TestEachOfTwoNestedHandlersAddsItsPolicy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := inMemory(t)
		limiter := func(name string, count uint64, period time.Duration) *lockout.Lockout[string] {
			return must(lockout.NewLimiter(c, name, lockout.Rate{
				Count: count, Period: period, Algorithm: lockout.TokenBucket,
			}, nil))
		}
		of := lockout.Address{}.Of
		h := must(limiter("inner", 2, 10*time.Minute).Handler(of, serve, nil))
		h = must(limiter("outer", 9, time.Minute).Handler(of, h, nil))
		wantReply(t, get(h, "192.0.2.1:1234"), 200, map[string]string{
			"RateLimit-Policy": `"outer";q=9;w=60 / "inner";q=2;w=600`,
			"RateLimit":        `"outer";r=8;t=7 / "inner";r=1;t=300`,
		})
		rules := []lockout.Rule[*http.Request]{
			{Name: "second", Rate: lockout.Rate{Count: 5, Period: time.Second}},
			{Name: "hour", Rate: lockout.Rate{Count: 9, Period: time.Hour}},
		}
		got := get(handlerOf(t, requests(t, c, nil, rules...)), "192.0.2.1:1")
		wantReply(t, got, 200, map[string]string{
			"RateLimit-Policy": `"second";q=5;w=1, "hour";q=9;w=3600`,
			"RateLimit":        `"second";r=4;t=1, "hour";r=8;t=3600`,
		})
	})
}

// A lock that a Python program has set does not say when it ends. Retry-After is the longest
// time that it can last.
func TestRetryAfterOfAPythonLockIsMaxLock(t *testing.T) {
	c := inMemory(t)
	l := requests(t, c, nil, lockout.Rule[*http.Request]{
		Name: "by_ip", Rate: per(time.Minute, 2), Lock: time.Minute, MaxLock: time.Hour,
	})
	err := c.Set(t.Context(), "lock:c:api:by_ip:192.0.2.1", []byte("1"), time.Minute)
	wantErr(t, err, nil)
	wantReply(t, get(handlerOf(t, l), "192.0.2.1:1"), 429, map[string]string{
		"RateLimit-Policy": `"by_ip";q=2;w=60`,
		"RateLimit":        `"by_ip";r=0;t=3600`,
		"Retry-After":      "3600",
	})
}

func TestHandlerCallsRefuse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := requests(t, inMemory(t), nil, lockout.Rule[*http.Request]{
			Name: "by_ip", Rate: per(time.Minute, 1), Lock: time.Minute,
		})
		refuse := func(w http.ResponseWriter, r *http.Request, locked *lockout.LockedError) {
			text := locked.Lockout + " " + locked.Rule + " " + r.URL.Path
			http.Error(w, text, http.StatusTeapot)
		}
		h := must(l.Handler(func(r *http.Request) *http.Request { return r }, serve, refuse))
		get(h, "192.0.2.1:1")
		got := get(h, "192.0.2.1:1")
		body, _ := io.ReadAll(got.Body)
		if got.StatusCode != http.StatusTeapot || string(body) != "api by_ip /\n" ||
			got.Header.Get("Retry-After") != "60" {
			t.Errorf("%s %q %v", got.Status, body, got.Header)
		}
	})
}

func TestHandlerIfTheCacheFails(t *testing.T) {
	closed := inMemory(t)
	closed.Close()
	rule := lockout.Rule[*http.Request]{Name: "by_ip", Rate: per(time.Minute, 1), Lock: time.Minute}
	for _, c := range []*core.Cache{closed, cacheOf(t, null.New())} {
		for failClosed, code := range map[bool]int{false: 200, true: 503} {
			opts := &lockout.Options[*http.Request]{FailClosed: failClosed}
			h := handlerOf(t, requests(t, c, opts, rule))
			for range 3 {
				wantReply(t, get(h, "192.0.2.1:1"), code, nil)
			}
		}
	}
	var none *lockout.Lockout[*http.Request]
	wantReply(t, get(handlerOf(t, none), "192.0.2.1:1"), 200, nil)
	l := requests(t, inMemory(t), nil, rule)
	_, noSubject := l.Handler(nil, serve, nil)
	wantErr(t, noSubject, core.ErrConfig)
	_, noNext := l.Handler(func(r *http.Request) *http.Request { return r }, nil, nil)
	wantErr(t, noNext, core.ErrConfig)
}

// The client goes away between two counters. Neither counter keeps the request.
func TestARequestThatEndsWhileItIsCountedDoesNotCount(t *testing.T) {
	for name, algorithm := range algorithms {
		t.Run(name, func(t *testing.T) {
			c, b := hookedCache(t)
			rate := lockout.Rate{Count: 5, Period: longPeriod, Algorithm: algorithm}
			l := requests(t, c, nil,
				lockout.Rule[*http.Request]{Name: "one", Rate: rate},
				lockout.Rule[*http.Request]{Name: "two", Rate: rate})
			h := handlerOf(t, l)
			get(h, "192.0.2.1:1") // so that the counters are present
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			writes := 0
			b.before = func(ctx context.Context, verb, _ string) error {
				if verb == "Incr" || verb == "CompareAndSwap" {
					if writes++; writes == 2 {
						cancel()
					}
				}
				return ctx.Err()
			}
			r := httptest.NewRequestWithContext(ctx, "GET", "/", nil)
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			b.before = nil
			if w.Code != 503 || writes < 2 {
				t.Errorf("status %d after %d writes, want 503", w.Code, writes)
			}
			status, err := l.Status(t.Context(), r)
			if err != nil || status[0].Count != 1 || status[1].Count != 1 {
				t.Errorf("%+v, %v; want 1 counted by each", status, err)
			}
		})
	}
}

// A server of net/http sends these replies over a connection, which stays usable.
func TestHandlerOnAServer(t *testing.T) {
	next := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.Method == http.MethodConnect, r.Header.Get("Upgrade") != "":
			conn, rw, err := http.NewResponseController(w).Hijack()
			if err != nil {
				t.Error(err)
				return
			}
			defer conn.Close()
			fmt.Fprintf(rw, "HTTP/1.1 101 Switching Protocols\r\nRateLimit: %s\r\n\r\n",
				w.Header().Get("RateLimit"))
			rw.Flush()
			line, err := rw.ReadString('\n')
			if err == nil {
				rw.WriteString("echo " + line)
			}
			rw.Flush()
		default:
			io.WriteString(w, "served")
		}
	})
	limiter := must(lockout.NewLimiter(inMemory(t), "api", per(longPeriod, 1), nil))
	for name, request := range map[string]string{
		"HEAD":    "HEAD / HTTP/1.1\r\nHost: x\r\nX-Key: head\r\n\r\n",
		"CONNECT": "CONNECT x:443 HTTP/1.1\r\nHost: x:443\r\nX-Key: connect\r\n\r\n",
		"upgrade": "GET / HTTP/1.1\r\nHost: x\r\nX-Key: upgrade\r\n" +
			"Connection: Upgrade\r\nUpgrade: echo\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			key := func(r *http.Request) string { return r.Header.Get("X-Key") }
			server := httptest.NewServer(must(limiter.Handler(key, next, nil)))
			defer server.Close()
			method := map[bool]string{true: "HEAD", false: "GET"}[name == "HEAD"]
			dial := func() (net.Conn, *bufio.Reader) {
				conn, err := net.Dial("tcp", server.Listener.Addr().String())
				wantErr(t, err, nil)
				t.Cleanup(func() { conn.Close() })
				return conn, bufio.NewReader(conn)
			}
			ask := func(conn net.Conn, from *bufio.Reader) *http.Response {
				_, err := io.WriteString(conn, request)
				wantErr(t, err, nil)
				reply, err := http.ReadResponse(from, &http.Request{Method: method})
				wantErr(t, err, nil)
				return reply
			}
			conn, from := dial()
			got := ask(conn, from)
			if !strings.HasPrefix(got.Header.Get("RateLimit"), `"api";r=0;t=`) {
				t.Errorf("RateLimit: %s", got.Header.Get("RateLimit"))
			}
			if name == "HEAD" {
				if got.StatusCode != 200 {
					t.Errorf("%s, want 200", got.Status)
				}
			} else { // the connection belongs to next, and its use does not count
				io.WriteString(conn, "hello\n")
				line, err := from.ReadString('\n')
				if got.StatusCode != 101 || line != "echo hello\n" {
					t.Errorf("%s, then %q, %v", got.Status, line, err)
				}
				conn, from = dial()
			}
			for range 2 { // the reply has no more than its header says, if anything
				got := ask(conn, from)
				body, err := io.ReadAll(got.Body)
				if got.StatusCode != 429 || got.Header.Get("Retry-After") == "" || err != nil {
					t.Errorf("%s, %v, %q, %v; want 429", got.Status, got.Header, body, err)
				}
			}
		})
	}
}
