package codectest

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"runtime"
	"runtime/metrics"
	"sync"

	"github.com/cachewire/cachewire/core"
)

// damageRules are about data that is not what Append wrote.
func damageRules[T any]() []rule[T] {
	return []rule[T]{
		{
			"cut",
			"The beginning of an encoded value is refused, unless the format is bare.",
			cutIsRefused[T],
		},
		{"extended", "An encoded value with more bytes is refused or decoded as the same value, " +
			"unless the format is bare.", extendedIsRefused[T]},
		{
			"mutated",
			"Damaged data never makes Decode panic. If it is decoded, the value is whole: it " +
				"can be stored and comes back equal. A sealed format refuses it.",
			mutatedIsHarmless[T],
		},
		{
			"memory",
			"Decode takes no more memory than the length of its input justifies.",
			memoryIsBounded[T],
		},
		{
			"bomb",
			"Decode decompresses no more than the documented number of bytes.",
			bombIsRefused[T],
		},
	}
}

// positions yields all positions in data, or some of them if they are very many.
func positions(data []byte) func(yield func(int) bool) {
	step := 1 + len(data)/500
	return func(yield func(int) bool) {
		for i := 0; i < len(data); i += step {
			if !yield(i) {
				return
			}
		}
	}
}

func cutIsRefused[T any](s *suite[T]) {
	for v, e := range s.samples {
		for n := range positions(e.data) {
			part := encoded{e.data[:n:n], e.flags}
			if what := fmt.Sprintf("%d of %d bytes of %s", n, len(e.data), show(v)); s.Bare {
				s.wantWhole(what, part)
			} else {
				s.wantRefused(what, part)
			}
		}
	}
}

func extendedIsRefused[T any](s *suite[T]) {
	for v, e := range s.samples {
		for _, more := range []string{
			"\x00", " ", "\n", "0", "x", "}", "\x80", "\xc0", "\xff", string(e.data),
		} {
			if more == "" {
				continue
			}
			longer := encoded{append(bytes.Clone(e.data), more...), e.flags}
			if s.Bare {
				s.wantWhole(fmt.Sprintf("%s and %.20q", show(v), more), longer)
			} else if got, err := s.decode(longer); err == nil && (s.Sealed || !s.same(got, v)) {
				s.errorf("%s and %.20q is decoded as %s, want an error", show(v), more, show(got))
			}
		}
	}
}

// A mutator makes damaged copies of data, always the same ones, and calls f with each. f may
// keep none of them.
type mutator struct {
	data []byte
	buf  []byte
	f    func(what string, damaged []byte)
}

func newMutator(data []byte, f func(what string, damaged []byte)) *mutator {
	return &mutator{data, make([]byte, len(data)), f}
}

func (m *mutator) change(what string, at int, with func(part []byte)) {
	copy(m.buf, m.data)
	with(m.buf[at:])
	if !bytes.Equal(m.buf, m.data) {
		m.f(fmt.Sprintf("%s at byte %d of %d", what, at, len(m.data)), m.buf)
	}
}

// lengths writes large numbers at all positions, in the ways in which formats write lengths.
func (m *mutator) lengths() {
	for i := range positions(m.data) {
		m.change("0x7f", i, func(p []byte) { p[0] = 0x7f })
		m.change("0xff", i, func(p []byte) { p[0] = 0xff })
		m.change(
			"a large number",
			i,
			func(p []byte) { copy(p[1:], "\x7f\xff\xff\xff\xff\xff\xff") },
		)
		m.change("a large varint", i, func(p []byte) { copy(p, "\xff\xff\xff\xff\x0f") })
	}
}

func (m *mutator) noise() {
	for i := range positions(m.data) {
		for bit := range 8 {
			m.change(fmt.Sprint("bit ", bit), i, func(p []byte) { p[0] ^= 1 << bit })
		}
		for _, b := range []byte{0, '0', '"', '[', 0x80, 0xc0} {
			m.change(fmt.Sprintf("%#x", b), i, func(p []byte) { p[0] = b })
		}
	}
	r := rand.New(rand.NewPCG(1, 2))
	for n := range 200 {
		if len(m.data) > 1 {
			m.change(fmt.Sprint("noise ", n), 0, func(p []byte) {
				for range 1 + r.IntN(8) {
					p[r.IntN(len(p))] = byte(r.Uint32())
				}
			})
			m.change(fmt.Sprint("swap ", n), 0, func(p []byte) {
				i, j := r.IntN(len(p)), r.IntN(len(p))
				p[i], p[j] = p[j], p[i]
			})
		}
	}
}

