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

var entries = flag.Int("entries", 100_000, "how many entries the caches hold")

// makeKeys answers n keys of 8 to 64 bytes, 36 on the average.
func makeKeys(n int) []string {
	r := rand.New(rand.NewPCG(1, 2))
	keys := make([]string, n)
	for i := range keys {
		keys[i] = fmt.Sprintf("%08x", i) + strings.Repeat("k", r.IntN(57))
	}
	return keys
}

// valueOf answers the value of the key with that number, 100 bytes, in buf.
func valueOf(i int, buf []byte) []byte {
	for at := 0; at < 100; at += 4 {
		binary.LittleEndian.PutUint32(buf[at:], uint32(i))
	}
	return buf[:100]
}

// isValueOf tells whether v is what valueOf answers for i, by its ends: who reads a value
// looks at it.
func isValueOf(i uint32, v []byte) bool {
	return len(v) == 100 && binary.LittleEndian.Uint32(v) == i && binary.LittleEndian.Uint32(v[96:]) == i
}

// trace answers which keys are asked for, one after the other.
func trace(n int, zipf bool, seed uint64) []uint32 {
	r := rand.New(rand.NewPCG(seed, 3))
	z := rand.NewZipf(r, 1.01, 1, uint64(n-1))
	order := rand.New(rand.NewPCG(4, 5)).Perm(n) // so that what is asked for often is anywhere
	all := make([]uint32, 1<<18)
	for i := range all {
		if zipf {
			all[i] = uint32(order[z.Uint64()])
		} else {
			all[i] = r.Uint32N(uint32(n))
		}
	}
	return all
}

// Each rival answers the right bytes.
func TestRivalsAnswerTheRightBytes(t *testing.T) {
	const n = 1000
	keys := makeKeys(n)
	var buf [100]byte
	for _, r := range rivals {
		t.Run(r.name, func(t *testing.T) {
			s := r.open(t, n)
			for i, key := range keys {
				s.set(key, valueOf(i, buf[:]))
			}
			if r.name == "ristretto" { // which stores later
				s.(ristrettoStore).Wait()
			}
			missed := 0
			for i, key := range keys {
				v, ok := s.get(key)
				if !ok {
					missed++
				} else if string(v) != string(valueOf(i, buf[:])) {
					t.Fatalf("%s: %v", key, v)
				}
			}
			if missed > 0 && r.name != "ristretto" {
				t.Errorf("%d are missing", missed)
			}
			if _, ok := s.get("absent"); ok {
				t.Error("an absent key is there")
			}
		})
	}
}

// BenchmarkSpeed reads and writes present keys: distribution,reads %,goroutines/rival. Rivals
// run one after another at the same mix, since machines change from minute to minute. With
// -benchmem, allocations are those of a whole trace.
func BenchmarkSpeed(b *testing.B) {
	n := *entries
	keys := makeKeys(n)
	asked := make([]string, n) // what an application asks for is not the very string that it stored
	for i := range keys {
		asked[i] = strings.Clone(keys[i])
	}
	traces := map[string][]uint32{"zipf": trace(n, true, 6), "uniform": trace(n, false, 7)}
	for _, distribution := range []string{"zipf", "uniform"} {
		for _, reads := range []int{100, 90, 50, 0} {
			for _, r := range rivals {
				var s store
				var life scope
				for _, goroutines := range []int{1, 2, 16} {
					b.Run(fmt.Sprintf("%s,%d%%,%d/%s", distribution, reads, goroutines, r.name), func(b *testing.B) {
						m := mix{keys: asked, trace: traces[distribution], reads: reads, goroutines: goroutines}
						if s == nil {
							life.TB = b
							debug.FreeOSMemory() // what the rival before left is not for this one to clear
							s = r.open(&life, n)
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
						b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(m.trace)), "ns/op")
						if n := m.missed.Load(); n > 0 {
							b.ReportMetric(float64(n)/float64(b.N)/float64(len(m.trace))*100, "%missed")
						}
					})
				}
				life.end()
			}
		}
	}
}

// A scope is the life of a store of which several benchmarks make use.
type scope struct {
	testing.TB
	ends []func()
}

func (s *scope) Cleanup(end func()) { s.ends = append(s.ends, end) }

func (s *scope) end() {
	for _, end := range slices.Backward(s.ends) {
		end()
	}
}

// A mix is reads and writes of the keys whose numbers a trace has.
type mix struct {
	store      store
	keys       []string
	trace      []uint32
	reads      int // of a hundred
	goroutines int
	missed     atomic.Int64
}

// run goes along the trace once, in goroutines that take a piece of it each at a time.
func (m *mix) run(b *testing.B) {
	const piece = 256
	var taken atomic.Int64
	var all sync.WaitGroup
	for range m.goroutines {
		all.Go(func() {
			var value [100]byte
			miss := 0
			for {
				end := int(taken.Add(piece))
				if end > len(m.trace) {
					break
				}
				for at := end - piece; at < end; at++ {
					i := m.trace[at]
					// 37 has no factor in common with 100, so that writes are spread.
					if at*37%100 < m.reads {
						if v, ok := m.store.get(m.keys[i]); !ok {
							miss++
						} else if !isValueOf(i, v) {
							b.Errorf("%s: %v", m.keys[i], v)
							return
						}
					} else {
						// A key of its own, as an application's is, for those that keep it.
						m.store.set(strings.Clone(m.keys[i]), valueOf(int(i), value[:]))
					}
				}
			}
			m.missed.Add(int64(miss))
		})
	}
	all.Wait()
}

type user struct {
	Name string
	ID   int
}

// BenchmarkShared reads values of a type that are kept as they are: nothing is decoded.
func BenchmarkShared(b *testing.B) {
	keys, asked := makeKeys(1000), makeKeys(1000)
	ctx := context.Background()
	c, err := core.New(must(memory.New(nil)), nil)
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	typed := must(core.NewTyped(c, core.Shared[*user]()))
	o := otter.Must(&otter.Options[string, *user]{ExpiryCalculator: otter.ExpiryWriting[string, *user](ttl)})
	defer o.StopAllGoroutines()
	clock := otter.NewCoarseClock(10 * time.Millisecond)
	defer clock.Stop()
	coarse := otter.Must(&otter.Options[string, *user]{ExpiryCalculator: otter.ExpiryWriting[string, *user](ttl), Clock: clock})
	defer coarse.StopAllGoroutines()
	for i, key := range keys {
		u := &user{key, i}
		if err := typed.Set(ctx, key, u, ttl); err != nil {
			b.Fatal(err)
		}
		o.Set(key, u)
		coarse.Set(key, u)
	}
	for _, r := range []struct {
		name string
		get  func(key string) *user
	}{
		{"otter", func(key string) *user { u, _ := o.GetIfPresent(key); return u }},
		{"otter,coarse", func(key string) *user { u, _ := coarse.GetIfPresent(key); return u }},
		{"core.Shared", func(key string) *user { u, _ := typed.Get(ctx, key); return u }},
	} {
		b.Run(r.name, func(b *testing.B) {
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				if u := r.get(asked[i%1000]); u == nil || u.ID != i%1000 {
					b.Fatal(u)
				}
			}
		})
	}
}
