package main

// The caches that this program can open: each driver registers its URL scheme
// when it is imported. One more driver is one more line here, and nothing else
// in the program changes.
import (
	_ "github.com/cachewire/cachewire/memcache-pooled" // memcache+pooled://
	_ "github.com/cachewire/cachewire/memcache-pure"   // memcache://
	_ "github.com/cachewire/cachewire/memory"          // memory://
	_ "github.com/cachewire/cachewire/null"            // null://
)
