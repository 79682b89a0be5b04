package memory_test

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/Yiling-J/theine-go"
	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/memory"
	"github.com/dgraph-io/ristretto/v2"
	lru "github.com/hashicorp/golang-lru/v2"
	"github.com/maypok86/otter/v2"
)

const (
	traceKeys = 100_000
	traceLen  = 1_000_000
)

// A zipf draws numbers i from 0 to n-1, each with the weight 1/(i+1)^s. rand.Zipf of
// math/rand supports only an s above 1.
type zipf struct {
	r   *rand.Rand
	sum []float64 // sum[i] is the sum of the weights of 0 to i
}

func newZipf(r *rand.Rand, s float64, n int) *zipf {
	z := &zipf{r: r, sum: make([]float64, n)}
	total := 0.0
	for i := range n {
		total += math.Pow(float64(i+1), -s)
		z.sum[i] = total
	}
	return z
}

func (z *zipf) next() int {
	at := z.r.Float64() * z.sum[len(z.sum)-1]
	low, high := 0, len(z.sum)-1
	for low < high {
		if mid := (low + high) / 2; z.sum[mid] < at {
			low = mid + 1
		} else {
			high = mid
		}
	}
	return low
}

// traces call visit with the keys of a trace. They are the same each time, because their
// seeds are fixed.
var traces = map[string]func(visit func(key int)){
	"zipf 0.9": func(visit func(int)) {
		z := newZipf(rand.New(rand.NewPCG(1, 1)), 0.9, traceKeys)
		for range traceLen {
			visit(z.next())
		}
	},
	"zipf 1.01": func(visit func(int)) {
		z := newZipf(rand.New(rand.NewPCG(2, 2)), 1.01, traceKeys)
		for range traceLen {
			visit(z.next())
		}
	},
	"scans": func(visit func(int)) { // 30 % of the reads are scans over other keys
		r := rand.New(rand.NewPCG(3, 3))
		z := newZipf(r, 1.01, traceKeys)
		for scan, n := traceKeys, 0; n < traceLen; {
			for range 7_000 {
				visit(z.next())
			}
			for range 3_000 {
				visit(scan)
				scan = traceKeys + (scan+1-traceKeys)%traceKeys
			}
			n += 10_000
		}
	},
	"drifting": func(visit func(int)) { // the frequent keys change slowly
		z := newZipf(rand.New(rand.NewPCG(4, 4)), 1.01, traceKeys)
		for i := range traceLen {
			visit((z.next() + i/100) % (2 * traceKeys))
		}
	},
}

// A boundedCache is a cache of at most n items. Its touch reports whether key is present, and
// stores it if not.
type boundedCache struct {
	name string
	open func(b *testing.B, n int) (touch func(key string) bool)
}

var value = []byte("v")

var boundedCaches = []boundedCache{
	{"cachewire", func(b *testing.B, n int) func(string) bool {
		c, err := core.New(must(memory.New(&memory.Options{MaxItems: n})), nil)
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { c.Close() })
		ctx := context.Background()
		return func(key string) bool {
			if _, err := c.Get(ctx, key); err == nil {
				return true
			}
			_ = c.Set(ctx, key, value, ttl)
			return false
		}
	}},
	{"otter", func(b *testing.B, n int) func(string) bool {
		c := otter.Must(&otter.Options[string, []byte]{
			MaximumSize:      n,
			ExpiryCalculator: otter.ExpiryWriting[string, []byte](ttl),
		})
		b.Cleanup(func() { c.StopAllGoroutines() })
		return func(key string) bool {
			if _, ok := c.GetIfPresent(key); ok {
				return true
			}
			c.Set(key, value)
			return false
		}
	}},
	{"theine", func(b *testing.B, n int) func(string) bool {
		c, err := theine.NewBuilder[string, []byte](int64(n)).Build()
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(c.Close)
		return func(key string) bool {
			if _, ok := c.Get(key); ok {
				return true
			}
			c.SetWithTTL(key, value, 1, ttl)
			return false
		}
	}},
	{"ristretto", func(b *testing.B, n int) func(string) bool {
		c, err := ristretto.NewCache(&ristretto.Config[string, []byte]{
			NumCounters:        int64(10 * n),
			MaxCost:            int64(n),
			BufferItems:        64,
			IgnoreInternalCost: true,
		})
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(c.Close)
		return func(key string) bool {
			if _, ok := c.Get(key); ok {
				return true
			}
			c.SetWithTTL(key, value, 1, ttl)
			return false
		}
	}},
	{"LRU", func(b *testing.B, n int) func(string) bool {
		c, err := lru.New[string, []byte](n)
		if err != nil {
			b.Fatal(err)
		}
		return func(key string) bool {
			if _, ok := c.Get(key); ok {
				return true
			}
			c.Add(key, value)
			return false
		}
	}},
}

// BenchmarkHitRatio reports the percentage of reads that are hits, in caches that hold 1 or
// 10 % of the keys.
func BenchmarkHitRatio(b *testing.B) {
	keys := make([]string, 2*traceKeys)
	for i := range keys {
		keys[i] = fmt.Sprintf("key-%08d", i)
	}
	for _, percent := range []int{1, 10} {
		for _, name := range []string{"zipf 0.9", "zipf 1.01", "scans", "drifting"} {
			for _, c := range boundedCaches {
				b.Run(fmt.Sprintf("%s, %d%%/%s", name, percent, c.name), func(b *testing.B) {
					for b.Loop() {
						touch := c.open(b, traceKeys*percent/100)
						hits := 0
						traces[name](func(key int) {
							if touch(keys[key]) {
								hits++
							}
						})
						b.ReportMetric(float64(hits)/traceLen*100, "%hits")
					}
				})
			}
		}
	}
}
