package memcachepooled

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"

	"github.com/cachewire/cachewire/memcache"
)

// A checkedConn is the net.Conn that the library uses. It sees every request and every reply,
// and does what the library does not do:
//
//   - It gives each request a number, and refuses a reply to another request. The library
//     would mistake a reply that comes twice for the reply to the next request.
//   - It refuses a reply that cannot belong to the request. The library allocates as much as
//     a reply says, and panics if it is too short.
//   - It sends commands that the library does not have, in the place of others.
//   - It sends a request at once, and receives replies at once. The library calls Write and
//     Read for each of their parts.
type checkedConn struct {
	*memcache.Conn
	r *bufio.Reader // reads from Conn

	// The next request gets opcode, if that is not 0, and extras.
	opcode byte
	extras []byte

	out     []byte   // of requests, not yet sent
	missing int64    // the bytes of the present request that the library has not yet written
	number  uint32   // of the last request
	last    byte     // the opcode of the last request
	keys    []string // of the requests before it that have been sent with it
	next    uint32   // the smallest number of the next reply; above number if there is none

	left   int64  // bytes of the present reply that Read has not yet returned
	long   []byte // these bytes, if the reply is long
	status int    // of the reply to the last request; -1 if there is none yet
	text   string // of the reply to the last request, if its status is an error
	err    error  // the first error; the library hides some
}

func newCheckedConn(conn *memcache.Conn) *checkedConn {
	return &checkedConn{Conn: conn, r: bufio.NewReaderSize(conn, 16<<10)}
}

// expect is called before a verb of the library. If the verb sends a single request, it is
// sent with opcode, if that is not 0, and with extras before its key.
func (c *checkedConn) expect(opcode byte, extras []byte) {
	c.opcode, c.extras = opcode, extras
	c.status, c.text, c.err = -1, "", nil
	c.keys, c.next = c.keys[:0], c.number+1
}

// smallValue is the length in bytes of the longest value that is copied to be sent together
// with its header.
const smallValue = 16 << 10

// Write sends p, unless more requests follow, or the value of the present one. The library
// writes a request without its value in one call, and the value in another one.
func (c *checkedConn) Write(p []byte) (int, error) {
	if c.missing == 0 {
		c.begin(p)
	} else {
		c.missing -= int64(len(p))
		if len(p) > smallValue {
			if err := c.send(); err != nil {
				return 0, err
			}
			return c.Conn.Write(p)
		}
		c.out = append(c.out, p...)
	}
	if c.missing > 0 || c.last == opGetKQ {
		return len(p), nil
	}
	return len(p), c.send()
}

// begin adds a request to c.out. The library has written all of it but its value.
func (c *checkedConn) begin(p []byte) {
	start := len(c.out)
	c.out = append(c.out, p[:headerLen]...)
	c.out = append(c.out, c.extras...)
	c.out = append(c.out, p[headerLen:]...)
	h := header(c.out[start:])
	c.missing = headerLen + h.bodyLen() - int64(len(p))
	if c.opcode != 0 {
		h[1] = c.opcode
	}
	h[4] += byte(len(c.extras))
	binary.BigEndian.PutUint32(h[8:], uint32(h.bodyLen())+uint32(len(c.extras)))
	c.number++
	binary.BigEndian.PutUint32(h[12:], c.number)
	if c.last = h.opcode(); c.last == opGetKQ {
		c.keys = append(c.keys, string(h[headerLen+h.extrasLen():]))
	}
}

func (c *checkedConn) send() error {
	_, err := c.Conn.Write(c.out)
	c.out = c.out[:0]
	return c.note(err)
}

// note keeps the first error.
func (c *checkedConn) note(err error) error {
	if c.err == nil {
		c.err = err
	}
	return err
}

// Read returns bytes of one reply after another.
func (c *checkedConn) Read(p []byte) (int, error) {
	if c.left == 0 {
		if err := c.beginReply(); err != nil {
			return 0, c.note(err)
		}
	}
	var n int
	var err error
	if len(c.long) > 0 {
		n = copy(p, c.long)
		c.long = c.long[n:]
	} else {
		n, err = c.r.Read(p[:min(int64(len(p)), c.left)])
	}
	c.left -= int64(n)
	return n, c.note(err)
}

// beginReply checks the beginning of the next reply. If the reply is long, it receives all of
// it, because the library allocates a value before it arrives.
func (c *checkedConn) beginReply() error {
	h, err := c.peek(headerLen)
	if err != nil {
		return err
	}
	number, opcode := h.number(), c.last
	if number < c.next || number > c.number {
		return invalidReply(fmt.Sprintf("the reply has number %d, want one from %d to %d",
			number, c.next, c.number))
	}
	c.next = number + 1
	isLast := number == c.number
	if !isLast {
		opcode = opGetKQ
	}
	if err := h.checkReply(opcode); err != nil {
		return err
	}
	c.left = headerLen + h.bodyLen()
	switch {
	case !isLast:
		key := c.keys[len(c.keys)-int(c.number-number)]
		if h, err = c.peek(headerLen + flagsLen + h.keyLen()); err != nil {
			return err
		}
		if got := h[headerLen+flagsLen:]; string(got) != key {
			return invalidReply(fmt.Sprintf("the reply is the value of %.100q, want %q", got, key))
		}
	case h.status() != statusOK:
		c.status = h.status()
		if h, err = c.peek(int(c.left)); err != nil {
			return err
		}
		c.text = string(h[headerLen:])
	default:
		c.status = statusOK
	}
	if extra := int64(c.r.Buffered()) - c.left; isLast && extra > 0 {
		return invalidReply(fmt.Sprintf("%d bytes after the end of a reply", extra))
	}
	if c.left > longReply {
		have, _ := c.r.Peek(int(min(int64(c.r.Buffered()), c.left)))
		c.long, err = c.Conn.ReadLong(have, int(c.left)-len(have))
		c.r.Discard(len(have))
	}
	return err
}

// longReply is the length in bytes of the longest reply for which the library may allocate
// memory before it arrives.
const longReply = 1 << 20

// peek returns the next n bytes without reading them.
func (c *checkedConn) peek(n int) (header, error) {
	b, err := c.r.Peek(n)
	if err == io.EOF && len(b) > 0 {
		err = io.ErrUnexpectedEOF
	}
	return b, err
}
