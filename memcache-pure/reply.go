package memcachepure

import (
	"bytes"
	"fmt"

	"github.com/cachewire/cachewire/memcache"
)

// An invalidReply describes bytes that cannot belong to the reply to the request. After it, the
// connection must not be used: it is unknown which bytes may still arrive.
type invalidReply string

func (e invalidReply) Error() string { return string(e) }

// A reply checks the bytes of the server against the request. The zero value is a complete
// reply.
type reply struct {
	lines  []string // complete replies of one line; nil with items
	number bool     // whether a line of digits is a complete reply
	items  bool     // whether the reply is items and then END
	keys   []byte   // with items: the requested keys, each followed by a space
	next   int      // with items: where in keys the next received key is likely to be
	line   []byte   // the beginning of a line whose end has not arrived
	data   int      // the bytes of a value that have not arrived, including the \r\n after it
	long   bool     // whether data belongs to a value longer than smallValue
	open   bool     // whether the reply is incomplete
}

const (
	// longestLine is the length in bytes of the longest line of a reply: VALUE, a key of 250
	// bytes and three numbers, or an error.
	longestLine = 1 << 10

	// smallValue is the length in bytes of the longest value for which gomemcache may
	// allocate memory before the value arrives.
	smallValue = 1 << 20
)

var (
	linesOfSet     = []string{"STORED"}
	linesOfStore   = []string{"STORED", "NOT_STORED"}
	linesOfCas     = []string{"STORED", "EXISTS", "NOT_FOUND"}
	linesOfDelete  = []string{"DELETED", "NOT_FOUND"}
	linesOfTouch   = []string{"TOUCHED", "NOT_FOUND"}
	linesOfCounter = []string{"NOT_FOUND"}
	linesOfFlush   = []string{"OK"}
	linesOfVersion = []string{"VERSION"}
)

// begin prepares r for the reply to request, which must have at least its whole first line.
func (r *reply) begin(request []byte) error {
	line, _, whole := bytes.Cut(request, crlf)
	verb, rest, _ := bytes.Cut(line, space)
	*r = reply{keys: r.keys[:0], line: r.line[:0], open: true}
	if whole {
		switch string(verb) {
		case "set":
			r.lines = linesOfSet
			return nil
		case "add", "replace", "append", "prepend":
			r.lines = linesOfStore
			return nil
		case "cas":
			r.lines = linesOfCas
			return nil
		case "get", "gets":
			r.expectItems(rest)
			return nil
		case "gat", "gats": // the time to live is before the keys
			_, rest, _ = bytes.Cut(rest, space)
			r.expectItems(rest)
			return nil
		case "delete":
			r.lines = linesOfDelete
			return nil
		case "touch":
			r.lines = linesOfTouch
			return nil
		case "incr", "decr":
			r.lines, r.number = linesOfCounter, true
			return nil
		case "flush_all":
			r.lines = linesOfFlush
			return nil
		case "version":
			r.lines = linesOfVersion
			return nil
		}
	}
	return fmt.Errorf("unknown request %.40q", request)
}

func (r *reply) expectItems(keys []byte) {
	r.items = true
	r.keys = append(append(r.keys, keys...), ' ')
}

var (
	crlf  = []byte("\r\n")
	space = []byte(" ")
)

