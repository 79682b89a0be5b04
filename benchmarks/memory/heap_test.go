package memory_test

import (
	"math/rand/v2"
	"runtime"
	"runtime/metrics"
	"strings"
	"testing"
)

// gcSeconds returns how many seconds the processors have worked for the garbage collector.
func gcSeconds() float64 {
	sample := []metrics.Sample{{Name: "/cpu/classes/gc/total:cpu-seconds"}}
	metrics.Read(sample)
	return sample[0].Value.Float64()
}

func heapInUse() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// collectionSeconds returns how many seconds the processors work for one full collection.
func collectionSeconds() float64 {
	const cycles = 5
	before := gcSeconds()
	for range cycles {
		runtime.GC()
	}
	return (gcSeconds() - before) / cycles
}

// BenchmarkHeap reports how many bytes of the heap an entry takes, and how much longer the
// processors work for a full collection because of the entries.
func BenchmarkHeap(b *testing.B) {
	n := entryCount()
	for _, r := range rivals {
		b.Run(r.name, func(b *testing.B) {
			keys := makeKeys(n) // a cache gets a copy of each, which counts if it keeps it
			var buf [100]byte
			for range b.N {
				before := heapInUse()
				idle := collectionSeconds()
				s := r.open(b, n)
				for i, key := range keys {
					s.set(strings.Clone(key), valueOf(i, buf[:]))
				}
				used := heapInUse()
				b.ReportMetric((float64(used)-float64(before))/float64(n), "B/entry")
				b.ReportMetric((collectionSeconds()-idle)*1e3, "ms-cpu/GC")
				runtime.KeepAlive(s)
			}
			runtime.KeepAlive(keys)
		})
	}
}

// BenchmarkChurn reports how many bytes of the heap an entry takes after each key was stored
// 20 times, on average, with values of 20 to 180 bytes, 100 on average. B/entry counts the
// live objects. B-spans/entry also has the room that the allocator holds between them, which
// later stores use again.
func BenchmarkChurn(b *testing.B) {
	n := entryCount()
	for _, r := range rivals {
		b.Run(r.name, func(b *testing.B) {
			keys := makeKeys(n)
			random := rand.New(rand.NewPCG(8, 9))
			var buf [180]byte
			for range b.N {
				var before, after runtime.MemStats
				heapInUse()
				runtime.ReadMemStats(&before)
				s := r.open(b, n)
				for _, key := range keys {
					s.set(strings.Clone(key), buf[:20+random.IntN(161)])
				}
				for range 19 * n {
					s.set(strings.Clone(keys[random.IntN(n)]), buf[:20+random.IntN(161)])
				}
				heapInUse()
				runtime.ReadMemStats(&after)
				perEntry := func(after, before uint64) float64 {
					return (float64(after) - float64(before)) / float64(n)
				}
				b.ReportMetric(perEntry(after.HeapAlloc, before.HeapAlloc), "B/entry")
				b.ReportMetric(perEntry(after.HeapInuse, before.HeapInuse), "B-spans/entry")
				runtime.KeepAlive(s)
			}
			runtime.KeepAlive(keys)
		})
	}
}
