package config_test

import (
	"context"
	"errors"
	"io"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/core/config"
	"github.com/cachewire/cachewire/core/internal/coretest"
)

func TestCreateReturnsANewCacheEachTime(t *testing.T) {
	cs := newCaches(t, &config.Options{Registry: testRegistry()}, config.Config{})
	c := getCache(t, cs, "")
	one, err := cs.Create(t.Context(), "", func(c *config.Cache) { c.Prefix = "one:" })
	wantErr(t, err, nil)
	defer one.Close()
	two, err := cs.Create(t.Context(), "default")
	wantErr(t, err, nil)
	defer two.Close()
	if one == two || one == c || two == c {
		t.Error("Create returned the same cache again")
	}
	put(t, one, "k", "v")
	_, err = two.Get(t.Context(), "k")
	wantErr(t, err, core.ErrMiss)
	_, err = cs.Create(t.Context(), "other")
	wantErr(t, err, core.ErrNoNamespace)
	for _, change := range []func(c *config.Cache){
		func(c *config.Cache) { c.URL = "redis://" },
		func(c *config.Cache) { c.Hooks = append(c.Hooks, "hok") },
	} {
		_, err = cs.Create(t.Context(), "", change)
		wantErr(t, err, core.ErrConfig)
	}
	wantErr(t, cs.Close(), nil)
	put(t, one, "k", "v") // the caller owns it, so that Close left it open
	_, err = cs.Create(t.Context(), "")
	wantErr(t, err, core.ErrClosed)
}

// The first two attempts fail. The third one succeeds and serves all callers.
func TestGetByManyGoroutinesOpensOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var opens atomic.Int64
		open := func(ctx context.Context, _ *url.URL) (core.Backend, error) {
			n := opens.Add(1)
			select {
			case <-time.After(time.Second):
			case <-ctx.Done():
				return nil, ctx.Err()
			}
			if n < 3 {
				return nil, io.EOF
			}
			return new(coretest.Backend), nil
		}
		var r core.Registry
		r.Register("mem", coretest.Driver(open))
		cs := newCaches(t, &config.Options{Registry: &r}, config.Config{
			Caches: map[string]config.Cache{"default": {URL: "mem://"}, "other": {URL: "mem://"}},
		})
		_, err := cs.Get(t.Context(), "")
		wantErr(t, err, io.EOF)
		if err == nil || !strings.HasPrefix(err.Error(), "caches.default: ") {
			t.Errorf("error is %v, want it to name the cache", err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		_, err = cs.Get(ctx, "")
		wantErr(t, err, context.DeadlineExceeded)
		var wg sync.WaitGroup
		caches := make([]*core.Cache, 50)
		for i := range caches {
			wg.Go(func() { caches[i], _ = cs.Get(context.Background(), "") })
		}
		wg.Go(func() { // a waiting caller returns when its context is done
			time.Sleep(10 * time.Millisecond)
			began := time.Now()
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
			defer cancel()
			_, err := cs.Get(ctx, "")
			took := time.Since(began)
			if !errors.Is(err, context.DeadlineExceeded) || took > 11*time.Millisecond {
				t.Errorf("Get: error is %v after %v, want %v after 10ms",
					err, took, context.DeadlineExceeded)
			}
		})
		wg.Wait()
		for _, c := range caches {
			if c == nil || c != caches[0] {
				t.Fatal("not all callers got the same cache")
			}
		}
		if opens.Load() != 3 {
			t.Errorf("the cache was opened %d times, want 3", opens.Load())
		}
	})
}

func TestCachesAreClosedInReverseOrder(t *testing.T) {
	var closed []string
	var r core.Registry
	r.Register("mem", coretest.Driver(func(_ context.Context, u *url.URL) (core.Backend, error) {
		b := new(coretest.Backend)
		b.Before = func(_ context.Context, verb, _ string) error {
			if verb == "Close" {
				closed = append(closed, u.Host)
				if u.Host == "b" {
					return io.EOF
				}
			}
			return nil
		}
		return b, nil
	}))
	c := config.Config{Default: "a", Caches: map[string]config.Cache{}}
	for _, name := range []string{"a", "b", "c", "d"} {
		c.Caches[name] = config.Cache{URL: "mem://" + name}
	}
	cs := newCaches(t, &config.Options{Registry: &r}, c)
	for _, name := range []string{"b", "d", "a"} {
		getCache(t, cs, name)
	}
	err := cs.Close()
	wantErr(t, err, io.EOF)
	if err == nil || !strings.Contains(err.Error(), "caches.b: ") {
		t.Errorf("error is %v, want it to name the cache", err)
	}
	if want := []string{"a", "d", "b"}; !slices.Equal(closed, want) {
		t.Errorf("Close closed %q, want %q", closed, want)
	}
	wantErr(t, cs.Close(), nil)
	for _, name := range []string{"a", "c"} {
		_, err = cs.Get(t.Context(), name)
		wantErr(t, err, core.ErrClosed)
	}
}

func TestCacheThatIsBeingOpenedDuringCloseIsClosedToo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var closed atomic.Bool
		var r core.Registry
		r.Register("memory", coretest.Driver(func(context.Context, *url.URL) (core.Backend, error) {
			time.Sleep(time.Second)
			b := new(coretest.Backend)
			b.Before = func(_ context.Context, verb, _ string) error {
				closed.Store(verb == "Close")
				return nil
			}
			return b, nil
		}))
		cs := newCaches(t, &config.Options{Registry: &r}, config.Config{})
		go func() {
			time.Sleep(time.Millisecond)
			wantErr(t, cs.Close(), nil)
		}()
		_, err := cs.Get(t.Context(), "")
		wantErr(t, err, core.ErrClosed)
		if !closed.Load() {
			t.Error("the cache was left open")
		}
	})
}

