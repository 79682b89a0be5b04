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

// ErrNotFound is what a loader answers that has found out that there is nothing. The
// patterns answer it, too: there is no value, as somebody has found out. It is never
// core.ErrMiss, by which a cache tells that it does not know.
var ErrNotFound = errors.New("patterns: not found")

// ErrTimeout: others are loading a value for too long.
var ErrTimeout = errors.New("patterns: timed out waiting for another to load")

// Options are the settings of a Cached. All durations are 0 or more.
type Options struct {
	// TTL is the time to live of what is stored; 0 is the default of the cache.
	TTL time.Duration

	// LockTTL is for how long one process alone may load a value in GetOrCreate; 0
	// is 10 seconds. After that, as after its death, another one may. It is also how
	// long a load goes on in the background, for which nobody waits.
	LockTTL time.Duration

	// WaitTimeout is how long GetOrCreate waits for another process; 0 is LockTTL,
	// and some seconds for the cache to notice that it is over. What happens then is
	// ErrTimeout, or with LoadOnTimeout that the waiter loads the value itself.
	WaitTimeout   time.Duration
	LoadOnTimeout bool

	// Prefix is put before a key to make that of its lock; "" is "one_pass:".
	Prefix string

	// KeyPrefix is the first part of the keys of memoized functions; see KeyBuilder.
	KeyPrefix KeyBuilder

	// Dependency or Tags, of which one may be set, say what the names are that the
	// verbs are given last: master keys to which an item is wired, or tags that it
	// carries. With tags, a value that was being loaded while one of them was
	// invalidated is stale at once; Set and its like, which are given a value, read the
	// versions when they are called. With wires, a value may be stored after the Delete
	// that was meant for it, and stay until the next one.
	Dependency *dependency.Dependency
	Tags       *dependency.Tags

	// NegativeTTL is the time to live of ErrNotFound; 0 is not to store it. To Add and
	// Replace what is stored then is an item like others.
	NegativeTTL time.Duration

	// SoftTTL, less than TTL, is when a value is due: it is still served, while one
	// caller has it loaded anew in the background; 0 is never. As all of the following
	// it goes by the clocks of the machines that share the cache.
	SoftTTL time.Duration

	// Early has values loaded anew in the background before they are due, at random,
	// the more probably the nearer that is and the longer it took to load them: the
	// beta of XFetch (Vattani, Chierichetti, Lowenstein: Optimal Probabilistic Cache
	// Stampede Prevention, VLDB 2015). 1 suits most; 0 is never. It needs a TTL or a
	// SoftTTL.
	Early float64

	// FailSafe is for how long after its TTL, which must be set, a value is kept, to
	// be served where the loader fails.
	FailSafe time.Duration

	// SoftTimeout is how long a caller waits for the loader where there is a value
	// that FailSafe has kept. Then it is served that, and the load goes on. 0 is for as
	// long as it takes.
	SoftTimeout time.Duration

	// OnError is told of errors that the caller is not: those of a cache in whose
	// place the loader was asked, those of storing and wiring, and those of a loader in
	// whose place an old value was served. It is called by many goroutines at once; nil
	// is nobody.
	OnError func(ctx context.Context, err error)
}

// A Cached is a typed cache under common settings, and the patterns to load what is
// not there. Many goroutines may use it at once.
type Cached[T any] struct {
	typed   *core.Typed[T]
	values  values[T]
	plain   bool // values have no facts
	opts    Options
	err     error // what is wrong with the options
	pass    *OnePass
	flights flights[T]
}

