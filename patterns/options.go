package patterns

import (
	"context"
	"fmt"
	"time"

	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/dependency"
)

// Options are the settings of a Cached. No duration may be negative. New returns an error for
// a core.Forever that would never take effect.
type Options[T any] struct {
	// Name is what an Observer calls the Cached. If "", it is the name of the core.Cache.
	Name string

	// TTL is the time to live of stored values. If 0, it is the default of the cache.
	TTL time.Duration

	// TTLOf returns the time to live of a value that is stored under key: 0 for TTL, or less
	// than 0 if the value must not be stored, because it has expired. A load then stores
	// nothing, and Set returns core.ErrInvalidTTL. If nil, every value has TTL.
	TTLOf func(key string, v T) time.Duration

	// Jitter is the largest share of a time to live by which it is shortened, at random, so
	// that values which were stored together do not expire together: with 0.1, a TTL of a
	// minute becomes 54 to 60 seconds. It must be less than 1. It applies to SoftTTL and
	// NegativeTTL as well, but not to core.Forever.
	Jitter float64

	// LockTTL is how long the lock of GetOrCreate outlives a process that dies while it loads
	// a value: then another process loads it. If 0, it is 10 seconds. While a load runs, its
	// lock is renewed. A load in the background, for which no caller waits, is cancelled after
	// LockTTL.
	LockTTL time.Duration

	// WaitTimeout is how long GetOrCreate waits for another process. After it, GetOrCreate
	// returns ErrTimeout, or loads the value itself if LoadOnTimeout is set. If 0, it is a
	// minute, or if that is longer, LockTTL, the Resolution of the cache's core.Traits and one
	// second together, so that an expired lock is noticed.
	WaitTimeout   time.Duration
	LoadOnTimeout bool

	// Prefix is put before a key to make the key of its lock. If "", it is "~cw:lock:". Other
	// keys must not begin with it. A key that would become too long is hashed.
	Prefix string

	// KeyPrefix is the first part of the keys of memoized functions; see KeyBuilder.
	KeyPrefix KeyBuilder

	// Dependency or Tags decides what the names mean that verbs take as their last arguments.
	// With a Dependency, they are master keys to which an item is wired. With Tags, they are
	// tags that the item carries. At most one of the two may be set. The documentation of the
	// package says what an invalidation promises.
	Dependency *dependency.Dependency
	Tags       *dependency.Tags

	// NamesOf returns more names of a value that is stored under key. If nil, there are none.
	// It needs a Dependency or Tags. With Tags, a load takes one more call of the cache before
	// it, and two after it.
	NamesOf func(key string, v T) []string

	// NegativeTTL is the time to live of a stored ErrNotFound. If 0, ErrNotFound is not
	// stored. Add and Replace treat a stored ErrNotFound as an item that is present.
	NegativeTTL time.Duration

	// SoftTTL is the age at which a value becomes due. It must be less than TTL. A value
	// that is due is still served, while one caller loads it again in the background. If 0,
	// values are never due. A value whose own time to live is not longer than SoftTTL is never
	// due.
	//
	// SoftTTL, Early and FailSafe depend on the clocks of the machines that share the cache.
	SoftTTL time.Duration

	// Early loads values again in the background before they are due, at random. This is
	// more likely the nearer that time is, and the longer the value took to load. Early is
	// the beta of XFetch (Vattani, Chierichetti, Lowenstein: Optimal Probabilistic Cache
	// Stampede Prevention, VLDB 2015). 1 suits most programs. If 0, no value is loaded
	// early. Early needs a SoftTTL, or a TTL other than core.Forever.
	Early float64

	// FailSafe is how long a value is kept after its TTL, to be served if the loader fails.
	// It needs a TTL other than core.Forever. If 0, values are not kept.
	FailSafe time.Duration

	// SoftTimeout is how long a caller waits for the loader if FailSafe has kept a value.
	// After it, the caller gets that value, and the load goes on in the background. If 0,
	// the caller waits as long as the load takes.
	SoftTimeout time.Duration

	// Linger is how long a load goes on after its last caller has left. If 0, the load is
	// cancelled at once.
	Linger time.Duration

	// Pause is how long a key rests in this process after its load has failed. Meanwhile, a
	// value that is due or kept by FailSafe is served without a load. Pause doubles with each
	// further failure, up to 64 times, and is shortened by up to a half, at random. It starts
	// again after a load that succeeds or returns ErrNotFound, a write of the key, or 64
	// pauses without a load. A load that its callers have left is not a failure. If 0, Pause
	// is a second.
	Pause time.Duration

	// ErrorTTL is how long at most the error of a failed load is returned again, during the
	// pause of its key, if there is no value to serve. If 0, the loader is called instead.
	ErrorTTL time.Duration

	// OnError is called with errors that are not returned to the caller: errors of reading
	// the cache, if the loader was called instead, errors of storing and wiring a value,
	// errors of a loader, if an old value was served instead, and errors of loads in the
	// background. It is called by many goroutines at once. If nil, such errors are dropped.
	OnError func(ctx context.Context, err error)

	// Observer is called with what the patterns serve and load. It may be nil.
	Observer Observer
}

