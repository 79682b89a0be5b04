package oncelog_test

import (
	"log"
	"log/slog"
	"os"

	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/memory"
	"github.com/cachewire/cachewire/patterns/oncelog"
)

func Example() {
	cache, err := core.New(memory.New(nil), nil)
	if err != nil {
		log.Fatal(err)
	}
	defer cache.Close()
	withoutTime := func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}
	handler := slog.NewTextHandler(os.Stdout, &slog.HandlerOptions{ReplaceAttr: withoutTime})
	logger := slog.New(oncelog.New(handler, cache, nil))
	for range 1_000_000 {
		logger.Error("database is down")
	}
	// Output:
	// level=ERROR msg="database is down"
}
