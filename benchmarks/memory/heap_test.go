package memory_test

import (
	"runtime"
	"runtime/metrics"
	"strings"
	"testing"
)

// gcSeconds answers how long the processors have worked for the garbage collector.
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

// collection answers how many seconds processors work for one full collection.
func collection() float64 {
	const cycles = 5
	busy := gcSeconds()
	for range cycles {
		runtime.GC()
	}
	return (gcSeconds() - busy) / cycles
}

// BenchmarkHeap reports what entries take of the heap, each, and by how much longer a full
// collection takes the processors while they are there.
func BenchmarkHeap(b *testing.B) {
	n := *entries
	for _, r := range rivals {
		b.Run(r.name, func(b *testing.B) {
			keys := makeKeys(n) // of which a cache gets a copy, and has to pay for it if it keeps it
			var buf [100]byte
			for range b.N {
				before := heapInUse()
				idle := collection()
				s := r.open(b, n)
				for i, key := range keys {
					s.set(strings.Clone(key), valueOf(i, buf[:]))
				}
				used := heapInUse()
				b.ReportMetric((float64(used)-float64(before))/float64(n), "B/entry")
				b.ReportMetric((collection()-idle)*1e3, "ms-cpu/GC")
				runtime.KeepAlive(s)
			}
			runtime.KeepAlive(keys)
		})
	}
}