// setDefaults sets the fields of o that are zero to their defaults for cache. TTL is then not
// 0.
func (o *Options[T]) setDefaults(cache *core.Cache) {
	if o.Name == "" {
		o.Name = cache.Name()
	}
	if o.TTL == 0 {
		o.TTL = cache.DefaultTTL()
	}
	if o.LockTTL == 0 {
		o.LockTTL = defaultLockTTL
	}
	if o.WaitTimeout == 0 {
		expired := add(o.LockTTL, cache.Traits().Resolution+time.Second)
		o.WaitTimeout = max(time.Minute, expired)
	}
	if o.Prefix == "" {
		o.Prefix = reserved + "lock:"
	}
	if o.Pause == 0 {
		o.Pause = time.Second
	}
	if o.OnError == nil {
		o.OnError = func(context.Context, error) {}
	}
}

// check returns an error if a field of o is out of its range or contradicts another one. TTL
// must not be 0.
func (o *Options[T]) check() error {
	for _, field := range []struct {
		name  string
		value time.Duration
	}{
		{"TTL", o.TTL},
		{"LockTTL", o.LockTTL},
		{"WaitTimeout", o.WaitTimeout},
		{"NegativeTTL", o.NegativeTTL},
		{"SoftTTL", o.SoftTTL},
		{"FailSafe", o.FailSafe},
		{"SoftTimeout", o.SoftTimeout},
		{"Linger", o.Linger},
		{"Pause", o.Pause},
		{"ErrorTTL", o.ErrorTTL},
	} {
		if field.value < 0 {
			return configErrorf("Options.%s is %v; want 0 or more", field.name, field.value)
		}
	}
	const limitedTTL = "a TTL other than core.Forever, in Options or as the default of the cache"
	switch {
	case o.Dependency != nil && o.Tags != nil:
		return configErrorf("Options have a Dependency and Tags; want at most one of them")
	case o.NamesOf != nil && o.Dependency == nil && o.Tags == nil:
		return configErrorf(
			"Options have NamesOf, but neither Dependency nor Tags; want one of them")
	case !(o.Jitter >= 0 && o.Jitter < 1):
		return configErrorf("Options.Jitter is %v; want 0 or more, and less than 1", o.Jitter)
	case len(o.Prefix) > maxPassPrefix:
		return configErrorf("Options.Prefix is %d bytes long; want at most %d",
			len(o.Prefix), maxPassPrefix)
	case o.SoftTTL >= o.TTL:
		return configErrorf("Options.SoftTTL is %v; want less than the TTL, which is %s",
			o.SoftTTL, ttlString(o.TTL))
	case !(o.Early >= 0):
		return configErrorf("Options.Early is %v; want 0 or more", o.Early)
	case o.Early != 0 && o.TTL == core.Forever && o.SoftTTL == 0:
		return configErrorf(
			"Options.Early is %v, and items never expire; want a SoftTTL, or "+limitedTTL, o.Early)
	case o.FailSafe != 0 && o.TTL == core.Forever:
		return configErrorf("Options.FailSafe is %v, and items never expire; want "+limitedTTL,
			o.FailSafe)
	case o.SoftTimeout != 0 && o.FailSafe == 0:
		return configErrorf("Options.SoftTimeout is %v, and FailSafe is 0; want FailSafe as well",
			o.SoftTimeout)
	}
	return nil
}

// configErrorf returns an error that wraps core.ErrConfig.
func configErrorf(format string, args ...any) error {
	return fmt.Errorf("%w: patterns: "+format, append([]any{core.ErrConfig}, args...)...)
}

// ttlString formats a time to live for errors.
func ttlString(ttl time.Duration) string {
	if ttl == core.Forever {
		return "core.Forever"
	}
	return ttl.String()
}

// add returns a + b, or core.Forever if the sum is too large for a duration. Neither may be
// negative.
func add(a, b time.Duration) time.Duration {
	if sum := a + b; sum >= 0 {
		return sum
	}
	return core.Forever
}
