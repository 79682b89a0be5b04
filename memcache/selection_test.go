package memcache_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/cachewire/cachewire/memcache"
)

var rules = []memcache.Selection{
	memcache.Ketama, memcache.KetamaWeighted, memcache.PythonMemcached, memcache.Modula,
}

func selector(t testing.TB, rule memcache.Selection, servers []memcache.Server) *memcache.Selector {
	t.Helper()
	s, err := memcache.NewSelector(rule, servers)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// hosts returns n servers with the given weights. Servers without one have weight 0, which
// means 1.
func hosts(n int, weights ...int) []memcache.Server {
	servers := make([]memcache.Server, n)
	for i := range servers {
		servers[i].Addr = fmt.Sprintf("cache%d.example:%d", i, 11211+i%2)
		if i < len(weights) {
			servers[i].Weight = weights[i]
		}
	}
	return servers
}

func keys(n int) []string {
	keys := make([]string, n)
	for i := range keys {
		keys[i] = fmt.Sprintf("session:%d:profile", i*7919)
	}
	return keys
}

func TestSelectionIsMarshaledAsItsName(t *testing.T) {
	type config struct{ Hash memcache.Selection }
	for rule, name := range map[memcache.Selection]string{
		memcache.Ketama:          "ketama",
		memcache.KetamaWeighted:  "ketama_weighted",
		memcache.PythonMemcached: "python_memcached",
		memcache.Modula:          "modula",
	} {
		text := fmt.Sprintf(`{"Hash":%q}`, name)
		if got, err := json.Marshal(config{rule}); string(got) != text || err != nil {
			t.Errorf("Marshal(%v) = %s, %v; want %s", rule, got, err, text)
		}
		got := config{-1}
		if err := json.Unmarshal([]byte(text), &got); err != nil || got.Hash != rule {
			t.Errorf("Unmarshal(%s) = %v, %v; want %v", text, got, err, rule)
		}
		if rule.String() != name {
			t.Errorf("String() = %s, want %s", rule, name)
		}
	}
}

func TestUnknownSelectionsAreRefused(t *testing.T) {
	const want = "want one of ketama, ketama_weighted, python_memcached, modula"
	for _, name := range []string{
		"", "Ketama", "ketama ", "ketama-weighted", "crc32", "0", "S3CRET",
	} {
		rule := memcache.Modula
		err := rule.UnmarshalText([]byte(name))
		wantConfigError(t, name, err, want)
		if rule != memcache.Modula || err != nil && strings.Contains(err.Error(), "S3") {
			t.Errorf("after UnmarshalText(%q) the rule is %v, the error %v", name, rule, err)
		}
	}
	for _, rule := range []memcache.Selection{-1, 4} {
		name := fmt.Sprintf("Selection(%d)", int(rule))
		if rule.String() != name {
			t.Errorf("String() = %q, want %q", rule, name)
		}
		_, err := rule.MarshalText()
		wantConfigError(t, name, err, name, want)
		_, err = memcache.NewSelector(rule, hosts(1))
		wantConfigError(t, name, err, name, want)
	}
}

func TestKetamaIsTheDefault(t *testing.T) {
	var rule memcache.Selection
	if rule != memcache.Ketama {
		t.Errorf("the zero Selection is %v", rule)
	}
}

func TestNewSelectorRefusesInvalidServers(t *testing.T) {
	for _, rule := range rules {
		_, err := memcache.NewSelector(rule, nil)
		wantConfigError(t, rule.String(), err, "no servers")
		_, err = memcache.NewSelector(rule, listOf("a", "a:11211"))
		wantConfigError(t, rule.String(), err, "server 2 of 2 is the same as server 1")
	}
}

func TestModulaRefusesWeights(t *testing.T) {
	_, err := memcache.NewSelector(memcache.Modula, hosts(2, 1, 2))
	wantConfigError(t, "weight 2", err, "the rule modula does not support weights; "+
		"want weight 1 for each server, or another rule")
	_, err = memcache.NewSelector(memcache.Modula, hosts(2, 2, 2))
	wantConfigError(t, "equal weights", err, "does not support weights")
	if _, err := memcache.NewSelector(memcache.Modula, hosts(2, 1, 0)); err != nil {
		t.Error(err)
	}
}

func TestZeroSelectorHasNoServers(t *testing.T) {
	var s memcache.Selector
	if got := s.Pick("key", nil); got != -1 {
		t.Errorf("Pick with a nil dead = %d, want -1", got)
	}
	if got := s.Pick("key", func(int) bool { return false }); got != -1 {
		t.Errorf("Pick with a dead function = %d, want -1", got)
	}
}

// The ways to write an address make no difference, and neither do later changes of the list.
func TestSelectorDependsOnlyOnNormalizedServers(t *testing.T) {
	for _, rule := range rules {
		given := []memcache.Server{{"a", 0}, {"a:0080", 0}, {"::1", 0}}
		s := selector(t, rule, given)
		want := selector(t, rule, listOf("a:11211", "a:80", "[::1]:11211"))
		for i := range given {
			given[i] = memcache.Server{Addr: "other", Weight: 100}
		}
		for _, key := range keys(500) {
			if got, want := s.Pick(key, nil), want.Pick(key, nil); got != want {
				t.Fatalf("%v: Pick(%q) = %d, want %d", rule, key, got, want)
			}
		}
	}
}

func TestRingDependsOnTheTextOfAHost(t *testing.T) {
	for _, rule := range rules[:2] {
		a := selector(t, rule, listOf("a", "b"))
		b := selector(t, rule, listOf("A", "b"))
		if samePicks(a, b, keys(500), nil) {
			t.Errorf("%v: the hosts a and A have the same keys", rule)
		}
	}
}

func samePicks(a, b *memcache.Selector, keys []string, dead func(int) bool) bool {
	return !slices.ContainsFunc(keys, func(key string) bool {
		return a.Pick(key, dead) != b.Pick(key, dead)
	})
}

// eachDeadSet calls f with sets of dead servers: with every set of n servers if n is at most
// 7, else with 128 random sets.
func eachDeadSet(n int, f func(dead []int)) {
	random := rand.New(rand.NewPCG(1, 2))
	for mask := range 1 << min(n, 7) {
		var dead []int
		for i := range n {
			if n <= 7 && mask>>i&1 == 1 || n > 7 && random.IntN(128) < mask {
				dead = append(dead, i)
			}
		}
		f(dead)
	}
}

var serverLists = map[string][]memcache.Server{
	"one":      hosts(1),
	"two":      hosts(2),
	"three":    hosts(3),
	"weighted": hosts(5, 3, 1, 4, 1, 5),
	"no point": hosts(3, 1, memcache.MaxWeight, memcache.MaxWeight),
	"many":     hosts(40),
}

func TestPickReturnsALiveServerIfThereIsOne(t *testing.T) {
	for name, servers := range serverLists {
		for _, rule := range rules {
			s, err := memcache.NewSelector(rule, servers)
			if err != nil {
				continue // Modula, with weights
			}
			eachDeadSet(len(servers), func(dead []int) {
				for _, key := range keys(100) {
					got := s.Pick(key, func(server int) bool {
						if server < 0 || server >= len(servers) {
							t.Fatalf("%s, %v: dead is called with %d", name, rule, server)
						}
						return slices.Contains(dead, server)
					})
					live := got >= 0 && got < len(servers) && !slices.Contains(dead, got)
					switch {
					case len(dead) == len(servers) && got != -1, len(dead) < len(servers) && !live:
						t.Fatalf("%s, %v, dead %v: Pick(%q) = %d", name, rule, dead, key, got)
					case got != s.Pick(key, deadFunc(dead)):
						t.Fatalf("%s, %v, dead %v: Pick(%q) = %d, then another server",
							name, rule, dead, key, got)
					}
				}
			})
		}
	}
}

func TestOnlyKeysOfDeadServersMove(t *testing.T) {
	for name, servers := range serverLists {
		for _, rule := range rules {
			s, err := memcache.NewSelector(rule, servers)
			if err != nil {
				continue
			}
			eachDeadSet(len(servers), func(dead []int) {
				for _, key := range keys(100) {
					home := s.Pick(key, nil)
					if !slices.Contains(dead, home) && s.Pick(key, deadFunc(dead)) != home {
						t.Fatalf("%s, %v, dead %v: Pick(%q) is not %d",
							name, rule, dead, key, home)
					}
				}
			})
		}
	}
}

// libmemcached builds the ring again without the dead servers. With weights, it also computes
// again how many points each server has, and its rounding may make that one more or one less
// even if all weights are equal.
func TestRingWithDeadServersEqualsTheRingWithoutThem(t *testing.T) {
	for _, servers := range [][]memcache.Server{
		hosts(3), hosts(5), hosts(40), hosts(4, 2, 2, 2, 2),
	} {
		for _, rule := range rules[:2] {
			if rule == memcache.KetamaWeighted && len(servers) > 20 {
				continue
			}
			s := selector(t, rule, servers)
			eachDeadSet(len(servers), func(dead []int) {
				var live []memcache.Server
				var indexes []int // of the live servers
				for i, server := range servers {
					if !slices.Contains(dead, i) {
						live, indexes = append(live, server), append(indexes, i)
					}
				}
				if len(live) == 0 {
					return
				}
				smaller := selector(t, rule, live)
				for _, key := range keys(50) {
					got, want := s.Pick(key, deadFunc(dead)), indexes[smaller.Pick(key, nil)]
					if got != want {
						t.Fatalf("%v with %d servers, dead %v: Pick(%q) = %d, want %d",
							rule, len(servers), dead, key, got, want)
					}
				}
			})
		}
	}
}

func TestKeysOfADeadServerMoveToAllOthers(t *testing.T) {
	for _, rule := range rules[:3] {
		s := selector(t, rule, hosts(4))
		counts := make([]int, 4)
		for _, key := range keys(4000) {
			if s.Pick(key, nil) == 0 {
				counts[s.Pick(key, deadFunc([]int{0}))]++
			}
		}
		if counts[0] != 0 || slices.Min(counts[1:]) < 50 {
			t.Errorf("%v: the servers got %v keys of server 0, want 0 and then 50 or more each",
				rule, counts)
		}
	}
}

func TestModulaPicksTheNextLiveServerInTheList(t *testing.T) {
	s := selector(t, memcache.Modula, hosts(4))
	for _, key := range keys(100) {
		home := s.Pick(key, nil)
		for step := 1; step < 4; step++ {
			var dead []int
			for i := range step {
				dead = append(dead, (home+i)%4)
			}
			if got, want := s.Pick(key, deadFunc(dead)), (home+step)%4; got != want {
				t.Fatalf("dead %v: Pick(%q) = %d, want %d", dead, key, got, want)
			}
		}
	}
}

// The table has keys for which python-memcached found no live server.
func TestPickReturnsALiveServerIfPythonMemcachedFindsNone(t *testing.T) {
	tbl := readTable(t)
	exact := 0
	for _, row := range tbl.Rows {
		s := selector(t, row.Rule, row.Servers)
		for i, at := range row.At {
			if at != '-' {
				continue
			}
			key := tbl.Keys[i]
			got := s.Pick(key, deadFunc(row.Dead))
			if slices.Contains(row.Dead, got) || got < 0 {
				t.Errorf("%v with %v: Pick(%q) = %d", row.Rule, row.Servers, key, got)
			}
			if len(row.Dead) == 1 { // the last try met this server, so Pick returns the next one
				exact++
				if want := (row.Dead[0] + 1) % len(row.Servers); got != want {
					t.Errorf("%v with %v: Pick(%q) = %d, want %d",
						row.Rule, row.Servers, key, got, want)
				}
			}
		}
	}
	if exact < 10 {
		t.Errorf("the table has %d such keys with one dead server, want 10 or more", exact)
	}
}

// A server of very little weight has no point on a ring, and so no key of its own.
func TestServerWithoutPointsIsPickedIfTheOthersAreDead(t *testing.T) {
	for _, rule := range rules[:2] {
		s := selector(t, rule, hosts(3, 1, memcache.MaxWeight, memcache.MaxWeight))
		for _, key := range keys(500) {
			if got := s.Pick(key, nil); got == 0 {
				t.Fatalf("%v: Pick(%q) = 0, which has no point", rule, key)
			}
			if got := s.Pick(key, deadFunc([]int{1, 2})); got != 0 {
				t.Fatalf("%v: Pick(%q) = %d, want 0", rule, key, got)
			}
		}
	}
}

func TestServersGetKeysByWeight(t *testing.T) {
	const n = 40000
	for _, rule := range rules[:3] {
		s := selector(t, rule, hosts(3, 1, 2, 5))
		counts := make([]int, 3)
		for i := range n {
			counts[s.Pick(fmt.Sprintf("key:%d", i), nil)]++
		}
		for i, weight := range []int{1, 2, 5} {
			ratio := float64(counts[i]) / n * 8 / float64(weight)
			if ratio < 0.75 || ratio > 1.25 {
				t.Errorf("%v: server %d has %.2f times its share of the keys", rule, i, ratio)
			}
		}
	}
}

func TestPickByManyGoroutinesReturnsTheSame(t *testing.T) {
	for _, rule := range rules {
		s := selector(t, rule, hosts(10))
		keys := keys(200)
		want := make([]int, len(keys))
		for i, key := range keys {
			want[i] = s.Pick(key, deadFunc([]int{2, 3}))
		}
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				for i, key := range keys {
					if got := s.Pick(key, deadFunc([]int{2, 3})); got != want[i] {
						t.Errorf("%v: Pick(%q) = %d, want %d", rule, key, got, want[i])
					}
				}
			})
		}
		wg.Wait()
	}
}

