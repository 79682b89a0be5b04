package memory

import (
	"fmt"
	"strconv"

	"github.com/cachewire/cachewire/core"
)

// An entry is an item as a shard holds it. Its shard's lock guards it.
type entry struct {
	key string

	// value is what was stored; its bytes are never written to again, so that
	// readers may share them. Its capacity is at least 1: the address of its
	// first byte is the entry's token, which is another one after each store.
	// Of a counter that has moved since it was last read, value is nil.
	value []byte

	deadline int64        // when it expires, as Backend.now; 0 is never
	shared   *sharedValue // what core.Shared stored; then value is nil
	flags    uint32
	counter  bool  // number counts, not value
	queue    uint8 // in which queue it lies, if there is a bound
	reads    uint8 // how often it was read since it came into its queue, at most maxReads

	// Up to here is what Get looks at: with 64 bytes, one line of the
	// processor's cache.

	number uint64   // what a counter stands at
	cost   int64    // what the entry counts as; see cost
	bucket int32    // in which bucket it lies, if it has a deadline
	links  [2]links // of its bucket and of its queue
}

// A sharedValue is a box, so that its address is a token.
type sharedValue struct{ v any }

var (
	errHoldsShared = fmt.Errorf("%w: the key holds a Go value, stored through core.Shared", core.ErrCodec)
	errHoldsBytes  = fmt.Errorf("%w: the key holds bytes, not a value of core.Shared", core.ErrCodec)
)

// cloneValue answers a copy of value, fit for entry.value. Its capacity is what
// the allocator gave.
func cloneValue(value []byte) []byte {
	if len(value) == 0 {
		return make([]byte, 0, 1)
	}
	return append([]byte(nil), value...)
}

func (e *entry) expired(now int64) bool { return e.deadline != 0 && now >= e.deadline }

// bytes answers the value, also of a counter.
func (e *entry) bytes() []byte {
	if e.counter && e.value == nil {
		var digits [20]byte
		e.value = cloneValue(strconv.AppendUint(digits[:0], e.number, 10))
	}
	return e.value[:len(e.value):len(e.value)]
}

// token answers what identifies the state of the entry.
func (e *entry) token() any {
	if e.shared != nil {
		return e.shared
	}
	e.bytes()
	return &e.value[:1][0]
}

// matches tells whether token was answered for the state that e is in. Of a
// counter that has moved since it was read no such token can be around.
func (e *entry) matches(token any) bool {
	if e.counter && e.value == nil {
		return false
	}
	return token == e.token()
}

// count answers the number that the entry stands for.
func (e *entry) count() (uint64, error) {
	switch {
	case e.counter:
		return e.number, nil
	case e.shared != nil:
		return 0, core.ErrNotNumber
	}
	return core.ParseCount(e.value)
}

// A ring is a list of entries, linked in a circle. Links are of one of two
// kinds, so that an entry can lie in two rings.
type ring struct{ first *entry }

type links struct{ prev, next *entry }

const (
	inBucket = iota
	inQueue
)

// push puts e behind the others.
func (r *ring) push(e *entry, kind int) {
	if r.first == nil {
		r.first = e
		e.links[kind] = links{e, e}
		return
	}
	next := r.first
	prev := next.links[kind].prev
	e.links[kind] = links{prev, next}
	prev.links[kind].next = e
	next.links[kind].prev = e
}

// remove takes e, which is in the ring, out of it.
func (r *ring) remove(e *entry, kind int) {
	l := e.links[kind]
	e.links[kind] = links{}
	if l.next == e {
		r.first = nil
		return
	}
	l.prev.links[kind].next = l.next
	l.next.links[kind].prev = l.prev
	if r.first == e {
		r.first = l.next
	}
}
