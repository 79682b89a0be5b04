package core

import (
	"context"
	"fmt"
	"iter"
	"net/url"
	"time"
)

// Flags of an [Item]. They say how the value is encoded, with the numbers of
// python-memcached, so that programs in both languages read each other's values.
const (
	FlagBytes uint32 = 0  // bytes as they are
	FlagInt   uint32 = 2  // an integer in decimal digits, such as a counter
	FlagZlib  uint32 = 8  // added to another flag: the value is compressed by zlib
	FlagText  uint32 = 16 // text in UTF-8

	// FlagEnvelope is added to the other flags of a value that has facts before it; see
	// package encoding. Programs in other languages do not know it.
	FlagEnvelope uint32 = 1 << 16
)

// An Item is a value with everything that belongs to it.
type Item struct {
	Key   string
	Value []byte

	// Flags is kept beside the value, unless the Traits of the backend say NoFlags or ByValue.
	Flags uint32

	// TTL is how long the item lives once it is stored: 0 is the default of the
	// Cache, Forever never expires. Reading an item leaves it 0.
	TTL time.Duration

	// Token identifies this state of the item for CompareAndSwap and
	// CompareAndDelete. GetItem and GetItems set it. Only the backend that made it
	// understands it. It holds a pointer, so that it costs no allocation.
	Token any
}

// A Mode is the condition on which Store stores an item.
type Mode uint8

const (
	Set     Mode = iota // always
	Add                 // if the key is absent, else ErrExists
	Replace             // if the key is present, else ErrMiss

	// CompareAndSwap: if the item has not changed since Token was read, else ErrConflict or
	// ErrMiss.
	CompareAndSwap

	// CompareAndDelete: as CompareAndSwap, but Store deletes the item and ignores Value, Flags
	// and TTL.
	CompareAndDelete
)

var modeNames = [...]string{"Set", "Add", "Replace", "CompareAndSwap", "CompareAndDelete"}

// String returns the name of the constant.
func (m Mode) String() string {
	if int(m) < len(modeNames) {
		return modeNames[m]
	}
	return fmt.Sprintf("Mode(%d)", uint8(m))
}

// A Driver opens backends for a URL scheme. [Register] makes it known.
type Driver interface {
	// Open returns a new backend for u. It returns an error, which says what would be
	// right, for every part of u that it does not understand; [Params] helps with the
	// query. The parameters prefix and default_ttl are not in u, because Registry.Open
	// removes them. No error may contain a password.
	Open(ctx context.Context, u *url.URL) (Backend, error)
}

// A Backend is one cache, as a driver implements it. Applications do not use it
// directly: they use a [Cache], which checks arguments, adds the prefix, applies
// time-outs and hooks, and maps the multi verbs to what the backend has.
//
// A Backend is therefore only called with keys of 1 to MaxKeyLen + MaxPrefixLen bytes,
// times to live of 0 (the item never expires) or more, never Forever, and contexts that
// are not nil. It is called by many goroutines at once.
//
// It returns the sentinel errors of this package, bare or together with the cause:
// fmt.Errorf("%w: %w", core.ErrUnavailable, err). A miss is ErrMiss itself. A verb that
// this kind of cache cannot have returns errors.ErrUnsupported. If ctx is done, a method
// returns the error of ctx within 50 milliseconds, and the reply to the abandoned request
// must never be taken for the reply to a later one. Cache checks ctx before it calls a
// method, so that a backend which never waits may ignore it.
//
// A Backend may implement the optional interfaces below. New looks for them once, by Ability. A
// backend implements only those whose results it knows to be true, and is a Decliner if this
// depends on another backend.
type Backend interface {
	// GetItem returns the item under key. The caller must not write to the value, and
	// the backend must not change it afterwards; it may be shared. Key and TTL of the
	// item are ignored.
	GetItem(ctx context.Context, key string) (Item, error)

	// Store stores item, or deletes it for CompareAndDelete, on the condition of mode.
	// Checking the condition and storing is one atomic step. Store keeps no reference
	// to item.Value, even if ctx abandons the write. A token of another backend is
	// ErrConflict if the key is present.
	Store(ctx context.Context, mode Mode, item Item) error

	// Delete deletes the item under key. It returns ErrMiss if the key is absent.
	Delete(ctx context.Context, key string) error

	// Incr adds delta to the counter under key and returns the sum modulo 2^64. The
	// time to live and the flags stay. It returns ErrNotNumber, and changes nothing,
	// if ParseCount does not accept the value (but see Traits.LooseNumbers).
	Incr(ctx context.Context, key string, delta uint64) (uint64, error)

	// Decr subtracts delta from the counter under key, and stops at 0. Otherwise it is
	// like Incr.
	Decr(ctx context.Context, key string, delta uint64) (uint64, error)

	// Touch gives the item under key a new time to live, which starts now.
	Touch(ctx context.Context, key string, ttl time.Duration) error

	// Flush deletes all items. A backend with several servers tries each of them and
	// joins the errors.
	Flush(ctx context.Context) error

	// Close releases the resources of the backend and ends its goroutines. It is called
	// once. Verbs that are running must return, without a panic; Cache calls no verb
	// afterwards.
	Close() error
}

