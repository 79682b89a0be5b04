package patterns

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/cachewire/cachewire/core"
)

// ErrNotFound means that a value does not exist. Loaders return it, and so do the patterns.
// It never matches core.ErrMiss, which only means that a value is not in the cache.
var ErrNotFound = errors.New("patterns: not found")

// ErrTimeout means that a wait has taken too long. Another caller or process still holds the
// pass after Options.WaitTimeout, or in OnePass.Wait after the LockTTL of the OnePass. Close
// returns ErrTimeout if a load does not end although Close has cancelled it.
var ErrTimeout = errors.New("patterns: timed out waiting for another to load")

// A Cached is a typed cache with common settings, and with patterns that load values it does
// not have. Many goroutines may use it at once.
type Cached[T any] struct {
	*common[T]
	call Call
}

// A common is the part of a Cached that it shares with those that its With returns.
type common[T any] struct {
	typed   *core.Typed[T]
	values  values[T]
	plain   bool       // values are stored without facts
	opts    Options[T] // with the defaults filled in: TTL is not 0
	pass    *OnePass
	flights flights[T]
	pauses  pauses
}

// New returns a Cached over typed. A nil opts is the zero Options. New returns core.ErrConfig
// if typed is nil, or if a field of opts is out of its range or contradicts another one.
func New[T any](typed *core.Typed[T], opts *Options[T]) (*Cached[T], error) {
	if typed == nil {
		return nil, configErrorf("the core.Typed is nil; core.NewTyped returns one")
	}
	s := &common[T]{typed: typed}
	if opts != nil {
		s.opts = *opts
	}
	o := &s.opts
	o.setDefaults(typed.Cache())
	if err := o.check(); err != nil {
		return nil, err
	}
	s.plain = o.Tags == nil && o.NegativeTTL == 0 &&
		o.SoftTTL == 0 && o.Early == 0 && o.FailSafe == 0
	var err error
	if s.values, err = valuesOf(typed, !s.plain); err != nil {
		return nil, err
	}
	s.pass, err = NewOnePass(typed.Cache(), &OnePassOptions{
		LockTTL: o.LockTTL, Prefix: o.Prefix, Renew: true,
	})
	if err != nil {
		return nil, err
	}
	s.pauses.first, s.pauses.errorTTL = o.Pause, o.ErrorTTL
	c := &Cached[T]{common: s}
	f := &s.flights
	f.limit, f.linger = o.LockTTL, o.Linger
	f.report = func(err error) { o.OnError(context.Background(), err) }
	f.tooSlow = func(keys []string) { s.pauses.fail(errTooSlow, keys...) }
	f.release = c.release
	if !isShared(typed) && !isImmutable[T]() {
		f.encode = c.encode
	}
	return c, nil
}

// A Call has options for single calls; see Cached.With.
type Call struct {
	// TTL is the time to live of values that are stored. If 0, it is the one of Options. If
	// callers share a load, the TTL of the first caller counts.
	TTL time.Duration

	// Reload makes the patterns that load one value load it even if a value is stored. Each
	// call loads by itself, and does not wait for another process. A value that is stored
	// meanwhile stays. An error of the loader is returned, even if there is an old value.
	Reload bool
}

// With returns a Cached like c whose verbs have the options of call. It shares the loads of
// c, and everything else. It need not be closed.
//
//	u, err := cached.With(patterns.Call{TTL: time.Hour}).GetOrSet(ctx, key, load)
//
// To look into the cache without a load, call Get.
func (c *Cached[T]) With(call Call) *Cached[T] { return &Cached[T]{c.common, call} }

// Typed returns the typed cache that New was called with.
func (c *Cached[T]) Typed() *core.Typed[T] { return c.typed }

// Close waits for running loads, including those in the background, and cancels those that
// still run after Options.LockTTL. Once it is called, patterns return core.ErrClosed for
// values that must be loaded. The cache stays open.
//
// A loader must not call Close, because Close waits for the loader. If a load has not ended a
// second after it was cancelled, Close returns ErrTimeout with the keys of the load.
func (c *Cached[T]) Close() error {
	err := c.flights.close()
	c.pauses.close()
	return err
}

// reserved is the beginning of the keys that packages of this module choose themselves.
const reserved = "~cw:"

// checkKey returns an error if key is reserved. The cache checks the rest.
func checkKey(key string) error {
	if strings.HasPrefix(key, reserved) {
		return reservedError(key)
	}
	return nil
}

func reservedError(key string) error {
	return fmt.Errorf("%w: patterns: %.100q begins with %q, as the keys of locks do",
		core.ErrInvalidKey, key, reserved)
}

// checkKeys is checkKey for many keys.
func checkKeys(keys []string) error {
	for _, key := range keys {
		if err := checkKey(key); err != nil {
			return err
		}
	}
	return nil
}

// Get returns the value under key, and loads nothing. It returns core.ErrMiss if the key is
// absent, or if the value is stale or past its TTL. It returns ErrNotFound if ErrNotFound is
// stored under the key.
func (c *Cached[T]) Get(ctx context.Context, key string) (T, error) {
	var zero T
	if err := checkKey(key); err != nil {
		return zero, err
	}
	var e entry[T]
	var err error
	if c.plain {
		if e.value, err = c.typed.Get(ctx, key); err == nil {
			e.state = fresh
		} else if err == core.ErrMiss {
			err = nil
		}
	} else {
		e, err = c.lookUp(ctx, key)
	}
	switch {
	case err != nil:
		c.observeDone(ctx, 1)
		return zero, err
	case !e.servable():
		c.observeServed(Miss, 1)
		return zero, core.ErrMiss
	}
	c.observeServed(e.outcome(), 1)
	return e.value, e.err
}

