package patterns

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/dependency"
	"github.com/cachewire/cachewire/encoding"
)

// ErrNotFound means that a value does not exist. Loaders return it, and so do the patterns.
// It never matches core.ErrMiss, which only means that a value is not in the cache.
var ErrNotFound = errors.New("patterns: not found")

// ErrTimeout means that another caller or process still holds the pass after
// Options.WaitTimeout, or after the LockTTL of a OnePass in OnePass.Wait.
var ErrTimeout = errors.New("patterns: timed out waiting for another to load")

// Options are the settings of a Cached. No duration may be negative. New returns an error for
// a core.Forever that would never take effect.
type Options struct {
	// TTL is the time to live of stored values. If 0, it is the default of the cache.
	TTL time.Duration

	// LockTTL is how long one process may load a value alone in GetOrCreate. If 0, it is
	// 10 seconds. After LockTTL another process may load the value, whether the first one
	// has died or is still loading. A load in the background, for which no caller waits, is
	// cancelled after LockTTL.
	LockTTL time.Duration

	// WaitTimeout is how long GetOrCreate waits for another process. After it, GetOrCreate
	// returns ErrTimeout, or loads the value itself if LoadOnTimeout is set. If 0, it is
	// LockTTL, plus the Resolution of the cache's core.Traits and one second, so that an
	// expired lock is noticed.
	WaitTimeout   time.Duration
	LoadOnTimeout bool

	// Prefix is put before a key to make the key of its lock. If "", it is "one_pass:".
	Prefix string

	// KeyPrefix is the first part of the keys of memoized functions; see KeyBuilder.
	KeyPrefix KeyBuilder

	// Dependency or Tags decides what the names are that verbs take as their last
	// arguments. With a Dependency they are master keys to which an item is wired; with
	// Tags they are tags that the item carries. At most one of the two may be set.
	//
	// With Tags, a value is stale at once if one of its tags is invalidated while the value
	// is loaded. Set, Add, Replace and their multi verbs, which get a value from the caller,
	// read the versions of the tags when they are called. With a Dependency, a value may be
	// stored after the Delete that should have deleted it, and stay until the next Delete.
	Dependency *dependency.Dependency
	Tags       *dependency.Tags

	// NegativeTTL is the time to live of a stored ErrNotFound. If 0, ErrNotFound is not
	// stored. Add and Replace treat a stored ErrNotFound as an item that is present.
	NegativeTTL time.Duration

	// SoftTTL is the age at which a value becomes due. It must be less than TTL. A value
	// that is due is still served, while one caller loads it again in the background. If 0,
	// values are never due.
	//
	// SoftTTL, Early and FailSafe depend on the clocks of the machines that share the cache.
	SoftTTL time.Duration

	// Early makes values load again in the background before they are due, at random. This
	// is more likely the nearer the time is and the longer the value took to load. Early is
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

	// OnError is called with errors that are not returned to the caller: errors of reading
	// the cache, if the loader was called instead, errors of storing and wiring a value,
	// errors of a loader, if an old value was served instead, and errors of loads in the
	// background. It is called by many goroutines at once. If nil, such errors are dropped.
	OnError func(ctx context.Context, err error)

	// Observer is called with what the patterns serve and load. It may be nil.
	Observer Observer
}

// A Cached is a typed cache with common settings, and with patterns that load values it does
// not have. Many goroutines may use it at once.
type Cached[T any] struct {
	typed   *core.Typed[T]
	values  values[T]
	plain   bool    // values are stored without facts
	opts    Options // with the defaults filled in: TTL is not 0
	pass    *OnePass
	flights flights[T]
}

// New returns a Cached over typed. A nil opts is the zero Options. The error is
// core.ErrConfig: typed is nil, or a field of opts is out of its range or contradicts
// another one.
func New[T any](typed *core.Typed[T], opts *Options) (*Cached[T], error) {
	if typed == nil {
		return nil, configErrorf("the core.Typed is nil; core.NewTyped returns one")
	}
	c := &Cached[T]{typed: typed}
	if opts != nil {
		c.opts = *opts
	}
	o := &c.opts
	if o.TTL == 0 {
		o.TTL = typed.Cache().DefaultTTL()
	}
	if err := o.check(); err != nil {
		return nil, err
	}
	c.plain = o.Tags == nil && o.NegativeTTL == 0 &&
		o.SoftTTL == 0 && o.Early == 0 && o.FailSafe == 0
	var err error
	if c.values, err = valuesOf(typed, !c.plain); err != nil {
		return nil, err
	}
	if o.LockTTL == 0 {
		o.LockTTL = defaultLockTTL
	}
	if o.WaitTimeout == 0 {
		o.WaitTimeout = add(o.LockTTL, typed.Cache().Traits().Resolution+time.Second)
	}
	if o.OnError == nil {
		o.OnError = func(context.Context, error) {}
	}
	c.flights.limit = o.LockTTL
	c.flights.report = func(err error) { o.OnError(context.Background(), err) }
	c.pass, err = NewOnePass(typed.Cache(), &OnePassOptions{LockTTL: o.LockTTL, Prefix: o.Prefix})
	return c, err
}