// feed checks p, the next bytes of the reply. If a long value begins in p, longAt is the
// index of its VALUE line, or of the last part of that line if the line began before p.
// Otherwise longAt is len(p).
func (r *reply) feed(p []byte) (longAt int, err error) {
	longAt = len(p)
	for at := 0; at < len(p); {
		if !r.open {
			return 0, invalidReply(fmt.Sprintf("%d bytes after the end of a reply", len(p)-at))
		}
		if r.data > 0 {
			n := min(r.data, len(p)-at)
			r.data -= n
			at += n
			r.long = r.long && r.data > 0
			continue
		}
		start := at
		end := bytes.IndexByte(p[at:], '\n') + 1 // 0 if the line does not end in p
		if len(r.line)+end > longestLine || end == 0 && len(r.line)+len(p)-at > longestLine {
			return 0, invalidReply(fmt.Sprintf("a line of the reply is longer than %d bytes",
				longestLine))
		}
		if end == 0 {
			r.line = append(r.line, p[at:]...)
			return longAt, nil
		}
		line := p[at : at+end]
		at += end
		if len(r.line) > 0 {
			line = append(r.line, line...)
			r.line = line[:0]
		}
		if err := r.checkLine(line); err != nil {
			return 0, err
		}
		if r.long {
			longAt = min(longAt, start)
		}
	}
	return longAt, nil
}

// checkLine checks a line, which ends in \n.
func (r *reply) checkLine(line []byte) error {
	line, ok := bytes.CutSuffix(line, crlf)
	if !ok {
		return invalidReply(fmt.Sprintf("the reply %.100q does not end in \\r\\n", line))
	}
	if r.items {
		if bytes.HasPrefix(line, []byte("VALUE ")) {
			return r.checkValue(line)
		}
		if string(line) == "END" {
			r.open = false
			return nil
		}
	}
	for _, valid := range r.lines {
		if string(line) == valid ||
			valid == "VERSION" && bytes.HasPrefix(line, []byte("VERSION ")) {
			r.open = false
			return nil
		}
	}
	if r.number && areDigits(line) {
		r.open = false
		return nil
	}
	if string(line) == "ERROR" ||
		bytes.HasPrefix(line, []byte("ERROR ")) ||
		bytes.HasPrefix(line, []byte("CLIENT_ERROR ")) ||
		bytes.HasPrefix(line, []byte("SERVER_ERROR ")) {
		return replyError(string(line))
	}
	return invalidReply(fmt.Sprintf("the reply is %.100q", line))
}

// checkValue checks a line of the form VALUE key flags length [token].
func (r *reply) checkValue(line []byte) error {
	_, rest, _ := bytes.Cut(line, space)
	key, rest, _ := bytes.Cut(rest, space)
	flags, rest, _ := bytes.Cut(rest, space)
	length, token, more := bytes.Cut(rest, space)
	if !areDigits(flags) || !areDigits(length) || more && !areDigits(token) {
		return invalidReply(fmt.Sprintf("the reply is %.100q", line))
	}
	n := uint64(0)
	for _, c := range length {
		if n = n*10 + uint64(c-'0'); n > memcache.MaxValue {
			return invalidReply(fmt.Sprintf("the reply is a value of %s bytes, "+
				"but memcached stores at most %d", length, memcache.MaxValue))
		}
	}
	if !r.receiveKey(key) {
		return invalidReply(fmt.Sprintf("the reply is the value of %.100q, which was not requested",
			key))
	}
	r.data, r.long = int(n)+len(crlf), n > smallValue
	return nil
}

// receiveKey marks key as received. It returns false if key was not requested, or was
// received before. memcached sends items in the order of the request and leaves out absent
// keys. A proxy for several memcached may send them in any order.
func (r *reply) receiveKey(key []byte) bool {
	if len(key) == 0 || key[0] == receivedMark {
		return false
	}
	for _, from := range [2]int{r.next, 0} {
		for at := from; at < len(r.keys); {
			end := at + bytes.IndexByte(r.keys[at:], ' ')
			if bytes.Equal(r.keys[at:end], key) {
				r.keys[at] = receivedMark
				r.next = end + 1
				return true
			}
			at = end + 1
		}
	}
	return false
}

// receivedMark replaces the first byte of a key that was received. No key begins with it.
const receivedMark = 0

func areDigits(b []byte) bool {
	for _, c := range b {
		if c < '0' || c > '9' {
			return false
		}
	}
	return 0 < len(b) && len(b) <= 20
}
