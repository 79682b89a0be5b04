package core

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"os"
	"slices"
	"strconv"
	"sync"
	"time"
)

// Caches are those that a Config names. They may be used by many goroutines at once,
// and must not be copied.
type Caches struct {
	registry *Registry
	config   Config // complete

	opening map[string]chan struct{} // by name: who holds it opens the cache

	mu     sync.Mutex
	caches map[string]*Cache // those that Get has opened; written under mu, until closed
	order  []string          // their names, as they were opened; guarded by mu
	closed bool              // guarded by mu
}

// disableVariable is the environment variable that puts null:// in the place of
// every URL of a Config.
const disableVariable = "CACHEWIRE_DISABLE"

// NewCaches answers the caches of config, and opens none. The error is ErrConfig and
// names all that is wrong: a URL or its scheme, a hook that is not registered, a
// setting out of its range.
//
// With CACHEWIRE_DISABLE=1 in the environment every cache is on null://, whatever
// its URL, so that nothing is cached; the driver null must be imported for that.
func (r *Registry) NewCaches(config Config) (*Caches, error) {
	config = config.complete()
	if text := os.Getenv(disableVariable); text != "" {
		disable, err := strconv.ParseBool(text)
		if err != nil {
			return nil, fmt.Errorf("%w: the environment variable %s is %q, want 1 or 0", ErrConfig, disableVariable, text)
		}
		for name, c := range config.Caches {
			if disable {
				c.URL = "null://"
				config.Caches[name] = c
			}
		}
		if _, err := r.driver(&url.URL{Scheme: "null"}); disable && err != nil {
			return nil, fmt.Errorf("%w; the environment variable %s=%s wants it", err, disableVariable, text)
		}
	}
	cs := &Caches{registry: r, config: config, opening: map[string]chan struct{}{}, caches: map[string]*Cache{}}
	var wrong []string
	for name, c := range config.Caches {
		wrong = append(wrong, r.check(name, c)...)
		cs.opening[name] = make(chan struct{}, 1)
	}
	if err := configError(wrong); err != nil {
		return nil, err
	}
	return cs, nil
}

// NewCaches answers the caches of config by the default registry, as
// Registry.NewCaches does.
func NewCaches(config Config) (*Caches, error) { return defaultRegistry.NewCaches(config) }

// Get answers the cache called name, or the default one if name is empty: always the
// same one, which is opened for the first who asks. Others wait meanwhile. An open
// that fails is not remembered. A name that the Config does not have is
// ErrNoNamespace; once Caches is closed it is ErrClosed.
func (cs *Caches) Get(ctx context.Context, name string) (*Cache, error) {
	if name == "" {
		name = cs.config.Default
	}
	if c, err := cs.opened(name); c != nil || err != nil {
		return c, err
	}
	if ctx == nil {
		ctx = context.Background()
	}
	opening, ok := cs.opening[name]
	if !ok {
		return nil, cs.unknown(name)
	}
	select {
	case opening <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	defer func() { <-opening }()
	if c, err := cs.opened(name); c != nil || err != nil { // meanwhile
		return c, err
	}
	c, err := cs.Create(ctx, name)
	if err != nil {
		return nil, err
	}
	cs.mu.Lock()
	defer cs.mu.Unlock()
	if cs.closed {
		return nil, errors.Join(ErrClosed, c.Close())
	}
	cs.caches[name] = c
	cs.order = append(cs.order, name)
	return c, nil
}

func (cs *Caches) opened(name string) (*Cache, error) {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	if cs.closed {
		return nil, ErrClosed
	}
	return cs.caches[name], nil
}

func (cs *Caches) unknown(name string) error {
	return fmt.Errorf("%w %q; there are: %s", ErrNoNamespace, name, orNone(cs.Names()))
}

// Create opens a new cache as the Config says of name, with what change changes in
// it. The caller closes it.
func (cs *Caches) Create(ctx context.Context, name string, change ...func(c *CacheConfig)) (*Cache, error) {
	if name == "" {
		name = cs.config.Default
	}
	config, ok := cs.config.Caches[name]
	if !ok {
		return nil, cs.unknown(name)
	}
	config.Hooks = slices.Clone(config.Hooks)
	for _, change := range change {
		change(&config)
	}
	if err := configError(cs.registry.check(name, config)); err != nil {
		return nil, err
	}
	opts := Options{Name: name, Prefix: config.Prefix, DefaultTTL: time.Duration(config.DefaultTTL), Timeout: time.Duration(config.Timeout)}
	for _, hook := range config.Hooks {
		h, err := cs.registry.hook(hook)
		if err != nil {
			return nil, err
		}
		opts.Hooks = append(opts.Hooks, h)
	}
	c, err := cs.registry.Open(ctx, config.URL, &opts)
	if err != nil {
		return nil, fmt.Errorf("caches.%s: %w", name, err)
	}
	return c, nil
}

// Names answers the names in order.
func (cs *Caches) Names() []string { return slices.Sorted(maps.Keys(cs.config.Caches)) }

// Describe answers the Config as it is used, with the default filled in, and without
// passwords.
func (cs *Caches) Describe() Config {
	config := cs.config.complete()
	for name, c := range config.Caches {
		c.URL = redacted(c.URL)
		config.Caches[name] = c
	}
	return config
}

// Client opens all caches and answers a Client over them. To close it closes them.
func (cs *Caches) Client(ctx context.Context) (*Client, error) {
	all := map[string]*Cache{}
	for _, name := range cs.Names() {
		c, err := cs.Get(ctx, name)
		if err != nil {
			return nil, err
		}
		all[name] = c
	}
	return NewClient(all, cs.config.Default)
}

// Close closes what Get has opened, in reverse order. It tries all and joins the
// errors. A second Close does nothing.
func (cs *Caches) Close() error {
	cs.mu.Lock()
	cs.closed = true
	order := cs.order
	cs.order = nil
	cs.mu.Unlock()
	var errs []error
	for _, name := range slices.Backward(order) {
		if err := cs.caches[name].Close(); err != nil { // which nobody writes any more
			errs = append(errs, fmt.Errorf("caches.%s: %w", name, err))
		}
	}
	return errors.Join(errs...)
}
