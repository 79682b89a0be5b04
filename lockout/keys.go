package lockout

import (
	"crypto/sha256"
	"encoding/hex"
)

// A term is a Counter with its name and its keys in a Lockout.
type term[C any] struct {
	Counter[C]
	limit limit
	name  string

	// The prefixes of the keys of the counter, its lock, and the number of locks in a row.
	counterPrefix, lockPrefix, rowPrefix string
}

func newTerm[C any](c Counter[C], name, prefix string) term[C] {
	t := term[C]{
		Counter: c, limit: limit{c.Algorithm, c.Count, c.Period}, name: name,
		counterPrefix: prefix, lockPrefix: "lock:" + prefix, rowPrefix: "row:" + prefix,
	}
	switch c.Algorithm { // an algorithm cannot read the values of another one
	case SlidingWindow:
		t.counterPrefix = "window:" + prefix
	case TokenBucket:
		t.counterPrefix = "bucket:" + prefix
	}
	return t
}

// An entry is a term for one c.
type entry[C any] struct {
	*term[C]
	id  string // what Counter.Key returned, hashed if it is long
	key string // the key of the counter
}

func (e entry[C]) lockKey() string { return e.lockPrefix + e.id }
func (e entry[C]) rowKey() string  { return e.rowPrefix + e.id }

// maxID is the length in bytes of the longest id that is not hashed. If a client could send
// an id that no cache accepts as a part of a key, it would not be counted.
const maxID = 1024

// entry returns the entry for c, and false if t does not count c.
func (t *term[C]) entry(c C) (entry[C], bool) {
	id := t.Key(c)
	if len(id) > maxID {
		sum := sha256.Sum256([]byte(id))
		id = "sha256:" + hex.EncodeToString(sum[:])
	}
	return entry[C]{t, id, t.counterPrefix + id}, id != ""
}

// entries returns the entries of the terms that count c. It appends them to buf, which is
// empty.
func (l *Lockout[C]) entries(c C, buf []entry[C]) []entry[C] {
	if l == nil {
		return nil
	}
	for i := range l.terms {
		if e, ok := l.terms[i].entry(c); ok {
			buf = append(buf, e)
		}
	}
	return buf
}

// bufLen is how many terms a lockout may have before its verbs allocate slices of entries.
const bufLen = 2

// keysOf returns all keys that a reset of entries deletes.
func keysOf[C any](entries []entry[C]) []string {
	keys := make([]string, 0, 3*len(entries))
	for _, e := range entries {
		keys = append(keys, e.key)
		if e.Duration > 0 {
			keys = append(keys, e.lockKey())
		}
		if e.MaxDuration > 0 {
			keys = append(keys, e.rowKey())
		}
	}
	return keys
}
