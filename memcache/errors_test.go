package memcache_test

import (
	"errors"
	"io"
	"net"
	"testing"
	"time"

	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/memcache"
)

// Each case takes its error from a real connection, because systems report closed connections
// by different errors.
func TestIsLostReportsClosedConnections(t *testing.T) {
	for _, test := range []struct {
		name string
		lost bool
		err  func(t *testing.T) error
	}{
		{"closed by the server", true, func(t *testing.T) error {
			client, server := pair(t)
			server.Close()
			return read(client)
		}},
		{"closed in the middle of a reply", true, func(t *testing.T) error {
			client, server := pair(t)
			server.Write([]byte("VAL"))
			server.Close()
			_, err := io.ReadFull(client, make([]byte, 5))
			return err
		}},
		{"reset by the server", true, func(t *testing.T) error {
			client, server := pair(t)
			server.SetLinger(0)
			server.Close()
			return read(client)
		}},
		{"written to after the server closed it", true, func(t *testing.T) error {
			client, server := pair(t)
			server.Close()
			for { // the first write may succeed; its reset makes the next one fail
				if _, err := client.Write([]byte("get k\r\n")); err != nil {
					return err
				}
			}
		}},
		{"closed by this program", true, func(t *testing.T) error {
			client, _ := pair(t)
			client.Close()
			return read(client)
		}},
		{"a time-out", false, func(t *testing.T) error {
			client, _ := pair(t)
			client.SetDeadline(time.Now())
			return read(client)
		}},
		{"no server", false, func(t *testing.T) error {
			l := listen(t)
			l.Close()
			_, err := net.Dial("tcp", l.Addr().String())
			return err
		}},
		{"a miss", false, func(*testing.T) error { return core.ErrMiss }},
		{"no error", false, func(*testing.T) error { return nil }},
	} {
		err := test.err(t)
		if got := memcache.IsLost(err); got != test.lost {
			t.Errorf("%s: IsLost(%v) = %t", test.name, err, got)
		}
		if err == nil {
			continue
		}
		wrapped := memcache.Unavailable(memcache.Server{Addr: "a:1"}, err)
		if got := memcache.IsLost(wrapped); got != test.lost {
			t.Errorf("%s: IsLost(Unavailable(%v)) = %t", test.name, err, got)
		}
	}
}

// read returns the error of reading one byte.
func read(conn net.Conn) error {
	_, err := conn.Read(make([]byte, 1))
	if err == nil {
		return errors.New("read a byte")
	}
	return err
}

func listen(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

// pair returns both ends of a connection.
func pair(t *testing.T) (client, server *net.TCPConn) {
	t.Helper()
	l := listen(t)
	conn, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	other, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { other.Close() })
	return conn.(*net.TCPConn), other.(*net.TCPConn)
}