// A ValueGetter can read a value with less work than its whole item. Cache.Get calls its
// Get; Cache.GetItem, Exists, Count and Typed call GetItem. A type that embeds a
// ValueGetter and overrides GetItem must override Get as well.
type ValueGetter interface {
	// Get returns the value of the item that GetItem returns, or its error.
	Get(ctx context.Context, key string) ([]byte, error)
}

// A CounterStarter starts an absent counter in the same round trip in which it would change
// a present one. Cache.IncrFrom and Cache.DecrFrom call it; without it they call Incr or
// Decr, and Store with Add after a miss.
type CounterStarter interface {
	// IncrFrom is Incr for a counter that may be absent. If it is, IncrFrom stores initial
	// + delta, modulo 2^64, with FlagInt, for ttl. It is one atomic step.
	IncrFrom(
		ctx context.Context,
		key string,
		delta, initial uint64,
		ttl time.Duration,
	) (uint64, error)

	// DecrFrom is Decr for a counter that may be absent. If it is, DecrFrom stores initial
	// - delta, or 0 if delta is larger. Otherwise it is like IncrFrom.
	DecrFrom(
		ctx context.Context,
		key string,
		delta, initial uint64,
		ttl time.Duration,
	) (uint64, error)
}

// A MultiGetter reads many keys in fewer round trips than one each. As in the next two
// interfaces, its argument is read-only, and an error about some of the keys is a
// *MultiError itself, neither wrapped nor joined with others.
type MultiGetter interface {
	// GetItems returns the items that are present, with their keys, in any order. The
	// keys are distinct. The error is a *MultiError with the keys that failed, or any
	// other error, which then applies to every key that is not among the items.
	GetItems(ctx context.Context, keys []string) ([]Item, error)
}

// A MultiStorer stores many items in fewer round trips than one each.
type MultiStorer interface {
	// StoreMulti does what Store does for each of items. Their keys are distinct. The
	// error is a *MultiError with the keys that failed, or any other error, which then
	// applies to all.
	StoreMulti(ctx context.Context, mode Mode, items []Item) error
}

// A MultiDeleter deletes many keys in fewer round trips than one each.
type MultiDeleter interface {
	// DeleteMulti deletes keys, which are distinct. An absent key is not an error.
	// Errors are as for StoreMulti.
	DeleteMulti(ctx context.Context, keys []string) error
}

// A TTLReader knows how long an item has left to live.
type TTLReader interface {
	// TTL returns the time that the item has left to live, more than 0, or 0 if it
	// never expires. It returns ErrMiss if the key is absent.
	TTL(ctx context.Context, key string) (time.Duration, error)
}

// An ItemTTLReader reads items together with the time that they have left to live, in as many
// round trips as it takes to read the items alone. Cache does not call it. It is for a backend
// that keeps copies of another one's items, such as that of package tiered.
type ItemTTLReader interface {
	// GetItemTTL is GetItem, and sets TTL of the item to the time that it has left to live,
	// more than 0, or to 0 if it never expires. If the item is replaced while GetItemTTL runs,
	// the value may be the old one and TTL that of the new one, never the reverse.
	GetItemTTL(ctx context.Context, key string) (Item, error)

	// GetItemsTTL is GetItems of MultiGetter, and sets TTL of each item as GetItemTTL does.
	GetItemsTTL(ctx context.Context, keys []string) ([]Item, error)
}

// A Pinger knows whether the cache can be reached.
type Pinger interface {
	// Ping returns nil if every server responds.
	Ping(ctx context.Context) error
}

// Stats are figures of a whole backend since it was opened, or since its server
// started. A figure that the backend does not have is 0.
type Stats struct {
	Items       uint64 // items now, which may include some that have expired
	Bytes       uint64 // the memory they take, as the backend counts it
	Hits        uint64 // keys read and found
	Misses      uint64 // keys read and not found
	Evictions   uint64 // items removed to make room
	Expirations uint64 // items removed because they had expired

	Pool PoolStats // of a backend with a pool of clients
	Near NearStats // of a backend that keeps copies of another one's items
}

