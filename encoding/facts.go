package encoding

import (
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
	"math"
	"time"
)

// Facts are stored with a value, and say something about it. The zero value has no facts. A
// copy of a Facts is independent of it. A Facts must not be used concurrently.
type Facts struct {
	// Fresh is the time until which the value is fresh, with a precision of a nanosecond.
	// If zero, there is no such fact. It must be a time for which time.Time.UnixNano is
	// defined: 1677-09-21T00:12:43.145224192Z to 2262-04-11T23:47:16.854775807Z.
	Fresh time.Time

	// Took is how long it took to make the value. If 0, there is no such fact. A negative
	// Took is an error.
	Took time.Duration

	// NotFound says that the value was looked for, and does not exist.
	NotFound bool

	// Grace is how long after Fresh the value may be served while it is made again. If 0,
	// there is no such fact. A negative Grace is an error.
	Grace time.Duration

	tags []byte // for each tag its version, the length of its name, and its name
}

// AddTag adds a tag with this name and version. It copies the tags that f already has.
func (f *Facts) AddTag(name string, version uint64) {
	// The array of f.tags may belong to other Facts, or to the cache: append must copy.
	f.tags = binary.AppendUvarint(f.tags[:len(f.tags):len(f.tags)], version)
	f.tags = binary.AppendUvarint(f.tags, uint64(len(name)))
	f.tags = append(f.tags, name...)
}

// Tags yields the names of the tags with their versions, in the order in which they were
// added. The caller must not write to a name. A name does not change after it was yielded.
func (f *Facts) Tags() iter.Seq2[[]byte, uint64] {
	return func(yield func([]byte, uint64) bool) {
		for tags := f.tags; len(tags) != 0; {
			var name []byte
			var version uint64
			name, version, tags = cutTag(tags)
			if !yield(name, version) {
				return
			}
		}
	}
}

// The numbers of the fields of an envelope.
const (
	fieldFresh    = 1 // nanoseconds since 1970, eight bytes, the highest first
	fieldTook     = 2 // nanoseconds, an unsigned varint
	fieldNotFound = 3 // empty
	fieldTags     = 4 // as in Facts
	fieldGrace    = 5 // nanoseconds, an unsigned varint
)

func (f *Facts) isZero() bool {
	return f.Fresh.IsZero() && f.Took == 0 && !f.NotFound && f.Grace == 0 && len(f.tags) == 0
}

var (
	errTook  = errors.New("Facts.Took is negative, want 0 or more")
	errGrace = errors.New("Facts.Grace is negative, want 0 or more")
)

// The first and the last time that UnixNano can represent.
var firstTime, lastTime = time.Unix(0, math.MinInt64).UTC(), time.Unix(0, math.MaxInt64).UTC()

func (f *Facts) check() error {
	if f.Took < 0 {
		return errTook
	}
	if f.Grace < 0 {
		return errGrace
	}
	if !f.Fresh.IsZero() && (f.Fresh.Before(firstTime) || f.Fresh.After(lastTime)) {
		return fmt.Errorf(
			"Facts.Fresh is %s, want %s to %s",
			f.Fresh.UTC().Format(time.RFC3339Nano),
			firstTime.Format(time.RFC3339Nano),
			lastTime.Format(time.RFC3339Nano),
		)
	}
	return nil
}

// appendEnvelope appends an envelope with the facts of f.
func appendEnvelope(dst []byte, f *Facts) []byte {
	var space [48]byte // enough for all fields except the tags
	fields := space[:0]
	if !f.Fresh.IsZero() {
		fields = append(fields, fieldFresh, 8)
		fields = binary.BigEndian.AppendUint64(fields, uint64(f.Fresh.UnixNano()))
	}
	fields = appendDuration(fields, fieldTook, f.Took)
	if f.NotFound {
		fields = append(fields, fieldNotFound, 0)
	}
	fields = appendDuration(fields, fieldGrace, f.Grace)
	if len(f.tags) != 0 {
		fields = append(fields, fieldTags)
		fields = binary.AppendUvarint(fields, uint64(len(f.tags)))
	}
	dst = append(dst, magic...)
	dst = append(dst, version)
	dst = binary.AppendUvarint(dst, uint64(len(fields)+len(f.tags)))
	dst = append(dst, fields...)
	return append(dst, f.tags...)
}

// appendDuration appends a field with d, unless d is 0.
func appendDuration(fields []byte, number byte, d time.Duration) []byte {
	if d == 0 {
		return fields
	}
	var varint [binary.MaxVarintLen64]byte
	n := binary.PutUvarint(varint[:], uint64(d))
	return append(append(fields, number, byte(n)), varint[:n]...)
}

// setFields sets f to the facts in fields, and reports whether all fields are valid. f
// refers to fields for its tags.
func (f *Facts) setFields(fields []byte) bool {
	for len(fields) != 0 {
		number, n := binary.Uvarint(fields)
		if n <= 0 {
			return false
		}
		var content []byte
		content, fields = cutBytes(fields[n:])
		if content == nil || !f.setField(number, content) {
			return false
		}
	}
	return true
}

func (f *Facts) setField(number uint64, content []byte) bool {
	switch number {
	case fieldFresh:
		if len(content) != 8 {
			return false
		}
		f.Fresh = time.Unix(0, int64(binary.BigEndian.Uint64(content)))
	case fieldTook:
		return setDuration(&f.Took, content)
	case fieldGrace:
		return setDuration(&f.Grace, content)
	case fieldNotFound:
		f.NotFound = true
		return len(content) == 0
	case fieldTags:
		f.tags = content
		return areTags(content)
	}
	return true
}

// setDuration sets d to the duration in content, and reports whether content is a duration.
func setDuration(d *time.Duration, content []byte) bool {
	nanoseconds, n := binary.Uvarint(content)
	if n <= 0 || n != len(content) || nanoseconds > math.MaxInt64 {
		return false
	}
	*d = time.Duration(nanoseconds)
	return true
}

func areTags(tags []byte) bool {
	for len(tags) != 0 {
		var name []byte
		if name, _, tags = cutTag(tags); name == nil {
			return false
		}
	}
	return true
}

// cutTag returns the first tag of tags and the bytes after it. The name is nil if tags do
// not begin with a tag.
func cutTag(tags []byte) (name []byte, version uint64, rest []byte) {
	version, n := binary.Uvarint(tags)
	if n <= 0 {
		return nil, 0, nil
	}
	name, rest = cutBytes(tags[n:])
	return name, version, rest
}

// cutBytes returns the field at the beginning of data, which has its length before it,
// and the bytes after it. The field is nil if it is truncated, and not nil otherwise,
// even if empty.
func cutBytes(data []byte) (field, rest []byte) {
	length, n := binary.Uvarint(data)
	if n <= 0 || length > uint64(len(data)-n) {
		return nil, nil
	}
	end := n + int(length)
	return data[n:end:end], data[end:]
}
