package main

// These are the drivers that CACHE_URL may name. Each one registers its URL scheme when it
// is imported. To add a driver, add a line here; the rest of the program stays as it is.
import (
	_ "github.com/cachewire/cachewire/memcache-meta"   // memcache+meta://
	_ "github.com/cachewire/cachewire/memcache-pooled" // memcache+pooled://
	_ "github.com/cachewire/cachewire/memcache-pure"   // memcache://
	_ "github.com/cachewire/cachewire/memory"          // memory://
	_ "github.com/cachewire/cachewire/null"            // null://
	_ "github.com/cachewire/cachewire/redis"           // redis://, rediss://, valkey://, valkeys://
)
