package memcache

import (
	"bufio"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/cachewire/cachewire/core"
)

// A lineClient sends lines to a server that sends each back. It implements only Ping.
type lineClient struct {
	Client
	*Conn
}

func (c lineClient) Ping() error {
	_, err := io.WriteString(c.Conn, "x\n")
	if err == nil {
		_, err = io.ReadFull(c.Conn, make([]byte, 2))
	}
	if err != nil {
		c.Close()
	}
	return err
}

// listen serves lines at addr until the test ends or stop is called. It hangs up now and then.
func listen(t *testing.T, addr string) (server net.Addr, stop func()) {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	var tasks sync.WaitGroup
	ctx, cancel := context.WithCancel(context.Background())
	stop = func() {
		cancel()
		l.Close()
		tasks.Wait()
	}
	t.Cleanup(stop)
	tasks.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			unwatch := context.AfterFunc(ctx, func() { conn.Close() })
			tasks.Go(func() {
				defer unwatch()
				defer conn.Close()
				lines := bufio.NewReader(conn)
				for rand.N(200) > 0 {
					line, err := lines.ReadString('\n')
					if err != nil {
						return
					}
					io.WriteString(conn, line)
				}
			})
		}
	})
	return l.Addr(), stop
}

// Verbs are cancelled, wait, are refused and lose their connections, and idle connections are
// sifted meanwhile. Then the counts of the pool are those of puddle, and all places are free.
func TestThePoolAgreesWithPuddle(t *testing.T) {
	const maxOpen = 5
	addr, stop := listen(t, "127.0.0.1:0")
	b, err := NewBackend(
		[]Server{{Addr: addr.String()}},
		Options{Timeout: 30 * time.Second},
		Limits{MaxIdle: 3, MaxOpen: maxOpen, Wait: 20 * time.Millisecond, Gets: 1},
		func(c *Conn) Client { return lineClient{Conn: c} },
	)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	p := b.router.Nodes()[0].Conns
	var verbs sync.WaitGroup
	for range 24 {
		verbs.Go(func() {
			for range 300 {
				ctx, cancel := context.WithCancel(context.Background())
				timer := time.AfterFunc(rand.N(2*time.Millisecond), cancel)
				err := b.Ping(ctx)
				if err != nil && !errors.Is(err, core.ErrUnavailable) && err != context.Canceled {
					t.Errorf("Ping: %v", err)
				}
				if n := p.conns.Stat().TotalResources(); n > maxOpen {
					t.Errorf("%d connections, want at most %d", n, maxOpen)
				}
				switch rand.N(100) {
				case 0:
					p.dropIdle()
				case 1:
					p.noteSilent(time.Hour)
				case 2:
					p.Reap(time.Now())
				}
				timer.Stop()
				cancel()
			}
		})
	}
	ended := make(chan struct{})
	var restarts sync.WaitGroup
	restarts.Go(func() {
		for {
			select {
			case <-ended:
				return
			case <-time.After(10 * time.Millisecond):
				stop()
				_, stop = listen(t, addr.String())
			}
		}
	})
	verbs.Wait()
	close(ended)
	restarts.Wait()

	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(time.Millisecond) {
		p.mu.Lock()
		stat := p.conns.Stat()
		free, open, busy := p.free, p.open, len(p.suspect)+len(p.waiters)
		p.mu.Unlock()
		if free == int(stat.IdleResources()) && open == free && busy == 0 &&
			open == int(stat.TotalResources()) {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("free is %d, open %d, busy %d; puddle has %d connections, %d of them idle",
				free, open, busy, stat.TotalResources(), stat.IdleResources())
		}
	}
	var all []*Conn
	for range maxOpen {
		c := p.tryTake(context.Background())
		if c == nil {
			t.Fatalf("only %d of %d places are free", len(all), maxOpen)
		}
		all = append(all, c)
	}
	_, err = p.take(context.Background(), nil)
	if _, ok := err.(*busyError); !ok {
		t.Errorf("with all connections in use, the error is %v", err)
	}
	for _, c := range all {
		p.put(c)
	}
	if s := p.Figures(); s.Total != 3 || s.Idle != 3 || s.Acquired != 0 {
		t.Errorf("the figures are %+v, want 3 idle connections", s)
	}
}
