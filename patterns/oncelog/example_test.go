package oncelog_test

import (
	"context"
	"log"
	"log/slog"
	"os"

	"github.com/cachewire/cachewire/core"
	_ "github.com/cachewire/cachewire/memory"
	"github.com/cachewire/cachewire/patterns/oncelog"
)

func Example() {
	cache, err := core.Open(context.Background(), "memory://", nil)
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
	text := slog.NewTextHandler(os.Stdout, &slog.HandlerOptions{ReplaceAttr: withoutTime})
	handler, err := oncelog.New(text, cache, nil)
	if err != nil {
		log.Fatal(err)
	}
	logger := slog.New(handler)
	for range 1_000_000 {
		logger.Error("database is down")
	}
	// Output:
	// level=ERROR msg="database is down"
}
