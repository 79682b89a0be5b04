package memory_test

import (
	"context"
	"encoding/binary"
	"flag"
	"fmt"
	"math/rand/v2"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/memory"
	"github.com/maypok86/otter/v2"
)

var entries = flag.Int("entries", 100_000, "the number of entries in each cache")

// entryCount returns how many entries each cache has: a tenth with -short.
func entryCount() int {
	if testing.Short() {
		return *entries / 10
	}
	return *entries
}

// makeKeys returns n keys of 8 to 64 bytes, 36 on average.
func makeKeys(n int) []string {
	r := rand.New(rand.NewPCG(1, 2))
	keys := make([]string, n)
	for i := range keys {
		keys[i] = fmt.Sprintf("%08x", i) + strings.Repeat("k", r.IntN(57))
	}
	return keys
}

// valueOf returns the value of key number i, of 100 bytes, in buf.
func valueOf(i int, buf []byte) []byte {
	for at := 0; at < 100; at += 4 {
		binary.LittleEndian.PutUint32(buf[at:], uint32(i))
	}
	return buf[:100]
}

// isValueOf reports whether v is the value of key number i. It compares both ends, because a
// program that reads a value also looks at it.
func isValueOf(i uint32, v []byte) bool {
	return len(v) == 100 &&
		binary.LittleEndian.Uint32(v) == i && binary.LittleEndian.Uint32(v[96:]) == i
}

// trace returns the numbers of the keys in the order of their use. They are below n.
func trace(n int, zipf bool, seed uint64) []uint32 {
	r := rand.New(rand.NewPCG(seed, 3))
	z := rand.NewZipf(r, 1.01, 1, uint64(n-1))
	order := rand.New(rand.NewPCG(4, 5)).Perm(n) // so that the frequent keys are anywhere
	numbers := make([]uint32, 1<<18)
	for i := range numbers {
		if zipf {
			numbers[i] = uint32(order[z.Uint64()])
		} else {
			numbers[i] = r.Uint32N(uint32(n))
		}
	}
	return numbers
}

func TestRivalsReturnTheBytesThatWereStored(t *testing.T) {
	const n = 1000
	keys := makeKeys(n)
	var buf [100]byte
	for _, r := range rivals {
		t.Run(r.name, func(t *testing.T) {
			s := r.open(t, n)
			for i, key := range keys {
				s.set(key, valueOf(i, buf[:]))
			}
			if r.name == "ristretto" { // it stores asynchronously
				s.(ristrettoStore).Wait()
			}
			missed := 0
			for i, key := range keys {
				v, ok := s.get(key)
				if !ok {
					missed++
				} else if string(v) != string(valueOf(i, buf[:])) {
					t.Fatalf("%s: got %v, want value %d", key, v, i)
				}
			}
			if missed > 0 && r.name != "ristretto" {
				t.Errorf("%d keys are missing", missed)
			}
			if _, ok := s.get("absent"); ok {
				t.Error("get of an absent key is a hit")
			}
		})
	}
}

// BenchmarkSpeed reads and writes present keys. The parts of its names are the distribution,
// the percentage of reads, the number of goroutines, and the rival. Rivals run one after
// another at the same mix, because the speed of a machine changes from minute to minute.
// With -benchmem, the allocations are those of a whole trace.
func BenchmarkSpeed(b *testing.B) {
	n := entryCount()
	keys := makeKeys(n)
	lookups := make([]string, n) // copies, as an application seldom reads with the stored string
	for i := range keys {
		lookups[i] = strings.Clone(keys[i])
	}
	traces := map[string][]uint32{"zipf": trace(n, true, 6), "uniform": trace(n, false, 7)}
	for _, distribution := range []string{"zipf", "uniform"} {
		for _, reads := range []int{100, 90, 50, 0} {
			for _, r := range rivals {
				var s store
				var sc scope
				for _, goroutines := range []int{1, 2, 16} {
					name := fmt.Sprintf("%s,%d%%,%d/%s", distribution, reads, goroutines, r.name)
					b.Run(name, func(b *testing.B) {
						m := mix{
							keys:       lookups,
							trace:      traces[distribution],
							reads:      reads,
							goroutines: goroutines,
						}
						if s == nil {
							sc.TB = b
							debug.FreeOSMemory() // frees what the previous rival left
							s = r.open(&sc, n)
							var buf [100]byte
							for i, key := range keys {
								s.set(key, valueOf(i, buf[:]))
							}
							m.store = s
							m.run(b)
							m.missed.Store(0)
						}
						m.store = s
						runtime.GC()
						for b.Loop() {
							m.run(b)
						}
						ns := float64(b.Elapsed().Nanoseconds())
						b.ReportMetric(ns/float64(b.N)/float64(len(m.trace)), "ns/op")
						if n := m.missed.Load(); n > 0 {
							missed := float64(n) / float64(b.N) / float64(len(m.trace))
							b.ReportMetric(missed*100, "%missed")
						}
					})
				}
				sc.end()
			}
		}
	}
}

