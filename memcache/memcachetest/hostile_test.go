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

func TestStepsAreDoneInTurnAndTheLastForEver(t *testing.T) {
	t.Parallel()
	server := memcachetest.StartHostile(t, memcachetest.InTurn(
		memcachetest.Reply("VALUE k 0 4294967295\r\n"),
		memcachetest.Reply("SERVER_ERROR out of memory storing object\r\n"),
		memcachetest.Reply("END\r\n"),
	))
	c := dial(t, server.Addr())
	c.send(t, "get k\r\n")
	c.receives(t, "VALUE k 0 4294967295\r\n")
	c = dial(t, server.Addr()) // they go on where they were
	c.send(t, "set k 0 0 5\r\nhel")
	c.isSilent(t, 20*time.Millisecond) // half a request is none
	c.send(t, "lo\r\nget k\r\nget l\r\n")
	c.receives(t, "SERVER_ERROR out of memory storing object\r\nEND\r\nEND\r\n")

	want := []string{"get k\r\n", "set k 0 0 5\r\nhello\r\n", "get k\r\n", "get l\r\n"}
	if got := server.Requests(); !slices.Equal(got, want) {
		t.Errorf("the requests were %q, want %q", got, want)
	}
	if n := server.Dialled(); n != 2 {
		t.Errorf("%d connections were dialled, want 2", n)
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
		"set\r\n", "set a 0 0 many\r\n", "set a 0 0 -1\r\n", "\r\n", // what has no block
		string(header) + "\r\nbody\n",
		"incr a 1\r\n",
	}
	server := memcachetest.StartHostile(t, memcachetest.InTurn(memcachetest.Reply("OK\r\n")))
	for _, pieces := range []int{1, 1 << 20} { // byte by byte, and all at once
		c := dial(t, server.Addr())
		for piece := range slices.Chunk([]byte(strings.Join(requests, "")), pieces) {
			c.send(t, string(piece))
		}
		c.receives(t, strings.Repeat("OK\r\n", len(requests)))
	}
	got, want := server.Requests(), slices.Concat(requests, requests)
	if !slices.Equal(got, want) {
		t.Errorf("the requests were %q, want %q", got, want)
	}
}

func TestReplyAndCloseIsHalfAReply(t *testing.T) {
	t.Parallel()
	server := memcachetest.StartHostile(t, memcachetest.InTurn(
		memcachetest.ReplyAndClose("VALUE k 0 5\r\nhel"),
		memcachetest.ReplyAndClose(""),
	))
	c := dial(t, server.Addr())
	c.send(t, "get k\r\n")
	c.receives(t, "VALUE k 0 5\r\nhel")
	c.isClosed(t)
	c = dial(t, server.Addr())
	c.send(t, "get k\r\n")
	c.isClosed(t)
}

func TestReplySlowlyIsByteByByte(t *testing.T) {
	t.Parallel()
	const every = 5 * time.Millisecond
	server := memcachetest.StartHostile(t, memcachetest.InTurn(memcachetest.ReplySlowly("END\r\n", every)))
	c := dial(t, server.Addr())
	start := time.Now()
	c.send(t, "get k\r\n")
	c.receives(t, "END\r\n")
	if took := time.Since(start); took < 4*every {
		t.Errorf("5 bytes took %v, want at least 4 pauses of %v", took, every)
	}
}

func TestReplyForEverHasNoEnd(t *testing.T) {
	t.Parallel()
	server := memcachetest.StartHostile(t, memcachetest.InTurn(memcachetest.ReplyForEver("VALUE ")))
	c := dial(t, server.Addr())
	c.send(t, "get k\r\n")
	c.receives(t, strings.Repeat("VALUE ", 1<<20))
}

func TestNoReplyIsSilenceUntilTheNextRequest(t *testing.T) {
	t.Parallel()
	server := memcachetest.StartHostile(t, memcachetest.InTurn(memcachetest.NoReply(), memcachetest.Reply("END\r\n")))
	c := dial(t, server.Addr())
	c.send(t, "get k\r\n")
	c.isSilent(t, 20*time.Millisecond)
	c.send(t, "get k\r\n")
	c.receives(t, "END\r\n")
	c.isSilent(t, 20*time.Millisecond)
}

func TestStepsOfOnesOwnSeeTheRequest(t *testing.T) {
	t.Parallel()
	server := memcachetest.StartHostile(t, memcachetest.InTurn(func(c *memcachetest.Conn, request string) {
		key := strings.Fields(request)[1]
		io.WriteString(c, "VALUE not-"+key+" 0 1\r\nx\r\nEND\r\n")
	}))
	c := dial(t, server.Addr())
	c.send(t, "get k\r\n")
	c.receives(t, "VALUE not-k 0 1\r\nx\r\nEND\r\n")
}

func TestHandlersHaveTheBareConnection(t *testing.T) {
	t.Parallel()
	server := memcachetest.StartHostile(t, func(c *memcachetest.Conn) {
		io.WriteString(c, "hello ") // before anything was asked
		first, err := c.Request()
		if err != nil {
			return
		}
		rest := make([]byte, 4) // the bytes after it
		if _, err := io.ReadFull(c, rest); err != nil {
			return
		}
		io.WriteString(c, first+string(rest))
	})
	c := dial(t, server.Addr())
	c.receives(t, "hello ")
	c.send(t, "get k\r\n1234")
	c.receives(t, "get k\r\n1234")
	c.isClosed(t) // the handler has returned
}

func TestHostileLeavesNothingBehind(t *testing.T) {
	leavesNoGoroutine(t, func(outer *testing.T) {
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
				until(t, "the request has come", func() bool { return len(server.Requests()) == 1 })
			})
		}
	})
}
