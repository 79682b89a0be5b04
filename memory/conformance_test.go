package memory_test

import (
	"flag"
	"os"
	"testing"
	"time"

	"github.com/cachewire/cachewire/conformance"
	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/memory"
)

// TestMain allows 32 tests to run at once, because the cases in real time mostly wait for an
// item to expire.
func TestMain(m *testing.M) {
	flag.Parse()
	if err := flag.Set("test.parallel", "32"); err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}

func TestConformance(t *testing.T) {
	for name, opts := range map[string]*memory.Options{
		"defaults": nil,
		"bounded":  {MaxItems: 1 << 20, MaxBytes: 1 << 30},
		"one shard": {
			MaxBytes:       16 << 20,
			MaxItems:       1e6,
			Buckets:        1,
			BucketInterval: 10 * time.Millisecond,
		},
		"idle": {IdleTTL: 24 * time.Hour, OnRemove: func(memory.Item, memory.Reason) {}},
	} {
		t.Run(name, func(t *testing.T) {
			conformance.Run(t, conformance.Config{
				New:      func(testing.TB) core.Backend { return must(memory.New(opts)) },
				Synctest: true,
			})
		})
	}
}

func TestConformanceInRealTime(t *testing.T) {
	conformance.Run(t, conformance.Config{
		New:      func(testing.TB) core.Backend { return must(memory.New(nil)) },
		Parallel: true,
	})
}
