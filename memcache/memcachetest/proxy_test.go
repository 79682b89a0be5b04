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

// throughProxy starts a server and a proxy before it.
func throughProxy(t *testing.T, opts *memcachetest.ProxyOptions) (*memcachetest.Server, *memcachetest.Proxy) {
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
		c.receives(t, "STORED\r\nVALUE key 0 800000\r\n"+value+"\r\nEND\r\n")
		c.send(t, "quit\r\n")
		c.isClosed(t)
	}
}

func TestProxyAddsItsRoundTrip(t *testing.T) {
	t.Parallel()
	const roundTrip = 20 * time.Millisecond
	_, proxy := throughProxy(t, &memcachetest.ProxyOptions{RoundTrip: roundTrip})
	c := dial(t, proxy.Addr())
	for range 5 {
		start := time.Now()
		c.send(t, "get key\r\n")
		c.receives(t, "END\r\n")
		if took := time.Since(start); took < roundTrip {
			t.Errorf("a get took %v, less than the round trip of %v", took, roundTrip)
		}
	}
	proxy.Set(nil)
	c.send(t, "get key\r\n")
	c.receives(t, "END\r\n")
}

// takesLess says that f must take less than limit, at least once: a machine that
// has other things to do is late, but never early. It answers how long f took.
func takesLess(t *testing.T, limit time.Duration, f func()) time.Duration {
	t.Helper()
	var took time.Duration
	for range 5 {
		start := time.Now()
		f()
		if took = time.Since(start); took < limit {
			return took
		}
	}
	t.Errorf("it took %v, want less than %v", took, limit)
	return took
}

func TestPipelinedRequestsTakeOneRoundTripTogether(t *testing.T) {
	t.Parallel()
	const roundTrip = 20 * time.Millisecond
	_, proxy := throughProxy(t, &memcachetest.ProxyOptions{RoundTrip: roundTrip})
	c := dial(t, proxy.Addr())
	took := takesLess(t, 5*roundTrip, func() {
		for range 100 {
			c.send(t, "get key\r\n")
		}
		c.receives(t, strings.Repeat("END\r\n", 100))
	})
	if took < roundTrip {
		t.Errorf("100 gets took %v, less than the round trip of %v", took, roundTrip)
	}
}

func TestProxyWithADelayIsNoBottleneck(t *testing.T) {
	t.Parallel()
	value := strings.Repeat("x", 8<<20)
	server := memcachetest.StartHostile(t, memcachetest.InTurn(memcachetest.Reply(value)))
	proxy := memcachetest.StartProxy(t, server.Addr(), &memcachetest.ProxyOptions{RoundTrip: 100 * time.Millisecond})
	c := dial(t, proxy.Addr())
	takesLess(t, 2*time.Second, func() { // 128 chunks of 64 KiB, one each 50 ms, would take 6.4 s
		c.send(t, "get key\r\n")
		c.receives(t, value)
	})
}

func TestProxyWithoutADelayLetsTheSenderFeelAServerThatTakesNothing(t *testing.T) {
	t.Parallel()
	server, proxy := throughProxy(t, nil)
	server.Pause()
	c := dial(t, proxy.Addr())
	const tooMuch = 64 << 20 // what sockets hold is less
	block := make([]byte, 64<<10)
	for n := 0; n < tooMuch; n += len(block) {
		c.SetWriteDeadline(time.Now().Add(200 * time.Millisecond))
		if _, err := c.Write(block); errors.Is(err, os.ErrDeadlineExceeded) {
			return
		} else if err != nil {
			t.Fatal(err)
		}
	}
	t.Errorf("%d bytes were taken by nobody", tooMuch)
}

func TestCutClosesAllConnections(t *testing.T) {
	t.Parallel()
	server, proxy := throughProxy(t, nil)
	var clients []*client
	for range 3 {
		c := dial(t, proxy.Addr())
		c.send(t, "get key\r\n")
		c.receives(t, "END\r\n")
		clients = append(clients, c)
	}
	proxy.Cut()
	if n := proxy.Open(); n != 0 {
		t.Errorf("%d connections are open", n)
	}
	for _, c := range clients {
		c.isClosed(t)
	}
	until(t, "the server is rid of them, too", func() bool { return server.Stat("curr_connections") == "1" })

	c := dial(t, proxy.Addr()) // new ones are as before
	c.send(t, "get key\r\n")
	c.receives(t, "END\r\n")
}

func TestCutEndsWhatIsUnderWay(t *testing.T) {
	t.Parallel()
	server, proxy := throughProxy(t, &memcachetest.ProxyOptions{RoundTrip: time.Hour})
	c := dial(t, proxy.Addr())
	c.send(t, "set key 0 0 1\r\nx\r\n")
	until(t, "the connection is open", func() bool { return proxy.Open() == 1 })
	proxy.Cut()
	c.isClosed(t)
	if got := server.Do("get key"); got != "END\r\n" {
		t.Errorf("get: %q, want a miss", got)
	}
}

