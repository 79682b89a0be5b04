package core

import (
	"context"
	"errors"
	"fmt"
	"math"
	"reflect"
	"strings"
	"sync/atomic"
	"time"
)

const (
	// MaxKeyLen is the length in bytes of the longest key.
	MaxKeyLen = 65536

	// MaxPrefixLen is the length in bytes of the longest prefix of a Cache.
	MaxPrefixLen = 250

	// Forever is the time to live of an item that never expires. A time to live
	// of 0 is the Cache's default, Options.DefaultTTL.
	Forever time.Duration = math.MaxInt64
)

// Options are the settings of a Cache. The zero value of a field is its
// default.
type Options struct {
	// Name is the name of the Cache in hooks. It is not part of the keys. If "", it is the
	// name of the driver, as in "memory". If there is a prefix, a slash and the prefix
	// follow, as in "memory/users:".
	Name string

	// Prefix is put before every key, so that two caches can share a backend. End it with a
	// delimiter: caches with the prefixes "user:" and "users:" have no keys in common, but
	// caches with "user" and "users" may.
	Prefix string

	// DefaultTTL is the time to live of items stored with a time to live of 0.
	// If 0, it is Forever.
	DefaultTTL time.Duration

	// Timeout limits each verb of the Cache, as if its context had this deadline: the
	// verb returns context.DeadlineExceeded. If 0, there is no limit.
	Timeout time.Duration

	// Hooks are called with every verb.
	Hooks []Hook
}

func (o *Options) check() error {
	switch {
	case len(o.Prefix) > MaxPrefixLen:
		return fmt.Errorf(
			"%w: prefix of %d bytes, the longest is %d",
			ErrConfig,
			len(o.Prefix),
			MaxPrefixLen,
		)
	case o.DefaultTTL < 0:
		return fmt.Errorf(
			"%w: default time to live %v, want 0 (the item never expires) or more",
			ErrConfig,
			o.DefaultTTL,
		)
	case o.Timeout < 0:
		return fmt.Errorf("%w: time-out %v, want 0 (none) or more", ErrConfig, o.Timeout)
	}
	for i, h := range o.Hooks {
		if h == nil {
			return fmt.Errorf("%w: hook %d is nil", ErrConfig, i)
		}
	}
	return nil
}

// A Cache stores items in a backend. Its methods are the verbs of the contract, which the
// documentation of the package describes. They may be called by many goroutines at once.
// Use [Open] or [New] to make one; the zero value is not usable.
type Cache struct {
	shared  *shared
	prefix  string
	ttl     time.Duration // the default, never 0
	timeout time.Duration
	hooks   *hooks // nil if there are none
	name    string
	url     string // as RedactURL returns it; empty if New made the Cache
	parent  *Cache // the Cache whose WithPrefix made this one; if nil, Close closes the backend
	closed  atomic.Bool
}

// A shared is a backend with its traits and optional interfaces. A Cache and the caches
// that its WithPrefix returns have the same shared.
type shared struct {
	Backend
	driver string // the name of the backend's package
	traits Traits

	// The optional interfaces of the backend, nil if it does not implement them.
	multiGetter  MultiGetter
	multiStorer  MultiStorer
	multiDeleter MultiDeleter
	starter      CounterStarter
	ttlReader    TTLReader
	pinger       Pinger
	statsReader  StatsReader
	keyLister    KeyLister
	sharedStorer SharedStorer
	unwrapper    Unwrapper

	valueGetter ValueGetter // the backend, or one that calls its GetItem
}

// An itemGetter is the ValueGetter of a backend that does not implement it.
type itemGetter struct{ Backend }

func (g itemGetter) Get(ctx context.Context, key string) ([]byte, error) {
	item, err := g.GetItem(ctx, key)
	return item.Value, err
}

