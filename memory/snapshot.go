package memory

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math"
	"time"

	"github.com/cachewire/cachewire/core"
)

// A snapshot is
//
//	magic                    14 bytes; the last one is the version
//	a record for each item   length of the key, which is not 0, and the key
//	                         8 bytes: when it expires, in nanoseconds since 1970 UTC, or 0
//	                         flags
//	                         length of the value, and the value
//	end                      0, number of records
//	checksum                 4 bytes: CRC-32C of all bytes before it
//
// Lengths, flags and the number of records are varints of encoding/binary. The other integers
// are in big-endian order.
const magic = "cachewire mem\x01"

const (
	snapshotBuffer = 64 << 10
	maxStoredKey   = core.MaxKeyLen + core.MaxPrefixLen
)

// ErrSnapshot means that Load has not read a snapshot of this version, or a damaged one.
var ErrSnapshot = errors.New("cachewire: memory: invalid snapshot")

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Save writes a snapshot of the items to w, for Load, and returns how many items are in it. It
// leaves out the values of core.Shared.
//
// Verbs may run meanwhile, and do not wait. Each item is as it was at one moment while Save ran.
// An item is in the snapshot if its key was present during the whole call; see All. If Save
// returns an error, which is that of w or ctx, what was written is not a snapshot.
func (b *Backend) Save(ctx context.Context, w io.Writer) (items int, err error) {
	sum := crc32.New(castagnoli)
	// A bufio.Writer keeps its first error, which Flush returns.
	out := bufio.NewWriterSize(io.MultiWriter(w, sum), snapshotBuffer)
	out.WriteString(magic)
	var buf []byte
	for item, err := range b.All(ctx, "") {
		if err != nil {
			return 0, err
		}
		if item.Value == nil {
			continue // a value of core.Shared
		}
		buf = binary.AppendUvarint(buf[:0], uint64(len(item.Key)))
		buf = append(buf, item.Key...)
		buf = binary.BigEndian.AppendUint64(buf, uint64(dateAfter(time.Now(), item.TTL)))
		buf = binary.AppendUvarint(buf, uint64(item.Flags))
		buf = binary.AppendUvarint(buf, uint64(len(item.Value)))
		out.Write(buf)
		if _, err := out.Write(item.Value); err != nil {
			return 0, err
		}
		items++
	}
	out.Write(binary.AppendUvarint([]byte{0}, uint64(items)))
	if err := out.Flush(); err != nil {
		return 0, err
	}
	if _, err := w.Write(sum.Sum(nil)); err != nil {
		return 0, err
	}
	return items, nil
}

// dateAfter returns the date at which an item expires that has ttl left to live at now, or 0 if
// it never expires.
func dateAfter(now time.Time, ttl time.Duration) int64 {
	if ttl == 0 {
		return 0
	}
	return deadlineAfter(now.UnixNano(), ttl)
}

// Load stores the items of a snapshot that Save has written, and returns how many. It reads r to
// its end. It returns ErrSnapshot if that is not a snapshot or is damaged, and the error of r or
// ctx; then it stores nothing.
//
// Load stores an item as Add does, so that one that is present stays, because it is newer. An
// item expires on the date at which it would have expired without Save and Load: the time between
// them counts, by the clocks of the two machines. One that has expired is left out.
//
// Load takes memory for what it has read, and for no more than MaxItems and MaxBytes allow. If
// the snapshot has more items, the last ones are left out.
func (b *Backend) Load(ctx context.Context, r io.Reader) (items int, err error) {
	in := &snapshotReader{ctx: ctx, in: bufio.NewReaderSize(r, snapshotBuffer)}
	loaded, err := in.readAll(b)
	if err != nil {
		return 0, err
	}
	for _, l := range loaded {
		ttl := time.Duration(0)
		if l.date != 0 {
			if ttl = time.Duration(l.date - time.Now().UnixNano()); ttl <= 0 {
				continue
			}
		}
		switch err := b.addEntry(l.entry, l.cost, ttl); err {
		case nil:
			items++
		case core.ErrExists:
		default:
			return items, err
		}
	}
	return items, nil
}

// addEntry stores e, which costs so much, for ttl if its key is absent.
func (b *Backend) addEntry(e *entry, cost int64, ttl time.Duration) error {
	hash := b.hash(e.key())
	sh := b.shardOf(hash)
	w := &write{mode: core.Add, hash: hash, key: e.key(), ttl: ttl, entry: e, cost: cost}
	done, err := sh.tryWrite(w)
	if !done {
		err = b.writeLarge(sh, w)
	}
	return err
}

// A loadedEntry is an item of a snapshot that is not stored yet.
type loadedEntry struct {
	entry *entry
	cost  int64
	date  int64 // when it expires
}

// A snapshotReader reads a snapshot.
type snapshotReader struct {
	ctx     context.Context
	in      *bufio.Reader
	sum     uint32 // of what was read, without pending
	pending []byte // read by uvarint, and not in sum yet
	key     []byte
	value   []byte
}

