package patterns

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/dependency"
	"github.com/cachewire/cachewire/encoding"
)

// ErrNotFound is what a loader returns if it has found out that there is no value. The
// patterns return it, too. It is never core.ErrMiss, by which a cache says that it does not
// know.
var ErrNotFound = errors.New("patterns: not found")

// ErrTimeout is returned after Options.WaitTimeout, if another caller or process is still
// loading the value.
var ErrTimeout = errors.New("patterns: timed out waiting for another to load")

// Options are the settings of a Cached. No duration may be negative. Where core.Forever makes
// no sense, as it would never take effect, New returns an error.
type Options struct {
	// TTL is the time to live of what is stored. If 0, it is the default of the cache.
	TTL time.Duration

	// LockTTL is how long one process alone may load a value in GetOrCreate. If 0, it is
	// 10 seconds. After that, as after its death, another process may load the value. A
	// load in the background, for which no caller waits, is cancelled after LockTTL.
	LockTTL time.Duration

	// WaitTimeout is how long GetOrCreate waits for another process. If 0, it is LockTTL,
	// and some seconds for the cache to notice that it is over. After it, the caller gets
	// ErrTimeout, or with LoadOnTimeout loads the value itself.
	WaitTimeout   time.Duration
	LoadOnTimeout bool

	// Prefix is put before a key to make the key of its lock. If "", it is "one_pass:".
	Prefix string

	// KeyPrefix is the first part of the keys of memoized functions; see KeyBuilder.
	KeyPrefix KeyBuilder

	// Dependency or Tags, of which one may be set, say what the names are that verbs take
	// as their last arguments: master keys to which an item is wired, or tags that it
	// carries. With tags, a value that was being loaded while one of them was invalidated
	// is stale at once; Set and the like, which are given a value, read the versions when
	// they are called. With wires, a value may be stored after the Delete that was meant
	// for it, and stay until the next one.
	Dependency *dependency.Dependency
	Tags       *dependency.Tags

	// NegativeTTL is the time to live of ErrNotFound. If 0, ErrNotFound is not stored. To
	// Add and Replace a stored ErrNotFound is an item like others.
	NegativeTTL time.Duration

	// SoftTTL, which must be less than TTL, is when a value becomes due: it is still
	// served, while one caller loads it again in the background. If 0, values are never
	// due. This and all of the following go by the clocks of the machines that share the
	// cache.
	SoftTTL time.Duration

	// Early loads values again in the background before they are due, at random: the more
	// probably, the nearer that is and the longer the value took to load. It is the beta
	// of XFetch (Vattani, Chierichetti, Lowenstein: Optimal Probabilistic Cache Stampede
	// Prevention, VLDB 2015). 1 suits most; 0 is never. It needs a SoftTTL, or a TTL that
	// ends.
	Early float64

	// FailSafe is how long after its TTL, which must end, a value is kept, to be served if
	// the loader fails.
	FailSafe time.Duration

	// SoftTimeout is how long a caller waits for the loader if FailSafe has kept a value.
	// After it, the caller gets that value, and the load goes on. If 0, the caller waits
	// as long as the load takes.
	SoftTimeout time.Duration

	// OnError is called with errors that are not returned to the caller: of a cache in
	// whose place the loader was called, of storing and wiring, and of a loader in whose
	// place an old value was served. It is called by many goroutines at once. If nil, such
	// errors are dropped.
	OnError func(ctx context.Context, err error)

	// Observer, if not nil, is called with what the patterns serve and load.
	Observer Observer
}

