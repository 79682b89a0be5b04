package core

import (
	"context"
	"fmt"
	"iter"
	"net/url"
	"time"
)

// Flags of an [Item]. They say how the value is encoded. The numbers are those of
// python-memcached, so that programs in both languages can read each other's values.
const (
	FlagBytes uint32 = 0  // bytes as they are
	FlagInt   uint32 = 2  // an integer in decimal digits, such as a counter
	FlagZlib  uint32 = 8  // added to another flag: the value is compressed by zlib
	FlagText  uint32 = 16 // text in UTF-8

	// FlagEnvelope is added to the other flags if an envelope precedes the value; see
	// package encoding. Programs in other languages do not know it.
	FlagEnvelope uint32 = 1 << 16
)

// An Item is a value with its key, flags, time to live and token.
type Item struct {
	Key   string
	Value []byte

	// Flags is stored with the value, unless the backend has the Traits NoFlags or ByValue.
	Flags uint32

	// TTL is the time to live with which the item is stored. If 0, it is the default of the
	// Cache. If Forever, the item never expires. Verbs that read items set TTL to 0.
	TTL time.Duration

	// Token identifies this state of the item for CompareAndSwap and CompareAndDelete.
	// GetItem and GetItems set it. Only the backend that made the token understands it.
	// Drivers use a pointer, which can be stored in an interface without an allocation.
	Token any
}

// A Mode is the condition under which Store stores an item.
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
	// Open returns a new backend for u. It returns an error for every part of u that it
	// does not understand. The error says what would be right. [Params] helps with the
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
// fmt.Errorf("%w: %w", core.ErrUnavailable, err). A miss is ErrMiss itself. A verb that the
// cache cannot support returns errors.ErrUnsupported. If ctx is done, a method returns the
// error of ctx within 50 milliseconds, and the reply to the abandoned request must never be
// taken for the reply to a later one. Cache checks ctx before it calls a method, so a
// backend that never waits may ignore ctx.
//
// A Backend may implement the optional interfaces below. New looks for them once, by Ability. A
// backend must not implement one whose results it would have to guess. If this depends on
// another backend, it is a Decliner.
type Backend interface {
	// GetItem returns the item under key. It returns ErrMiss if the key is absent. Many
	// callers may share the value: they must not write to it, and the backend must not
	// change it afterwards. Cache ignores the Key and the TTL of the item.
	GetItem(ctx context.Context, key string) (Item, error)

	// Store stores item if the condition of mode is true. For CompareAndDelete, it deletes
	// the item instead. Checking the condition and storing are one atomic step. Store keeps
	// no reference to item.Value after it returns, even if it abandons the write because
	// ctx is done. It returns ErrConflict if the key is present and the token is from
	// another backend.
	Store(ctx context.Context, mode Mode, item Item) error

	// Delete deletes the item under key. It returns ErrMiss if the key is absent.
	Delete(ctx context.Context, key string) error

	// Incr adds delta to the counter under key and returns the sum modulo 2^64. The time to
	// live and the flags do not change. Incr returns ErrMiss if the key is absent. It
	// returns ErrNotNumber, and changes nothing, if ParseCount does not accept the value
	// (but see Traits.LooseNumbers).
	Incr(ctx context.Context, key string, delta uint64) (uint64, error)

	// Decr subtracts delta from the counter under key, and stops at 0. Otherwise it is
	// like Incr.
	Decr(ctx context.Context, key string, delta uint64) (uint64, error)

	// Touch gives the item under key a new time to live, which starts now. It returns
	// ErrMiss if the key is absent.
	Touch(ctx context.Context, key string, ttl time.Duration) error

	// Flush deletes all items. A backend with several servers tries each of them and
	// joins the errors.
	Flush(ctx context.Context) error

	// Close releases the resources of the backend and ends its goroutines. Cache calls it
	// once, and calls no verb afterwards. Verbs that are running must return, and must not
	// panic.
	Close() error
}

// A ValueGetter can read a value with less work than the whole item. Cache.Get calls its
// Get; Cache.GetItem, Exists, Count and Typed call GetItem. A type that embeds a
// ValueGetter and overrides GetItem must override Get as well.
type ValueGetter interface {
	// Get returns the value of the item that GetItem returns, or its error.
	Get(ctx context.Context, key string) ([]byte, error)
}

// A CounterStarter changes a counter, or starts it if it is absent, in one round trip.
// Cache.IncrFrom and Cache.DecrFrom call it. For any other backend they call Incr or Decr,
// and after a miss Store with the mode Add.
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

// A MultiGetter reads many keys in fewer round trips than one for each key. Two rules apply
// to MultiStorer and MultiDeleter as well. The method must not change its argument. An
// error about some of the keys is a *MultiError itself, neither wrapped nor joined with
// other errors.
type MultiGetter interface {
	// GetItems returns the items that are present, with their keys, in any order. The keys
	// are distinct. The error is a *MultiError with the keys that failed. Any other error
	// applies to every key that is not among the items.
	GetItems(ctx context.Context, keys []string) ([]Item, error)
}