// readAll returns the items of the snapshot that have not expired, as far as the bounds of b
// allow. It returns an error unless the whole snapshot is right.
func (s *snapshotReader) readAll(b *Backend) ([]loadedEntry, error) {
	start, err := s.read(nil, len(magic))
	if err != nil {
		return nil, err
	}
	const version = len(magic) - 1
	if string(start[:version]) != magic[:version] {
		return nil, fmt.Errorf("%w: it does not begin like one", ErrSnapshot)
	}
	if start[version] != magic[version] {
		return nil, fmt.Errorf("%w: its version is %d; want %d",
			ErrSnapshot, start[version], magic[version])
	}
	var loaded []loadedEntry
	var bytes, maxValue int64
	if b.bounds.weight == nil {
		maxValue = b.bounds.maxBytes
	}
	now := time.Now().UnixNano()
	for n := uint64(0); ; n++ {
		if n%256 == 0 && s.ctx.Err() != nil {
			return nil, s.ctx.Err()
		}
		date, flags, more, err := s.readItem(maxValue)
		if err != nil {
			return nil, err
		}
		if !more {
			return loaded, s.readEnd(n)
		}
		if date != 0 && date <= now || maxValue > 0 && int64(len(s.value)) > maxValue ||
			b.bounds.maxItems > 0 && int64(len(loaded)) >= b.bounds.maxItems {
			continue
		}
		key := string(s.key)
		e := newEntry(key, s.value, flags, b.bounds.layout)
		if b.bounds.weight != nil {
			b.bounds.weigh(e)
		}
		cost := b.bounds.cost(e)
		if b.bounds.tooLarge(cost) || b.bounds.tooLarge(bytes+cost) {
			continue
		}
		bytes += cost
		loaded = append(loaded, loadedEntry{entry: e, cost: cost, date: date})
	}
}

// readItem reads an item into s.key and s.value, and returns the rest of it, and whether there
// is one. Of a value of more than maxValue bytes, if that is not 0, it keeps only as many that it
// is still too large.
func (s *snapshotReader) readItem(maxValue int64) (date int64, flags uint32, more bool, err error) {
	keyLen, err := s.uvarint(maxStoredKey, "length of a key")
	if err != nil || keyLen == 0 {
		return 0, 0, false, err
	}
	if s.key, err = s.read(s.key[:0], int(keyLen)); err != nil {
		return 0, 0, false, err
	}
	var eight [8]byte
	if _, err = s.read(eight[:0], 8); err != nil {
		return 0, 0, false, err
	}
	if date = int64(binary.BigEndian.Uint64(eight[:])); date < 0 {
		return 0, 0, false, fmt.Errorf("%w: an item expires before 1970", ErrSnapshot)
	}
	f, err := s.uvarint(math.MaxUint32, "flags of an item")
	if err != nil {
		return 0, 0, false, err
	}
	valueLen, err := s.uvarint(math.MaxInt, "length of a value")
	if err != nil {
		return 0, 0, false, err
	}
	kept := valueLen
	if maxValue > 0 {
		kept = min(kept, uint64(maxValue)+1)
	}
	if s.value, err = s.read(s.value[:0], int(kept)); err == nil {
		err = s.skip(valueLen - kept)
	}
	return date, uint32(f), true, err
}

// readEnd reads what follows the last of n records.
func (s *snapshotReader) readEnd(n uint64) error {
	if want, err := s.uvarint(math.MaxUint64, "number of items"); err != nil {
		return err
	} else if want != n {
		return fmt.Errorf("%w: it has %d items, and says that it has %d", ErrSnapshot, n, want)
	}
	s.addPending()
	sum := s.sum
	var four [4]byte
	if _, err := s.read(four[:0], 4); err != nil {
		return err
	}
	if want := binary.BigEndian.Uint32(four[:]); want != sum {
		return fmt.Errorf("%w: its checksum is %#08x; want %#08x", ErrSnapshot, sum, want)
	}
	switch _, err := s.in.ReadByte(); err {
	case io.EOF:
		return nil
	case nil:
		return fmt.Errorf("%w: more follows its end", ErrSnapshot)
	default:
		return readError(err)
	}
}

// uvarint reads a number of at most limit.
func (s *snapshotReader) uvarint(limit uint64, what string) (n uint64, err error) {
	for shift := 0; ; shift += 7 {
		c, err := s.in.ReadByte()
		if err != nil {
			return 0, readError(err)
		}
		s.pending = append(s.pending, c)
		bits := uint64(c & 0x7f)
		if shift > 63 || bits<<shift>>shift != bits || n|bits<<shift > limit {
			return 0, fmt.Errorf("%w: its %s is larger than %d", ErrSnapshot, what, limit)
		}
		if n |= bits << shift; c < 0x80 {
			return n, nil
		}
	}
}

// addPending adds to the sum what uvarint has read.
func (s *snapshotReader) addPending() {
	s.sum = crc32.Update(s.sum, castagnoli, s.pending)
	s.pending = s.pending[:0]
}

// read appends n bytes to dst. It allocates no more than twice the bytes that there are, whatever
// n is.
func (s *snapshotReader) read(dst []byte, n int) ([]byte, error) {
	s.addPending()
	for n > 0 {
		chunk, err := s.chunk(uint64(n))
		if err != nil {
			return dst, err
		}
		dst = append(dst, chunk...)
		n -= len(chunk)
	}
	return dst, nil
}

// skip reads n bytes.
func (s *snapshotReader) skip(n uint64) error {
	for n > 0 {
		chunk, err := s.chunk(n)
		if err != nil {
			return err
		}
		n -= uint64(len(chunk))
	}
	return nil
}

// chunk returns the next 1 to n bytes, which are valid until the next read.
func (s *snapshotReader) chunk(n uint64) ([]byte, error) {
	if s.in.Buffered() == 0 {
		if err := s.ctx.Err(); err != nil {
			return nil, err
		}
		if _, err := s.in.Peek(1); err != nil {
			return nil, readError(err)
		}
	}
	chunk, _ := s.in.Peek(int(min(n, uint64(s.in.Buffered()))))
	s.sum = crc32.Update(s.sum, castagnoli, chunk)
	s.in.Discard(len(chunk))
	return chunk, nil
}

// readError returns the error of a read as Load returns it.
func readError(err error) error {
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		return fmt.Errorf("%w: it ends too early", ErrSnapshot)
	}
	return fmt.Errorf("cachewire: memory: reading a snapshot: %w", err)
}
