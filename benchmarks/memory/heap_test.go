package memory_test

import (
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
	n := *entries
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