// GetMulti returns the values that Get returns for keys. It loads nothing. It returns the
// errors of core.Typed.GetMulti, or core.ErrInvalidKey if one of keys begins with "~cw:".
func (c *Cached[T]) GetMulti(ctx context.Context, keys []string) (map[string]T, error) {
	if err := checkKeys(keys); err != nil {
		return map[string]T{}, err
	}
	entries, err := c.lookUpMulti(ctx, keys)
	found := make(map[string]T, len(entries))
	for key, e := range entries {
		if e.servable() && e.err == nil {
			found[key] = e.value
		}
	}
	if c.opts.Observer != nil {
		c.observeMulti(ctx, keys, entries, err)
	}
	return found, err
}

// Set stores v under key. The master keys or tags of v are names and those that
// Options.NamesOf returns. Set returns core.ErrConfig if there are names although Options
// have neither Dependency nor Tags, and core.ErrInvalidKey if the key begins with "~cw:",
// like the keys of locks. If v is stored but cannot be wired, Set deletes it and returns the
// error.
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
	names = c.namesOf(key, v, names)
	facts, err := c.factsNow(ctx, names)
	if err != nil {
		return err
	}
	item := c.itemOf(key, v, facts[0], 0)
	if err := c.dropLoads(ctx, key); err != nil {
		return err
	}
	if err := c.values.store(ctx, mode, key, item); err != nil {
		return err
	}
	return c.wire(ctx, []string{key}, names)
}

// SetMulti is Set for every value of values. If it cannot store, it returns the errors of
// core.Typed.SetMulti.
func (c *Cached[T]) SetMulti(ctx context.Context, values map[string]T, names ...string) error {
	return c.writeMulti(ctx, core.Set, values, names)
}

// AddMulti is Add for every value of values. If it cannot store, it returns the errors of
// core.Typed.AddMulti.
func (c *Cached[T]) AddMulti(ctx context.Context, values map[string]T, names ...string) error {
	return c.writeMulti(ctx, core.Add, values, names)
}

// ReplaceMulti is Replace for every value of values. If it cannot store, it returns the errors of
// core.Typed.ReplaceMulti.
func (c *Cached[T]) ReplaceMulti(ctx context.Context, values map[string]T, names ...string) error {
	return c.writeMulti(ctx, core.Replace, values, names)
}

func (c *Cached[T]) writeMulti(
	ctx context.Context, mode core.Mode, values map[string]T, names []string,
) error {
	keys := make([]string, 0, len(values))
	all := make([][]string, 0, len(values)) // the names of each key
	for key, v := range values {
		keys, all = append(keys, key), append(all, c.namesOf(key, v, names))
	}
	facts, err := c.factsNow(ctx, all...)
	if err != nil {
		return err
	}
	items := make(map[string]stored[T], len(values))
	for i, key := range keys {
		items[key] = c.itemOf(key, values[key], facts[i], 0)
	}
	if err := c.dropLoads(ctx, keys...); err != nil {
		return err
	}
	err = c.values.storeMulti(ctx, mode, items)
	return errors.Join(err, c.wireMulti(ctx, keys, all, err))
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
// write that follows, and that no caller joins them.
func (c *Cached[T]) dropLoads(ctx context.Context, keys ...string) error {
	if err := checkKeys(keys); err != nil {
		return err
	}
	c.pauses.end(keys...)
	return c.flights.drop(orBackground(ctx), keys...)
}

// IncrFrom adds delta to the counter under key, as core.Cache.IncrFrom does. An absent
// counter begins at initial and lives for the TTL of Call, or else of Options.
func (c *Cached[T]) IncrFrom(
	ctx context.Context, key string, delta, initial uint64,
) (uint64, error) {
	if err := checkKey(key); err != nil {
		return 0, err
	}
	return c.typed.Cache().IncrFrom(ctx, key, delta, initial, c.counterTTL())
}

// DecrFrom subtracts delta from the counter under key, as core.Cache.DecrFrom does. Otherwise
// it is like IncrFrom.
func (c *Cached[T]) DecrFrom(
	ctx context.Context, key string, delta, initial uint64,
) (uint64, error) {
	if err := checkKey(key); err != nil {
		return 0, err
	}
	return c.typed.Cache().DecrFrom(ctx, key, delta, initial, c.counterTTL())
}

func (c *Cached[T]) counterTTL() time.Duration {
	if c.call.TTL != 0 {
		return c.call.TTL
	}
	return c.opts.TTL
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

// wireMulti wires the keys that a multi verb has stored, each to the names in its element of
// all. Err is the error of the verb.
func (c *Cached[T]) wireMulti(
	ctx context.Context, keys []string, all [][]string, err error,
) error {
	if c.opts.Dependency == nil {
		return nil
	}
	byMaster := map[string][]string{}
	for i, key := range keys {
		if errorOf(err, key) == nil {
			for _, master := range all[i] {
				byMaster[master] = append(byMaster[master], key)
			}
		}
	}
	var errs []error
	for master, keys := range byMaster {
		errs = append(errs, c.wire(ctx, keys, []string{master}))
	}
	return errors.Join(errs...)
}

// errorOf returns the error of key in err, the error of a multi verb.
func errorOf(err error, key string) error {
	var multi *core.MultiError
	if errors.As(err, &multi) {
		return multi.Errors[key]
	}
	return err
}

// encode encodes the value of fl for the callers that have joined it, so that they get
// copies. If the value cannot be encoded, they share it.
func (c *Cached[T]) encode(fl *flight[T]) {
	if item, err := c.typed.Encode(fl.key, fl.value); err == nil {
		fl.encoded = &item
	}
}