func TestRefusedConnectionsCanBeMended(t *testing.T) {
	t.Parallel()
	_, proxy := throughProxy(t, &memcachetest.ProxyOptions{Refuse: true})
	refuses(t, proxy.Addr())
	proxy.Set(nil)
	c := dial(t, proxy.Addr())
	c.send(t, "get key\r\n")
	c.receives(t, "END\r\n")
	proxy.Set(&memcachetest.ProxyOptions{Refuse: true})
	refuses(t, proxy.Addr())
	c.send(t, "get key\r\n") // open ones stay
	c.receives(t, "END\r\n")
	proxy.Cut()
	c.isClosed(t)
	if n := proxy.Dialled(); n != 1 {
		t.Errorf("%d connections were dialled, want 1", n)
	}
}

func TestHangUpAcceptsAndCloses(t *testing.T) {
	t.Parallel()
	_, proxy := throughProxy(t, &memcachetest.ProxyOptions{HangUp: true})
	dial(t, proxy.Addr()).isClosed(t)
	dial(t, proxy.Addr()).isClosed(t)
	if n := proxy.Dialled(); n != 2 {
		t.Errorf("%d connections were dialled, want 2", n)
	}
	proxy.Set(nil)
	c := dial(t, proxy.Addr())
	c.send(t, "get key\r\n")
	c.receives(t, "END\r\n")
}

func TestDripDeliversRepliesByteByByte(t *testing.T) {
	t.Parallel()
	const drip = 5 * time.Millisecond
	_, proxy := throughProxy(t, &memcachetest.ProxyOptions{Drip: drip})
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
			t.Errorf("%d bytes after %v, with a pause of %v after each", got, took, drip)
		}
	}
}

func TestSwallowedRepliesWereCarriedOut(t *testing.T) {
	t.Parallel()
	server, proxy := throughProxy(t, &memcachetest.ProxyOptions{Swallow: true})
	c := dial(t, proxy.Addr())
	c.send(t, "set key 0 0 5\r\nhello\r\n")
	until(t, "the value is stored", func() bool { return server.Do("get key") != "END\r\n" })
	c.isSilent(t, 30*time.Millisecond)
	proxy.Set(nil)
	c.send(t, "get key\r\n")
	c.receives(t, "VALUE key 0 5\r\n")
}

func TestProxyCountsConnections(t *testing.T) {
	t.Parallel()
	server, proxy := throughProxy(t, nil)
	a, b := dial(t, proxy.Addr()), dial(t, proxy.Addr())
	until(t, "two are open", func() bool { return proxy.Open() == 2 })
	server.Pause() // a server that does not see it is no reason not to count it
	a.Close()
	until(t, "one is open", func() bool { return proxy.Open() == 1 })
	server.Resume()
	b.Close()
	until(t, "none is open", func() bool { return proxy.Open() == 0 })
	if n := proxy.Dialled(); n != 2 {
		t.Errorf("%d connections were dialled, want 2", n)
	}
}

func TestProxyHangsUpWhereThereIsNoServer(t *testing.T) {
	t.Parallel()
	server, proxy := throughProxy(t, nil)
	c := dial(t, proxy.Addr())
	c.send(t, "get key\r\n")
	c.receives(t, "END\r\n")
	server.Kill()
	c.isClosed(t)
	dial(t, proxy.Addr()).isClosed(t)
	server.Restart()
	c = dial(t, proxy.Addr())
	c.send(t, "get key\r\n")
	c.receives(t, "END\r\n")
}

func TestHalfAConnectionClosesAfterWhatWasSent(t *testing.T) {
	t.Parallel()
	_, proxy := throughProxy(t, &memcachetest.ProxyOptions{RoundTrip: 10 * time.Millisecond})
	c := dial(t, proxy.Addr())
	c.send(t, "get key\r\n")
	c.Conn.(*net.TCPConn).CloseWrite()
	c.receives(t, "END\r\n")
	c.isClosed(t)
}

func TestProxyLeavesNothingBehind(t *testing.T) {
	leavesNoGoroutine(t, func(outer *testing.T) {
		for _, opts := range []*memcachetest.ProxyOptions{
			nil, {RoundTrip: time.Hour}, {Drip: time.Hour}, {Swallow: true}, {Refuse: true},
		} {
			outer.Run("", func(t *testing.T) {
				server, proxy := throughProxy(t, nil)
				// It stays open for longer than the proxy.
				c := dial(outer, proxy.Addr())
				until(t, "the connection is open", func() bool { return proxy.Open() == 1 })
				proxy.Set(opts)
				c.send(t, "get key\r\n")
				server.Pause()
			})
		}
	})
}

func TestProxyCutsAReplyThatIsLonger(t *testing.T) {
	t.Parallel()
	_, proxy := throughProxy(t, &memcachetest.ProxyOptions{CutAfter: 5})
	c := dial(t, proxy.Addr())
	c.send(t, "get key\r\n")
	c.receives(t, "END\r\n")
	c.send(t, "set key 0 0 5\r\nvalue\r\n")
	c.receives(t, "STORE")
	c.isClosed(t)
}
