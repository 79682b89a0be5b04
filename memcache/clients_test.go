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

// This test complements the table: its addresses differ in each run, and it uses the clients
// that are installed on this machine.
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
				checkDial(t, servers[i])
			}
			refused := setKeys(t, python, string(script), test.rule, servers, keys)
			if len(refused) > 0 {
				t.Fatalf("%s did not store keys %v", test.module, refused)
			}
			s := selector(t, test.rule, servers)
			wrong := 0
			for i, server := range cluster {
				for key, stored := range storedKeys(server, keys) {
					if picked := s.Pick(key, nil) == i; picked != stored {
						if wrong++; wrong <= 3 {
							t.Errorf("key %q, server %d: stored there by %s: %t, picked: %t",
								key, i, test.module, stored, picked)
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

// setKeys sets keys with the client of the rule, by script. It returns the indexes of the
// keys that the client did not store.
func setKeys(
	t *testing.T,
	python memcachetest.Python,
	script string,
	rule memcache.Selection,
	servers []memcache.Server,
	keys []string,
) []int {
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
	var result struct {
		Client  string
		Refused []int
	}
	output := python.Run(t, script, path)
	if err := json.Unmarshal([]byte(output), &result); err != nil || result.Client == "" {
		t.Fatalf("output of the script: %v", err)
	}
	return result.Refused
}

// storedKeys returns for each key whether the server has it.
func storedKeys(server *memcachetest.Server, keys []string) map[string]bool {
	reply := server.Do("get " + strings.Join(keys, "\r\nget "))
	stored := make(map[string]bool, len(keys))
	for _, key := range keys {
		stored[key] = strings.Contains(reply, "VALUE "+key+" ")
	}
	return stored
}

// checkDial fails the test if the server cannot be dialed by its Network and String.
func checkDial(t *testing.T, s memcache.Server) {
	t.Helper()
	conn, err := net.Dial(s.Network(), s.String())
	if err != nil {
		t.Fatal(err)
	}
	conn.Close()
}
