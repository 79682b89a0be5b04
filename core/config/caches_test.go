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

func TestCreateAnswersANewCacheEachTime(t *testing.T) {
	cs := newCaches(t, &config.Options{Registry: registry()}, config.Config{})
	c := getCache(t, cs, "")
	one, err := cs.Create(t.Context(), "", func(c *config.Cache) { c.Prefix = "one:" })
	wantErr(t, err, nil)
	defer one.Close()
	two, err := cs.Create(t.Context(), "default")
	wantErr(t, err, nil)
	defer two.Close()
	if one == two || one == c || two == c {
		t.Error("Create answers the same cache again")
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
	put(t, one, "k", "v") // is the caller's
	_, err = cs.Create(t.Context(), "")
	wantErr(t, err, core.ErrClosed)
}

// However many ask at once a cache is opened once; an open that fails is tried again.
func TestOneOpens(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var opens atomic.Int64
		var r core.Registry
		r.Register("mem", coretest.Driver(func(ctx context.Context, _ *url.URL) (core.Backend, error) {
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
		}))
		cs := newCaches(t, &config.Options{Registry: &r}, config.Config{Caches: map[string]config.Cache{"default": {URL: "mem://"}, "other": {URL: "mem://"}}})
		_, err := cs.Get(t.Context(), "")
		if wantErr(t, err, io.EOF); err == nil || !strings.HasPrefix(err.Error(), "caches.default: ") {
			t.Errorf("error is %v", err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		_, err = cs.Get(ctx, "")
		wantErr(t, err, context.DeadlineExceeded)
		var all sync.WaitGroup
		caches := make([]*core.Cache, 50)
		for i := range caches {
			all.Go(func() { caches[i], _ = cs.Get(context.Background(), "") })
		}
		all.Go(func() { // who gives up waits no longer
			time.Sleep(10 * time.Millisecond)
			began := time.Now()
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
			defer cancel()
			if _, err := cs.Get(ctx, ""); !errors.Is(err, context.DeadlineExceeded) || time.Since(began) > 11*time.Millisecond {
				t.Errorf("%v after %v", err, time.Since(began))
			}
		})
		all.Wait()
		for _, c := range caches {
			if c == nil || c != caches[0] {
				t.Fatal("not all have the same cache")
			}
		}
		if opens.Load() != 3 {
			t.Errorf("opened %d times, want 3", opens.Load())
		}
	})
}

func TestCachesAreClosedInReverse(t *testing.T) {
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
	described := config.Config{Default: "a", Caches: map[string]config.Cache{}}
	for _, name := range []string{"a", "b", "c", "d"} {
		described.Caches[name] = config.Cache{URL: "mem://" + name}
	}
	cs := newCaches(t, &config.Options{Registry: &r}, described)
	for _, name := range []string{"b", "d", "a"} {
		getCache(t, cs, name)
	}
	err := cs.Close()
	if wantErr(t, err, io.EOF); !slices.Equal(closed, []string{"a", "d", "b"}) || err == nil || !strings.Contains(err.Error(), "caches.b: ") {
		t.Errorf("closed %q, %v", closed, err)
	}
	wantErr(t, cs.Close(), nil)
	for _, name := range []string{"a", "c"} {
		_, err = cs.Get(t.Context(), name)
		wantErr(t, err, core.ErrClosed)
	}
}

// A cache that is being opened when Caches is closed is closed as well.
func TestCloseWhileOpening(t *testing.T) {
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
		if wantErr(t, err, core.ErrClosed); !closed.Load() {
			t.Error("the cache stays open")
		}
	})
}

func TestClientOfCaches(t *testing.T) {
	cs := newCaches(t, &config.Options{Registry: registry()}, config.Config{Default: "b", Caches: map[string]config.Cache{"a": {URL: "mem://"}, "b": {URL: "memory://"}}})
	client, err := cs.Client(t.Context())
	wantErr(t, err, nil)
	for name, same := range map[string]string{"": "b", "a": "a", "b": "b"} {
		if c, err := client.Namespace(name); err != nil || c != getCache(t, cs, same) {
			t.Errorf("%q: %v, %v", name, c, err)
		}
	}
	c := getCache(t, cs, "a")
	wantErr(t, cs.Close(), nil)
	_, err = c.Get(t.Context(), "k")
	wantErr(t, err, core.ErrClosed)
	wantErr(t, client.Close(), nil)
}