// NearStats are figures of the copies that a backend keeps of another one's items, since it was
// opened.
type NearStats struct {
	Items   uint64 // copies now, which may include some that have expired
	Bytes   uint64 // the memory they take
	Hits    uint64 // keys that a copy served
	FarHits uint64 // keys that were read from the other backend and found
	Drops   uint64 // copies dropped by a Notice of the bus

	HasBus  bool   // whether there is a Bus
	BusUp   bool   // whether it works
	BusLost uint64 // how often it was lost
}

// PoolStats are figures of a pool of clients since it was opened.
type PoolStats struct {
	Total     uint64        // clients now
	Idle      uint64        // clients that are not in use
	Acquired  uint64        // clients that are in use
	Waits     uint64        // verbs that had to wait for a client, or for one to be made
	WaitTime  time.Duration // how long those verbs waited, in all
	Destroyed uint64        // clients that were closed
}

// A StatsReader has Stats.
type StatsReader interface {
	Stats(ctx context.Context) (Stats, error)
}

// A KeyLister finds keys by their prefix. A Cache with a prefix needs it for Flush.
type KeyLister interface {
	// Keys yields the keys that begin with prefix. It yields a key at least once if the
	// key is present during the whole iteration. It may yield a key that is present for
	// a part of the iteration, but none that expired before. An error, such as that of
	// ctx, ends the iteration. The body of the loop may call the Backend, including to
	// delete the keys that were yielded.
	Keys(ctx context.Context, prefix string) iter.Seq2[string, error]
}

// A SharedStorer stores Go values as they are, for [Shared]. Only a backend in the memory
// of the program can do so.
type SharedStorer interface {
	// GetShared returns the value under key, and its token, which Store accepts for
	// CompareAndDelete. It returns ErrCodec if the key holds bytes. The other methods
	// treat a key that holds a shared value as present: GetItem returns ErrCodec, Incr
	// and Decr return ErrNotNumber.
	GetShared(ctx context.Context, key string) (value, token any, err error)

	// StoreShared is Store with value in the place of item.Value. If the backend bounds the
	// bytes that its items take, it adds the size of a value that is a Sizer.
	StoreShared(ctx context.Context, mode Mode, item Item, value any) error
}

// A Sizer knows how much memory it takes. It is a Go value for [Shared].
type Sizer interface {
	// Size returns the number of bytes that the value keeps in memory. A negative number
	// means 0. It is called once, when the value is stored.
	Size() int
}

// An Unwrapper gives access to what is underneath a backend, as [errors.As] does for
// errors. Cache.As finds the backend itself without it.
type Unwrapper interface {
	// As sets what target points to, if it can, and reports whether it did. Target is
	// a pointer that is not nil.
	As(target any) bool
}

// A Decliner has the methods of optional interfaces that it may have to decline, because it
// passes them on to a backend that may lack them.
type Decliner interface {
	// Declines reports whether the backend declines an optional interface that it implements.
	// Ability is a nil pointer to the interface, such as (*TTLReader)(nil). The result never
	// changes.
	Declines(ability any) bool
}

// Ability returns b as A, which is one of the optional interfaces. It reports whether b
// implements A and does not decline it as a Decliner.
func Ability[A any](b Backend) (A, bool) {
	a, ok := b.(A)
	if d, may := b.(Decliner); ok && may && d.Declines((*A)(nil)) {
		var none A
		return none, false
	}
	return a, ok
}

// Traits are facts about a backend that a caller may have to know. The zero value
// describes a backend that keeps the contract to the letter.
type Traits struct {
	// Resolution is the longest time by which an item may outlive its time to live. If
	// 0, it is 10 milliseconds.
	Resolution time.Duration

	// MaxTTL is the longest time to live that the backend honours. An item stored for
	// longer may be gone after it. If 0, there is no limit.
	MaxTTL time.Duration

	// MaxValue is the length in bytes of the longest value that can be stored. A
	// longer one is ErrTooLarge. If 0, there is no fixed limit. It must be at least
	// 1,024, which package conformance stores.
	MaxValue int

	// NoFlags says that the backend does not keep Item.Flags.
	NoFlags bool

	// ByValue says that the backend keeps nothing beside the values with FlagBytes, FlagText
	// or FlagInt, so that other programs can read them. They are read with the flags 0. Their
	// tokens are their values: a compare verb accepts the token of an earlier state with the
	// same value, such as one before the item was deleted and stored again.
	ByValue bool

	// LooseNumbers says that Incr and Decr also count a value that ParseCount does not accept,
	// if it has white space or a plus sign before its digits, or after them white space or a
	// NUL and anything else. memcached does so. What remains are the digits of the result.
	LooseNumbers bool

	// KeepsNothing says that every store succeeds and is forgotten at once. It keeps
	// IncrFrom from returning a number as if there were a counter.
	KeepsNothing bool
}

// A TraitsReporter is a backend whose Traits are not all zero.
type TraitsReporter interface {
	Traits() Traits
}
