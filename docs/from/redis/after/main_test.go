package main

import (
	"testing"

	"github.com/cachewire/cachewire/docs/from/internal/fromtest"
	"github.com/cachewire/cachewire/redis/redistest"
)

func TestMainPrintsTheOutputOfThePage(t *testing.T) {
	server := redistest.Start(t, nil)
	t.Setenv("CACHE_URL", "redis://"+server.Addr()+"?default_ttl=1m")
	fromtest.Prints(t, main)
}