// A MultiStorer stores many items in fewer round trips than one for each item.
type MultiStorer interface {
	// StoreMulti does what Store does for each of items. Their keys are distinct. The error
	// is a *MultiError with the keys that failed. Any other error applies to all keys.
	StoreMulti(ctx context.Context, mode Mode, items []Item) error
}

// A MultiDeleter deletes many keys in fewer round trips than one for each key.
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
	Items       uint64 // items now, including expired ones that are still in memory
	Bytes       uint64 // the memory that the items take, as the backend counts it
	Hits        uint64 // keys read and found
	Misses      uint64 // keys read and not found
	Evictions   uint64 // items removed to make room
	Expirations uint64 // items removed because they had expired
	Commands    uint64 // what the servers have done for all clients, as they count it
	Connections uint64 // connections from all clients to the servers now

	Pool PoolStats // if the backend has a pool of clients
	Near NearStats // if the backend keeps copies of another one's items
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
	Waits     uint64        // verbs that waited for a client, or until one was made
	WaitTime  time.Duration // the sum of the times that these verbs waited
	Destroyed uint64        // clients that were closed
}

// A StatsReader reports figures of a backend.
type StatsReader interface {
	Stats(ctx context.Context) (Stats, error)
}

// A KeyLister finds keys by their prefix. A Cache with a prefix needs it for Flush.
type KeyLister interface {
	// Keys yields the keys that begin with prefix. It yields a key at least once if the key
	// is present during the whole iteration. It may yield a key that is present during a
	// part of the iteration. It yields no key that expired before the iteration. An error,
	// such as the error of ctx, ends the iteration. The body of the loop may call the
	// Backend, for example to delete the keys that it gets.
	Keys(ctx context.Context, prefix string) iter.Seq2[string, error]
}

// A SharedStorer stores Go values as they are, for [Shared]. Only a backend in the memory
// of the program can do so.
type SharedStorer interface {
	// GetShared returns the value under key and its token. Store accepts this token for
	// CompareAndDelete. It returns ErrCodec if the key holds bytes. The other methods treat
	// a key that holds a shared value as present: GetItem returns ErrCodec, Incr and Decr
	// return ErrNotNumber.
	GetShared(ctx context.Context, key string) (value, token any, err error)

	// StoreShared does what Store does, but stores value instead of item.Value. If the backend
	// limits the bytes that its items take, it counts the size of a value that is a Sizer.
	StoreShared(ctx context.Context, mode Mode, item Item, value any) error
}

// A Sizer knows how much memory it takes. It is a Go value for [Shared].
type Sizer interface {
	// Size returns the number of bytes that the value keeps in memory. A negative number
	// means 0. It is called once, when the value is stored.
	Size() int
}

// An Unwrapper gives access to the objects underneath a backend, such as a client library.
// Cache.As finds the backend itself without it.
type Unwrapper interface {
	// As assigns an object underneath the backend to the variable that target points to,
	// and returns true. If it has no object of the right type, it returns false. Target is
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

// Traits are facts about a backend that a caller may have to know. The zero value describes
// a backend that follows the contract without exceptions.
type Traits struct {
	// Resolution is the longest time by which an item may outlive its time to live. If
	// 0, it is 10 milliseconds.
	Resolution time.Duration

	// MaxTTL is the longest time to live that the backend honours. An item with a longer
	// time to live may be gone after MaxTTL. If 0, there is no limit.
	MaxTTL time.Duration

	// MaxValue is the length in bytes of the longest value that can be stored. For a longer
	// value, the store verbs return ErrTooLarge. If 0, there is no fixed limit. MaxValue
	// must be 0 or at least 1,024, because package conformance stores values of that
	// length.
	MaxValue int

	// NoFlags says that the backend does not keep Item.Flags.
	NoFlags bool

	// ByValue says that the backend stores values with FlagBytes, FlagText or FlagInt as
	// plain bytes, without flags or a token, so that other programs can read them. GetItem
	// returns these values with the flags 0. Their tokens are their values: a compare verb
	// accepts the token of an earlier state with the same value, even if the item was
	// deleted and stored again since then.
	ByValue bool

	// LooseNumbers says that Incr and Decr accept some values that ParseCount does not, as
	// memcached does. White space or a plus sign may precede the digits. White space or a
	// NUL may follow them, and any bytes after that. The new value has only the digits of
	// the result.
	LooseNumbers bool

	// KeepsNothing says that stores succeed, but that the backend keeps no items. IncrFrom
	// and DecrFrom then return ErrMiss, and not the number of a counter that was never
	// stored.
	KeepsNothing bool
}

// A TraitsReporter is a backend whose Traits are not all zero.
type TraitsReporter interface {
	Traits() Traits
}