// New answers a Cached over typed. A nil opts is the zero Options. Options that
// contradict each other make every verb core.ErrConfig.
func New[T any](typed *core.Typed[T], opts *Options) *Cached[T] {
	c := &Cached[T]{typed: typed}
	if opts != nil {
		c.opts = *opts
	}
	o := &c.opts
	c.err = o.check()
	c.plain = o.Tags == nil && o.NegativeTTL == 0 && o.SoftTTL == 0 && o.Early == 0 && o.FailSafe == 0
	c.values = valuesOf(typed, !c.plain)
	if o.LockTTL == 0 {
		o.LockTTL = defaultLockTTL
	}
	if o.WaitTimeout == 0 {
		o.WaitTimeout = o.LockTTL + typed.Cache().Traits().Resolution + time.Second
	}
	if o.OnError == nil {
		o.OnError = func(context.Context, error) {}
	}
	c.flights.limit = o.LockTTL
	c.flights.report = func(err error) { o.OnError(context.Background(), err) }
	c.pass = NewOnePass(typed.Cache(), &OnePassOptions{TTL: o.LockTTL, Prefix: o.Prefix})
	return c
}

func (o *Options) check() error {
	wrong := func(format string, args ...any) error {
		return fmt.Errorf("patterns: %w: "+format, append([]any{core.ErrConfig}, args...)...)
	}
	if o.TTL == core.DefaultTTL {
		o.TTL = 0
	}
	for _, field := range []struct {
		name  string
		value time.Duration
	}{
		{"TTL", o.TTL}, {"LockTTL", o.LockTTL}, {"WaitTimeout", o.WaitTimeout}, {"NegativeTTL", o.NegativeTTL},
		{"SoftTTL", o.SoftTTL}, {"FailSafe", o.FailSafe}, {"SoftTimeout", o.SoftTimeout},
	} {
		if field.value < 0 {
			return wrong("Options.%s is %v, want 0 or more", field.name, field.value)
		}
	}
	switch {
	case o.Dependency != nil && o.Tags != nil:
		return wrong("Options have a Dependency and Tags, want one of them")
	case o.SoftTTL != 0 && o.TTL != 0 && o.SoftTTL >= o.TTL:
		return wrong("Options.SoftTTL is %v, want less than the TTL, %v", o.SoftTTL, o.TTL)
	case !(o.Early >= 0):
		return wrong("Options.Early is %v, want 0 or more", o.Early)
	case o.Early != 0 && o.TTL == 0 && o.SoftTTL == 0:
		return wrong("Options.Early needs a TTL or a SoftTTL")
	case o.FailSafe != 0 && o.TTL == 0:
		return wrong("Options.FailSafe needs a TTL")
	case o.SoftTimeout != 0 && o.FailSafe == 0:
		return wrong("Options.SoftTimeout needs FailSafe")
	}
	return nil
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
		if c.err != nil {
			var none T
			return none, c.err
		}
		return c.typed.Get(ctx, key)
	}
	e, err := c.look(ctx, key)
	switch {
	case err != nil:
		return e.value, err
	case !e.served():
		var none T
		return none, core.ErrMiss
	}
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

// Incr adds delta to the counter under key, which begins at initial and lives for
// Options.TTL, as core.Cache.IncrFrom does.
func (c *Cached[T]) Incr(ctx context.Context, key string, delta, initial uint64) (uint64, error) {
	return c.typed.Cache().IncrFrom(ctx, key, delta, initial, c.ttl())
}

// Decr is to Incr as core.Cache.DecrFrom is to IncrFrom.
func (c *Cached[T]) Decr(ctx context.Context, key string, delta, initial uint64) (uint64, error) {
	return c.typed.Cache().DecrFrom(ctx, key, delta, initial, c.ttl())
}

// ttl is for how long values are served.
func (c *Cached[T]) ttl() time.Duration {
	if c.opts.TTL == 0 {
		return core.DefaultTTL
	}
	return c.opts.TTL
}

// storeTTL is for how long values are kept.
func (c *Cached[T]) storeTTL() time.Duration {
	if c.opts.FailSafe != 0 {
		return c.opts.TTL + c.opts.FailSafe
	}
	return c.ttl()
}

var errNoNames = fmt.Errorf("patterns: %w: an item was given names to depend on, and Options have neither Dependency nor Tags", core.ErrConfig)

// before answers the facts of a value that is to be made, and depends on names.
func (c *Cached[T]) before(ctx context.Context, names []string) (encoding.Facts, error) {
	switch {
	case c.err != nil:
		return encoding.Facts{}, c.err
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
