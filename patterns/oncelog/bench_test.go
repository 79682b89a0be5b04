package oncelog_test

import (
	"fmt"
	"io"
	"log/slog"
	"testing"

	"github.com/cachewire/cachewire/patterns/oncelog"
)

// BenchmarkHandler compares a Handler with its inner handler, for a message that is new each
// time and for one that is always the same.
func BenchmarkHandler(b *testing.B) {
	inner := slog.NewTextHandler(io.Discard, nil)
	once := must(oncelog.New(inner, memoryCache(b), nil))
	for name, h := range map[string]slog.Handler{"inner": inner, "once": once} {
		logger := slog.New(h)
		b.Run("new/"+name, func(b *testing.B) {
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				logger.Error(fmt.Sprint("message ", i))
			}
		})
		b.Run("same/"+name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				logger.Error("message")
			}
		})
	}
}
