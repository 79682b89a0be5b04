package memcache_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/encoding"
	"github.com/cachewire/cachewire/memcache"
)

var threeServers = []memcache.Server{{Addr: "a"}, {Addr: "b"}, {Addr: "c"}}

func newRouter(t *testing.T, opts memcache.Options) *memcache.Router {
	t.Helper()
	r, err := memcache.NewRouter(threeServers, opts)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func pick(t *testing.T, r *memcache.Router, key string) int {
	t.Helper()
	server, _ := r.Pick(key)
	return server
}

// keyOf returns a key that belongs to server.
func keyOf(t *testing.T, r *memcache.Router, server int) string {
	for i := range 1000 {
		if key := fmt.Sprint("key-", i); pick(t, r, key) == server {
			return key
		}
	}
	t.Fatalf("server %d has no keys", server)
	return ""
}

func TestRouterEncodesKeys(t *testing.T) {
	longest := strings.Repeat("k", 250)
	for _, keys := range []encoding.KeyEncoder{nil, encoding.Auto} {
		r := newRouter(t, memcache.Options{Keys: keys})
		for _, key := range []string{"key", "two words", longest, longest + "k"} {
			want, err := encoding.Auto(key)
			if err != nil {
				t.Fatal(err)
			}
			if got, err := r.Encode(key); got != want || err != nil {
				t.Errorf("Encode(%q) = %q, %v; want %q", key, got, err, want)
			}
		}
	}
	r := newRouter(t, memcache.Options{Keys: func(key string) (string, error) {
		if key == "refused" {
			return "", core.ErrInvalidKey
		}
		return strings.TrimPrefix(key, "x:"), nil // memcached may not accept this
	}})
	for _, key := range []string{
		"refused", "x:", "x:a b", "x:a\r\nflush_all", "x:a\x00", "x:" + longest + "k",
	} {
		if got, err := r.Encode(key); !errors.Is(err, core.ErrInvalidKey) {
			t.Errorf("Encode(%q) = %q, %v; want %v", key, got, err, core.ErrInvalidKey)
		}
	}
	if got, err := r.Encode("x:key"); got != "key" || err != nil {
		t.Errorf("Encode(%q) = %q, %v", "x:key", got, err)
	}
}

func TestFailDoesNotMoveKeys(t *testing.T) {
	r := newRouter(t, memcache.Options{})
	key := keyOf(t, r, 1)
	for range 100 {
		r.Report(1, false)
	}
	if got := pick(t, r, key); got != 1 {
		t.Errorf("the key moved to server %d", got)
	}
}

func TestEjectMovesKeysAfterFailuresInARow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRouter(t, memcache.Options{
			Dead: memcache.Eject, Failures: 3, CoolDown: time.Minute,
		})
		key, other := keyOf(t, r, 1), keyOf(t, r, 2)
		for range 5 { // never three in a row
			r.Report(1, false)
			r.Report(1, false)
			r.Report(1, true)
		}
		r.Report(1, false)
		r.Report(1, false)
		if got := pick(t, r, key); got != 1 {
			t.Errorf("after two failures in a row, the key is on server %d", got)
		}
		r.Report(1, false)
		if got := pick(t, r, key); got == 1 {
			t.Error("after three failures in a row, the key did not move")
		}
		if got := pick(t, r, other); got != 2 {
			t.Errorf("the key of server 2 moved to server %d", got)
		}
		time.Sleep(time.Minute - 1)
		if got := pick(t, r, key); got == 1 {
			t.Error("the key returned before the cool-down was over")
		}
		time.Sleep(time.Nanosecond)
		if got := pick(t, r, key); got != 1 {
			t.Error("the server is not tried after the cool-down")
		}
		if got := pick(t, r, key); got == 1 {
			t.Error("the server is tried twice at once")
		}
		r.Report(1, false) // now one failure is enough
		time.Sleep(time.Minute - 1)
		if got := pick(t, r, key); got == 1 {
			t.Error("there was no second cool-down")
		}
		time.Sleep(time.Nanosecond)
		if got := pick(t, r, key); got != 1 {
			t.Error("the server is not tried after the second cool-down")
		}
		r.Report(1, true)
		for range 3 {
			if got := pick(t, r, key); got != 1 {
				t.Errorf("server 1 responded, but its key is on server %d", got)
			}
		}
		r.Report(1, false)
		r.Report(1, false)
		if got := pick(t, r, key); got != 1 {
			t.Error("failures before the response still count")
		}
	})
}