// New returns a Cache over b. The Cache owns b: Close closes it. If opts is nil, New uses
// the zero Options. New returns ErrConfig if b is nil, or if a field of opts is out of its
// range.
func New(b Backend, opts *Options) (*Cache, error) {
	if b == nil {
		return nil, fmt.Errorf(
			"%w: backend is nil; null.New() is a cache that keeps nothing",
			ErrConfig,
		)
	}
	if opts == nil {
		opts = &Options{}
	}
	if err := opts.check(); err != nil {
		return nil, err
	}
	s := &shared{Backend: b, driver: driverName(b)}
	if r, ok := Ability[TraitsReporter](b); ok {
		s.traits = r.Traits()
	}
	s.multiGetter, _ = Ability[MultiGetter](b)
	s.multiStorer, _ = Ability[MultiStorer](b)
	s.multiDeleter, _ = Ability[MultiDeleter](b)
	s.starter, _ = Ability[CounterStarter](b)
	s.ttlReader, _ = Ability[TTLReader](b)
	s.pinger, _ = Ability[Pinger](b)
	s.statsReader, _ = Ability[StatsReader](b)
	s.keyLister, _ = Ability[KeyLister](b)
	s.sharedStorer, _ = Ability[SharedStorer](b)
	s.unwrapper, _ = Ability[Unwrapper](b)
	if s.valueGetter, _ = Ability[ValueGetter](b); s.valueGetter == nil {
		s.valueGetter = itemGetter{b}
	}
	c := &Cache{
		shared:  s,
		prefix:  opts.Prefix,
		ttl:     opts.DefaultTTL,
		timeout: opts.Timeout,
		name:    opts.Name,
	}
	if c.ttl == 0 {
		c.ttl = Forever
	}
	if c.name == "" {
		c.name = nameWithPrefix(s.driver, c.prefix)
	}
	if len(opts.Hooks) > 0 {
		c.hooks = newHooks(opts.Hooks)
	}
	return c, nil
}

// driverName returns the name of the package that declares the type of b.
func driverName(b Backend) string {
	name, _, _ := strings.Cut(strings.TrimLeft(fmt.Sprintf("%T", b), "*"), ".")
	if strings.Contains(name, " ") { // the type has no name
		return "backend"
	}
	return name
}

func nameWithPrefix(name, prefix string) string {
	if prefix == "" {
		return name
	}
	return name + "/" + prefix
}

// WithPrefix returns a Cache on the same backend. In the backend, each of its keys begins
// with the prefix of c, followed by prefix. Its name is the name of c, a slash and prefix,
// as in "memory/users:". It has the other settings of c. Closing it closes neither c nor
// the backend. After c is closed, its verbs return ErrClosed.
//
// Its Flush deletes only its own keys, and returns errors.ErrUnsupported if the backend is
// not a KeyLister. WithPrefix returns ErrConfig if the two prefixes together are longer
// than MaxPrefixLen.
func (c *Cache) WithPrefix(prefix string) (*Cache, error) {
	opts := Options{Prefix: c.prefix + prefix}
	if err := opts.check(); err != nil {
		return nil, err
	}
	return &Cache{
		shared:  c.shared,
		prefix:  opts.Prefix,
		ttl:     c.ttl,
		timeout: c.timeout,
		hooks:   c.hooks,
		name:    nameWithPrefix(c.name, prefix),
		url:     c.url,
		parent:  c,
	}, nil
}

// Name returns the name of the Cache in hooks; see Options.
func (c *Cache) Name() string { return c.name }

// Driver returns the name of the package of the backend, such as "memory". It is the Driver
// of errors.
func (c *Cache) Driver() string { return c.shared.driver }

// URL returns the URL with which Open opened the Cache, without secrets; see RedactURL. It
// returns "" if New made the Cache.
func (c *Cache) URL() string { return c.url }

// DefaultTTL returns the time to live of items stored with a time to live of 0.
// It is Forever if such items never expire.
func (c *Cache) DefaultTTL() time.Duration { return c.ttl }

// Traits returns the facts about the backend that a caller may have to know.
func (c *Cache) Traits() Traits { return c.shared.traits }