func mutatedIsHarmless[T any](s *suite[T]) {
	for _, e := range s.samples {
		m := newMutator(e.data, func(what string, damaged []byte) {
			if s.Sealed {
				s.wantRefused(what, encoded{damaged, e.flags})
			} else {
				s.wantWhole(what, encoded{bytes.Clone(damaged), e.flags})
			}
		})
		m.lengths()
		m.noise()
	}
}

// allowed returns how many bytes Decode may allocate for n bytes of input. Values in memory are
// longer than encoded ones: an empty element takes one byte in most formats, and an interface
// with a map in it some hundreds.
func allowed(n int) uint64 { return 1<<20 + 1000*uint64(n) }

// wantMemory fails if Decode of e allocates more than limit bytes.
func (s *suite[T]) wantMemory(what string, e encoded, limit uint64) {
	if s.enough() {
		return
	}
	// What other goroutines allocate counts as well, even if they did so a little before. It does
	// not happen each time.
	var got uint64
	for range 5 {
		before := allocated()
		_, _ = s.decode(e)
		if got = allocated() - before; got <= limit {
			return
		}
		runtime.GC() // twice, it also empties what the codec keeps in a sync.Pool
		runtime.GC()
	}
	s.errorf("%s: Decode(%.60q, %#x) of %d bytes allocates %d bytes, want at most %d",
		what, e.data, e.flags, len(e.data), got, limit)
}

// allocated returns how many bytes the program has allocated. It may lack some small pieces of
// memory, which count later.
func allocated() uint64 {
	sample := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}

func memoryIsBounded[T any](s *suite[T]) {
	// Other codecs' flags need not be tried: their values are refused before they are read.
	kinds := map[uint32]bool{core.FlagBytes: true}
	for _, e := range s.samples {
		kinds[e.flags] = true
		s.wantMemory("a value", e, allowed(len(e.data)))
		newMutator(e.data, func(what string, damaged []byte) {
			s.wantMemory(what, encoded{damaged, e.flags}, allowed(len(e.data)))
		}).lengths()
	}
	for flags := range kinds {
		for _, data := range hostile() {
			s.wantMemory("a length or nesting", encoded{data, flags}, allowed(len(data)))
		}
	}
}

// hostile returns data that claim large lengths, in the ways of many formats, and data that are
// nested deep.
var hostile = sync.OnceValue(func() (all [][]byte) {
	for first := range 256 {
		head := []byte{byte(first)}
		for _, claim := range [][]byte{
			binary.BigEndian.AppendUint32(head, 1<<31-1),
			binary.BigEndian.AppendUint32(head, 1<<24),
			binary.BigEndian.AppendUint64(head, 1<<40),
			binary.AppendUvarint(head, 1<<40),
			append(head, bytes.Repeat([]byte{0xff}, 20)...),
		} {
			all = append(all, append(claim, 0, 0, 0))
		}
		all = append(all, bytes.Repeat(head, 1<<13))
	}
	for _, level := range []string{
		"[", `{"a":`, `[{"a":`, "\x91", "\x81\xa0", "\x81\x60", "\x9f", "\xbf\x60",
	} {
		all = append(all, bytes.Repeat([]byte(level), 1<<20/len(level)))
	}
	return all
})

func bombIsRefused[T any](s *suite[T]) {
	if s.MaxSize == 0 {
		return
	}
	for v, e := range s.samples {
		if e.flags&^kindFlags != 0 {
			continue // compressed already, by zlib or otherwise
		}
		good := encoded{deflated(e.data, 0), e.flags | core.FlagZlib}
		if got, err := s.decode(good); err != nil || !s.same(got, v) {
			s.errorf("%s, compressed by zlib, is decoded as %s, %v", show(v), show(got), err)
		}
		bomb := encoded{deflated(e.data, s.MaxSize+1-len(e.data)), e.flags | core.FlagZlib}
		s.wantRefused(fmt.Sprintf("%d bytes", s.MaxSize+1), bomb)
		bomb.data = deflated(e.data, 20*s.MaxSize)
		s.wantMemory("a bomb", bomb, 1<<20+6*uint64(s.MaxSize))
	}
}

// deflated returns data, followed by so many spaces, compressed by zlib.
func deflated(data []byte, spaces int) []byte {
	var out bytes.Buffer
	w := zlib.NewWriter(&out)
	_, _ = w.Write(data)
	blank := bytes.Repeat([]byte(" "), 1<<16)
	for spaces > 0 {
		n, _ := w.Write(blank[:min(spaces, len(blank))])
		spaces -= n
	}
	_ = w.Close()
	return out.Bytes()
}
