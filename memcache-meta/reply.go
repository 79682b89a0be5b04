package memcachemeta

import (
	"bytes"
	"fmt"
	"io"
	"sync"

	"github.com/cachewire/cachewire/memcache"
)

// An invalidReply describes bytes that cannot belong to the reply to a request. After it, the
// connection must not be used: it is unknown which bytes may still arrive.
type invalidReply string

func (e invalidReply) Error() string { return string(e) }

func invalid(format string, args ...any) error { return invalidReply(fmt.Sprintf(format, args...)) }

// A code is the first word of a reply. The codes are bits, so that a set of them is a code.
type code uint16

const (
	codeHD    code = 1 << iota // done
	codeVA                     // a value
	codeEN                     // the key is absent (mg)
	codeNF                     // the key is absent (ms, md, ma)
	codeNS                     // not stored: the condition of the mode is false
	codeEX                     // the item has another CAS id
	codeMN                     // the reply to mn
	codeOK                     // the reply to flush_all
	codeVALUE                  // an item of gets
	codeEND                    // the end of gets
	codeError                  // ERROR, CLIENT_ERROR or SERVER_ERROR
)

// codeOf returns the code of the first word of a reply, or 0 if there is none.
func codeOf(word []byte) code {
	switch string(word) {
	case "HD":
		return codeHD
	case "VA":
		return codeVA
	case "EN":
		return codeEN
	case "NF":
		return codeNF
	case "NS":
		return codeNS
	case "EX":
		return codeEX
	case "MN":
		return codeMN
	case "OK":
		return codeOK
	case "VALUE":
		return codeVALUE
	case "END":
		return codeEND
	case "ERROR", "CLIENT_ERROR", "SERVER_ERROR":
		return codeError
	}
	return 0
}

// A field is a part of a reply that a request can ask for. Like codes, they are bits.
type field uint8

const (
	fieldFlags field = 1 << iota
	fieldCAS
	fieldTTL
	fieldOpaque
)

// A reply is one reply of the server, or one item in the reply to gets.
type reply struct {
	code   code
	has    field
	flags  uint32
	opaque uint32
	cas    uint64
	ttl    int64 // in seconds; -1 if the item never expires
	value  []byte
	key    []byte // of VALUE; valid until the next call of parser.fill
	err    error  // of codeError, a *memcache.ReplyError
}

const (
	// bufferLen is the length of the read buffer. A longer value is read into memory of its
	// own.
	bufferLen = 16 << 10

	// longestLine is more than the longest line of memcached: the key has 250 bytes, and the
	// text of an error fewer than 1,024.
	longestLine = 2 << 10

	// pieceLen is the length of the pieces in which a longer value is received. It gets memory
	// of its own when all of it has arrived: the length in a reply is not believed.
	pieceLen = 64 << 10
)

var pieces = sync.Pool{New: func() any { return new([pieceLen]byte) }}

// A parser splits the bytes of a connection into replies. It keeps what it has if a Read fails,
// so that reading can go on after a time-out.
type parser struct {
	buf        []byte
	start, end int // the bytes in buf that are not parsed are buf[start:end]

	long   [][]byte // the part of a long value that has arrived, with the line end after it
	left   int      // how many bytes of it have not arrived; 0 if no long value is being read
	parsed reply    // the reply to which it belongs
}

// isEmpty reports whether all bytes that have arrived belong to replies that next has returned.
func (p *parser) isEmpty() bool { return p.start == p.end && p.left == 0 }

// next returns the next reply. It returns false if it has not arrived completely.
func (p *parser) next() (r reply, ok bool, err error) {
	if p.long != nil {
		if p.left > 0 {
			return reply{}, false, nil
		}
		r, p.parsed = p.parsed, reply{}
		r.value, err = cutLineEnd(p.join())
		return r, err == nil, err
	}
	line, rest, found := bytes.Cut(p.buf[p.start:p.end], lineFeed)
	if !found || len(line) > longestLine {
		if len(line) > longestLine {
			return reply{}, false, invalid("a line has more than %d bytes", longestLine)
		}
		return reply{}, false, nil
	}
	if len(line) == 0 || line[len(line)-1] != '\r' {
		return reply{}, false, invalid("the line %.100q does not end with \\r\\n", line)
	}
	line = line[:len(line)-1]
	r, n, err := parseLine(line)
	if err != nil {
		return reply{}, false, err
	}
	next := p.end - len(rest)
	switch {
	case r.code&(codeVA|codeVALUE) == 0:
		p.start = next
		return r, true, nil
	case len(rest) >= n+2:
		if _, err := cutLineEnd(rest[:n+2]); err != nil {
			return reply{}, false, err
		}
		r.value = append(make([]byte, 0, n), rest[:n]...)
		p.start = next + n + 2
		return r, true, nil
	case len(line)+2+n+2 <= len(p.buf):
		return reply{}, false, nil // wait until it is in the buffer
	}
	r.key = bytes.Clone(r.key)
	p.parsed, p.left = r, n+2-len(rest)
	if n+2 < pieceLen {
		p.long = [][]byte{append(make([]byte, 0, n+2), rest...)}
	} else {
		p.long = [][]byte{append(pieces.Get().(*[pieceLen]byte)[:0], rest...)}
	}
	p.start = p.end
	return reply{}, false, nil
}

