package redis

import (
	"encoding/binary"
	"maps"
	"slices"
	"testing"
	"time"
)

// The bus has heard everything that was published before an own beat was sent, not before it came
// back. A beat is a sign of life once.
func TestAnOwnBeatCountsFromItsSending(t *testing.T) {
	p := newPubSub(nil, "")
	start := time.Now().Add(-time.Hour)
	for number := range uint64(5) {
		p.beats[number] = start.Add(time.Duration(number))
	}
	numbers := map[senderID]uint64{}
	beat := func(number uint64) time.Time {
		t.Helper()
		message := append(binary.BigEndian.AppendUint64(p.id[:], number), messageBeat)
		n, ok := p.noticeOf(message, numbers)
		if n.Lost != nil || n.All || n.Keys != nil || ok != !n.Synced.IsZero() {
			t.Errorf("the notice of the beat %d: %+v, %v", number, n, ok)
		}
		return n.Synced
	}
	if got, want := beat(3), start.Add(3); !got.Equal(want) {
		t.Errorf("Synced of a beat is %v, want %v, when it was sent", got, want)
	}
	for _, number := range []uint64{3, 2} { // again, too late
		if got := beat(number); !got.IsZero() {
			t.Errorf("Synced of the beat %d is %v, want none", number, got)
		}
	}
	if left := slices.Collect(maps.Keys(p.beats)); !slices.Equal(left, []uint64{4}) {
		t.Errorf("the beats %v are remembered, want the 4 alone", left)
	}
}

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
