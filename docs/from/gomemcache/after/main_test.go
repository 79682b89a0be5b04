package main

import (
	"testing"

	"github.com/cachewire/cachewire/docs/from/internal/fromtest"
	"github.com/cachewire/cachewire/memcache/memcachetest"
)

func TestMainPrintsTheOutputOfThePage(t *testing.T) {
	server := memcachetest.Start(t, nil)
	t.Setenv("CACHE_URL", "memcache://"+server.Addr()+"?hash=modula")
	fromtest.Prints(t, main)
}