// join returns the long value that has arrived, with the line end after it.
func (p *parser) join() []byte {
	long := p.long
	p.long = nil
	if len(long) == 1 && cap(long[0]) != pieceLen {
		return long[0]
	}
	joined := bytes.Join(long, nil)
	for _, piece := range long {
		pieces.Put((*[pieceLen]byte)(piece[:pieceLen]))
	}
	return joined
}

var lineFeed = []byte("\n")

func cutLineEnd(b []byte) ([]byte, error) {
	value, found := bytes.CutSuffix(b, []byte("\r\n"))
	if !found {
		return nil, invalid("a value of %d bytes is not followed by \\r\\n", len(b)-2)
	}
	return value, nil
}

// fill reads more bytes, by one call of Read.
func (p *parser) fill(source io.Reader) error {
	if p.left > 0 {
		last := &p.long[len(p.long)-1]
		if len(*last) == cap(*last) {
			p.long = append(p.long, pieces.Get().(*[pieceLen]byte)[:0])
			last = &p.long[len(p.long)-1]
		}
		start, end := len(*last), min(cap(*last), len(*last)+p.left)
		n, err := source.Read((*last)[start:end])
		*last, p.left = (*last)[:start+n], p.left-n
		return err
	}
	if p.buf == nil {
		p.buf = make([]byte, bufferLen)
	}
	if p.start > 0 {
		copy(p.buf, p.buf[p.start:p.end])
		p.start, p.end = 0, p.end-p.start
	}
	n, err := source.Read(p.buf[p.end:])
	p.end += n
	return err
}

// parseLine parses the first line of a reply, without its end. For a value it returns the length.
// It ignores flags that it does not know, because protocol.txt says that there may be more.
func parseLine(line []byte) (r reply, length int, err error) {
	word, rest := nextWord(line)
	r.code = codeOf(word)
	switch r.code {
	case 0:
		return r, 0, invalid("the reply begins with %.100q", line)
	case codeError:
		r.err = memcache.NewReplyError(string(line))
		return r, 0, nil
	case codeVALUE:
		return parseClassic(rest, line)
	case codeVA:
		word, rest = nextWord(rest)
		n, ok := parseNumber(word)
		if !ok || n > memcache.MaxValue {
			return r, 0, invalid("the reply %.100q has an invalid length", line)
		}
		length = int(n)
	case codeMN, codeOK, codeEND:
		if len(rest) > 0 {
			return r, 0, invalid("the reply is %.100q", line)
		}
	}
	for len(rest) > 0 {
		if word, rest = nextWord(rest); len(word) == 0 {
			continue
		}
		if !r.parseFlag(word) {
			return r, 0, invalid("the reply %.100q has an invalid flag", line)
		}
	}
	return r, length, nil
}

// parseFlag parses a flag of a meta reply. It returns false if the flag is invalid.
func (r *reply) parseFlag(word []byte) bool {
	var bit field
	n, ok := parseNumber(word[1:])
	switch word[0] {
	case 'f':
		bit, r.flags = fieldFlags, uint32(n)
		ok = ok && n < 1<<32
	case 'c':
		bit, r.cas = fieldCAS, n
	case 'O':
		bit, r.opaque = fieldOpaque, uint32(n)
		ok = ok && n < 1<<32
	case 't':
		bit, r.ttl = fieldTTL, int64(n)
		if string(word) == "t-1" {
			r.ttl, ok = -1, true
		}
		ok = ok && n < 1<<32
	default:
		return true
	}
	if !ok || r.has&bit != 0 {
		return false
	}
	r.has |= bit
	return true
}

// parseClassic parses the rest of a line VALUE of the reply to gets.
func parseClassic(rest, line []byte) (r reply, length int, err error) {
	r.code, r.has = codeVALUE, fieldFlags|fieldCAS
	r.key, rest = nextWord(rest)
	var numbers [3]uint64
	for i := range numbers {
		var word []byte
		var ok bool
		word, rest = nextWord(rest)
		if numbers[i], ok = parseNumber(word); !ok {
			return r, 0, invalid("the reply %.100q has an invalid number", line)
		}
	}
	if len(r.key) == 0 || len(rest) > 0 ||
		numbers[0] >= 1<<32 || numbers[1] > memcache.MaxValue {
		return r, 0, invalid("the reply is %.100q", line)
	}
	r.flags, r.cas = uint32(numbers[0]), numbers[2]
	return r, int(numbers[1]), nil
}

// nextWord returns the first word of line, and what follows the space after it.
func nextWord(line []byte) (word, rest []byte) {
	if i := bytes.IndexByte(line, ' '); i >= 0 {
		return line[:i], line[i+1:]
	}
	return line, nil
}

// parseNumber parses a whole number of decimal digits. It returns false if it has none, or if
// the number does not fit.
func parseNumber(word []byte) (n uint64, ok bool) {
	for _, d := range word {
		if d < '0' || d > '9' || n > (1<<64-1)/10 || n*10 > 1<<64-1-uint64(d-'0') {
			return 0, false
		}
		n = n*10 + uint64(d-'0')
	}
	return n, len(word) > 0
}
