package redis

import (
	"slices"
	"testing"
)

// Whatever arrives on the channel, it does no harm: keys are those that were sent, or it is a
// loss.
func FuzzAMessageOfABusDoesNoHarm(f *testing.F) {
	p := newPubSub(nil, "")
	header := string(make([]byte, messageHeader-1))
	for _, message := range []string{
		"", header, header + "\x00", header + "\x01", header + "\x02\x01a\x00",
		header + "\x02\x05a",
		header + "\x02\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", string(p.id[:]) + header,
	} {
		f.Add([]byte(message))
	}
	f.Fuzz(func(t *testing.T, message []byte) {
		before := slices.Clone(message)
		n, ok := p.noticeOf(message, map[senderID]uint64{})
		if !slices.Equal(message, before) {
			t.Error("the message was changed")
		}
		size := 0
		for _, key := range n.Keys {
			size += len(key)
		}
		if size > len(message) {
			t.Errorf("%d bytes of keys from a message of %d", size, len(message))
		}
		if !ok && (n.Lost != nil || n.All || n.Keys != nil) {
			t.Errorf("a notice that is not given: %+v", n)
		}
	})
}