// configErrorf returns an error that wraps core.ErrConfig.
func configErrorf(format string, args ...any) error {
	return fmt.Errorf("%w: patterns: "+format, append([]any{core.ErrConfig}, args...)...)
}

// add returns a + b, or core.Forever if the sum is too large for a duration. Neither may be
// negative.
func add(a, b time.Duration) time.Duration {
	if sum := a + b; sum >= 0 {
		return sum
	}
	return core.Forever
}

// check returns an error if a field of o is out of its range or contradicts another one. TTL
// must not be 0.
func (o *Options) check() error {
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
	} {
		if field.value < 0 {
			return configErrorf("Options.%s is %v, want 0 or more", field.name, field.value)
		}
	}
	const limitedTTL = "a TTL other than core.Forever, in Options or as the default of the cache"
	switch {
	case o.Dependency != nil && o.Tags != nil:
		return configErrorf("Options have a Dependency and Tags, want at most one of them")
	case o.SoftTTL >= o.TTL:
		return configErrorf("Options.SoftTTL is %v, want less than the TTL, which is %s",
			o.SoftTTL, ttlString(o.TTL))
	case !(o.Early >= 0):
		return configErrorf("Options.Early is %v, want 0 or more", o.Early)
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

// ttlString formats a time to live for errors.
func ttlString(ttl time.Duration) string {
	if ttl == core.Forever {
		return "core.Forever"
	}
	return ttl.String()
}

// Typed returns the typed cache that New was called with.
func (c *Cached[T]) Typed() *core.Typed[T] { return c.typed }

// Close waits for running loads, including those in the background, which are cancelled after
// Options.LockTTL. Once it is called, patterns return core.ErrClosed for values that must be
// loaded. The cache stays open. Close always returns nil.
func (c *Cached[T]) Close() error {
	c.flights.close()
	return nil
}

// Get returns the value under key, and loads nothing. It returns core.ErrMiss if the key is
// absent, or the value is stale or past its TTL, and ErrNotFound if that is stored under the
// key.
func (c *Cached[T]) Get(ctx context.Context, key string) (T, error) {
	if c.plain {
		v, err := c.typed.Get(ctx, key)
		switch err {
		case nil:
			c.observeServed(Hit, 1)
		case core.ErrMiss:
			c.observeServed(Miss, 1)
		}
		return v, err
	}
	e, err := c.lookUp(ctx, key)
	switch {
	case err != nil:
		return e.value, err
	case !e.servable():
		c.observeServed(Miss, 1)
		var zero T
		return zero, core.ErrMiss
	}
	c.observeServed(e.outcome(), 1)
	return e.value, e.err
}

// GetMulti returns the values of keys for which Get returns one. It loads nothing. Errors are
// those of core.Typed.GetMulti.
func (c *Cached[T]) GetMulti(ctx context.Context, keys []string) (map[string]T, error) {
	entries, err := c.lookUpMulti(ctx, keys)
	found := make(map[string]T, len(entries))
	for key, e := range entries {
		if e.servable() && e.err == nil {
			found[key] = e.value
		}
	}
	if c.opts.Observer != nil {
		c.observeMulti(keys, entries, err)
	}
	return found, err
}

// Set stores v under key, with names as its master keys or tags; see Options. It returns
// core.ErrConfig if there are names and Options have neither Dependency nor Tags. If v is
// stored but cannot be wired, Set deletes it and returns the error.
func (c *Cached[T]) Set(ctx context.Context, key string, v T, names ...string) error {
	return c.write(ctx, core.Set, key, v, names)
}

// Add is Set if the key is absent. Otherwise it returns core.ErrExists, and stores and wires
// nothing. A stale item counts as present.
func (c *Cached[T]) Add(ctx context.Context, key string, v T, names ...string) error {
	return c.write(ctx, core.Add, key, v, names)
}

// Replace is Set if the key is present. Otherwise it returns core.ErrMiss.
func (c *Cached[T]) Replace(ctx context.Context, key string, v T, names ...string) error {
	return c.write(ctx, core.Replace, key, v, names)
}

func (c *Cached[T]) write(
	ctx context.Context, mode core.Mode, key string, v T, names []string,
) error {
	facts, err := c.factsFor(ctx, names)
	if err != nil {
		return err
	}
	if err := c.dropLoads(ctx, key); err != nil {
		return err
	}
	if err := c.values.store(ctx, mode, key, c.wrap(v, facts, 0), c.storeTTL()); err != nil {
		return err
	}
	return c.wire(ctx, []string{key}, names)
}

// SetMulti is Set for every value of values. Errors of storing are those of
// core.Typed.SetMulti.
func (c *Cached[T]) SetMulti(ctx context.Context, values map[string]T, names ...string) error {
	return c.writeMulti(ctx, core.Set, values, names)
}

// AddMulti is Add for every value of values. Errors of storing are those of
// core.Typed.AddMulti.
func (c *Cached[T]) AddMulti(ctx context.Context, values map[string]T, names ...string) error {
	return c.writeMulti(ctx, core.Add, values, names)
}

// ReplaceMulti is Replace for every value of values. Errors of storing are those of
// core.Typed.ReplaceMulti.
func (c *Cached[T]) ReplaceMulti(ctx context.Context, values map[string]T, names ...string) error {
	return c.writeMulti(ctx, core.Replace, values, names)
}

func (c *Cached[T]) writeMulti(
	ctx context.Context, mode core.Mode, values map[string]T, names []string,
) error {
	facts, err := c.factsFor(ctx, names)
	if err != nil {
		return err
	}
	keys := make([]string, 0, len(values))
	wrapped := make(map[string]value[T], len(values))
	for key, v := range values {
		keys = append(keys, key)
		wrapped[key] = c.wrap(v, facts, 0)
	}
	if err := c.dropLoads(ctx, keys...); err != nil {
		return err
	}
	err = c.values.storeMulti(ctx, mode, wrapped, c.storeTTL())
	return errors.Join(err, c.wire(ctx, succeeded(keys, err), names))
}

// succeeded returns the keys that did not fail, if err is the error of a multi verb.
func succeeded(keys []string, err error) []string {
	if err == nil {
		return keys
	}
	var multi *core.MultiError
	if !errors.As(err, &multi) {
		return nil
	}
	var ok []string
	for _, key := range keys {
		if multi.Errors[key] == nil {
			ok = append(ok, key)
		}
	}
	return ok
}

// Delete deletes the item under key. It returns core.ErrMiss if the key is absent. A value
// that is being loaded for the key in this process is not stored.
func (c *Cached[T]) Delete(ctx context.Context, key string) error {
	if err := c.dropLoads(ctx, key); err != nil {
		return err
	}
	return c.typed.Delete(ctx, key)
}

// DeleteMulti deletes the items under keys, as Delete does. An absent key is not an error.
func (c *Cached[T]) DeleteMulti(ctx context.Context, keys []string) error {
	if err := c.dropLoads(ctx, keys...); err != nil {
		return err
	}
	return c.typed.DeleteMulti(ctx, keys)
}

// dropLoads makes sure that running loads of keys in this process store nothing after the
// write that follows.
func (c *Cached[T]) dropLoads(ctx context.Context, keys ...string) error {
	return c.flights.drop(orBackground(ctx), keys...)
}

// IncrFrom adds delta to the counter under key, as core.Cache.IncrFrom does. An absent
// counter begins at initial and lives for Options.TTL.
func (c *Cached[T]) IncrFrom(
	ctx context.Context, key string, delta, initial uint64,
) (uint64, error) {
	return c.typed.Cache().IncrFrom(ctx, key, delta, initial, c.opts.TTL)
}

// DecrFrom subtracts delta from the counter under key, as core.Cache.DecrFrom does. Otherwise
// it is like IncrFrom.
func (c *Cached[T]) DecrFrom(
	ctx context.Context, key string, delta, initial uint64,
) (uint64, error) {
	return c.typed.Cache().DecrFrom(ctx, key, delta, initial, c.opts.TTL)
}

// storeTTL returns how long values stay in the cache, which is longer than their TTL if
// FailSafe is set.
func (c *Cached[T]) storeTTL() time.Duration { return add(c.opts.TTL, c.opts.FailSafe) }

var errNoNames = configErrorf(
	"there are names, but Options have neither Dependency nor Tags; want one of them")

// factsFor returns the facts of a value with names that will be loaded or stored: the present
// versions of its tags.
func (c *Cached[T]) factsFor(ctx context.Context, names []string) (encoding.Facts, error) {
	switch {
	case len(names) == 0:
		return encoding.Facts{}, nil
	case c.opts.Tags != nil:
		versions, err := c.opts.Tags.Versions(ctx, names...)
		return versions.Facts(), err
	case c.opts.Dependency == nil:
		return encoding.Facts{}, errNoNames
	}
	return encoding.Facts{}, nil
}

// wire wires keys to names if these are master keys. If that fails, it deletes keys, because
// no Delete of a master key would.
func (c *Cached[T]) wire(ctx context.Context, keys, names []string) error {
	if c.opts.Dependency == nil || len(keys) == 0 {
		return nil
	}
	for _, master := range names {
		if err := c.opts.Dependency.AddMulti(ctx, master, keys); err != nil {
			ctx := context.WithoutCancel(orBackground(ctx))
			return errors.Join(err, c.typed.DeleteMulti(ctx, keys))
		}
	}
	return nil
}
