package memcachepure

import (
	"errors"
	"strings"
	"testing"

	"github.com/cachewire/cachewire/memcache"
)

// feedAll feeds text, in pieces of n bytes, to the reply to request. It returns the first
// error, or else whether the reply is complete.
func feedAll(request, text string, n int) (complete bool, err error) {
	var r reply
	if err := r.begin([]byte(request)); err != nil {
		return false, err
	}
	for len(text) > 0 {
		piece := text[:min(n, len(text))]
		text = text[len(piece):]
		if _, err := r.feed([]byte(piece)); err != nil {
			return false, err
		}
	}
	return !r.open, nil
}

var errAny = errors.New("any")

func TestRepliesAreCheckedAgainstTheRequest(t *testing.T) {
	var replyErr invalidReply
	const get, gets, set = "gets k\r\n", "gets a b c\r\n", "set k 0 0 2\r\nhi\r\n"
	const valueOfA = "VALUE a 0 1 1\r\nx\r\n"
	const valueOfB = "VALUE b 0 1 1\r\nx\r\n"
	const valueOfC = "VALUE c 0 1 1\r\nx\r\n"
	const outOfMemory = "SERVER_ERROR out of memory storing object"
	for _, tt := range []struct {
		request, reply string
		complete       bool
		want           error
	}{
		{get, "END\r\n", true, nil},
		{get, "VALUE k 0 2 7\r\nhi\r\nEND\r\n", true, nil},
		{get, "VALUE k 4294967295 0\r\n\r\nEND\r\n", true, nil},
		{get, "VALUE k 0 5\r\nEND\r\n\r\nEND\r\n", true, nil},
		{get, "VALUE k 0 2 7\r\nhi\r\n", false, nil},
		{get, "VALUE k 0 2", false, nil},
		{get, "", false, nil},
		{gets, valueOfA + valueOfC + "END\r\n", true, nil},
		{gets, valueOfB + valueOfC + "END\r\n", true, nil},
		{gets, valueOfC + valueOfA + valueOfB + "END\r\n", true, nil},
		{"gat 100 k\r\n", "VALUE k 0 2 7\r\nhi\r\nEND\r\n", true, nil},
		{set, "STORED\r\n", true, nil},
		{"add k 0 0 2\r\nhi\r\n", "NOT_STORED\r\n", true, nil},
		{"replace k 0 0 2\r\nhi\r\n", "NOT_STORED\r\n", true, nil},
		{"cas k 0 0 2 7\r\nhi\r\n", "EXISTS\r\n", true, nil},
		{"cas k 0 0 2 7\r\nhi\r\n", "NOT_FOUND\r\n", true, nil},
		{"delete k\r\n", "DELETED\r\n", true, nil},
		{"touch k 0\r\n", "TOUCHED\r\n", true, nil},
		{"incr k 1\r\n", "18446744073709551615\r\n", true, nil},
		{"decr k 1\r\n", "0\r\n", true, nil},
		{"incr k 1\r\n", "NOT_FOUND\r\n", true, nil},
		{"flush_all\r\n", "OK\r\n", true, nil},
		{"version\r\n", "VERSION 1.6.18\r\n", true, nil},

		{get, "VALUE other 0 2 7\r\nhi\r\nEND\r\n", false, replyErr},
		{get, "VALUE k 0 2 7\r\nhi\r\nVALUE k 0 2 7\r\nhi\r\nEND\r\n", false, replyErr},
		{gets, valueOfB + valueOfB + "END\r\n", false, replyErr},
		{gets, valueOfC + valueOfA + valueOfC + "END\r\n", false, replyErr},
		{gets, valueOfA + "VALUE \x00 0 1 1\r\nx\r\nEND\r\n", false, replyErr},
		{gets, "VALUE a b 1 1\r\nx\r\n", false, replyErr},
		{get, "VALUE k 0 4294967295 7\r\n", false, replyErr},
		{get, "VALUE k 0 1073741825 7\r\n", false, replyErr},
		{get, "VALUE k 0 -1 7\r\n", false, replyErr},
		{get, "VALUE k -1 2 7\r\n", false, replyErr},
		{get, "VALUE k 0 2 x\r\n", false, replyErr},
		{get, "VALUE k 0\r\n", false, replyErr},
		{get, "VALUE \r\n", false, replyErr},
		{get, "VALUE  0 2 7\r\n", false, replyErr},
		{get, "END\n", false, replyErr},
		{get, "\n", false, replyErr},
		{get, "\r\n", false, replyErr},
		{get, "END\r\nEND\r\n", false, replyErr},
		{get, "END\r\nx", false, replyErr},
		{get, "STORED\r\n", false, replyErr},
		{get, "OK\r\n", false, replyErr},
		{get, strings.Repeat("x", 5000), false, replyErr},
		{get, strings.Repeat("x", 5000) + "\r\n", false, replyErr},
		{set, "DELETED\r\n", false, replyErr},
		{set, "NOT_STORED\r\n", false, replyErr}, // here begin replies of other verbs
		{set, "EXISTS\r\n", false, replyErr},
		{set, "NOT_FOUND\r\n", false, replyErr},
		{"add k 0 0 2\r\nhi\r\n", "EXISTS\r\n", false, replyErr},
		{"add k 0 0 2\r\nhi\r\n", "NOT_FOUND\r\n", false, replyErr},
		{"replace k 0 0 2\r\nhi\r\n", "NOT_FOUND\r\n", false, replyErr},
		{"cas k 0 0 2 7\r\nhi\r\n", "NOT_STORED\r\n", false, replyErr},
		{set, "OK\r\n", false, replyErr},
		{set, "STORED\r\nSTORED\r\n", false, replyErr},
		{set, "STORED", false, nil},
		{set, "\n", false, replyErr},
		{"delete k\r\n", "OK\r\n", false, replyErr}, // gomemcache accepts this
		{"delete k\r\n", "STORED\r\n", false, replyErr},
		{"incr k 1\r\n", "\n", false, replyErr}, // gomemcache panics at this
		{"incr k 1\r\n", "\r\n", false, replyErr},
		{"incr k 1\r\n", "x\r\n", false, replyErr},
		{"incr k 1\r\n", "-1\r\n", false, replyErr},
		{"incr k 1\r\n", "1 2\r\n", false, replyErr},
		{"incr k 1\r\n", "CLIENT_ERROR \n", false, replyErr},
		{"touch k 0\r\n", "OK\r\n", false, replyErr},
		{"flush_all\r\n", "STORED\r\n", false, replyErr},
		{"version\r\n", "VERSIONS\r\n", false, replyErr},
		{"version\r\n", "OK\r\n", false, replyErr},

		{get, "ERROR\r\n", false, replyError("ERROR")},
		{set, outOfMemory + "\r\n", false, replyError(outOfMemory)},
		{"incr k 1\r\n", "CLIENT_ERROR x\r\n", false, replyError("CLIENT_ERROR x")},

		{"quit\r\n", "", false, errAny},
		{"set k 0 0 2", "", false, errAny},
		{"", "", false, errAny},
	} {
		for _, n := range []int{1, 2, 7, 1 << 20} {
			complete, err := feedAll(tt.request, tt.reply, n)
			ok := false
			switch want := tt.want.(type) {
			case nil:
				ok = err == nil
			case invalidReply:
				ok = errors.As(err, &want)
			case *memcache.ReplyError:
				var got *memcache.ReplyError
				ok = errors.As(err, &got) && *got == *want
			default:
				ok = err != nil
			}
			if !ok || complete != tt.complete {
				t.Errorf("reply %q to %q in pieces of %d: complete is %t, error %v; want %t, %T",
					tt.reply, tt.request, n, complete, err, tt.complete, tt.want)
			}
		}
	}
}

