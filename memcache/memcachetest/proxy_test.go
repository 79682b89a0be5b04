package memcachetest_test

import (
	"errors"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/cachewire/cachewire/memcache/memcachetest"
)

// startProxy starts a server, and a proxy for it.
func startProxy(
	t *testing.T, opts *memcachetest.ProxyOptions,
) (*memcachetest.Server, *memcachetest.Proxy) {
	t.Helper()
	server := memcachetest.Start(t, nil)
	return server, memcachetest.StartProxy(t, server.Addr(), opts)
}

func TestProxyCarriesBytes(t *testing.T) {
	t.Parallel()
	for _, unix := range []bool{false, true} {
		server := memcachetest.Start(t, &memcachetest.Options{Unix: unix})
		c := dial(t, memcachetest.StartProxy(t, server.Addr(), nil).Addr())
		value := strings.Repeat("abcdefgh", 100_000)
		c.send(t, "set key 0 0 800000\r\n"+value+"\r\nget key\r\n")
		c.wantBytes(t, "STORED\r\nVALUE key 0 800000\r\n"+value+"\r\nEND\r\n")
		c.send(t, "quit\r\n")
		c.wantClosed(t)
	}
}

func TestProxyDelaysRepliesByRoundTrip(t *testing.T) {
	t.Parallel()
	const roundTrip = 20 * time.Millisecond
	_, proxy := startProxy(t, &memcachetest.ProxyOptions{RoundTrip: roundTrip})
	c := dial(t, proxy.Addr())
	for range 5 {
		start := time.Now()
		c.send(t, "get key\r\n")
		c.wantBytes(t, "END\r\n")
		if took := time.Since(start); took < roundTrip {
			t.Errorf("a get took %v, less than the round trip of %v", took, roundTrip)
		}
	}
	proxy.Set(nil)
	c.send(t, "get key\r\n")
	c.wantBytes(t, "END\r\n")
}

// wantWithin checks that at least one of five calls of f takes less than limit, because a
// busy machine makes calls slower, but never faster. It returns how long the last call
// took.
func wantWithin(t *testing.T, limit time.Duration, f func()) time.Duration {
	t.Helper()
	var took time.Duration
	for range 5 {
		start := time.Now()
		f()
		if took = time.Since(start); took < limit {
			return took
		}
	}
	t.Errorf("the call took %v, want less than %v", took, limit)
	return took
}

func TestPipelinedRequestsTakeOneRoundTrip(t *testing.T) {
	t.Parallel()
	const roundTrip = 20 * time.Millisecond
	_, proxy := startProxy(t, &memcachetest.ProxyOptions{RoundTrip: roundTrip})
	c := dial(t, proxy.Addr())
	took := wantWithin(t, 5*roundTrip, func() {
		for range 100 {
			c.send(t, "get key\r\n")
		}
		c.wantBytes(t, strings.Repeat("END\r\n", 100))
	})
	if took < roundTrip {
		t.Errorf("100 gets took %v, less than the round trip of %v", took, roundTrip)
	}
}

func TestProxyWithRoundTripDoesNotLimitThroughput(t *testing.T) {
	t.Parallel()
	value := strings.Repeat("x", 8<<20)
	server := memcachetest.StartHostile(t, memcachetest.InTurn(memcachetest.Reply(value)))
	proxy := memcachetest.StartProxy(t, server.Addr(), &memcachetest.ProxyOptions{
		RoundTrip: 100 * time.Millisecond,
	})
	c := dial(t, proxy.Addr())
	// If only one chunk of 64 KiB were in transit at a time, 128 chunks at 50 ms would take
	// 6.4 s.
	wantWithin(t, 2*time.Second, func() {
		c.send(t, "get key\r\n")
		c.wantBytes(t, value)
	})
}

func TestProxyWithoutRoundTripBlocksTheSenderIfTheServerDoesNotRead(t *testing.T) {
	t.Parallel()
	server, proxy := startProxy(t, nil)
	server.Pause()
	c := dial(t, proxy.Addr())
	const tooMuch = 64 << 20 // more than the sockets buffer
	block := make([]byte, 64<<10)
	for n := 0; n < tooMuch; n += len(block) {
		c.SetWriteDeadline(time.Now().Add(200 * time.Millisecond))
		if _, err := c.Write(block); errors.Is(err, os.ErrDeadlineExceeded) {
			return
		} else if err != nil {
			t.Fatal(err)
		}
	}
	t.Errorf("wrote %d bytes to a server that does not read, want a time-out", tooMuch)
}

func TestCutClosesAllConnections(t *testing.T) {
	t.Parallel()
	server, proxy := startProxy(t, nil)
	var clients []*client
	for range 3 {
		c := dial(t, proxy.Addr())
		c.send(t, "get key\r\n")
		c.wantBytes(t, "END\r\n")
		clients = append(clients, c)
	}
	proxy.Cut()
	if n := proxy.Open(); n != 0 {
		t.Errorf("Open() = %d, want 0", n)
	}
	for _, c := range clients {
		c.wantClosed(t)
	}
	waitFor(t, "the server has no connections of the proxy", func() bool {
		return server.Stat("curr_connections") == "1"
	})

	c := dial(t, proxy.Addr()) // new connections work
	c.send(t, "get key\r\n")
	c.wantBytes(t, "END\r\n")
}

func TestCutDropsBytesInTransit(t *testing.T) {
	t.Parallel()
	server, proxy := startProxy(t, &memcachetest.ProxyOptions{RoundTrip: time.Hour})
	c := dial(t, proxy.Addr())
	c.send(t, "set key 0 0 1\r\nx\r\n")
	waitFor(t, "the connection is open", func() bool { return proxy.Open() == 1 })
	proxy.Cut()
	c.wantClosed(t)
	if got := server.Do("get key"); got != "END\r\n" {
		t.Errorf("get: %q, want a miss", got)
	}
}

