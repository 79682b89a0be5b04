package memcachemeta

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/memcache"
)

// The oldest version of memcached that has all commands and flags in use, in their present form.
// Before 1.6.10, ms had another form; before 1.6.13, the CAS id that mg returns and the error
// lines of md had faults (release notes of memcached).
const oldestMinor, oldestPatch = 6, 13

// strictPatch is the patch level since which EN has the opaque.
const strictPatch = 18

// defaultItemMax is the largest item of a server that does not show its settings, such as a
// managed service: the default of memcached.
const defaultItemMax = 1 << 20

// A hello is what a server says about itself.
type hello struct {
	strict  bool // EN has the opaque, as since memcached 1.6.18
	itemMax int  // the size of the largest item
}

// sayHello finds out, in one round trip over a new connection, whether the server has what the
// driver needs. The error is a *memcache.ReplyError if it does not.
func sayHello(ctx context.Context, nc net.Conn, timeout time.Duration) (h hello, err error) {
	nc.SetDeadline(time.Now().Add(timeout))
	defer nc.SetDeadline(time.Time{})
	stop := context.AfterFunc(ctx, func() { nc.SetDeadline(time.Unix(1, 0)) })
	defer func() {
		if !stop() && ctx.Err() != nil {
			err = ctx.Err()
		}
	}()
	const requests = "version\r\nmn\r\nstats settings\r\n"
	_, writeErr := nc.Write([]byte(requests))
	lines := bufio.NewReaderSize(nc, longestLine)
	version, err := readLine(lines)
	if err != nil {
		if writeErr != nil {
			err = writeErr
		}
		return h, err
	}
	if h.strict, err = checkVersion(version); err != nil {
		return h, err
	}
	probe, err := readLine(lines)
	switch {
	case err != nil:
		return h, fmt.Errorf("%w; the reply to version is %.100q, so that the server may not have "+
			"the meta commands: then use memcache:// or memcache+pooled://", err, version)
	case probe != "MN":
		return h, refusal("%.100q to mn: it does not have the meta commands; "+
			"use memcache:// or memcache+pooled://", probe)
	}
	h.itemMax, err = readItemMax(lines)
	if err == nil && lines.Buffered() > 0 {
		err = invalid("the server has sent more than the replies to all requests")
	}
	return h, err
}

func refusal(format string, args ...any) error {
	return &memcache.ReplyError{
		Sentinel: core.ErrUnavailable,
		Text:     "the server replied " + fmt.Sprintf(format, args...),
	}
}

// checkVersion returns an error if line, the reply to version, is that of a memcached that is too
// old, and whether the server returns the opaque with EN. A server that is not a memcached may say
// what it likes; then its reply to mn decides.
func checkVersion(line string) (strict bool, err error) {
	text, found := strings.CutPrefix(line, "VERSION ")
	if !found {
		return false, refusal("%.100q to version; want VERSION", line)
	}
	var major, minor, patch int
	if n, _ := fmt.Sscanf(text, "%d.%d.%d", &major, &minor, &patch); n < 3 || major != 1 {
		return false, nil
	}
	if minor < oldestMinor || minor == oldestMinor && patch < oldestPatch {
		return false, refusal("%.100q to version; want memcached 1.%d.%d or later, or use "+
			"memcache://", line, oldestMinor, oldestPatch)
	}
	return minor > oldestMinor || patch >= strictPatch, nil
}

// readItemMax reads the reply to stats settings. A managed service may refuse to show them.
func readItemMax(lines *bufio.Reader) (int, error) {
	const mostLines = 1000
	itemMax := defaultItemMax
	for range mostLines {
		line, err := readLine(lines)
		if err != nil {
			return 0, err
		}
		word, rest, _ := strings.Cut(line, " ")
		switch {
		case word == "END" || codeOf([]byte(word)) == codeError:
			return itemMax, nil
		case word != "STAT":
			return 0, invalid("the reply to stats settings is %.100q", line)
		}
		if text, found := strings.CutPrefix(rest, "item_size_max "); found {
			n, err := strconv.Atoi(text)
			if err != nil || n <= 0 || n > memcache.MaxValue {
				return 0, invalid("the reply to stats settings is %.100q", line)
			}
			itemMax = n
		}
	}
	return 0, invalid("the reply to stats settings has more than %d lines", mostLines)
}

// readLine reads a line and returns it without its end.
func readLine(lines *bufio.Reader) (string, error) {
	line, err := lines.ReadSlice('\n')
	if err == bufio.ErrBufferFull {
		err = invalid("a line has more than %d bytes", longestLine)
	}
	if err != nil {
		return "", err
	}
	text, found := strings.CutSuffix(string(line), "\r\n")
	if !found {
		return "", invalid("the line %.100q does not end with \\r\\n", line)
	}
	return text, nil
}

// fits reports whether a server whose largest item has max bytes stores this item. It must be
// known before: memcached deletes the old item when it refuses a new one that is too large, even
// on a condition that is false. The sum is that of item_make_header in items.c on 64-bit systems.
func fits(r *request, max int) bool {
	const header, cas, lineEnd = 48, 8, 2
	size := header + cas + len(r.key) + 1 + len(r.value) + lineEnd
	if r.flags != 0 {
		size += 4
	}
	return size <= max
}