// A Cached is a typed cache under common settings, with patterns that load what it does not
// have. Many goroutines may use it at once.
type Cached[T any] struct {
	typed   *core.Typed[T]
	values  values[T]
	plain   bool    // values have no facts
	opts    Options // with defaults filled in: TTL is not 0
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
	c.plain = o.Tags == nil && o.NegativeTTL == 0 && o.SoftTTL == 0 && o.Early == 0 && o.FailSafe == 0
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

// configErrorf returns a core.ErrConfig.
func configErrorf(format string, args ...any) error {
	return fmt.Errorf("%w: patterns: "+format, append([]any{core.ErrConfig}, args...)...)
}

// add returns the sum of two durations, neither of which is negative. It is core.Forever if
// the sum is too large for a duration.
func add(a, b time.Duration) time.Duration {
	if sum := a + b; sum >= 0 {
		return sum
	}
	return core.Forever
}

// check checks o, in which TTL is not 0.
func (o *Options) check() error {
	for _, field := range []struct {
		name  string
		value time.Duration
	}{
		{"TTL", o.TTL}, {"LockTTL", o.LockTTL}, {"WaitTimeout", o.WaitTimeout}, {"NegativeTTL", o.NegativeTTL},
		{"SoftTTL", o.SoftTTL}, {"FailSafe", o.FailSafe}, {"SoftTimeout", o.SoftTimeout},
	} {
		if field.value < 0 {
			return configErrorf("Options.%s is %v, want 0 or more", field.name, field.value)
		}
	}
	const ends = "want a TTL that ends, in the Options or as the default of the cache"
	switch {
	case o.Dependency != nil && o.Tags != nil:
		return configErrorf("Options have a Dependency and Tags, want one of them")
	case o.SoftTTL >= o.TTL:
		return configErrorf("Options.SoftTTL is %v, want less than the TTL, which is %s", o.SoftTTL, ttlString(o.TTL))
	case !(o.Early >= 0):
		return configErrorf("Options.Early is %v, want 0 or more", o.Early)
	case o.Early != 0 && o.TTL == core.Forever && o.SoftTTL == 0:
		return configErrorf("Options.Early is %v, and items never expire; want a SoftTTL, or "+strings.TrimPrefix(ends, "want "), o.Early)
	case o.FailSafe != 0 && o.TTL == core.Forever:
		return configErrorf("Options.FailSafe is %v, and items never expire; "+ends, o.FailSafe)
	case o.SoftTimeout != 0 && o.FailSafe == 0:
		return configErrorf("Options.SoftTimeout is %v, want FailSafe as well, which keeps the values to serve", o.SoftTimeout)
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

// Typed answers the typed cache underneath.
func (c *Cached[T]) Typed() *core.Typed[T] { return c.typed }

// Close waits for the loads that are under way, those in the background among them, which
// are cancelled when Options.LockTTL is over. After it, what has to be loaded is
// core.ErrClosed. The cache stays open.
func (c *Cached[T]) Close() error {
	c.flights.close()
	return nil
}

// Get answers the value under key, core.ErrMiss, or ErrNotFound.
func (c *Cached[T]) Get(ctx context.Context, key string) (T, error) {
	if c.plain {
		v, err := c.typed.Get(ctx, key)
		switch err {
		case nil:
			c.served(Hit, 1)
		case core.ErrMiss:
			c.served(Miss, 1)
		}
		return v, err
	}
	e, err := c.look(ctx, key)
	switch {
	case err != nil:
		return e.value, err
	case !e.served():
		c.served(Miss, 1)
		var none T
		return none, core.ErrMiss
	}
	c.served(e.outcome(), 1)
	return e.value, e.err
}

// GetMulti answers the values of keys that are there, as core.Typed does. Those of
// which somebody has found out that they are nowhere are not.
func (c *Cached[T]) GetMulti(ctx context.Context, keys []string) (map[string]T, error) {
	entries, err := c.lookMulti(ctx, keys)
	found := make(map[string]T, len(entries))
	for key, e := range entries {
		if e.served() && e.err == nil {
			found[key] = e.value
		}
	}
	if c.opts.Observer != nil {
		c.observeMulti(keys, entries, err)
	}
	return found, err
}

// Set stores v under key, and lets it depend on what names name.
func (c *Cached[T]) Set(ctx context.Context, key string, v T, names ...string) error {
	return c.write(ctx, core.Set, key, v, names)
}

// Add stores v under key if the key is absent, else it is core.ErrExists, and nothing
// is wired. An item that is stale is there.
func (c *Cached[T]) Add(ctx context.Context, key string, v T, names ...string) error {
	return c.write(ctx, core.Add, key, v, names)
}

// Replace stores v under key if the key is present, else it is core.ErrMiss.
func (c *Cached[T]) Replace(ctx context.Context, key string, v T, names ...string) error {
	return c.write(ctx, core.Replace, key, v, names)
}

func (c *Cached[T]) write(ctx context.Context, mode core.Mode, key string, v T, names []string) error {
	facts, err := c.before(ctx, names)
	if err != nil {
		return err
	}
	if err := c.drop(ctx, key); err != nil {
		return err
	}
	if err := c.values.store(ctx, mode, key, c.wrap(v, facts, 0), c.storeTTL()); err != nil {
		return err
	}
	return c.wire(ctx, []string{key}, names)
}

// SetMulti stores every value of all, as core.Typed does.
func (c *Cached[T]) SetMulti(ctx context.Context, all map[string]T, names ...string) error {
	return c.writeMulti(ctx, core.Set, all, names)
}

// AddMulti stores those of all whose key is absent, as core.Typed does.
func (c *Cached[T]) AddMulti(ctx context.Context, all map[string]T, names ...string) error {
	return c.writeMulti(ctx, core.Add, all, names)
}

// ReplaceMulti stores those of all whose key is present, as core.Typed does.
func (c *Cached[T]) ReplaceMulti(ctx context.Context, all map[string]T, names ...string) error {
	return c.writeMulti(ctx, core.Replace, all, names)
}

func (c *Cached[T]) writeMulti(ctx context.Context, mode core.Mode, all map[string]T, names []string) error {
	facts, err := c.before(ctx, names)
	if err != nil {
		return err
	}
	keys := make([]string, 0, len(all))
	wrapped := make(map[string]value[T], len(all))
	for key, v := range all {
		keys = append(keys, key)
		wrapped[key] = c.wrap(v, facts, 0)
	}
	if err := c.drop(ctx, keys...); err != nil {
		return err
	}
	err = c.values.storeMulti(ctx, mode, wrapped, c.storeTTL())
	return errors.Join(err, c.wire(ctx, without(keys, err), names))
}

// without answers those of keys that did not fail with err, the error of a multi verb.
func without(keys []string, err error) []string {
	if err == nil {
		return keys
	}
	var multi *core.MultiError
	if !errors.As(err, &multi) {
		return nil
	}
	var left []string
	for _, key := range keys {
		if multi.Errors[key] == nil {
			left = append(left, key)
		}
	}
	return left
}

// Delete deletes the item under key, or is core.ErrMiss. What is being loaded for the
// key in this process is not stored any more.
func (c *Cached[T]) Delete(ctx context.Context, key string) error {
	if err := c.drop(ctx, key); err != nil {
		return err
	}
	return c.typed.Delete(ctx, key)
}

// DeleteMulti deletes keys. That one of them is absent is no error.
func (c *Cached[T]) DeleteMulti(ctx context.Context, keys []string) error {
	if err := c.drop(ctx, keys...); err != nil {
		return err
	}
	return c.typed.DeleteMulti(ctx, keys)
}

// drop sees to it that no load of keys in this process is stored after what is about to
// be written.
func (c *Cached[T]) drop(ctx context.Context, keys ...string) error {
	return c.flights.drop(orBackground(ctx), keys...)
}

// IncrFrom adds delta to the counter under key, which begins at initial and lives for
// Options.TTL, as core.Cache.IncrFrom does.
func (c *Cached[T]) IncrFrom(ctx context.Context, key string, delta, initial uint64) (uint64, error) {
	return c.typed.Cache().IncrFrom(ctx, key, delta, initial, c.opts.TTL)
}

// DecrFrom subtracts delta from the counter under key, as core.Cache.DecrFrom does.
func (c *Cached[T]) DecrFrom(ctx context.Context, key string, delta, initial uint64) (uint64, error) {
	return c.typed.Cache().DecrFrom(ctx, key, delta, initial, c.opts.TTL)
}

// storeTTL returns how long values are kept, which may be longer than they are served.
func (c *Cached[T]) storeTTL() time.Duration { return add(c.opts.TTL, c.opts.FailSafe) }

var errNoNames = configErrorf("names to depend on were given, and Options have neither Dependency nor Tags")

// before answers the facts of a value that is to be made, and depends on names.
func (c *Cached[T]) before(ctx context.Context, names []string) (encoding.Facts, error) {
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

// wire wires keys to names, if these are master keys. What cannot be wired is deleted,
// for nobody would.
func (c *Cached[T]) wire(ctx context.Context, keys, names []string) error {
	if c.opts.Dependency == nil || len(keys) == 0 {
		return nil
	}
	for _, master := range names {
		if err := c.opts.Dependency.AddMulti(ctx, master, keys); err != nil {
			return errors.Join(err, c.typed.DeleteMulti(context.WithoutCancel(orBackground(ctx)), keys))
		}
	}
	return nil
}
