package memcache

import (
	"time"

	"github.com/cachewire/cachewire/core"
)

// A Client is a client of a library with one connection. One goroutine uses it at a time.
//
// A method returns nil, core.ErrMiss, core.ErrExists or core.ErrConflict as the library says,
// a *ReplyError if the server replied with an error, or any other error if there was no valid
// reply. In the last case it also closes the connection. Keys are encoded, and valid.
type Client interface {
	// Get returns the item under key.
	Get(key string) (Item, error)

	// Gets calls found for each of keys that is present. If it returns an error, found may
	// have been called for some of them.
	Gets(keys []string, found func(key string, item Item)) error

	// Store stores item on the condition of mode, which is not core.CompareAndDelete. Expiry
	// is a result of the function Expiry. Store keeps no reference to the value.
	Store(mode core.Mode, key string, item Item, expiry int32) error

	// Delete deletes the item under key.
	Delete(key string) error

	// Incr adds delta to a counter and returns the sum. If the value is not a counter, or
	// memcached does not accept it as one, it returns a *ReplyError around core.ErrNotNumber.
	Incr(key string, delta uint64) (uint64, error)

	// Decr subtracts delta from a counter and returns the difference. Otherwise it is like
	// Incr.
	Decr(key string, delta uint64) (uint64, error)

	// Touch sets the expiry of the item under key.
	Touch(key string, expiry int32) error

	// Flush deletes all items of the server.
	Flush() error

	// Ping returns nil if the server responds.
	Ping() error
}

// An Item is what memcached stores under a key.
type Item struct {
	Value []byte
	Flags uint32
	CAS   uint64 // memcached's number for this state of the item
}

// Limits say how many connections there are to each server.
type Limits struct {
	Keep    int           // stay open even if they are idle for longer than MaxIdleTime
	MaxIdle int           // are kept for later verbs; not less than 1
	MaxOpen int           // are open at once; not less than 1
	Wait    time.Duration // for how long a verb waits for one of them
	Gets    int           // the largest number of keys of Client.Gets; not less than 1
}

// MaxValue is the length in bytes of the longest value that memcached can store. Its option -I
// accepts no more.
const MaxValue = 1 << 30
