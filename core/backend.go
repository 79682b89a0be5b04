package core

import (
	"context"
	"fmt"
	"iter"
	"net/url"
	"time"
)

// Flags of an [Item]. They say how the value was written, with the numbers that
// python-memcached uses, so that programs in both languages read each other's
// values.
const (
	FlagBytes uint32 = 0  // bytes as they are
	FlagInt   uint32 = 2  // an integer in decimal digits; counters are stored so
	FlagZlib  uint32 = 8  // added to another flag: the value is compressed by zlib
	FlagText  uint32 = 16 // text in UTF-8

	// FlagEnvelope is added to the others where facts stand before the value; see
	// package encoding. Programs in other languages do not know it.
	FlagEnvelope uint32 = 1 << 16
)

// An Item is a value with all that belongs to it.
type Item struct {
	Key   string
	Value []byte

	// Flags is kept beside the value by backends whose Traits do not say otherwise.
	Flags uint32

	// TTL is how long the item lives once it is stored: 0 is the default of the
	// Cache, Forever never expires. Reading an item leaves it 0.
	TTL time.Duration

	// Token identifies this state of the item for CompareAndSwap and
	// CompareAndDelete. It is set by GetItem and GetItems, and means something only to the
	// backend that made it; it holds a pointer, so that it costs no allocation.
	Token any
}

// A Mode says under which condition an item is stored.
type Mode uint8

const (
	Set              Mode = iota // always
	Add                          // if the key is absent, else ErrExists
	Replace                      // if the key is present, else ErrMiss
	CompareAndSwap               // if the item did not change since Token was read, else ErrConflict or ErrMiss
	CompareAndDelete             // as CompareAndSwap, but the item is deleted; Value, Flags and TTL mean nothing
)

var modeNames = [...]string{"Set", "Add", "Replace", "CompareAndSwap", "CompareAndDelete"}

// String answers the name of the constant.
func (m Mode) String() string {
	if int(m) < len(modeNames) {
		return modeNames[m]
	}
	return fmt.Sprintf("Mode(%d)", uint8(m))
}

// A Driver opens backends for one URL scheme. [Register] makes it known.
type Driver interface {
	// Open answers a new backend for u. It refuses, with an error that says
	// what would be right, every part of u that it does not understand;
	// [Params] helps with the query. The parameters prefix and default_ttl are
	// not in u: Registry.Open has taken them. No error may show a password.
	Open(ctx context.Context, u *url.URL) (Backend, error)
}

// A Backend is one cache, as its driver makes it. Applications never hold one:
// they hold a [Cache], which checks arguments, adds the prefix, applies
// time-outs and hooks, and turns the multi verbs into what the backend has.
//
// A Backend therefore sees only keys of 1 to MaxKeyLen + MaxPrefixLen bytes,
// times to live of 0 (the item never expires) or more, never Forever, and
// contexts that are not nil. It is
// called by many goroutines at once.
//
// Errors are the sentinels of this package, bare or wrapped together with the
// cause: fmt.Errorf("%w: %w", core.ErrUnavailable, err). A miss is ErrMiss as
// it is. A verb that this kind of cache cannot have is errors.ErrUnsupported.
// When ctx is done the error is ctx's, within 50 ms, and what was abandoned
// must never answer a later call. Core has looked at ctx before the call, so that
// a backend which never waits may pay no heed to it.
//
// A Backend may have further abilities, each an interface of its own below.
// They are looked for once, by New: a backend implements those that it can
// answer truthfully.
type Backend interface {
	// GetItem answers the item under key. The value is read-only for the caller and
	// must never change afterwards; it may be shared. Key and TTL are ignored.
	GetItem(ctx context.Context, key string) (Item, error)

	// Store stores item, or for CompareAndDelete deletes it, on mode's
	// condition. The condition and the store are one atomic step. It keeps no
	// reference to item.Value, not even in a write that ctx abandoned. A token
	// that it did not make is ErrConflict on a key that is present.
	Store(ctx context.Context, mode Mode, item Item) error

	// Delete deletes the item under key, or answers ErrMiss.
	Delete(ctx context.Context, key string) error

	// Incr adds delta to the counter under key and answers the sum, modulo
	// 2^64. Time to live and flags stay. A value that ParseCount refuses is
	// ErrNotNumber and stays as it is.
	Incr(ctx context.Context, key string, delta uint64) (uint64, error)

	// Decr subtracts delta and stops at 0; in all else it is Incr.
	Decr(ctx context.Context, key string, delta uint64) (uint64, error)

	// Touch gives the item under key a new time to live, from now.
	Touch(ctx context.Context, key string, ttl time.Duration) error

	// Flush deletes everything. Of several servers it tries each, and joins
	// the errors.
	Flush(ctx context.Context) error

	// Close releases what the backend holds and ends its goroutines. It is
	// called once; verbs that were in flight may still be running, and must end
	// without a panic. Core lets no verb begin after it.
	Close() error
}