func TestKeysDoNotMoveIfAllServersAreEjected(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRouter(t, memcache.Options{
			Dead: memcache.Eject, Failures: 1, CoolDown: time.Second,
		})
		var keys [3]string
		for server := range threeServers {
			keys[server] = keyOf(t, r, server)
		}
		for server := range threeServers {
			r.Report(server, false)
		}
		checkNotMoved := func() {
			t.Helper()
			for server, key := range keys {
				if got := pick(t, r, key); got != server {
					t.Errorf("the key of server %d is on server %d", server, got)
				}
			}
		}
		checkNotMoved()
		time.Sleep(time.Second)
		checkNotMoved()
		checkNotMoved()
		r.Report(1, true)
		for _, key := range keys {
			if got := pick(t, r, key); got != 1 {
				t.Errorf("only server 1 responded, but a key is on server %d", got)
			}
		}
	})
}

func TestUntriedLeavesTheTrialToTheNextPick(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRouter(t, memcache.Options{
			Dead: memcache.Eject, Failures: 1, CoolDown: time.Minute,
		})
		key := keyOf(t, r, 1)
		r.Report(1, false)
		if got := pick(t, r, key); got == 1 {
			t.Error("the key did not move")
		}
		time.Sleep(time.Minute)
		for range 3 {
			if got := pick(t, r, key); got != 1 {
				t.Error("the server is not tried")
			}
			if got := pick(t, r, key); got == 1 {
				t.Error("the server is tried twice at once")
			}
			r.Untried(1)
		}
	})
}

func TestOneOfManyGoroutinesTriesAServerAfterItsCoolDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRouter(t, memcache.Options{Dead: memcache.Eject, Failures: 1})
		key := keyOf(t, r, 0)
		r.Report(0, false)
		time.Sleep(30 * time.Second)
		var mu sync.Mutex
		var trials int
		var wg sync.WaitGroup
		for range 100 {
			wg.Go(func() {
				server, trial := r.Pick(key)
				if trial != (server == 0) {
					t.Errorf("server %d, trial %t", server, trial)
				}
				mu.Lock()
				defer mu.Unlock()
				if server == 0 {
					trials++
				}
			})
		}
		wg.Wait()
		if trials != 1 {
			t.Errorf("%d goroutines tried the server, want 1", trials)
		}
	})
}

func TestRouterAllocatesNothing(t *testing.T) {
	for _, opts := range []memcache.Options{{}, {Dead: memcache.Eject, Failures: 1}} {
		r := newRouter(t, opts)
		r.Report(1, false)
		if n := testing.AllocsPerRun(100, func() { r.Pick("some-key") }); n != 0 {
			t.Errorf("%v: Pick does %v allocations, want 0", opts.Dead, n)
		}
	}
}

func TestNewRouterRefusesOptionsOutOfRange(t *testing.T) {
	for _, tt := range []struct {
		opts memcache.Options
		part string
	}{
		{memcache.Options{Selection: 9}, "Selection(9)"},
		{memcache.Options{Selection: -1}, "Selection(-1)"},
		{memcache.Options{Dead: 2}, "DeadPolicy(2)"},
		{memcache.Options{Failures: -1}, "Failures is -1"},
		{memcache.Options{CoolDown: -1}, "CoolDown is -1ns"},
		{memcache.Options{Timeout: -1}, "Timeout is -1ns"},
	} {
		_, err := memcache.NewRouter(threeServers, tt.opts)
		if !errors.Is(err, core.ErrConfig) || !strings.Contains(err.Error(), tt.part) {
			t.Errorf("%+v: error is %v, want ErrConfig with %q", tt.opts, err, tt.part)
		}
	}
	if _, err := memcache.NewRouter(nil, memcache.Options{}); !errors.Is(err, core.ErrConfig) {
		t.Errorf("no servers: error is %v, want ErrConfig", err)
	}
}
