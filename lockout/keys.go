package lockout

import (
	"crypto/sha256"
	"encoding/hex"
)

// A named is a counter with what a Lockout adds to it.
type named[C any] struct {
	Counter[C]
	limit limit
	name  string // of the term

	// Of the keys of the counter, its lock, and the number of locks in a row.
	counterPrefix, lockPrefix, rowPrefix string
}

func newNamed[C any](c Counter[C], name, prefix string) named[C] {
	n := named[C]{
		Counter: c, limit: limit{c.Algorithm, c.Count, c.Period}, name: name,
		counterPrefix: prefix, lockPrefix: "lock:" + prefix, rowPrefix: "row:" + prefix,
	}
	switch c.Algorithm { // whose values another algorithm cannot read
	case SlidingWindow:
		n.counterPrefix = "window:" + prefix
	case TokenBucket:
		n.counterPrefix = "bucket:" + prefix
	}
	return n
}

// A count is a counter for one c.
type count[C any] struct {
	*named[C]
	id  string // what Key answers
	key string // of the counter
}

func (n count[C]) lockKey() string { return n.lockPrefix + n.id }
func (n count[C]) rowKey() string  { return n.rowPrefix + n.id }

// maxID is from which length on what Key answers is hashed: what a client sends must not
// become a key that no cache takes, and so be not counted.
const maxID = 1024

// of answers n for c, and false if it does not count c.
func (n *named[C]) of(c C) (count[C], bool) {
	id := n.Key(c)
	if len(id) > maxID {
		sum := sha256.Sum256([]byte(id))
		id = "sha256:" + hex.EncodeToString(sum[:])
	}
	return count[C]{n, id, n.counterPrefix + id}, id != ""
}

// counts appends to all, which is empty, the counters that count c.
func (l *Lockout[C]) counts(c C, all []count[C]) []count[C] {
	if l == nil {
		return nil
	}
	for i := range l.counters {
		if n, ok := l.counters[i].of(c); ok {
			all = append(all, n)
		}
	}
	return all
}

// few is for how many counters there is room without an allocation.
const few = 2

// keysOf answers all keys of those of counts that a reset deletes.
func keysOf[C any](counts []count[C]) []string {
	keys := make([]string, 0, 3*len(counts))
	for _, n := range counts {
		keys = append(keys, n.key)
		if n.Duration > 0 {
			keys = append(keys, n.lockKey())
		}
		if n.MaxDuration > 0 {
			keys = append(keys, n.rowKey())
		}
	}
	return keys
}