func TestPickAllocatesNothing(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	for _, rule := range rules {
		s := selector(t, rule, hosts(10))
		for _, length := range []int{1, 33, 250} {
			key := strings.Repeat("k", length)
			home := s.Pick(key, nil)
			if got := testing.AllocsPerRun(100, func() { s.Pick(key, nil) }); got != 0 {
				t.Errorf("%v, key of %d bytes: %v allocations, want 0", rule, length, got)
			}
			if got := testing.AllocsPerRun(100, func() {
				s.Pick(key, func(server int) bool { return server == home })
			}); got != 0 {
				t.Errorf("%v, key of %d bytes, a dead server: %v allocations, want 0",
					rule, length, got)
			}
		}
	}
}

// For every key and every set of dead servers, Pick returns a live server, which is the home
// of the key if that is live, or -1 if all are dead.
func FuzzPick(f *testing.F) {
	f.Add("key", uint64(0), uint8(3))
	f.Add("", uint64(1), uint8(1))
	f.Add("\xff\x80\x00", ^uint64(0), uint8(64))
	f.Add(strings.Repeat("ключ", 100), uint64(6), uint8(10))
	f.Fuzz(func(t *testing.T, key string, mask uint64, n uint8) {
		servers := hosts(int(n%16) + 1)
		isDead := func(server int) bool { return mask>>server&1 == 1 }
		live := 0
		for i := range servers {
			if !isDead(i) {
				live++
			}
		}
		for _, rule := range rules {
			s := selector(t, rule, servers)
			home, got := s.Pick(key, nil), s.Pick(key, isDead)
			switch {
			case home < 0 || home >= len(servers):
				t.Errorf("%v with %d servers: Pick(%q) = %d", rule, len(servers), key, home)
			case live == 0 && got != -1,
				live > 0 && (got < 0 || got >= len(servers) || isDead(got)):
				t.Errorf("%v with %d servers, dead %b: Pick(%q) = %d",
					rule, len(servers), mask, key, got)
			case !isDead(home) && got != home:
				t.Errorf("%v with %d servers, dead %b: Pick(%q) = %d, but its home %d is live",
					rule, len(servers), mask, key, got, home)
			}
			for _, weighted := range [][]memcache.Server{hosts(3, 1, int(n)+1, 7)} {
				if rule == memcache.Modula {
					continue
				}
				if got := selector(t, rule, weighted).Pick(key, nil); got < 0 || got > 2 {
					t.Errorf("%v with %v: Pick(%q) = %d", rule, weighted, key, got)
				}
			}
		}
	})
}
