package memcachemeta_test

import (
	"context"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/cachewire/cachewire/memcache/memcachetest"
)

// startSlowLink returns the address of a relay to the server at target, which passes on rate bytes
// a second in each direction. It ends with the test.
func startSlowLink(t *testing.T, target string, rate int) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var tasks sync.WaitGroup
	relay := func(to, from net.Conn) {
		defer to.Close()
		buf := make([]byte, 16<<10)
		for arrival := time.Now(); ctx.Err() == nil; {
			n, err := from.Read(buf)
			if err != nil {
				return
			}
			// A sleep that takes too long is made up for; a link that was idle is not.
			if now := time.Now(); now.Sub(arrival) > 10*time.Millisecond {
				arrival = now
			}
			arrival = arrival.Add(time.Duration(n) * time.Second / time.Duration(rate))
			time.Sleep(time.Until(arrival))
			if _, err := to.Write(buf[:n]); err != nil {
				return
			}
		}
	}
	tasks.Go(func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			server, err := net.Dial("tcp", target)
			if err != nil {
				client.Close()
				continue
			}
			context.AfterFunc(ctx, func() { client.Close(); server.Close() })
			tasks.Go(func() { relay(server, client) })
			tasks.Go(func() { relay(client, server) })
		}
	})
	t.Cleanup(func() {
		cancel()
		listener.Close()
		tasks.Wait()
	})
	return listener.Addr().String()
}

// Small requests beside a large one take no longer than the bytes of the large one.
func TestALargeValueHoldsUpSmallOnesForItsOwnBytes(t *testing.T) {
	const rate = 10 << 20 // bytes a second
	link := startSlowLink(t, memcachetest.Start(t, nil).Addr(), rate)
	c := openCache(t, longTimeoutOptions, link)
	large := make([]byte, 1<<20-1000)
	set(t, c, "small", "s")
	for verb, call := range map[string]func() error{
		"Set": func() error { return c.Set(context.Background(), "large", large, 0) },
		"Get": func() error { _, err := c.Get(context.Background(), "large"); return err },
	} {
		wantErr(t, c.Set(t.Context(), "large", large, 0), nil)
		// The shortest times of several rounds, because the machine may be busy now and then.
		own, least := time.Hour, time.Hour
		for range 5 {
			begin := time.Now()
			wantErr(t, call(), nil)
			own = min(own, time.Since(begin))
			var longest time.Duration
			done := make(chan struct{})
			go func() {
				defer close(done)
				wantErr(t, call(), nil)
			}()
			for {
				begin := time.Now()
				wantValue(t, c, "small", "s")
				longest = max(longest, time.Since(begin))
				select {
				case <-done:
				default:
					continue
				}
				break
			}
			least = min(least, longest)
		}
		if least > own+own/2 {
			t.Errorf("beside a %s that takes %v alone, a small Get took %v", verb, own, least)
		}
	}
}