// Others have the error of the one who opens; who comes later has it tried again, and so
// have they if it was the opener's own.
func TestWhoWaitsForAnOpenThatFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var opens atomic.Int64
		var r core.Registry
		r.Register("memory", coretest.Driver(func(ctx context.Context, _ *url.URL) (core.Backend, error) {
			opens.Add(1)
			select {
			case <-time.After(5 * time.Second):
			case <-ctx.Done():
				return nil, ctx.Err()
			}
			return nil, io.EOF
		}))
		cs := newCaches(t, &config.Options{Registry: &r}, config.Config{})
		began := time.Now()
		var all sync.WaitGroup
		all.Go(func() {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			_, err := cs.Get(ctx, "")
			wantErr(t, err, context.DeadlineExceeded)
		})
		synctest.Wait()
		for range 100 {
			all.Go(func() {
				var none context.Context
				_, err := cs.Get(none, "")
				wantErr(t, err, io.EOF)
			})
		}
		all.Wait()
		if opens.Load() != 2 || time.Since(began) != 6*time.Second {
			t.Errorf("%d opens in %v, want 2 in 6 s", opens.Load(), time.Since(began))
		}
		gone, cancel := context.WithCancel(t.Context())
		cancel()
		for range 20 {
			_, err := cs.Get(gone, "")
			wantErr(t, err, context.Canceled)
		}
		if opens.Load() != 2 {
			t.Error("opened for one whose context is done")
		}
	})
}

func TestADriverThatPanicsHarmsNoLaterOpen(t *testing.T) {
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
				t.Error("no panic")
			}
		}()
		cs.Get(t.Context(), "")
	}()
	panics = false
	put(t, getCache(t, cs, ""), "k", "v")
}

func TestCachesAreSwitchedOff(t *testing.T) {
	c := config.Config{Caches: map[string]config.Cache{"default": {URL: "mem://"}, "other": {URL: "memory://x"}}}
	for _, tt := range [][]string{
		{"", "mem://", "memory://x"}, {"0", "mem://", "memory://x"}, {"true", "null://", "null://"}, {"1", "null://", "null://"},
	} {
		value, want := tt[0], tt[1:]
		t.Setenv("CACHEWIRE_DISABLE", value)
		cs := newCaches(t, &config.Options{Registry: registry()}, c)
		var got []string
		for _, name := range cs.Names() {
			got = append(got, cs.Describe().Caches[name].URL)
		}
		for i := range got {
			if !strings.HasPrefix(got[i], want[i]) {
				t.Errorf("CACHEWIRE_DISABLE=%s: %q, want %q", value, got, want)
			}
		}
	}
	var opened *url.URL
	var r core.Registry
	r.Register("null", opens(&opened))
	cs := newCaches(t, &config.Options{Registry: &r}, c)
	getCache(t, cs, "other")
	if opened.Scheme != "null" {
		t.Errorf("Get opens %v", opened)
	}
	opened = nil
	created, err := cs.Create(t.Context(), "", func(c *config.Cache) { c.URL = "mem://" })
	if wantErr(t, err, nil); opened == nil || opened.Scheme != "null" {
		t.Errorf("Create opens %v", opened)
	}
	created.Close()
	var none core.Registry
	none.Register("mem", fails())
	none.Register("memory", fails())
	t.Setenv("CACHEWIRE_DISABLE", "0")
	newCaches(t, &config.Options{Registry: &none}, c)
	t.Setenv("CACHEWIRE_DISABLE", "1")
	_, err = config.New(c, &config.Options{Registry: &none})
	if wantErr(t, err, core.ErrConfig); err == nil || !strings.Contains(err.Error(), `no driver for "null"`) || !strings.Contains(err.Error(), "CACHEWIRE_DISABLE=1") {
		t.Errorf("error is %v", err)
	}
	t.Setenv("CACHEWIRE_DISABLE", "yes please")
	_, err = config.New(c, &config.Options{Registry: &none})
	wantErr(t, err, core.ErrConfig)
}