// The result does not depend on how the bytes are cut into pieces, and no more than a line is
// kept.
func FuzzReply(f *testing.F) {
	f.Add("gets a b\r\n", "VALUE a 0 3 1\r\nabc\r\nVALUE b 1 0 2\r\n\r\nEND\r\n", uint8(3))
	f.Add("set a 0 0 1\r\nx\r\n", "STORED\r\n", uint8(1))
	f.Add("incr a 1\r\n", "42\r\n", uint8(2))
	f.Add("incr a 1\r\n", "CLIENT_ERROR no\r\n", uint8(2))
	f.Fuzz(func(t *testing.T, request, text string, n uint8) {
		whole, wholeErr := feedAll(request, text, len(text)+1)
		cut, cutErr := feedAll(request, text, int(n)+1)
		if (wholeErr == nil) != (cutErr == nil) || wholeErr == nil && whole != cut {
			t.Errorf("reply %q to %q: %t, %v; in pieces of %d: %t, %v",
				text, request, whole, wholeErr, int(n)+1, cut, cutErr)
		}
		var r reply
		if r.begin([]byte(request)) == nil {
			r.feed([]byte(text))
			if len(r.line) > longestLine {
				t.Errorf("%d bytes of a line are kept, want at most %d", len(r.line), longestLine)
			}
		}
	})
}
