package memcached

import (
	"context"
	"fmt"
	"testing"
	"time"

	gomemcache "github.com/bradfitz/gomemcache/memcache"

	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/memcache"
	memcachepure "github.com/cachewire/cachewire/memcache-pure"
	"github.com/cachewire/cachewire/memcache/memcachetest"
)

const (
	timeout   = 10 * time.Second // long enough for any machine
	maxIdle   = 128              // idle connections, more than the goroutines need
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

// A rival is one way to call memcached. The key of get and set depends on i.
type rival struct {
	name     string
	get      func(i int) error
	set      func(i int) error
	incr     func(i int) error
	getMulti func() (int, error)
	setMulti func() error
}

// newGomemcache returns the gomemcache library alone, with as many idle connections as
// memcache-pure.
func newGomemcache(addr string) rival {
	c := gomemcache.New(addr)
	c.Timeout, c.MaxIdleConns = timeout, maxIdle
	return rival{
		name: "gomemcache",
		get:  func(i int) error { _, err := c.Get(keys[i%multiKeys]); return err },
		set: func(i int) error {
			return c.Set(&gomemcache.Item{Key: keys[i%multiKeys], Value: value, Expiration: 60})
		},
		incr: func(int) error { _, err := c.Increment("count", 1); return err },
		getMulti: func() (int, error) {
			items, err := c.GetMulti(keys[:])
			return len(items), err
		},
		setMulti: func() error { // gomemcache has no verb for it
			for _, key := range keys {
				item := gomemcache.Item{Key: key, Value: value, Expiration: 60}
				if err := c.Set(&item); err != nil {
					return err
				}
			}
			return nil
		},
	}
}

// newPure returns a backend of memcache-pure at addr.
func newPure(b *testing.B, addr string) core.Backend {
	backend, err := memcachepure.New([]memcache.Server{{Addr: addr}}, &memcachepure.Options{
		Options: memcache.Options{Timeout: timeout}, MaxIdle: maxIdle,
	})
	if err != nil {
		b.Fatal(err)
	}
	return backend
}

// newCachewire returns a core.Cache on backend, whose verbs are called with ctx.
func newCachewire(b *testing.B, name string, backend core.Backend, ctx context.Context) rival {
	c, err := core.New(backend, nil)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { c.Close() })
	return rival{
		name: name,
		get:  func(i int) error { _, err := c.Get(ctx, keys[i%multiKeys]); return err },
		set:  func(i int) error { return c.Set(ctx, keys[i%multiKeys], value, time.Minute) },
		incr: func(int) error { _, err := c.Incr(ctx, "count", 1); return err },
		getMulti: func() (int, error) {
			items, err := c.GetMulti(ctx, keys[:])
			return len(items), err
		},
		setMulti: func() error { return c.SetMulti(ctx, values, time.Minute) },
	}
}

func BenchmarkPure(b *testing.B) {
	nearAndFar(b, func(addr string, cancellable context.Context) []rival {
		return []rival{
			newGomemcache(addr),
			newCachewire(b, "cachewire", newPure(b, addr), context.Background()),
			newCachewire(b, "cachewire, cancellable", newPure(b, addr), cancellable),
		}
	})
}

// nearAndFar compares the rivals that newRivals returns, first at the address of a server,
// then at the address of a proxy in front of it.
func nearAndFar(b *testing.B, newRivals func(addr string, cancellable context.Context) []rival) {
	server := memcachetest.Start(b, &memcachetest.Options{Args: []string{"-c", "8192", "-t", "4"}})
	server.Do("set count 2 0 1\r\n0")
	for _, far := range []bool{false, true} {
		addr, distance := server.Addr(), "loopback"
		if far {
			opts := &memcachetest.ProxyOptions{RoundTrip: 2 * time.Millisecond}
			addr, distance = memcachetest.StartProxy(b, addr, opts).Addr(), "2ms away"
		}
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		rivals := newRivals(addr, ctx)
		b.Run(distance, func(b *testing.B) { compare(b, rivals) })
	}
}

// compare runs each verb of all rivals with different numbers of goroutines.
func compare(b *testing.B, rivals []rival) {
	if err := rivals[0].setMulti(); err != nil { // so that the keys are present
		b.Fatal(err)
	}
	for _, verb := range []struct {
		name string
		do   func(r rival, i int) error
	}{
		{"Get", func(r rival, i int) error { return r.get(i) }},
		{"Set", func(r rival, i int) error { return r.set(i) }},
		{"Incr", func(r rival, i int) error { return r.incr(i) }},
		{"GetMulti100", func(r rival, _ int) error {
			n, err := r.getMulti()
			if err == nil && n != multiKeys {
				return fmt.Errorf("GetMulti returned %d items, want %d", n, multiKeys)
			}
			return err
		}},
		{"SetMulti100", func(r rival, _ int) error { return r.setMulti() }},
	} {
		for _, goroutines := range []int{1, 16, 64} {
			for _, r := range rivals {
				b.Run(fmt.Sprintf("%s/%d/%s", verb.name, goroutines, r.name), func(b *testing.B) {
					run(b, goroutines, func(i int) error { return verb.do(r, i) })
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
