package memcache_test

import (
	"errors"
	"fmt"
	"slices"
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

// A router is a memcache.Router that names its servers by their index.
type router struct{ *memcache.Router[string] }

func newRouter(t *testing.T, opts memcache.Options) router {
	t.Helper()
	r, err := memcache.NewRouter(opts, func(s memcache.Server) string { return s.Addr })
	if err != nil {
		t.Fatal(err)
	}
	if removed, err := r.SetServers(threeServers); err != nil || len(removed) > 0 {
		t.Fatalf("SetServers = %v, %v", removed, err)
	}
	return router{r}
}

func (r router) Report(server int, responded bool) { r.Router.Report(r.Nodes()[server], responded) }
func (r router) Untried(server int)                { r.Router.Untried(r.Nodes()[server]) }

func pick(t *testing.T, r router, key string) int {
	t.Helper()
	n, _ := r.Pick(key)
	return slices.Index(r.Nodes(), n)
}

// keyOf returns a key that belongs to server.
func keyOf(t *testing.T, r router, server int) string {
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
				n, trial := r.Pick(key)
				server := slices.Index(r.Nodes(), n)
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
		{memcache.Options{MaxIdleTime: -1}, "MaxIdleTime is -1ns"},
		{memcache.Options{MaxLifetime: -1}, "MaxLifetime is -1ns"},
		{memcache.Options{Resolve: -1}, "Resolve is -1ns"},
		{memcache.Options{Username: "user"}, "only one of Username and Password"},
		{memcache.Options{Password: "S3CRET"}, "only one of Username and Password"},
		{memcache.Options{Username: "a user", Password: "S3CRET"}, "a space or a control"},
		{memcache.Options{Username: "user", Password: "S3CRET\r\n"}, "a space or a control"},
	} {
		_, err := memcache.NewRouter(tt.opts, noConns)
		if !errors.Is(err, core.ErrConfig) || !strings.Contains(err.Error(), tt.part) {
			t.Errorf("%+v: error is %v, want ErrConfig with %q", tt.opts, err, tt.part)
		}
		if err != nil && strings.Contains(err.Error(), "S3CRET") {
			t.Errorf("the error shows a password: %v", err)
		}
	}
}

func noConns(memcache.Server) struct{} { return struct{}{} }

func TestRouterWithoutServersPicksNone(t *testing.T) {
	r, err := memcache.NewRouter(memcache.Options{}, noConns)
	if err != nil {
		t.Fatal(err)
	}
	if n, trial := r.Pick("key"); n != nil || trial {
		t.Errorf("Pick = %v, %t; want nil, false", n, trial)
	}
	for _, servers := range [][]memcache.Server{nil, {{Addr: "a"}, {Addr: "a"}}} {
		if _, err := r.SetServers(servers); !errors.Is(err, core.ErrConfig) {
			t.Errorf("SetServers(%v): error is %v, want ErrConfig", servers, err)
		}
	}
}

// A server that stays in the list keeps its Node, and so its connections and its failures. With
// ketama, only the keys of a server that leaves move, and only to a server that comes.
func TestSetServersMovesOnlyTheKeysThatMustMove(t *testing.T) {
	list := func(names ...string) []memcache.Server {
		var servers []memcache.Server
		for _, name := range names {
			servers = append(servers, memcache.Server{Addr: name})
		}
		return servers
	}
	for _, rule := range []memcache.Selection{memcache.Ketama, memcache.KetamaWeighted} {
		opened := map[string]int{}
		r, err := memcache.NewRouter(memcache.Options{
			Selection: rule, Dead: memcache.Eject, Failures: 1, CoolDown: time.Hour,
		}, func(s memcache.Server) string {
			opened[s.Addr]++
			return s.Addr
		})
		if err != nil {
			t.Fatal(err)
		}
		set := func(names ...string) (removed []string) {
			nodes, err := r.SetServers(list(names...))
			if err != nil {
				t.Fatal(err)
			}
			for _, n := range nodes {
				removed = append(removed, n.Conns)
			}
			return removed
		}
		const keys = 10_000
		places := func() []string {
			all := make([]string, keys)
			for i := range all {
				n, _ := r.Pick(fmt.Sprint("key-", i))
				all[i] = n.Conns
			}
			return all
		}
		moved := func(before, after []string, from, to string) int {
			n := 0
			for i := range before {
				if before[i] == after[i] {
					continue
				}
				if from != "" && before[i] != from || to != "" && after[i] != to {
					t.Errorf("%v: a key moved from %s to %s", rule, before[i], after[i])
				}
				n++
			}
			return n
		}

		set("a", "b", "c")
		three := places()
		nodes := r.Nodes()
		if removed := set("d", "c", "a", "b"); len(removed) > 0 {
			t.Errorf("%v: %v were removed", rule, removed)
		}
		four := places()
		// A fourth server gets a quarter of the keys, and nothing else moves.
		if n := moved(three, four, "", "d:11211"); n < keys/6 || n > keys/3 {
			t.Errorf("%v: %d of %d keys moved to the fourth server, want about a quarter",
				rule, n, keys)
		}
		if n := r.Nodes(); n[1] != nodes[2] || n[2] != nodes[0] || n[3] != nodes[1] {
			t.Errorf("%v: servers that stay have new Nodes", rule)
		}
		removed := set("a", "b", "c")
		if len(removed) != 1 || removed[0] != "d:11211" {
			t.Errorf("%v: %v were removed, want only d", rule, removed)
		}
		if n := moved(four, places(), "d:11211", ""); n != moved(three, four, "", "d:11211") {
			t.Errorf("%v: %d keys moved from the fourth server", rule, n)
		}
		r.Report(r.Nodes()[0], false)
		set("a", "b")
		for _, place := range places() {
			if place == "a:11211" {
				t.Fatalf("%v: a new list made the router forget that a is ejected", rule)
			}
		}
		for name, n := range opened {
			if n != 1 {
				t.Errorf("%v: open was called %d times for %s, want once", rule, n, name)
			}
		}
	}
}
