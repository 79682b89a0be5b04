package memcache_test

import (
	"fmt"
	"testing"

	"github.com/cachewire/cachewire/memcache"
)

func BenchmarkPick(b *testing.B) {
	for _, rule := range rules {
		for _, n := range []int{3, 100} {
			for _, length := range []int{20, 250} {
				keys := make([]string, 1024)
				for i := range keys {
					keys[i] = fmt.Sprintf("%0*d", length, i*7919)
				}
				b.Run(fmt.Sprintf("%v/servers=%d/bytes=%d", rule, n, length), func(b *testing.B) {
					s := selector(b, rule, hosts(n))
					b.ReportAllocs()
					i := 0
					for b.Loop() {
						s.Pick(keys[i%len(keys)], nil)
						i++
					}
				})
			}
		}
	}
}

// In one case one server is dead, in the other all but one are.
func BenchmarkPickPastTheDead(b *testing.B) {
	for _, rule := range rules {
		for _, n := range []int{3, 100} {
			keys := keys(1024)
			for name, dead := range map[string]func(server int) bool{
				"one":         func(server int) bool { return server == 0 },
				"all-but-one": func(server int) bool { return server != 0 },
			} {
				b.Run(fmt.Sprintf("%v/servers=%d/dead=%s", rule, n, name), func(b *testing.B) {
					s := selector(b, rule, hosts(n))
					b.ReportAllocs()
					i := 0
					for b.Loop() {
						s.Pick(keys[i%len(keys)], dead)
						i++
					}
				})
			}
		}
	}
}

func BenchmarkNewSelector(b *testing.B) {
	for _, rule := range rules {
		for _, n := range []int{3, 100} {
			servers := hosts(n)
			b.Run(fmt.Sprintf("%v/servers=%d", rule, n), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					if _, err := memcache.NewSelector(rule, servers); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
