package memcachetest_test

import (
	"fmt"
	"io"
	"net"
	"slices"
	"testing"

	"github.com/cachewire/cachewire/memcache/memcachetest"
)

func TestFleetLendsEachTestEmptyServers(t *testing.T) {
	t.Parallel()
	fleet := memcachetest.NewFleet(t, 2, nil)
	var first []string
	t.Run("first", func(t *testing.T) {
		a, b := fleet.Take(t), fleet.Take(t)
		first = slices.Concat(a.Addrs(), b.Addrs())
		if slices.Sort(first); len(slices.Compact(slices.Clone(first))) != 4 {
			t.Errorf("the servers lent at the same time are %v, want four distinct ones", first)
		}
		a[1].Do("set key 0 0 5\r\nvalue")
		b[0].Do("set key 0 0 5\r\nvalue")
	})
	for range 2 { // one after the other
		t.Run("next", func(t *testing.T) {
			for _, server := range fleet.Take(t) {
				if !slices.Contains(first, server.Addr()) {
					t.Errorf("%s is a new server, want one of %v", server.Addr(), first)
				}
				if n := server.Stat("curr_items"); n != "0" {
					t.Errorf("%s has %s items, want 0", server.Addr(), n)
				}
			}
		})
	}
}

// If all a test left is items, the fleet deletes them, which is faster than a restart. On a
// busy machine it may restart the server instead.
func TestFleetEmptiesServersWithoutARestart(t *testing.T) {
	t.Parallel()
	fleet := memcachetest.NewFleet(t, 1, nil)
	pids := map[string]bool{}
	const tests = 10
	for range tests {
		t.Run("test", func(t *testing.T) {
			server := fleet.Take(t)[0]
			if n := server.Stat("curr_items"); n != "0" {
				t.Errorf("the server has %s items, want 0", n)
			}
			pids[server.Stat("pid")] = true
			for i := range 200 {
				server.Do(fmt.Sprintf("set key-%d 0 100 5\r\nvalue", i))
			}
			server.Do("set a%20key= 0 0 5\r\nvalue")
		})
	}
	if len(pids) == tests {
		t.Error("the server was restarted for each test")
	}
}

func TestFleetRestartsServersThatItCannotEmpty(t *testing.T) {
	t.Parallel()
	for name, leave := range map[string]func(t *testing.T, server *memcachetest.Server){
		"an item that is no longer listed": func(_ *testing.T, server *memcachetest.Server) {
			server.Do("set key 0 0 5\r\nvalue")
			server.Do("flush_all")
		},
		"a connection over which writes come": func(t *testing.T, server *memcachetest.Server) {
			conn, err := net.Dial("tcp", server.Addr())
			if err != nil {
				t.Fatal(err)
			}
			go func() { // until the server closes it
				defer conn.Close()
				for err == nil {
					_, err = io.WriteString(conn, "set late 0 0 5 noreply\r\nvalue\r\n")
				}
			}()
			waitFor(t, "there is an item", func() bool { return server.Stat("curr_items") == "1" })
		},
		"a killed server": func(_ *testing.T, server *memcachetest.Server) { server.Kill() },
	} {
		t.Run(name, func(t *testing.T) {
			fleet := memcachetest.NewFleet(t, 1, nil)
			t.Run("first", func(t *testing.T) { leave(t, fleet.Take(t)[0]) })
			t.Run("next", func(t *testing.T) {
				if n := fleet.Take(t)[0].Stat("curr_items"); n != "0" {
					t.Errorf("the server has %s items, want 0", n)
				}
			})
		})
	}
}
