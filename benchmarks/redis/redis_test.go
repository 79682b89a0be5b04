package redis

import (
	"context"
	"fmt"
	"testing"
	"time"

	gocache "github.com/eko/gocache/lib/v4/cache"
	"github.com/eko/gocache/lib/v4/store"
	gocacheredis "github.com/eko/gocache/store/redis/v4"
	rediscache "github.com/go-redis/cache/v9"
	goredis "github.com/redis/go-redis/v9"
	"github.com/redis/rueidis"

	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/redis"
	"github.com/cachewire/cachewire/redis/redistest"
)

const (
	timeout   = 10 * time.Second // long enough for any machine
	multiKeys = 100              // keys of a multi verb
)

var (
	value  = make([]byte, 100)
	keys   [multiKeys]string
	values = map[string][]byte{}
)

func init() {
	for i := range keys {
		keys[i] = fmt.Sprintf("a-key-of-some-thirty-six-bytes-%05d", i)
		values[keys[i]] = value
	}
}

// A rival is one way to call Redis. Calls differ in i, and so in their keys. A verb is nil if
// the rival does not have it.
type rival struct {
	name     string
	get      func(i int) error
	set      func(i int) error
	incr     func(i int) error
	getMulti func() (int, error)
	setMulti func() error
}

// newRueidis returns the rueidis library alone, with the settings of package redis. Its multi
// verbs are pipelines by hand.
func newRueidis(b *testing.B, addr string) rival {
	ctx := context.Background()
	c, err := rueidis.NewClient(rueidis.ClientOption{
		InitAddress:       []string{addr},
		ForceSingleClient: true, AlwaysPipelining: true, DisableCache: true, DisableRetry: true,
		PipelineMultiplex: -1, RingScaleEachConn: 12, ConnWriteTimeout: timeout,
	})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(c.Close)
	text := rueidis.BinaryString(value)
	set := func(i int) rueidis.Completed {
		return c.B().Set().Key(keys[i]).Value(text).Px(time.Minute).Build()
	}
	return rival{
		name: "rueidis",
		get: func(i int) error {
			_, err := c.Do(ctx, c.B().Get().Key(keys[i%multiKeys]).Build()).AsBytes()
			return err
		},
		set: func(i int) error { return c.Do(ctx, set(i%multiKeys)).Error() },
		incr: func(int) error {
			return c.Do(ctx, c.B().Incrby().Key("bare count").Increment(1).Build()).Error()
		},
		getMulti: func() (int, error) {
			commands := make([]rueidis.Completed, multiKeys)
			for i, key := range keys {
				commands[i] = c.B().Get().Key(key).Build()
			}
			found := make(map[string][]byte, multiKeys)
			for i, result := range c.DoMulti(ctx, commands...) {
				got, err := result.AsBytes()
				if err != nil {
					return 0, err
				}
				found[keys[i]] = got
			}
			return len(found), nil
		},
		setMulti: func() error {
			commands := make([]rueidis.Completed, multiKeys)
			for i := range keys {
				commands[i] = set(i)
			}
			for _, result := range c.DoMulti(ctx, commands...) {
				if err := result.Error(); err != nil {
					return err
				}
			}
			return nil
		},
	}
}

// newCachewire returns a core.Cache over package redis, whose verbs are called with ctx.
func newCachewire(b *testing.B, name, addr string, plain bool, ctx context.Context) rival {
	backend, err := redis.New(&redis.Options{Addrs: []string{addr}, Timeout: timeout, Plain: plain})
	if err != nil {
		b.Fatal(err)
	}
	c, err := core.New(backend, nil)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { c.Close() })
	count := name + " count"
	if err := c.Set(ctx, count, []byte("0"), 0); err != nil {
		b.Fatal(err)
	}
	return rival{
		name: name,
		get:  func(i int) error { _, err := c.Get(ctx, keys[i%multiKeys]); return err },
		set:  func(i int) error { return c.Set(ctx, keys[i%multiKeys], value, time.Minute) },
		incr: func(int) error { _, err := c.Incr(ctx, count, 1); return err },
		getMulti: func() (int, error) {
			found, err := c.GetMulti(ctx, keys[:])
			return len(found), err
		},
		setMulti: func() error { return c.SetMulti(ctx, values, time.Minute) },
	}
}

func newGoRedis(b *testing.B, addr string) *goredis.Client {
	c := goredis.NewClient(&goredis.Options{Addr: addr, PoolSize: 128, ReadTimeout: timeout,
		WriteTimeout: timeout})
	b.Cleanup(func() { c.Close() })
	return c
}

