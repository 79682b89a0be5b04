package memcache_test

import (
	"context"
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/memcache"
	"github.com/cachewire/cachewire/memcache/memcachetest"
)

func TestStatsSumsTheFiguresOfServers(t *testing.T) {
	server := memcachetest.Start(t, nil)
	server.Do("set a 0 0 5\r\nvalue\r\nset b 0 0 5\r\nvalue\r\nget a\r\nget a\r\nget x")
	server.Do("delete x\r\nincr x 1\r\ntouch a 0")
	other := memcachetest.Start(t, &memcachetest.Options{Unix: true})
	other.Do("set c 0 0 5\r\nvalue\r\nget x")
	servers := []memcache.Server{{Addr: server.Addr()}, {Addr: other.Addr()}}
	stats, err := memcache.Stats(t.Context(), servers, dial)
	if err != nil {
		t.Fatal(err)
	}
	if stats.Items != 3 || stats.Hits != 2 || stats.Misses != 2 ||
		stats.Evictions != 0 || stats.Bytes < 15 || stats.Commands != 10 ||
		stats.Connections < 2 {

		t.Errorf("%+v", stats)
	}
}

func TestStatsRefusesInvalidReplies(t *testing.T) {
	for _, reply := range []string{
		"",
		"END",
		"STAT curr_items 7\r\n",
		"STAT curr_items 7\r\nSTAT bytes 7\r\nSTAT get_hits 7\r\nSTA",
		"ERROR\r\n",
		"STAT\r\n",
		"\r\n",
		"STAT curr_items many\r\nEND\r\n",
		"STAT curr_items -1\r\nEND\r\n",
		strings.Repeat("STAT x 1\r\n", 100_000),
		strings.Repeat("x", 1_000_000),
	} {
		server := memcachetest.StartHostile(t,
			memcachetest.InTurn(memcachetest.ReplyAndClose(reply)))
		stats, err := memcache.Stats(t.Context(), []memcache.Server{{Addr: server.Addr()}}, dial)
		if stats != (core.Stats{}) { // not those that came before the failure
			t.Errorf("reply %.40q: figures are %+v", reply, stats)
		}
		if !errors.Is(err, core.ErrUnavailable) || !strings.Contains(err.Error(), server.Addr()) {
			t.Errorf("reply %.40q: error is %v", reply, err)
		}
		if got := server.Requests(); len(got) != 1 || got[0] != "stats\r\n" {
			t.Errorf("the requests are %q, want one stats", got)
		}
	}
}

func TestStatsReturnsWhenTheContextIsDone(t *testing.T) {
	live := memcachetest.Start(t, nil)
	live.Do("set a 0 0 5\r\nvalue")
	silent := memcachetest.StartHostile(t, memcachetest.InTurn(memcachetest.NoReply()))
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	servers := []memcache.Server{{Addr: live.Addr()}, {Addr: silent.Addr()}}
	stats, err := memcache.Stats(ctx, servers, dial)
	if !errors.Is(err, core.ErrUnavailable) ||
		errors.Is(err, context.DeadlineExceeded) ||
		!strings.Contains(err.Error(), silent.Addr()) {
		t.Errorf("error is %v", err)
	}
	if stats.Items != 1 {
		t.Errorf("%+v", stats)
	}
}

func dial(ctx context.Context, s memcache.Server) (net.Conn, error) {
	var d net.Dialer
	return d.DialContext(ctx, s.Network(), s.String())
}