func TestClientHasTheSameCachesAsGet(t *testing.T) {
	cs := newCaches(t, &config.Options{Registry: testRegistry()}, config.Config{
		Default: "b",
		Caches:  map[string]config.Cache{"a": {URL: "mem://"}, "b": {URL: "memory://"}},
	})
	client, err := cs.Client(t.Context())
	wantErr(t, err, nil)
	for name, same := range map[string]string{"": "b", "a": "a", "b": "b"} {
		if c, err := client.Namespace(name); err != nil || c != getCache(t, cs, same) {
			t.Errorf("Namespace(%q) = %v, %v; want the cache of Get(%q)", name, c, err, same)
		}
	}
	c := getCache(t, cs, "a")
	wantErr(t, cs.Close(), nil)
	_, err = c.Get(t.Context(), "k")
	wantErr(t, err, core.ErrClosed)
	wantErr(t, client.Close(), nil)
}

// The first caller's context is done before the cache is open. The waiting callers do not
// get its error: one of them opens again, and all of them get the error of that attempt.
func TestWaitingCallersGetTheErrorOfOpeningUnlessTheOpenerGaveUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var opens atomic.Int64
		open := func(ctx context.Context, _ *url.URL) (core.Backend, error) {
			opens.Add(1)
			select {
			case <-time.After(5 * time.Second):
			case <-ctx.Done():
				return nil, ctx.Err()
			}
			return nil, io.EOF
		}
		var r core.Registry
		r.Register("memory", coretest.Driver(open))
		cs := newCaches(t, &config.Options{Registry: &r}, config.Config{})
		began := time.Now()
		var wg sync.WaitGroup
		wg.Go(func() {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			_, err := cs.Get(ctx, "")
			wantErr(t, err, context.DeadlineExceeded)
		})
		synctest.Wait()
		for range 100 {
			wg.Go(func() {
				var nilCtx context.Context
				_, err := cs.Get(nilCtx, "")
				wantErr(t, err, io.EOF)
			})
		}
		wg.Wait()
		if opens.Load() != 2 || time.Since(began) != 6*time.Second {
			t.Errorf("the cache was opened %d times in %v, want 2 times in 6s",
				opens.Load(), time.Since(began))
		}
		done, cancel := context.WithCancel(t.Context())
		cancel()
		for range 20 {
			_, err := cs.Get(done, "")
			wantErr(t, err, context.Canceled)
		}
		if opens.Load() != 2 {
			t.Error("Get with a context that is done opened the cache")
		}
	})
}

func TestCacheCanBeOpenedAfterItsDriverPanicked(t *testing.T) {
	panics := true
	var r core.Registry
	r.Register("memory", coretest.Driver(func(context.Context, *url.URL) (core.Backend, error) {
		if panics {
			panic("boom")
		}
		return new(coretest.Backend), nil
	}))
	cs := newCaches(t, &config.Options{Registry: &r}, config.Config{})
	func() {
		defer func() {
			if recover() == nil {
				t.Error("Get did not panic")
			}
		}()
		cs.Get(t.Context(), "")
	}()
	panics = false
	put(t, getCache(t, cs, ""), "k", "v")
}

func TestEnvironmentVariableDisablesCaches(t *testing.T) {
	c := config.Config{Caches: map[string]config.Cache{
		"default": {URL: "mem://"},
		"other":   {URL: "memory://x"},
	}}
	for _, test := range []struct {
		value string
		want  []string // beginnings of the URLs
	}{
		{"", []string{"mem://", "memory://x"}},
		{"0", []string{"mem://", "memory://x"}},
		{"true", []string{"null://", "null://"}},
		{"1", []string{"null://", "null://"}},
	} {
		t.Setenv("CACHEWIRE_DISABLE", test.value)
		cs := newCaches(t, &config.Options{Registry: testRegistry()}, c)
		var got []string
		for _, name := range cs.Names() {
			got = append(got, cs.Describe().Caches[name].URL)
		}
		for i := range got {
			if !strings.HasPrefix(got[i], test.want[i]) {
				t.Errorf("CACHEWIRE_DISABLE=%s: the URLs are %q, want %q",
					test.value, got, test.want)
			}
		}
	}
	var opened *url.URL
	var r core.Registry
	r.Register("null", recordingDriver(&opened))
	cs := newCaches(t, &config.Options{Registry: &r}, c)
	getCache(t, cs, "other")
	if opened.Scheme != "null" {
		t.Errorf("Get opened %v, want null://", opened)
	}
	opened = nil
	created, err := cs.Create(t.Context(), "", func(c *config.Cache) { c.URL = "mem://" })
	if wantErr(t, err, nil); opened == nil || opened.Scheme != "null" {
		t.Errorf("Create opened %v, want null://", opened)
	}
	created.Close()
	var withoutNull core.Registry
	withoutNull.Register("mem", failingDriver())
	withoutNull.Register("memory", failingDriver())
	t.Setenv("CACHEWIRE_DISABLE", "0")
	newCaches(t, &config.Options{Registry: &withoutNull}, c)
	t.Setenv("CACHEWIRE_DISABLE", "1")
	_, err = config.New(c, &config.Options{Registry: &withoutNull})
	wantErr(t, err, core.ErrConfig)
	for _, want := range []string{`no driver for "null"`, "CACHEWIRE_DISABLE=1"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error is %v, want it to contain %s", err, want)
		}
	}
	t.Setenv("CACHEWIRE_DISABLE", "yes please")
	_, err = config.New(c, &config.Options{Registry: &withoutNull})
	wantErr(t, err, core.ErrConfig)
}
