package memcache_test

import (
	"encoding/json"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cachewire/cachewire/memcache"
	"github.com/cachewire/cachewire/memcache/memcachetest"
)

// Beside the table, so that the rules are also judged on addresses that were never
// seen before, and by the clients that are installed now.
func TestSelectorAgreesWithTheClients(t *testing.T) {
	t.Parallel()
	script, err := os.ReadFile("testdata/place.py")
	if err != nil {
		t.Fatal(err)
	}
	keys := readTable(t).Keys
	const n = 3
	clusters := map[string]memcachetest.Servers{
		"ports":   memcachetest.StartN(t, n, nil),
		"sockets": memcachetest.StartN(t, n, &memcachetest.Options{Unix: true}),
	}
	for _, test := range []struct {
		rule    memcache.Selection
		module  string
		cluster string
		weights [n]int
	}{
		{memcache.Ketama, "pylibmc", "ports", [n]int{1, 1, 1}},
		{memcache.Ketama, "pylibmc", "sockets", [n]int{1, 1, 1}},
		{memcache.Ketama, "pylibmc", "ports", [n]int{3, 1, 5}},
		{memcache.KetamaWeighted, "pylibmc", "ports", [n]int{1, 1, 1}},
		{memcache.KetamaWeighted, "pylibmc", "sockets", [n]int{1, 1, 1}},
		{memcache.KetamaWeighted, "pylibmc", "ports", [n]int{3, 1, 5}},
		{memcache.PythonMemcached, "memcache", "ports", [n]int{1, 1, 1}},
		{memcache.PythonMemcached, "memcache", "sockets", [n]int{3, 1, 5}},
		{memcache.Modula, "memcache", "ports", [n]int{1, 1, 1}},
	} {
		t.Run(fmt.Sprint(test.rule, " ", test.cluster, " ", test.weights), func(t *testing.T) {
			python := memcachetest.NeedPython(t, test.module)
			cluster := clusters[test.cluster]
			servers := make([]memcache.Server, n)
			for i, server := range cluster {
				server.Do("flush_all")
				servers[i] = memcache.Server{Addr: server.Addr(), Weight: test.weights[i]}
				reach(t, servers[i])
			}
			refused := place(t, python, string(script), test.rule, servers, keys)
			if len(refused) > 0 {
				t.Fatalf("%s has not stored keys %v", test.module, refused)
			}
			s := selector(t, test.rule, servers)
			wrong := 0
			for at, server := range cluster {
				for key, held := range held(server, keys) {
					if picked := s.Pick(key, nil) == at; picked != held {
						if wrong++; wrong <= 3 {
							t.Errorf("key %q on server %d: %s put it there: %t, Pick answers it: %t", key, at, test.module, held, picked)
						}
					}
				}
			}
			if wrong > 0 {
				t.Errorf("%d of %d are wrong", wrong, len(keys)*n)
			}
		})
	}
}

// place has the client whose rule it is set keys, and answers the places of those
// that it has not stored.
func place(t *testing.T, python memcachetest.Python, script string, rule memcache.Selection, servers []memcache.Server, keys []string) []int {
	t.Helper()
	type server struct {
		Addr   string `json:"addr"`
		Weight int    `json:"weight"`
	}
	job := struct {
		Rule    memcache.Selection `json:"rule"`
		Servers []server           `json:"servers"`
		Keys    []string           `json:"keys"`
	}{Rule: rule}
	for _, s := range servers {
		job.Servers = append(job.Servers, server(s))
	}
	for _, key := range keys {
		job.Keys = append(job.Keys, url.PathEscape(key))
	}
	text, err := json.Marshal(job)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "job.json")
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	var answer struct {
		Client  string
		Refused []int
	}
	if err := json.Unmarshal([]byte(python.Run(t, script, path)), &answer); err != nil || answer.Client == "" {
		t.Fatalf("the script's answer: %v", err)
	}
	return answer.Refused
}

// held answers for each key whether the server has it.
func held(server *memcachetest.Server, keys []string) map[string]bool {
	reply := server.Do("get " + strings.Join(keys, "\r\nget "))
	held := make(map[string]bool, len(keys))
	for _, key := range keys {
		held[key] = strings.Contains(reply, "VALUE "+key+" ")
	}
	return held
}

// reach fails if the server cannot be dialled by its Network and Address.
func reach(t *testing.T, s memcache.Server) {
	t.Helper()
	conn, err := net.Dial(s.Network(), s.Address())
	if err != nil {
		t.Fatal(err)
	}
	conn.Close()
}