// Ping returns nil if the backend can be reached, and an error that says why if it
// cannot. It returns errors.ErrUnsupported if the backend is not a Pinger.
func (c *Cache) Ping(ctx context.Context) error {
	var cl call
	cl.beginMulti(ctx, c, "Ping", nil)
	err := c.admit(cl.ctx)
	if err == nil {
		if p := c.shared.pinger; p != nil {
			err = p.Ping(cl.ctx)
		} else {
			err = unsupported("Ping")
		}
	}
	return cl.end("", err)
}

// Stats returns the figures of the backend, which include those of other prefixes. It
// returns errors.ErrUnsupported if the backend is not a StatsReader.
func (c *Cache) Stats(ctx context.Context) (Stats, error) {
	var cl call
	cl.beginMulti(ctx, c, "Stats", nil)
	var stats Stats
	err := c.admit(cl.ctx)
	if err == nil {
		if r := c.shared.statsReader; r != nil {
			stats, err = r.Stats(cl.ctx)
		} else {
			err = unsupported("Stats")
		}
	}
	if err != nil {
		stats = Stats{}
	}
	return stats, cl.end("", err)
}

// As gives access to the backend, or to an object underneath it, such as a client library.
// Target is a pointer to a variable of a type that the driver documents. If the backend has
// this type, or is an Unwrapper with an object of this type, As assigns it to the variable
// and returns true. Otherwise As returns false:
//
//	var b *memory.Backend
//	if cache.As(&b) { … }
//
// The contract does not cover direct use of the object: neither the prefix nor the hooks
// apply.
func (c *Cache) As(target any) bool {
	v := reflect.ValueOf(target)
	if v.Kind() != reflect.Pointer || v.IsNil() {
		return false
	}
	if b := reflect.ValueOf(c.shared.Backend); b.Type().AssignableTo(v.Elem().Type()) {
		v.Elem().Set(b)
		return true
	}
	return c.shared.unwrapper != nil && c.shared.unwrapper.As(target)
}

// Close closes the Cache and, unless WithPrefix made it, the backend. Verbs that are called
// afterwards return ErrClosed. A second Close does nothing and returns nil.
func (c *Cache) Close() error {
	if c.closed.Swap(true) || c.parent != nil {
		return nil
	}
	if err := c.shared.Close(); err != nil {
		return &Error{Verb: "Close", Driver: c.shared.driver, Err: err}
	}
	return nil
}

// admit returns an error if c is closed or ctx is done. Every verb calls it first.
func (c *Cache) admit(ctx context.Context) error {
	for p := c; p != nil; p = p.parent {
		if p.closed.Load() {
			return ErrClosed
		}
	}
	return ctx.Err()
}

// admitKey is admit for a verb with one key.
func (c *Cache) admitKey(ctx context.Context, key string) error {
	if err := c.admit(ctx); err != nil {
		return err
	}
	return checkKey(key)
}

var errEmptyKey = fmt.Errorf("%w: empty; a key has 1 to %d bytes", ErrInvalidKey, MaxKeyLen)

func checkKey(key string) error {
	if uint(len(key)-1) < MaxKeyLen {
		return nil
	}
	return errOfKey(key)
}

// errOfKey returns the error of an invalid key. It is a separate function so that checkKey
// is inlined.
func errOfKey(key string) error {
	if key == "" {
		return errEmptyKey
	}
	return fmt.Errorf("%w: %d bytes; a key has 1 to %d", ErrInvalidKey, len(key), MaxKeyLen)
}

// resolveTTL returns the time to live for the backend: 0 if the item never expires.
func (c *Cache) resolveTTL(ttl time.Duration) (time.Duration, error) {
	if ttl < 0 {
		return 0, fmt.Errorf(
			"%w: %v; want more than 0, 0 (the default) or Forever",
			ErrInvalidTTL,
			ttl,
		)
	}
	if ttl == 0 {
		ttl = c.ttl
	}
	if ttl == Forever {
		return 0, nil
	}
	return ttl, nil
}

// full returns the key in the backend: key with the prefix.
func (c *Cache) full(key string) string {
	if c.prefix == "" {
		return key
	}
	return c.prefix + key
}

func unsupported(ability string) error {
	return fmt.Errorf("%w: this backend has no %s", errors.ErrUnsupported, ability)
}
