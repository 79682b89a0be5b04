package page_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/encoding"
	"github.com/cachewire/cachewire/memory"
	"github.com/cachewire/cachewire/observe/page"
	"github.com/cachewire/cachewire/patterns"
)

var (
	_ core.Hook         = (*page.Page)(nil)
	_ http.Handler      = (*page.Page)(nil)
	_ patterns.Observer = (*page.Page)(nil)
)

func TestNewRefusesTooManyKeys(t *testing.T) {
	for _, keys := range []int{-1, 101} {
		p, err := page.New(&page.Options{Keys: keys})
		if p != nil || !errors.Is(err, core.ErrConfig) {
			t.Errorf("New with %d keys = %v, %v; want ErrConfig", keys, p, err)
		}
	}
}

func TestAddRefusesNilAndASecondCacheWithTheName(t *testing.T) {
	p := newPage(t, nil)
	one := newCache(t, p, nil, "users")
	two := must(core.New(must(memory.New(nil)), &core.Options{Name: "users"}))
	defer two.Close()
	for _, err := range []error{p.Add(nil), p.Add(one), p.Add(two)} {
		if !errors.Is(err, core.ErrConfig) {
			t.Errorf("error is %v, want ErrConfig", err)
		}
	}
	p.Remove(nil)
	p.Remove(two)
	p.Remove(one)
	wantText(t, get(p, "/"), 200, "No caches yet")
	if err := p.Add(two); err != nil {
		t.Error(err)
	}
}

func TestThePageShowsWhetherTheBusWorks(t *testing.T) {
	p := newPage(t, nil)
	b := &faulty{Backend: must(memory.New(nil))}
	near := core.NearStats{}
	b.stats = func(context.Context) (core.Stats, error) { return core.Stats{Near: near}, nil }
	newCache(t, p, b, "users")
	if got := text(get(p, "/")); strings.Contains(got, "copies") {
		t.Errorf("the page shows copies of a cache that keeps none: %s", got)
	}
	for _, test := range []struct {
		near    core.NearStats
		want    string
		mustNot string
	}{
		{core.NearStats{Items: 1}, "hits from copies –", "The bus"},
		{core.NearStats{HasBus: true, BusUp: true}, "The bus works", "does not work"},
	} {
		p := newPage(t, nil)
		near = test.near
		newCache(t, p, b, "users")
		w := get(p, "/")
		wantText(t, w, 200, test.want)
		if strings.Contains(text(w), test.mustNot) {
			t.Errorf("%+v: the page shows %q", near, test.mustNot)
		}
	}
}

// All of it is readable without JavaScript: this test runs none.
func TestThePageShowsEachCacheAndItsFigures(t *testing.T) {
	p := newPage(t, nil)
	b := &faulty{Backend: must(memory.New(nil))}
	b.stats = func(context.Context) (core.Stats, error) {
		return core.Stats{
			Items: 12, Bytes: 3456, Hits: 101, Misses: 102, Evictions: 103, Expirations: 104,
			Pool: core.PoolStats{
				Total: 9, Idle: 7, Acquired: 2, Waits: 105, WaitTime: 2500 * time.Millisecond,
				Destroyed: 106,
			},
			Near: core.NearStats{
				Items: 5, Bytes: 6789, Hits: 9, FarHits: 1, Drops: 107, HasBus: true, BusLost: 108,
			},
		}, nil
	}
	c := newCache(t, p, b, "users")
	ctx := t.Context()
	_ = c.Set(ctx, "k", []byte("v"), 0)
	for range 3 {
		_, _ = c.Get(ctx, "k")
	}
	_, _ = c.Get(ctx, "absent")
	b.err = fmt.Errorf("%w: %w", core.ErrUnavailable, io.EOF)
	_, _ = c.Get(ctx, "k")
	p.Served("users", "hit", 3)
	p.Served("users", "loaded", 1)
	p.Served("users", "hit", -1)
	p.Loaded("users", 1, 20*time.Millisecond, io.EOF)
	w := get(p, "/")
	wantText(t, w, 200, "users page_test", "hit ratio 75.0 %", "errors 1", "items 12",
		"memory 3.5 kB", "pool, in use 2 of 9", "served from cache 75.0 %",
		"101 hits, 102 misses, 103 evictions and 104 expirations",
		"7 idle clients. Verbs waited 105 times, for 2.5 s in all; 106 clients were closed",
		"hits from copies 90.0 %", "There are 5 copies, which take 6.8 kB",
		"The bus does not work; it dropped 107 copies and was lost 108 times",
		"Patterns served hit 3, loaded 1.",
		"Loaders were called 1 times, for 20 ms on average, and failed 1 times",
		"hit 3 miss 1 unavailable 1", "stored 1")
	body := w.Body.String()
	if !strings.Contains(body, `<noscript><meta http-equiv="refresh"`) {
		t.Error("without JavaScript the page is not loaded again")
	}
	if strings.Contains(body, "<form method=\"post\"") {
		t.Error("the page has forms that change something, without being asked for")
	}
	if strings.Contains(text(w), "absent") {
		t.Error("the page shows a key, without being asked for")
	}
}

