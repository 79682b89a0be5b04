package memcache_test

import (
	"bytes"
	"io"
	"net"
	"strings"
	"testing"

	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/memcache"
	"github.com/cachewire/cachewire/memcache/memcachetest"
)

func TestStatsOfTheRealServer(t *testing.T) {
	server := memcachetest.Start(t, nil)
	server.Do("set a 0 0 5\r\nvalue\r\nset b 0 0 5\r\nvalue\r\nget a\r\nget a\r\nget x")
	conn, err := net.Dial("tcp", server.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	stats := core.Stats{Items: 40, Evictions: 3}
	if err := memcache.ReadStats(conn, &stats); err != nil {
		t.Fatal(err)
	}
	if stats.Items != 42 || stats.Hits != 2 || stats.Misses != 1 || stats.Evictions != 3 || stats.Bytes < 10 {
		t.Errorf("%+v", stats)
	}
}

// answering is a server with one answer, whatever it is asked.
type answering struct {
	bytes.Buffer // what it is asked
	answer       io.Reader
}

func (a *answering) Read(p []byte) (int, error) { return a.answer.Read(p) }

func TestAnAnswerThatIsNoStatisticsIsAnError(t *testing.T) {
	for _, answer := range []string{
		"", "END", "STAT curr_items 7\r\n", "ERROR\r\n", "STAT\r\n", "\r\n", "STAT curr_items many\r\nEND\r\n",
		"STAT curr_items -1\r\nEND\r\n", strings.Repeat("STAT x 1\r\n", 100_000), strings.Repeat("x", 1_000_000),
	} {
		server := &answering{answer: strings.NewReader(answer)}
		if err := memcache.ReadStats(server, new(core.Stats)); err == nil {
			t.Errorf("%.40q is read", answer)
		}
		if got := server.String(); got != "stats\r\n" {
			t.Errorf("it was asked %q", got)
		}
	}
}
