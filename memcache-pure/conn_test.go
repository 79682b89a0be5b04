package memcachepure

import (
	"io"
	"net"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/cachewire/cachewire/memcache"
)

// A readConn is a connection that can only be read.
type readConn struct {
	net.Conn
	io.Reader
}

func (c readConn) Read(p []byte) (int, error) { return c.Reader.Read(p) }

// Read of a connection may return io.EOF together with the last bytes of a long value.
func TestLongValueIsReadIfTheConnectionEndsWithIt(t *testing.T) {
	const n = 3 * smallValue
	value := strings.Repeat("x", n)
	whole := "VALUE k 0 3145728 7\r\n" + value + "\r\n"
	for cut, want := range map[int]error{
		0: nil, 1: io.ErrUnexpectedEOF, 2: io.ErrUnexpectedEOF, n: io.ErrUnexpectedEOF,
	} {
		var c checkedConn
		if err := c.reply.begin([]byte("gets k\r\n")); err != nil {
			t.Fatal(err)
		}
		reply := iotest.DataErrReader(strings.NewReader(whole[:len(whole)-cut]))
		c.Conn = &memcache.Conn{Conn: readConn{Reader: reply}}
		got := make([]byte, len(whole))
		var total int
		var err error
		for total < len(got) && err == nil {
			var n int
			n, err = c.Read(got[total:])
			total += n
		}
		if err != want || err == nil && string(got) != whole {
			t.Errorf("reply without its last %d bytes: error is %v, want %v", cut, err, want)
		}
	}
}