func TestThePageShowsWhatPatternsServe(t *testing.T) {
	p := newPage(t, nil)
	c := newCache(t, p, nil, "users")
	cached := must(patterns.New(must(core.NewTyped(c, encoding.Text())),
		&patterns.Options[string]{Observer: p}))
	defer cached.Close()
	for range 4 {
		_, _ = cached.GetOrSet(t.Context(), "k", func(context.Context) (string, error) {
			return "v", nil
		})
	}
	wantText(t, get(p, "/"), 200, "served from cache 75.0 %", "Patterns served hit 3, loaded 1")
}

func TestTheURLHasNoPassword(t *testing.T) {
	p := newPage(t, nil)
	c, err := core.Open(t.Context(), "memory://?max_items=10&prefix=a:", &core.Options{
		Hooks: []core.Hook{p},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := p.Add(c); err != nil {
		t.Fatal(err)
	}
	wantText(t, get(p, "/"), 200, "memory/a: memory://?max_items=10&amp;prefix=a:")

	var r core.Registry
	r.Register("secret", anyURL{})
	const rawURL = "secret://user:S3CRET@host?token=S3CRET"
	hidden, err := r.Open(t.Context(), rawURL, &core.Options{Name: "hidden"})
	if err != nil {
		t.Fatal(err)
	}
	defer hidden.Close()
	if err := p.Add(hidden); err != nil {
		t.Fatal(err)
	}
	w := get(p, "/")
	wantText(t, w, 200, "hidden secret://xxxxx@host?token=xxxxx")
	if strings.Contains(w.Body.String(), "S3CRET") {
		t.Error("the page shows a password")
	}
}

// An anyURL is a driver that opens a cache in memory for any URL.
type anyURL struct{}

func (anyURL) Open(context.Context, *url.URL) (core.Backend, error) { return memory.New(nil) }

func TestRatesAndQuantilesAreThoseOfTheLastMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPage(t, nil)
		b := &slow{Backend: must(memory.New(nil))}
		c := newCache(t, p, b, "users")
		verbs := func(n int, each time.Duration) {
			b.delay = each
			for range n {
				_, _ = c.Get(t.Context(), "k")
			}
		}
		verbs(100, 100*time.Millisecond) // 10 seconds
		// The bucket of 100 ms ends at 6/4 of 2^26 ns.
		wantText(t, get(p, "/"), 200, "verbs a second 10", "median 101 ms", "of the last 10 s")
		time.Sleep(10 * time.Minute)
		wantText(t, get(p, "/"), 200, "of the last 10m0s")
		verbs(4000, 10*time.Millisecond) // 40 seconds
		// 100 verbs of the last look are not in it; the 40 calls of Stats take no time
		wantText(t, get(p, "/"), 200, "verbs a second 100", "median 10 ms", "99 % 10 ms",
			"of the last 40 s", "Get 4100")
	})
}

// A slow is a backend whose Get takes a while.
type slow struct {
	*memory.Backend
	delay time.Duration
}

func (s *slow) Get(ctx context.Context, key string) ([]byte, error) {
	time.Sleep(s.delay)
	return s.Backend.Get(ctx, key)
}

func TestACacheThatIsDownIsShownSoonAndSaysSo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPage(t, nil)
		for i := range 200 {
			newCache(t, p, &faulty{must(memory.New(nil)), nil,
				func(ctx context.Context) (core.Stats, error) {
					<-ctx.Done()
					return core.Stats{}, ctx.Err()
				}}, fmt.Sprintf("stalled%03d", i))
		}
		start := time.Now()
		wantText(t, get(p, "/"), 200,
			"stalled000 page_test timeout", "stalled099 page_test timeout")
		if took := time.Since(start); took > time.Second {
			t.Errorf("the page took %v", took)
		}
	})
}