// A scope collects the cleanups of a store that several benchmarks use.
type scope struct {
	testing.TB
	cleanups []func()
}

func (s *scope) Cleanup(f func()) { s.cleanups = append(s.cleanups, f) }

// end calls the cleanups, the last one first.
func (s *scope) end() {
	for _, f := range slices.Backward(s.cleanups) {
		f()
	}
}

// A mix is a sequence of reads and writes of the keys in a trace.
type mix struct {
	store      store
	keys       []string
	trace      []uint32
	reads      int // in a hundred calls
	goroutines int
	missed     atomic.Int64
}

// run goes through the trace once. Its goroutines take one piece of the trace after another.
func (m *mix) run(b *testing.B) {
	const piece = 256
	var position atomic.Int64 // the end of the pieces that were taken
	var goroutines sync.WaitGroup
	for range m.goroutines {
		goroutines.Go(func() {
			var value [100]byte
			missed := 0
			for {
				end := int(position.Add(piece))
				if end > len(m.trace) {
					break
				}
				for at := end - piece; at < end; at++ {
					i := m.trace[at]
					// 37 has no factor in common with 100, so that writes are spread.
					if at*37%100 < m.reads {
						if v, ok := m.store.get(m.keys[i]); !ok {
							missed++
						} else if !isValueOf(i, v) {
							b.Errorf("%s: got %v, want value %d", m.keys[i], v, i)
							return
						}
					} else {
						// The key is a new string, as in an application. Some caches keep it.
						m.store.set(strings.Clone(m.keys[i]), valueOf(int(i), value[:]))
					}
				}
			}
			m.missed.Add(int64(missed))
		})
	}
	goroutines.Wait()
}

type user struct {
	Name string
	ID   int
}

// BenchmarkShared reads values of a Go type that are kept as they are, without an encoding.
func BenchmarkShared(b *testing.B) {
	keys, lookups := makeKeys(1000), makeKeys(1000)
	ctx := context.Background()
	c, err := core.New(must(memory.New(nil)), nil)
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	typed := must(core.NewTyped(c, core.Shared[*user]()))
	exact := otter.Must(&otter.Options[string, *user]{
		ExpiryCalculator: otter.ExpiryWriting[string, *user](ttl),
	})
	defer exact.StopAllGoroutines()
	clock := otter.NewCoarseClock(10 * time.Millisecond)
	defer clock.Stop()
	coarse := otter.Must(&otter.Options[string, *user]{
		ExpiryCalculator: otter.ExpiryWriting[string, *user](ttl),
		Clock:            clock,
	})
	defer coarse.StopAllGoroutines()
	for i, key := range keys {
		u := &user{key, i}
		if err := typed.Set(ctx, key, u, ttl); err != nil {
			b.Fatal(err)
		}
		exact.Set(key, u)
		coarse.Set(key, u)
	}
	for _, r := range []struct {
		name string
		get  func(key string) *user
	}{
		{"otter", func(key string) *user { u, _ := exact.GetIfPresent(key); return u }},
		{"otter,coarse", func(key string) *user { u, _ := coarse.GetIfPresent(key); return u }},
		{"core.Shared", func(key string) *user { u, _ := typed.Get(ctx, key); return u }},
	} {
		b.Run(r.name, func(b *testing.B) {
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				if u := r.get(lookups[i%1000]); u == nil || u.ID != i%1000 {
					b.Fatal(u)
				}
			}
		})
	}
}
