package memcachetest_test

import (
	"slices"
	"testing"

	"github.com/cachewire/cachewire/memcache/memcachetest"
)

func TestAFleetGivesEachTestEmptyServers(t *testing.T) {
	t.Parallel()
	fleet := memcachetest.NewFleet(t, 2, nil)
	var first []string
	t.Run("first", func(t *testing.T) {
		a, b := fleet.Take(t), fleet.Take(t)
		first = slices.Concat(a.Addrs(), b.Addrs())
		if slices.Sort(first); len(slices.Compact(slices.Clone(first))) != 4 {
			t.Errorf("two tests at a time have the servers %v", first)
		}
		a[1].Do("set key 0 0 5\r\nvalue")
		b[0].Do("set key 0 0 5\r\nvalue")
	})
	for range 2 { // one after the other
		t.Run("next", func(t *testing.T) {
			for _, server := range fleet.Take(t) {
				if !slices.Contains(first, server.Addr()) {
					t.Errorf("%s is a server more", server.Addr())
				}
				if n := server.Stat("curr_items"); n != "0" {
					t.Errorf("%s has %s items", server.Addr(), n)
				}
			}
		})
	}
}