func TestAThousandCachesAreShownInPages(t *testing.T) {
	p := newPage(t, nil)
	for i := range 1000 {
		c := newCache(t, p, nil, fmt.Sprintf("cache%03d", i))
		_, _ = c.Get(t.Context(), "k")
	}
	w := get(p, "/")
	wantText(t, w, 200, "cache000", "cache099", "1 to 100 of 1000", "Next")
	if strings.Contains(text(w), "cache100") || len(w.Body.Bytes()) > 1<<20 {
		t.Errorf("the first page has %d bytes", w.Body.Len())
	}
	wantText(t, get(p, "/?page=10"), 200, "cache999", "Previous 901 to 1000 of 1000")
	wantText(t, get(p, "/?page=11"), 200, "cache999")
	wantText(t, get(p, "/?page=-1"), 200, "cache000")
	wantText(t, get(p, "/?filter=he77"), 200, "cache770", "cache779")
	if got := text(get(p, "/?filter=he77")); strings.Contains(got, "cache000") {
		t.Error("the filter has no effect")
	}
	wantText(t, get(p, "/?filter=nonsense"), 200, "No cache has a name with “nonsense”")
}

func TestNamesAndKeysAreEscaped(t *testing.T) {
	const bad = `<script>alert("1")</script>`
	p := newPage(t, &page.Options{Keys: 10, LookUp: true})
	c := newCache(t, p, nil, bad)
	_ = c.Set(t.Context(), bad, []byte(bad), 0)
	w := post(t, p, form("look up", bad, bad))
	if strings.Contains(w.Body.String()+get(p, "/?filter="+bad).Body.String(), bad) {
		t.Error("a name, a key or a value is not escaped")
	}
	if strings.Count(w.Body.String(), "&lt;script&gt;alert") < 4 {
		t.Error("the page does not show the name, the key and the value")
	}
}

func TestTheMethodAndTheHeadersAreThoseOfAPage(t *testing.T) {
	p := newPage(t, nil)
	w := httptest.NewRecorder()
	p.ServeHTTP(w, httptest.NewRequest(http.MethodPut, "/", nil))
	if w.Code != http.StatusMethodNotAllowed || w.Header().Get("Allow") != "GET, HEAD, POST" {
		t.Errorf("PUT: status %d, Allow %q", w.Code, w.Header().Get("Allow"))
	}
	w = httptest.NewRecorder()
	p.ServeHTTP(w, httptest.NewRequest(http.MethodHead, "/?stream=1", nil)) // it does not stream
	for name, want := range map[string]string{
		"Content-Type":            "text/html; charset=utf-8",
		"Cache-Control":           "no-store",
		"X-Content-Type-Options":  "nosniff",
		"Content-Security-Policy": "frame-ancestors 'none'",
	} {
		if got := w.Header().Get(name); !strings.Contains(got, want) {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
}

// The page works wherever it is mounted, as all of its links are relative to its own URL.
func TestAHandlerUnderAPrefixWorks(t *testing.T) {
	p := newPage(t, &page.Options{LookUp: true})
	newCache(t, p, nil, "users")
	mux := http.NewServeMux()
	mux.Handle("/debug/cache/", p)
	mux.Handle("/a", p)
	mux.Handle("/b/", http.StripPrefix("/b", p))
	for _, target := range []string{"/debug/cache/", "/debug/cache/x", "/a", "/b/"} {
		w := get(mux, target)
		wantText(t, w, 200, "users memory")
		for _, link := range []string{`href="/`, `src=`, `action="/`, `href="http`} {
			if strings.Contains(w.Body.String(), link) {
				t.Errorf("%s: the page has a link %s", target, link)
			}
		}
	}
}

func TestARaceOfVerbsAndViews(t *testing.T) {
	p := newPage(t, &page.Options{Keys: 3})
	c := newCache(t, p, nil, "users")
	done := make(chan struct{})
	go func() {
		defer close(done)
		for i := range 300 {
			_, _ = c.Get(context.Background(), fmt.Sprint("key", i%50))
			_, _ = c.GetMulti(context.Background(), []string{"a", "b"})
			p.Served("users", patterns.Hit, 1)
		}
	}()
	for range 20 {
		get(p, "/")
		p.Remove(c)
		_ = p.Add(c)
	}
	<-done
}
