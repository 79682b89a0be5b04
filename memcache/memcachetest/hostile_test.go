package memcachetest_test

import (
	"encoding/binary"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cachewire/cachewire/memcache/memcachetest"
)

func TestInTurnCallsEachStepOnceAndThenAlwaysTheLast(t *testing.T) {
	t.Parallel()
	server := memcachetest.StartHostile(t, memcachetest.InTurn(
		memcachetest.Reply("VALUE k 0 4294967295\r\n"),
		memcachetest.Reply("SERVER_ERROR out of memory storing object\r\n"),
		memcachetest.Reply("END\r\n"),
	))
	c := dial(t, server.Addr())
	c.send(t, "get k\r\n")
	c.wantBytes(t, "VALUE k 0 4294967295\r\n")
	c = dial(t, server.Addr()) // steps are counted over all connections
	c.send(t, "set k 0 0 5\r\nhel")
	c.wantSilence(t, 20*time.Millisecond) // half a request has no step
	c.send(t, "lo\r\nget k\r\nget l\r\n")
	c.wantBytes(t, "SERVER_ERROR out of memory storing object\r\nEND\r\nEND\r\n")

	want := []string{"get k\r\n", "set k 0 0 5\r\nhello\r\n", "get k\r\n", "get l\r\n"}
	if got := server.Requests(); !slices.Equal(got, want) {
		t.Errorf("Requests() = %q, want %q", got, want)
	}
	if n := server.Dialled(); n != 2 {
		t.Errorf("Dialled() = %d, want 2", n)
	}
}

func TestHostileReadsWholeRequests(t *testing.T) {
	t.Parallel()
	header := make([]byte, 24)
	header[0] = 0x80
	binary.BigEndian.PutUint32(header[8:], 7)
	requests := []string{
		"get a b c\r\n",
		"set a 0 0 7\r\nget b\r\n\r\n", // a value that looks like a request
		"add a 0 0 1 noreply\r\nx\r\n",
		"replace a 0 0 0\r\n\r\n",
		"append a 0 0 1\r\nx\r\n",
		"prepend a 0 0 1\r\nx\r\n",
		"cas a 0 0 1 77\r\nx\r\n",
		"ms a 1 T0\r\nx\r\n",
		"ms a 2\r\n\r\n\r\n",
		"mg a v\r\n",
		"set\r\n", "set a 0 0 many\r\n", "set a 0 0 -1\r\n", "\r\n", // without a data block
		string(header) + "\r\nbody\n",
		"incr a 1\r\n",
	}
	server := memcachetest.StartHostile(t, memcachetest.InTurn(memcachetest.Reply("OK\r\n")))
	for _, size := range []int{1, 1 << 20} { // byte by byte, and all at once
		c := dial(t, server.Addr())
		for piece := range slices.Chunk([]byte(strings.Join(requests, "")), size) {
			c.send(t, string(piece))
		}
		c.wantBytes(t, strings.Repeat("OK\r\n", len(requests)))
	}
	got, want := server.Requests(), slices.Concat(requests, requests)
	if !slices.Equal(got, want) {
		t.Errorf("Requests() = %q, want %q", got, want)
	}
}

func TestReplyAndCloseSendsTextAndClosesTheConnection(t *testing.T) {
	t.Parallel()
	server := memcachetest.StartHostile(t, memcachetest.InTurn(
		memcachetest.ReplyAndClose("VALUE k 0 5\r\nhel"),
		memcachetest.ReplyAndClose(""),
	))
	c := dial(t, server.Addr())
	c.send(t, "get k\r\n")
	c.wantBytes(t, "VALUE k 0 5\r\nhel")
	c.wantClosed(t)
	c = dial(t, server.Addr())
	c.send(t, "get k\r\n")
	c.wantClosed(t)
}

func TestReplySlowlySendsByteByByte(t *testing.T) {
	t.Parallel()
	const pause = 5 * time.Millisecond
	server := memcachetest.StartHostile(t,
		memcachetest.InTurn(memcachetest.ReplySlowly("END\r\n", pause)))
	c := dial(t, server.Addr())
	start := time.Now()
	c.send(t, "get k\r\n")
	c.wantBytes(t, "END\r\n")
	if took := time.Since(start); took < 4*pause {
		t.Errorf("5 bytes took %v, want at least 4 pauses of %v", took, pause)
	}
}

func TestReplyForEverDoesNotEnd(t *testing.T) {
	t.Parallel()
	server := memcachetest.StartHostile(t, memcachetest.InTurn(memcachetest.ReplyForEver("VALUE ")))
	c := dial(t, server.Addr())
	c.send(t, "get k\r\n")
	c.wantBytes(t, strings.Repeat("VALUE ", 1<<20))
}

func TestNoReplySendsNothingAndKeepsTheConnection(t *testing.T) {
	t.Parallel()
	server := memcachetest.StartHostile(t,
		memcachetest.InTurn(memcachetest.NoReply(), memcachetest.Reply("END\r\n")))
	c := dial(t, server.Addr())
	c.send(t, "get k\r\n")
	c.wantSilence(t, 20*time.Millisecond)
	c.send(t, "get k\r\n")
	c.wantBytes(t, "END\r\n")
	c.wantSilence(t, 20*time.Millisecond)
}

func TestStepIsCalledWithTheRequest(t *testing.T) {
	t.Parallel()
	step := func(c *memcachetest.Conn, request string) {
		key := strings.Fields(request)[1]
		io.WriteString(c, "VALUE not-"+key+" 0 1\r\nx\r\nEND\r\n")
	}
	server := memcachetest.StartHostile(t, memcachetest.InTurn(step))
	c := dial(t, server.Addr())
	c.send(t, "get k\r\n")
	c.wantBytes(t, "VALUE not-k 0 1\r\nx\r\nEND\r\n")
}

func TestHandleReadsAndWritesTheConnectionItself(t *testing.T) {
	t.Parallel()
	server := memcachetest.StartHostile(t, func(c *memcachetest.Conn) {
		io.WriteString(c, "hello ") // before any request
		first, err := c.Request()
		if err != nil {
			return
		}
		rest := make([]byte, 4) // the bytes after the request
		if _, err := io.ReadFull(c, rest); err != nil {
			return
		}
		io.WriteString(c, first+string(rest))
	})
	c := dial(t, server.Addr())
	c.wantBytes(t, "hello ")
	c.send(t, "get k\r\n1234")
	c.wantBytes(t, "get k\r\n1234")
	c.wantClosed(t) // the handler has returned
}

func TestHostileLeavesNoGoroutines(t *testing.T) {
	checkGoroutines(t, func(outer *testing.T) {
		for _, step := range []memcachetest.Step{
			memcachetest.NoReply(),
			memcachetest.ReplyForEver("x"),
			memcachetest.ReplySlowly("abc", time.Hour),
			func(c *memcachetest.Conn, _ string) { io.Copy(io.Discard, c) },
		} {
			outer.Run("", func(t *testing.T) {
				server := memcachetest.StartHostile(t, memcachetest.InTurn(step))
				// The connection stays open for longer than the server.
				dial(outer, server.Addr()).send(t, "get k\r\n")
				waitFor(t, "the request has arrived", func() bool {
					return len(server.Requests()) == 1
				})
			})
		}
	})
}
