package memcache_test

import (
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cachewire/cachewire/memcache"
)

// A table is the content of testdata/selection.json: the servers that got the keys when
// pylibmc or python-memcached set them. testdata/make_table.py writes it.
type table struct {
	Keys []string
	Rows []tableRow
}

type tableRow struct {
	Rule    memcache.Selection
	Client  string
	Servers []memcache.Server
	Dead    []int  // servers that did not listen
	At      string // the server of each key, one of digits; - if the client stored it nowhere
}

const digits = "0123456789abcdefghijklmnopqrstuvwxyz"

func readTable(t testing.TB) table {
	t.Helper()
	data, err := os.ReadFile("testdata/selection.json")
	if err != nil {
		t.Fatal(err)
	}
	var tbl table
	if err := json.Unmarshal(data, &tbl); err != nil {
		t.Fatal(err)
	}
	for i, key := range tbl.Keys {
		if tbl.Keys[i], err = url.PathUnescape(key); err != nil {
			t.Fatal(err)
		}
	}
	return tbl
}

// deadFunc returns a dead function for Selector.Pick that returns true for servers. It
// returns nil if there are none.
func deadFunc(servers []int) func(server int) bool {
	if len(servers) == 0 {
		return nil
	}
	return func(server int) bool { return slices.Contains(servers, server) }
}

func TestSelectorAgreesWithTheClientsOfTheTable(t *testing.T) {
	tbl := readTable(t)
	for _, row := range tbl.Rows {
		s, err := memcache.NewSelector(row.Rule, row.Servers)
		if err != nil {
			t.Errorf("%v with %v: %v", row.Rule, row.Servers, err)
			continue
		}
		if len(row.At) != len(tbl.Keys) {
			t.Fatalf("%v with %v has %d keys, the table has %d",
				row.Rule, row.Servers, len(row.At), len(tbl.Keys))
		}
		wrong := 0
		for i, key := range tbl.Keys {
			got := s.Pick(key, deadFunc(row.Dead))
			if want := strings.IndexByte(digits, row.At[i]); row.At[i] != '-' && got != want {
				if wrong++; wrong == 1 {
					t.Errorf("%v with %v, dead %v: Pick(%q) = %d, %s stored it on %d",
						row.Rule, row.Servers, row.Dead, key, got, row.Client, want)
				}
			}
		}
		if wrong > 0 {
			t.Errorf("%v with %v, dead %v: %d of %d keys are wrong",
				row.Rule, row.Servers, row.Dead, wrong, len(tbl.Keys))
		}
	}
}

func TestTableHasEveryKindOfKeyAndServerList(t *testing.T) {
	tbl := readTable(t)
	lengths := map[int]bool{}
	high, text := 0, 0
	for _, key := range tbl.Keys {
		lengths[len(key)] = true
		switch ascii := !strings.ContainsFunc(key, func(c rune) bool { return c >= 0x80 }); {
		case !ascii && strings.ToValidUTF8(key, "") == key:
			text++
		case !ascii:
			high++
		}
	}
	for n := 1; n <= 250; n++ {
		if !lengths[n] {
			t.Errorf("no key of %d bytes", n)
		}
	}
	if text < 90 || high < 90 || len(tbl.Keys) < 450 {
		t.Errorf("%d keys, %d of them UTF-8 beyond ASCII, %d with other high bytes",
			len(tbl.Keys), text, high)
	}

	type kind struct {
		Rule           memcache.Selection
		Default, Other bool // whether there are servers on the default port, and on others
		Six, Sockets   bool // whether there are IPv6 addresses, and unix sockets
		Weights, Dead  bool
	}
	count := map[kind]int{}
	for _, row := range tbl.Rows {
		k := kind{Rule: row.Rule, Dead: len(row.Dead) > 0}
		for _, server := range row.Servers {
			socket, standard := server.Network() == "unix", strings.HasSuffix(server.Addr, ":11211")
			k.Sockets = k.Sockets || socket
			k.Default = k.Default || standard
			k.Other = k.Other || !standard && !socket
			k.Six = k.Six || strings.HasPrefix(server.Addr, "[")
			k.Weights = k.Weights || server.Weight > 1
		}
		if len(row.Servers) > 1 {
			count[k]++
		}
	}
	for _, rule := range rules {
		want := map[kind]int{
			{Rule: rule, Default: true}:                         3,
			{Rule: rule, Other: true}:                           1,
			{Rule: rule, Default: true, Other: true, Six: true}: 1,
			{Rule: rule, Sockets: true}:                         1,
		}
		if rule != memcache.Modula {
			want[kind{Rule: rule, Default: true, Weights: true}] = 2
			want[kind{Rule: rule, Other: true, Weights: true}] = 3
			want[kind{Rule: rule, Default: true, Other: true, Weights: true}] = 2
			want[kind{Rule: rule, Default: true, Dead: true}] = 1
			want[kind{Rule: rule, Other: true, Dead: true}] = 1
		}
		for k, n := range want {
			if count[k] < n {
				t.Errorf("%d lists of kind %+v, want %d or more", count[k], k, n)
			}
		}
	}
	clients := map[string]bool{}
	for _, row := range tbl.Rows {
		name, _, _ := strings.Cut(row.Client, " ")
		clients[fmt.Sprint(row.Rule, " ", name)] = true
	}
	want := map[string]bool{
		"ketama pylibmc":                    true,
		"ketama_weighted pylibmc":           true,
		"python_memcached python-memcached": true,
		"modula python-memcached":           true,
	}
	if diff := cmp.Diff(want, clients); diff != "" {
		t.Error("the table has rows of other clients than those of the rules:", diff)
	}
}