// newRedisCache returns go-redis/cache without its cache in memory.
func newRedisCache(b *testing.B, addr string) rival {
	ctx := context.Background()
	c := rediscache.New(&rediscache.Options{Redis: newGoRedis(b, addr)})
	return rival{
		name: "go-redis-cache",
		get:  func(i int) error { var got []byte; return c.Get(ctx, keys[i%multiKeys], &got) },
		set: func(i int) error {
			return c.Set(&rediscache.Item{Ctx: ctx, Key: keys[i%multiKeys], Value: value,
				TTL: time.Minute})
		},
	}
}

// newGocache returns gocache over its Redis store, which uses go-redis. Its values are strings.
func newGocache(b *testing.B, addr string) rival {
	ctx := context.Background()
	c := gocache.New[string](gocacheredis.NewRedis(newGoRedis(b, addr)))
	text := string(value)
	return rival{
		name: "gocache",
		get:  func(i int) error { _, err := c.Get(ctx, keys[i%multiKeys]); return err },
		set: func(i int) error {
			return c.Set(ctx, keys[i%multiKeys], text, store.WithExpiration(time.Minute))
		},
	}
}

// newGoRedisAlone returns the go-redis library alone.
func newGoRedisAlone(b *testing.B, addr string) rival {
	ctx := context.Background()
	c := newGoRedis(b, addr)
	return rival{
		name: "go-redis",
		get:  func(i int) error { return c.Get(ctx, keys[i%multiKeys]).Err() },
		set:  func(i int) error { return c.Set(ctx, keys[i%multiKeys], value, time.Minute).Err() },
		incr: func(int) error { return c.IncrBy(ctx, "bare count", 1).Err() },
		getMulti: func() (int, error) {
			found, err := c.MGet(ctx, keys[:]...).Result()
			return len(found), err
		},
		setMulti: func() error {
			_, err := c.Pipelined(ctx, func(p goredis.Pipeliner) error {
				for _, key := range keys {
					p.Set(ctx, key, value, time.Minute)
				}
				return nil
			})
			return err
		},
	}
}

func BenchmarkRedis(b *testing.B) {
	addr := redistest.Start(b, nil).Addr()
	cancellable, cancel := context.WithCancel(context.Background())
	defer cancel()
	rivals := []rival{
		newRueidis(b, addr),
		newCachewire(b, "cachewire", addr, false, context.Background()),
		newCachewire(b, "cachewire, cancellable", addr, false, cancellable),
		newCachewire(b, "cachewire, plain", addr, true, context.Background()),
		newRedisCache(b, addr),
		newGocache(b, addr),
		newGoRedisAlone(b, addr),
	}
	for _, verb := range []struct {
		name string
		do   func(r rival) func(i int) error
	}{
		{"Get", func(r rival) func(i int) error { return r.get }},
		{"Set", func(r rival) func(i int) error { return r.set }},
		{"Incr", func(r rival) func(i int) error { return r.incr }},
		{"GetMulti100", func(r rival) func(i int) error {
			if r.getMulti == nil {
				return nil
			}
			return func(int) error {
				n, err := r.getMulti()
				if err == nil && n != multiKeys {
					return fmt.Errorf("%d values, want %d", n, multiKeys)
				}
				return err
			}
		}},
		{"SetMulti100", func(r rival) func(i int) error {
			if r.setMulti == nil {
				return nil
			}
			return func(int) error { return r.setMulti() }
		}},
	} {
		for _, goroutines := range []int{1, 16, 64} {
			for _, r := range rivals {
				do := verb.do(r)
				if do == nil {
					continue
				}
				b.Run(fmt.Sprintf("%s/%d/%s", verb.name, goroutines, r.name), func(b *testing.B) {
					for i := range keys { // in the form that the rival reads
						if err := r.set(i); err != nil {
							b.Fatal(err)
						}
					}
					run(b, goroutines, do)
				})
			}
		}
	}
}

// run calls do b.N times, in the given number of goroutines.
func run(b *testing.B, goroutines int, do func(i int) error) {
	b.ReportAllocs()
	if goroutines == 1 {
		i := 0
		for b.Loop() {
			if err := do(i); err != nil {
				b.Fatal(err)
			}
			i++
		}
		return
	}
	done := make(chan error, goroutines)
	b.ResetTimer()
	for g := range goroutines {
		n := b.N / goroutines
		if g < b.N%goroutines {
			n++
		}
		go func() {
			for i := range n {
				if err := do(i + g); err != nil {
					done <- err
					return
				}
			}
			done <- nil
		}()
	}
	for range goroutines {
		if err := <-done; err != nil {
			b.Fatal(err)
		}
	}
}
