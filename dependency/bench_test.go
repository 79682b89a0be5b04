package dependency_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/dependency"
	"github.com/cachewire/cachewire/encoding"
	"github.com/cachewire/cachewire/memcache"
	memcachepure "github.com/cachewire/cachewire/memcache-pure"
	"github.com/cachewire/cachewire/memcache/memcachetest"
	"github.com/cachewire/cachewire/memory"
)

func BenchmarkDependency(b *testing.B) {
	server := memcachetest.Start(b, &memcachetest.Options{Args: []string{"-m", "256"}})
	pure, err := memcachepure.New([]memcache.Server{{Addr: server.Addr()}},
		&memcachepure.Options{Options: memcache.Options{Timeout: 30 * time.Second}})
	if err != nil {
		b.Fatal(err)
	}
	for name, c := range map[string]*core.Cache{
		"memory": cacheOf(b, must(memory.New(nil))), "memcached": cacheOf(b, pure),
	} {
		ctx := context.Background()
		d := must(dependency.New(c, nil))
		check := func(b *testing.B, err error) {
			b.Helper()
			if err != nil {
				b.Fatal(err)
			}
		}
		b.Run("Add/"+name, func(b *testing.B) {
			for i := 0; b.Loop(); i++ {
				check(b, d.Add(ctx, fmt.Sprintf("mk:%d:", i%1000), "key"))
			}
		})
		for _, n := range []int{10, 10_000} {
			keys := make([]string, n)
			for i := range keys {
				keys[i] = fmt.Sprint("key-", i)
			}
			b.Run(fmt.Sprintf("Delete%d/%s", n, name), func(b *testing.B) {
				for range b.N {
					b.StopTimer()
					set(b, c, keys...)
					check(b, d.AddMulti(ctx, "mk:many:", keys))
					b.StartTimer()
					check(b, d.Delete(ctx, "mk:many:"))
				}
			})
		}
		texts := must(dependency.NewTagged(c, encoding.Text(), nil))
		at, err := texts.Versions(ctx, "a", "b")
		check(b, err)
		check(b, texts.Set(ctx, "tagged", "text", 0, at))
		b.Run("GetTagged/"+name, func(b *testing.B) {
			for b.Loop() {
				_, err := texts.Get(ctx, "tagged")
				check(b, err)
			}
		})
		b.Run("Invalidate/"+name, func(b *testing.B) {
			for b.Loop() {
				check(b, texts.Invalidate(ctx, "a"))
			}
		})
	}
}
