package memcachepure

import (
	"bytes"
	"fmt"
)

// A serverError is an answer of the server that says what went wrong:
// memcached's ERROR, CLIENT_ERROR and SERVER_ERROR (doc/protocol.txt).
type serverError string

func (e serverError) Error() string { return "the server says " + string(e) }

// A replyError is an answer that is none to what was asked. After it nothing is
// known of what else may come over the connection.
type replyError string

func (e replyError) Error() string { return string(e) }

// A reply follows the server's bytes and judges them by the request. Its zero
// value has a reply that is complete.
type reply struct {
	answers []string // the lines that are one; nil for the kinds below
	number  bool     // digits are an answer
	items   bool     // items are, and then END
	asked   []byte   // of items: the keys, a space behind each
	next    int      // where in asked the next key to be answered is likely to be
	line    []byte   // the beginning of a line whose end has not come
	data    int      // how many bytes of an item's value are to come, its end of line included
	big     bool     // data is that of a value longer than smallValue
	open    bool     // the reply is not complete
}

const (
	// longestLine is the length in bytes of the longest line of a reply: VALUE, a
	// key of 250, and three numbers; or an error.
	longestLine = 1 << 10

	// smallValue is the length in bytes of values for which gomemcache may
	// make room before they come.
	smallValue = 1 << 20

	// longestValue is the length in bytes of the longest value that memcached can
	// be told to take (its option -I).
	longestValue = 1 << 30
)

var (
	answersSet     = []string{"STORED"}
	answersStored  = []string{"STORED", "NOT_STORED"}
	answersSwapped = []string{"STORED", "EXISTS", "NOT_FOUND"}
	answersDeleted = []string{"DELETED", "NOT_FOUND"}
	answersTouched = []string{"TOUCHED", "NOT_FOUND"}
	answersMoved   = []string{"NOT_FOUND"}
	answersFlushed = []string{"OK"}
	answersVersion = []string{"VERSION"}
)

// begin readies r for the reply to request, which is whole or at least has its
// first line.
func (r *reply) begin(request []byte) error {
	line, _, whole := bytes.Cut(request, crlf)
	verb, rest, _ := bytes.Cut(line, space)
	*r = reply{asked: r.asked[:0], line: r.line[:0], open: true}
	if whole {
		switch string(verb) {
		case "set":
			r.answers = answersSet
			return nil
		case "add", "replace", "append", "prepend":
			r.answers = answersStored
			return nil
		case "cas":
			r.answers = answersSwapped
			return nil
		case "get", "gets":
			r.items = true
			r.ask(rest)
			return nil
		case "gat", "gats": // the time to live stands before the keys
			_, rest, _ = bytes.Cut(rest, space)
			r.items = true
			r.ask(rest)
			return nil
		case "delete":
			r.answers = answersDeleted
			return nil
		case "touch":
			r.answers = answersTouched
			return nil
		case "incr", "decr":
			r.answers, r.number = answersMoved, true
			return nil
		case "flush_all":
			r.answers = answersFlushed
			return nil
		case "version":
			r.answers = answersVersion
			return nil
		}
	}
	return fmt.Errorf("a request that begins with %.40q is unknown here", request)
}

func (r *reply) ask(keys []byte) {
	r.asked = append(append(r.asked, keys...), ' ')
}

var (
	crlf  = []byte("\r\n")
	space = []byte(" ")
)

// feed judges the next bytes of the reply. If a long value begins among them, it
// answers where its line does, the last one if it came in pieces, and len(p)
// otherwise.
func (r *reply) feed(p []byte) (long int, err error) {
	long = len(p)
	for at := 0; at < len(p); {
		if !r.open {
			return 0, replyError(fmt.Sprintf("%d bytes behind the end of a reply", len(p)-at))
		}
		if r.data > 0 {
			n := min(r.data, len(p)-at)
			r.data -= n
			at += n
			r.big = r.big && r.data > 0
			continue
		}
		start := at
		end := bytes.IndexByte(p[at:], '\n') + 1
		if len(r.line)+max(end, 0) > longestLine || end == 0 && len(r.line)+len(p)-at > longestLine {
			return 0, replyError(fmt.Sprintf("a line of a reply is longer than %d bytes", longestLine))
		}
		if end == 0 {
			r.line = append(r.line, p[at:]...)
			return long, nil
		}
		line := p[at : at+end]
		at += end
		if len(r.line) > 0 {
			line = append(r.line, line...)
			r.line = line[:0]
		}
		if err := r.judge(line); err != nil {
			return 0, err
		}
		if r.big {
			long = min(long, start)
		}
	}
	return long, nil
}

// judge judges a line, which ends in \n.
func (r *reply) judge(line []byte) error {
	line, ok := bytes.CutSuffix(line, crlf)
	if !ok {
		return replyError(fmt.Sprintf("the reply %.100q does not end in \\r\\n", line))
	}
	if r.items {
		if bytes.HasPrefix(line, []byte("VALUE ")) {
			return r.judgeValue(line)
		}
		if string(line) == "END" {
			r.open = false
			return nil
		}
	}
	for _, answer := range r.answers {
		if string(line) == answer || answer == "VERSION" && bytes.HasPrefix(line, []byte("VERSION ")) {
			r.open = false
			return nil
		}
	}
	if r.number && areDigits(line) {
		r.open = false
		return nil
	}
	if string(line) == "ERROR" || bytes.HasPrefix(line, []byte("ERROR ")) || bytes.HasPrefix(line, []byte("CLIENT_ERROR ")) || bytes.HasPrefix(line, []byte("SERVER_ERROR ")) {
		return serverError(line)
	}
	return replyError(fmt.Sprintf("the reply is %.100q", line))
}

// judgeValue judges VALUE key flags length [token].
func (r *reply) judgeValue(line []byte) error {
	_, rest, _ := bytes.Cut(line, space)
	key, rest, _ := bytes.Cut(rest, space)
	flags, rest, _ := bytes.Cut(rest, space)
	length, token, more := bytes.Cut(rest, space)
	if !areDigits(flags) || !areDigits(length) || more && !areDigits(token) {
		return replyError(fmt.Sprintf("the reply is %.100q", line))
	}
	n := uint64(0)
	for _, c := range length {
		if n = n*10 + uint64(c-'0'); n > longestValue {
			return replyError(fmt.Sprintf("the reply is a value of %s bytes, more than memcached can have", length))
		}
	}
	if !r.answerKey(key) {
		return replyError(fmt.Sprintf("the reply is the value of %.100q, which was not asked for", key))
	}
	r.data, r.big = int(n)+len(crlf), n > smallValue
	return nil
}

// answerKey strikes key off those asked for, or answers false. memcached answers in
// the order of the request, and leaves out what it does not have; proxies before
// several memcached answer in any order.
func (r *reply) answerKey(key []byte) bool {
	if len(key) == 0 || key[0] == struckOff {
		return false
	}
	for _, from := range [2]int{r.next, 0} {
		for at := from; at < len(r.asked); {
			end := at + bytes.IndexByte(r.asked[at:], ' ')
			if bytes.Equal(r.asked[at:end], key) {
				r.asked[at] = struckOff
				r.next = end + 1
				return true
			}
			at = end + 1
		}
	}
	return false
}

// struckOff is how a key begins that has been answered, and no other does.
const struckOff = 0

func areDigits(b []byte) bool {
	for _, c := range b {
		if c < '0' || c > '9' {
			return false
		}
	}
	return 0 < len(b) && len(b) <= 20
}
