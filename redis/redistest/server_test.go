package redistest_test

import (
	"strings"
	"testing"

	"github.com/cachewire/cachewire/redis/redistest"
)

func TestAServerOfEachKindRespondsAndForgetsOnRestart(t *testing.T) {
	for name, opts := range map[string]*redistest.Options{
		"port":     nil,
		"socket":   {Unix: true},
		"password": {Password: "secret"},
		"tls":      {TLS: true},
	} {
		t.Run(name, func(t *testing.T) {
			server := redistest.Start(t, opts)
			if got := server.Do("SET", "key", "value"); got != "OK" {
				t.Errorf("SET: %q", got)
			}
			server.Pause()
			server.Resume()
			if got := server.Do("GET", "key"); got != "value" {
				t.Errorf("GET: %q", got)
			}
			if got := server.Do("LLEN", "key"); !strings.HasPrefix(got, "-WRONGTYPE ") {
				t.Errorf("LLEN: %q", got)
			}
			server.Restart()
			if got := server.Do("GET", "key"); got != "(nil)" {
				t.Errorf("GET after Restart: %q", got)
			}
			server.Stop()
			server.Restart()
		})
	}
}

func TestAClusterKnowsAllSlotsAndASentinelFailsOver(t *testing.T) {
	c := redistest.StartCluster(t, 3, nil)
	if got := c[0].Do("SET", "foo", "v"); !strings.HasPrefix(got, "-MOVED 12182 "+c[2].Addr()) {
		t.Errorf("SET of a key in slot 12182: %q", got)
	}
	g := redistest.StartSentinel(t, nil)
	if got := g.Replica.Do("SET", "k", "v"); !strings.HasPrefix(got, "-READONLY ") {
		t.Errorf("SET at the replica: %q", got)
	}
	g.Primary.Kill()
	g.AwaitFailover()
	if got := g.Replica.Do("SET", "k", "v"); got != "OK" {
		t.Errorf("SET after the failover: %q", got)
	}
}