func TestProxyAcceptsConnectionsAgainAfterRefuse(t *testing.T) {
	t.Parallel()
	_, proxy := startProxy(t, &memcachetest.ProxyOptions{Refuse: true})
	wantRefused(t, proxy.Addr())
	proxy.Set(nil)
	c := dial(t, proxy.Addr())
	c.send(t, "get key\r\n")
	c.wantBytes(t, "END\r\n")
	proxy.Set(&memcachetest.ProxyOptions{Refuse: true})
	wantRefused(t, proxy.Addr())
	c.send(t, "get key\r\n") // the open connection still works
	c.wantBytes(t, "END\r\n")
	proxy.Cut()
	c.wantClosed(t)
	if n := proxy.Dialled(); n != 1 {
		t.Errorf("Dialled() = %d, want 1", n)
	}
}

func TestHangUpAcceptsAndCloses(t *testing.T) {
	t.Parallel()
	_, proxy := startProxy(t, &memcachetest.ProxyOptions{HangUp: true})
	dial(t, proxy.Addr()).wantClosed(t)
	dial(t, proxy.Addr()).wantClosed(t)
	if n := proxy.Dialled(); n != 2 {
		t.Errorf("Dialled() = %d, want 2", n)
	}
	proxy.Set(nil)
	c := dial(t, proxy.Addr())
	c.send(t, "get key\r\n")
	c.wantBytes(t, "END\r\n")
}

func TestDripDeliversRepliesByteByByte(t *testing.T) {
	t.Parallel()
	const drip = 5 * time.Millisecond
	_, proxy := startProxy(t, &memcachetest.ProxyOptions{Drip: drip})
	c := dial(t, proxy.Addr())
	start := time.Now()
	c.send(t, "set key 0 0 5\r\nhello\r\n")
	for got := 0; got < len("STORED\r\n"); {
		n, err := c.Read(make([]byte, 100))
		if err != nil {
			t.Fatal(err)
		}
		got += n
		if took := time.Since(start); took < time.Duration(got-1)*drip {
			t.Errorf("%d bytes took %v, want a pause of %v after each", got, took, drip)
		}
	}
}

func TestSwallowDropsRepliesButNotRequests(t *testing.T) {
	t.Parallel()
	server, proxy := startProxy(t, &memcachetest.ProxyOptions{Swallow: true})
	c := dial(t, proxy.Addr())
	c.send(t, "set key 0 0 5\r\nhello\r\n")
	waitFor(t, "the value is stored", func() bool { return server.Do("get key") != "END\r\n" })
	c.wantSilence(t, 30*time.Millisecond)
	proxy.Set(nil)
	c.send(t, "get key\r\n")
	c.wantBytes(t, "VALUE key 0 5\r\n")
}

func TestProxyCountsConnections(t *testing.T) {
	t.Parallel()
	server, proxy := startProxy(t, nil)
	a, b := dial(t, proxy.Addr()), dial(t, proxy.Addr())
	waitFor(t, "two connections are open", func() bool { return proxy.Open() == 2 })
	server.Pause() // a close is counted even if the server does not notice it
	a.Close()
	waitFor(t, "one connection is open", func() bool { return proxy.Open() == 1 })
	server.Resume()
	b.Close()
	waitFor(t, "no connection is open", func() bool { return proxy.Open() == 0 })
	if n := proxy.Dialled(); n != 2 {
		t.Errorf("Dialled() = %d, want 2", n)
	}
}

func TestProxyHangsUpIfThereIsNoServer(t *testing.T) {
	t.Parallel()
	server, proxy := startProxy(t, nil)
	c := dial(t, proxy.Addr())
	c.send(t, "get key\r\n")
	c.wantBytes(t, "END\r\n")
	server.Kill()
	c.wantClosed(t)
	dial(t, proxy.Addr()).wantClosed(t)
	server.Restart()
	c = dial(t, proxy.Addr())
	c.send(t, "get key\r\n")
	c.wantBytes(t, "END\r\n")
}

func TestConnectionIsClosedAfterTheReplyIfTheClientStopsSending(t *testing.T) {
	t.Parallel()
	_, proxy := startProxy(t, &memcachetest.ProxyOptions{RoundTrip: 10 * time.Millisecond})
	c := dial(t, proxy.Addr())
	c.send(t, "get key\r\n")
	c.Conn.(*net.TCPConn).CloseWrite()
	c.wantBytes(t, "END\r\n")
	c.wantClosed(t)
}

func TestProxyLeavesNoGoroutines(t *testing.T) {
	checkGoroutines(t, func(outer *testing.T) {
		for _, opts := range []*memcachetest.ProxyOptions{
			nil, {RoundTrip: time.Hour}, {Drip: time.Hour}, {Swallow: true}, {Refuse: true},
		} {
			outer.Run("", func(t *testing.T) {
				server, proxy := startProxy(t, nil)
				// The connection stays open for longer than the proxy.
				c := dial(outer, proxy.Addr())
				waitFor(t, "the connection is open", func() bool { return proxy.Open() == 1 })
				proxy.Set(opts)
				c.send(t, "get key\r\n")
				server.Pause()
			})
		}
	})
}

func TestCutAfterCutsOnlyLongerReplies(t *testing.T) {
	t.Parallel()
	_, proxy := startProxy(t, &memcachetest.ProxyOptions{CutAfter: 5})
	c := dial(t, proxy.Addr())
	c.send(t, "get key\r\n")
	c.wantBytes(t, "END\r\n")
	c.send(t, "set key 0 0 5\r\nvalue\r\n")
	c.wantBytes(t, "STORE")
	c.wantClosed(t)
}
