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

var rules = []memcache.Selection{memcache.Ketama, memcache.KetamaWeighted, memcache.PythonMemcached, memcache.Modula}

func selector(t testing.TB, rule memcache.Selection, servers []memcache.Server) *memcache.Selector {
	t.Helper()
	s, err := memcache.NewSelector(rule, servers)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// hosts answers n servers, each of the weight that weights has for it; 1 where it
// has none.
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

func TestSelectionsHaveTheirNamesAsText(t *testing.T) {
	type config struct{ Hash memcache.Selection }
	for rule, name := range map[memcache.Selection]string{
		memcache.Ketama: "ketama", memcache.KetamaWeighted: "ketama_weighted", memcache.PythonMemcached: "python_memcached", memcache.Modula: "modula",
	} {
		text := fmt.Sprintf(`{"Hash":%q}`, name)
		if got, err := json.Marshal(config{rule}); string(got) != text || err != nil {
			t.Errorf("%v is written as %s, %v", rule, got, err)
		}
		got := config{-1}
		if err := json.Unmarshal([]byte(text), &got); err != nil || got.Hash != rule {
			t.Errorf("%s is read as %v, %v", text, got, err)
		}
		if rule.String() != name {
			t.Errorf("String of %s is %s", name, rule)
		}
	}
}

func TestWhatIsNoSelectionIsRefused(t *testing.T) {
	const want = "want one of ketama, ketama_weighted, python_memcached, modula"
	for _, name := range []string{"", "Ketama", "ketama ", "ketama-weighted", "crc32", "0", "S3CRET"} {
		rule := memcache.Modula
		err := rule.UnmarshalText([]byte(name))
		wantConfigError(t, name, err, want)
		if rule != memcache.Modula || err != nil && strings.Contains(err.Error(), "S3") {
			t.Errorf("%q is %v, %v", name, rule, err)
		}
	}
	for _, rule := range []memcache.Selection{-1, 4} {
		name := fmt.Sprintf("Selection(%d)", int(rule))
		if rule.String() != name {
			t.Errorf("String is %q, want %q", rule, name)
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

func TestSelectorNeedsServersThatAreRight(t *testing.T) {
	for _, rule := range rules {
		_, err := memcache.NewSelector(rule, nil)
		wantConfigError(t, rule.String(), err, "no servers")
		_, err = memcache.NewSelector(rule, one("a", "a:11211"))
		wantConfigError(t, rule.String(), err, "server 2 of 2: the same as server 1")
	}
}

func TestModulaRefusesWeights(t *testing.T) {
	_, err := memcache.NewSelector(memcache.Modula, hosts(2, 1, 2))
	wantConfigError(t, "weight 2", err, "the rule modula knows no weights: want 1 for each server, or another rule")
	_, err = memcache.NewSelector(memcache.Modula, hosts(2, 2, 2))
	wantConfigError(t, "equal weights", err, "knows no weights")
	if _, err := memcache.NewSelector(memcache.Modula, hosts(2, 1, 0)); err != nil {
		t.Error(err)
	}
}

func TestZeroSelectorHasNoServers(t *testing.T) {
	var s memcache.Selector
	if got := s.Pick("key", nil); got != -1 {
		t.Errorf("Pick = %d", got)
	}
	if got := s.Pick("key", func(int) bool { return false }); got != -1 {
		t.Errorf("Pick = %d", got)
	}
}

// The ways to write an address decide nothing, and neither does what becomes of
// the list afterwards.
func TestSelectorDependsOnTheNormalizedServersOnly(t *testing.T) {
	for _, rule := range rules {
		given := []memcache.Server{{"a", 0}, {"a:0080", 0}, {"::1", 0}}
		s := selector(t, rule, given)
		want := selector(t, rule, one("a:11211", "a:80", "[::1]:11211"))
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

func TestSelectorDependsOnTheTextOfAHostOnARing(t *testing.T) {
	for _, rule := range rules[:2] {
		a := selector(t, rule, one("a", "b"))
		b := selector(t, rule, one("A", "b"))
		if same(a, b, keys(500), nil) {
			t.Errorf("%v: a and A have the same keys", rule)
		}
	}
}

func same(a, b *memcache.Selector, keys []string, dead func(int) bool) bool {
	return !slices.ContainsFunc(keys, func(key string) bool { return a.Pick(key, dead) != b.Pick(key, dead) })
}

// sets calls f with every set of dead servers out of n, and some of the larger n.
func sets(n int, f func(dead []int)) {
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

var lists = map[string][]memcache.Server{
	"one":      hosts(1),
	"two":      hosts(2),
	"three":    hosts(3),
	"weighted": hosts(5, 3, 1, 4, 1, 5),
	"no point": hosts(3, 1, memcache.MaxWeight, memcache.MaxWeight),
	"many":     hosts(40),
}

func TestPickAnswersALivingServerOrNone(t *testing.T) {
	for name, servers := range lists {
		for _, rule := range rules {
			s, err := memcache.NewSelector(rule, servers)
			if err != nil {
				continue // Modula, with weights
			}
			sets(len(servers), func(dead []int) {
				for _, key := range keys(100) {
					got := s.Pick(key, func(server int) bool {
						if server < 0 || server >= len(servers) {
							t.Fatalf("%s, %v: dead is asked of %d", name, rule, server)
						}
						return slices.Contains(dead, server)
					})
					switch {
					case len(dead) == len(servers) && got != -1,
						len(dead) < len(servers) && (got < 0 || got >= len(servers) || slices.Contains(dead, got)):
						t.Fatalf("%s, %v, dead %v: Pick(%q) = %d", name, rule, dead, key, got)
					case got != s.Pick(key, isDead(dead)):
						t.Fatalf("%s, %v, dead %v: Pick(%q) is %d, then another", name, rule, dead, key, got)
					}
				}
			})
		}
	}
}

func TestOnlyKeysOfDeadServersMove(t *testing.T) {
	for name, servers := range lists {
		for _, rule := range rules {
			s, err := memcache.NewSelector(rule, servers)
			if err != nil {
				continue
			}
			sets(len(servers), func(dead []int) {
				for _, key := range keys(100) {
					if home := s.Pick(key, nil); !slices.Contains(dead, home) && s.Pick(key, isDead(dead)) != home {
						t.Fatalf("%s, %v, dead %v: Pick(%q) is not %d", name, rule, dead, key, home)
					}
				}
			})
		}
	}
}

// That is what libmemcached does: it builds the ring again without the dead. With
// weights it also shares the points out anew, and its rounding makes one less or
// more of them even of equal weights.
func TestRingWithDeadServersIsTheRingOfTheLiving(t *testing.T) {
	for _, servers := range [][]memcache.Server{hosts(3), hosts(5), hosts(40), hosts(4, 2, 2, 2, 2)} {
		for _, rule := range rules[:2] {
			if rule == memcache.KetamaWeighted && len(servers) > 20 {
				continue
			}
			s := selector(t, rule, servers)
			sets(len(servers), func(dead []int) {
				var living []memcache.Server
				var places []int
				for i, server := range servers {
					if !slices.Contains(dead, i) {
						living, places = append(living, server), append(places, i)
					}
				}
				if len(living) == 0 {
					return
				}
				rest := selector(t, rule, living)
				for _, key := range keys(50) {
					if got, want := s.Pick(key, isDead(dead)), places[rest.Pick(key, nil)]; got != want {
						t.Fatalf("%v of %d, dead %v: Pick(%q) = %d, want %d", rule, len(servers), dead, key, got, want)
					}
				}
			})
		}
	}
}

func TestKeysOfADeadServerAreSharedByTheOthers(t *testing.T) {
	for _, rule := range rules[:3] {
		s := selector(t, rule, hosts(4))
		counts := make([]int, 4)
		for _, key := range keys(4000) {
			if s.Pick(key, nil) == 0 {
				counts[s.Pick(key, isDead([]int{0}))]++
			}
		}
		if counts[0] != 0 || slices.Min(counts[1:]) < 50 {
			t.Errorf("%v: the others got %v", rule, counts)
		}
	}
}

func TestModulaGoesOnInTheList(t *testing.T) {
	s := selector(t, memcache.Modula, hosts(4))
	for _, key := range keys(100) {
		home := s.Pick(key, nil)
		for step := 1; step < 4; step++ {
			var dead []int
			for i := range step {
				dead = append(dead, (home+i)%4)
			}
			if got, want := s.Pick(key, isDead(dead)), (home+step)%4; got != want {
				t.Fatalf("dead %v: Pick(%q) = %d, want %d", dead, key, got, want)
			}
		}
	}
}

// The table has keys for which python-memcached gave up.
func TestPickGoesOnInTheListWherePythonGivesUp(t *testing.T) {
	read := readTable(t)
	exact := 0
	for _, row := range read.Rows {
		s := selector(t, row.Rule, row.Servers)
		for i, at := range row.At {
			if at != '-' {
				continue
			}
			got := s.Pick(read.Keys[i], isDead(row.Dead))
			if slices.Contains(row.Dead, got) || got < 0 {
				t.Errorf("%v of %v: Pick(%q) = %d", row.Rule, row.Servers, read.Keys[i], got)
			}
			if len(row.Dead) == 1 { // then it is the one from which to go on
				exact++
				if want := (row.Dead[0] + 1) % len(row.Servers); got != want {
					t.Errorf("%v of %v: Pick(%q) = %d, want %d", row.Rule, row.Servers, read.Keys[i], got, want)
				}
			}
		}
	}
	if exact < 10 {
		t.Errorf("the table has %d such keys with one dead server, want 10 or more", exact)
	}
}

// A server of very little weight has no point on a ring, and so no key of its own.
func TestServerWithoutAPointIsTakenWhenTheOthersAreDead(t *testing.T) {
	for _, rule := range rules[:2] {
		s := selector(t, rule, hosts(3, 1, memcache.MaxWeight, memcache.MaxWeight))
		for _, key := range keys(500) {
			if got := s.Pick(key, nil); got == 0 {
				t.Fatalf("%v: Pick(%q) = 0, which has no point", rule, key)
			}
			if got := s.Pick(key, isDead([]int{1, 2})); got != 0 {
				t.Fatalf("%v: Pick(%q) = %d, want 0", rule, key, got)
			}
		}
	}
}

func TestSharesFollowTheWeights(t *testing.T) {
	const n = 40000
	for _, rule := range rules[:3] {
		s := selector(t, rule, hosts(3, 1, 2, 5))
		counts := make([]int, 3)
		for i := range n {
			counts[s.Pick(fmt.Sprintf("key:%d", i), nil)]++
		}
		for i, weight := range []int{1, 2, 5} {
			if share := float64(counts[i]) / n * 8 / float64(weight); share < 0.75 || share > 1.25 {
				t.Errorf("%v: server %d has %.2f of its share", rule, i, share)
			}
		}
	}
}

func TestPickByManyGoroutinesAnswersTheSame(t *testing.T) {
	for _, rule := range rules {
		s := selector(t, rule, hosts(10))
		keys := keys(200)
		want := make([]int, len(keys))
		for i, key := range keys {
			want[i] = s.Pick(key, isDead([]int{2, 3}))
		}
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				for i, key := range keys {
					if got := s.Pick(key, isDead([]int{2, 3})); got != want[i] {
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
				t.Errorf("%v, %d bytes: %v allocations", rule, length, got)
			}
			if got := testing.AllocsPerRun(100, func() {
				s.Pick(key, func(server int) bool { return server == home })
			}); got != 0 {
				t.Errorf("%v, %d bytes, a dead server: %v allocations", rule, length, got)
			}
		}
	}
}

// Whatever the key and whoever is dead, Pick answers a living server, and the same
// one when those that it passes over are dead, too.
func FuzzPick(f *testing.F) {
	f.Add("key", uint64(0), uint8(3))
	f.Add("", uint64(1), uint8(1))
	f.Add("\xff\x80\x00", ^uint64(0), uint8(64))
	f.Add(strings.Repeat("ключ", 100), uint64(6), uint8(10))
	f.Fuzz(func(t *testing.T, key string, mask uint64, n uint8) {
		servers := hosts(int(n%16) + 1)
		isDead := func(server int) bool { return mask>>server&1 == 1 }
		alive := 0
		for i := range servers {
			if !isDead(i) {
				alive++
			}
		}
		for _, rule := range rules {
			s := selector(t, rule, servers)
			home, got := s.Pick(key, nil), s.Pick(key, isDead)
			switch {
			case home < 0 || home >= len(servers):
				t.Errorf("%v of %d: Pick(%q) = %d", rule, len(servers), key, home)
			case alive == 0 && got != -1, alive > 0 && (got < 0 || got >= len(servers) || isDead(got)):
				t.Errorf("%v of %d, dead %b: Pick(%q) = %d", rule, len(servers), mask, key, got)
			case !isDead(home) && got != home:
				t.Errorf("%v of %d, dead %b: Pick(%q) = %d, but %d lives", rule, len(servers), mask, key, got, home)
			}
			for _, weighted := range [][]memcache.Server{hosts(3, 1, int(n)+1, 7)} {
				if rule == memcache.Modula {
					continue
				}
				if got := selector(t, rule, weighted).Pick(key, nil); got < 0 || got > 2 {
					t.Errorf("%v of %v: Pick(%q) = %d", rule, weighted, key, got)
				}
			}
		}
	})
}