// A ValueGetter can read a value with less work than its whole item. Cache.Get calls its
// Get; Cache.GetItem, Exists, Count and Typed call GetItem. A type that embeds a
// ValueGetter and overrides GetItem must override Get as well.
type ValueGetter interface {
	// Get returns the value of the item that GetItem returns, or its error.
	Get(ctx context.Context, key string) ([]byte, error)
}

// A MultiGetter reads many keys in fewer round trips than one each. As in the two
// interfaces below, the slice it is given is read-only, and an error that names
// keys is a *MultiError itself, neither wrapped nor joined with others.
type MultiGetter interface {
	// GetItems answers the items that are there, in any order, with their
	// keys; keys are distinct. An error is a *MultiError for the keys that
	// failed, or any other error, which then stands for every key that is not
	// among the items.
	GetItems(ctx context.Context, keys []string) ([]Item, error)
}

// A MultiStorer stores many items in fewer round trips than one each.
type MultiStorer interface {
	// StoreMulti does what Store does for each of items, whose keys are
	// distinct. An error is a *MultiError for the keys that failed, or any
	// other error, which then stands for all.
	StoreMulti(ctx context.Context, mode Mode, items []Item) error
}

// A MultiDeleter deletes many keys in fewer round trips than one each.
type MultiDeleter interface {
	// DeleteMulti deletes keys, which are distinct; an absent one is no error.
	// Errors are as for StoreMulti.
	DeleteMulti(ctx context.Context, keys []string) error
}

// A TTLReader knows how long an item has to live.
type TTLReader interface {
	// TTL returns the time that the item has left to live, more than 0, or 0 if
	// it never expires. It returns ErrMiss if the key is absent.
	TTL(ctx context.Context, key string) (time.Duration, error)
}

// A Pinger can tell whether the cache can be reached.
type Pinger interface {
	// Ping answers nil when every server answers.
	Ping(ctx context.Context) error
}

// Stats are figures of a whole backend since it was opened, or since its
// server started. A figure that the backend does not have is 0.
type Stats struct {
	Items       uint64 // items held now, which may count some that have expired
	Bytes       uint64 // memory they take, by the backend's own reckoning
	Hits        uint64 // keys read and found
	Misses      uint64 // keys read and not found
	Evictions   uint64 // items dropped to make room
	Expirations uint64 // items dropped because their time was over

	Pool PoolStats // of a backend that draws clients from a pool
}

// PoolStats are figures of a pool of clients since it was opened. In WaitTime are
// waits for a client to be free, or to be made.
type PoolStats struct {
	Total     uint64        // clients there are now
	Idle      uint64        // those that are free
	Acquired  uint64        // those that are in use
	Waits     uint64        // verbs that had to wait for a client
	WaitTime  time.Duration // how long they did, in all
	Destroyed uint64        // clients that are no more
}

// A StatsReader keeps figures of its own.
type StatsReader interface {
	Stats(ctx context.Context) (Stats, error)
}

// A KeyLister can find its keys by how they begin. A Cache with a prefix needs
// it for Flush.
type KeyLister interface {
	// Keys yields the keys that begin with prefix. A key that is there from the
	// first to the last moment of the iteration is yielded at least once; of the
	// others some may be, but none whose time to live was over before. An error,
	// that of a ctx which is done among them, ends the iteration. The loop's body
	// may call the Backend, also to delete what was yielded.
	Keys(ctx context.Context, prefix string) iter.Seq2[string, error]
}

// A SharedStorer keeps Go values as they are, for [Shared]. Only a backend in
// the program's own memory can.
type SharedStorer interface {
	// GetShared answers the value under key and its token, which Store accepts
	// for CompareAndDelete. A key that holds bytes is ErrCodec. For the other
	// methods a key that holds a shared value is present: GetItem returns ErrCodec,
	// Incr and Decr ErrNotNumber.
	GetShared(ctx context.Context, key string) (value, token any, err error)

	// StoreShared is Store with value in the place of item.Value.
	StoreShared(ctx context.Context, mode Mode, item Item, value any) error
}

// An Unwrapper gives out what is underneath, the way [errors.As] does.
// Cache.As finds the backend itself without its help.
type Unwrapper interface {
	// As sets what target points to, and answers true, if it can. Target is a
	// pointer and not nil.
	As(target any) bool
}

// Traits are facts of a backend that a caller may have to know. The zero value
// is that of a backend which keeps the contract to the letter.
type Traits struct {
	// Resolution is how long at most an item may outlive its time to live.
	// 0 is 10 milliseconds.
	Resolution time.Duration

	// MaxTTL is the longest time to live that is honoured; an item stored for
	// longer may go then. 0 is no limit.
	MaxTTL time.Duration

	// MaxValue is the length of the longest value that can be stored; a longer
	// one is ErrTooLarge. 0 is no fixed limit; the least that is of use, and
	// that package conformance tests, is 1,024.
	MaxValue int

	// NoFlags says that Item.Flags is lost.
	NoFlags bool

	// KeepsNothing says that every store succeeds and is forgotten at once. It
	// spares IncrFrom an answer that would look like a counter.
	KeepsNothing bool
}

// A TraitsReporter has Traits that are not all zero.
type TraitsReporter interface {
	Traits() Traits
}
