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

	disabled bool

	mu      sync.Mutex
	caches  map[string]*Cache   // those that Get has opened; written under mu, until closed
	opening map[string]*opening // by name; guarded by mu
	order   []string            // the names of caches, as they were opened; guarded by mu
	closed  bool                // guarded by mu
}

// An opening is a Get that opens a cache, and others may wait for.
type opening struct {
	done  chan struct{} // closed when it has ended
	cache *Cache
	err   error
	gave  bool // up: its caller's context is done, which is nobody else's error
}

// disableVariable is the environment variable that puts null:// in the place of
// every URL of a Config.
const disableVariable = "CACHEWIRE_DISABLE"

// NewCaches answers the caches of config, and opens none. The error is ErrConfig and
// names all that is wrong: a URL or its scheme, a hook that is not registered, a
// setting out of its range.
//
// With CACHEWIRE_DISABLE=1 in the environment every cache is on null://, whatever
// its URL, so that nothing is cached, also those of Create; the driver null must be
// imported for that.
func (r *Registry) NewCaches(config Config) (*Caches, error) {
	cs := &Caches{registry: r, config: config.complete(), caches: map[string]*Cache{}, opening: map[string]*opening{}}
	if text := os.Getenv(disableVariable); text != "" {
		var err error
		if cs.disabled, err = strconv.ParseBool(text); err != nil {
			return nil, fmt.Errorf("%w: the environment variable %s is %q, want 1 or 0", ErrConfig, disableVariable, text)
		}
		if _, err := r.driver(&url.URL{Scheme: "null"}); cs.disabled && err != nil {
			return nil, fmt.Errorf("%w; the environment variable %s=%s wants it", err, disableVariable, text)
		}
	}
	var wrong []string
	for name, c := range cs.config.Caches {
		c = cs.asUsed(c)
		cs.config.Caches[name] = c
		wrong = append(wrong, r.check(name, c)...)
	}
	if _, ok := cs.config.Caches[cs.config.Default]; !ok && config.Default != "" {
		wrong = append(wrong, fmt.Sprintf("default: no cache %q; there are: %s", config.Default, orNone(cs.Names())))
	}
	if err := configError(wrong); err != nil {
		return nil, err
	}
	return cs, nil
}

// asUsed answers c, switched off if all are.
func (cs *Caches) asUsed(c CacheConfig) CacheConfig {
	if cs.disabled {
		c.URL = "null://"
	}
	return c
}

// NewCaches answers the caches of config by the default registry, as
// Registry.NewCaches does.
func NewCaches(config Config) (*Caches, error) { return defaultRegistry.NewCaches(config) }

// Get answers the cache called name, or the default one if name is empty: always the
// same one, which is opened for the first who asks. Others wait meanwhile, and have the
// error as well where it fails; who asks later has it opened again. A name that the
// Config does not have is ErrNoNamespace; once Caches is closed it is ErrClosed.
func (cs *Caches) Get(ctx context.Context, name string) (*Cache, error) {
	if ctx == nil {
		ctx = context.Background()
	}
	if name == "" {
		name = cs.config.Default
	}
	for {
		cs.mu.Lock()
		c, o := cs.caches[name], cs.opening[name]
		closed := cs.closed
		mine := !closed && c == nil && o == nil && ctx.Err() == nil
		if mine {
			o = &opening{done: make(chan struct{})}
			cs.opening[name] = o
		}
		cs.mu.Unlock()
		switch {
		case closed:
			return nil, ErrClosed
		case c != nil:
			return c, nil
		case mine:
			cs.open(ctx, name, o)
			return o.cache, o.err
		case o == nil:
			return nil, ctx.Err()
		}
		select {
		case <-o.done:
			if !o.gave {
				return o.cache, o.err
			}
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// open opens the cache called name for o.
func (cs *Caches) open(ctx context.Context, name string, o *opening) {
	o.err = fmt.Errorf("caches.%s: the driver panicked", name)
	defer func() {
		cs.mu.Lock()
		delete(cs.opening, name)
		cs.mu.Unlock()
		close(o.done)
	}()
	o.cache, o.err = cs.Create(ctx, name)
	o.gave = o.err != nil && ctx.Err() != nil
	cs.mu.Lock()
	closed := cs.closed
	if o.err == nil && !closed {
		cs.caches[name] = o.cache
		cs.order = append(cs.order, name)
	}
	cs.mu.Unlock()
	if o.err == nil && closed {
		o.err = errors.Join(ErrClosed, o.cache.Close())
		o.cache = nil
	}
}

func (cs *Caches) unknown(name string) error {
	return fmt.Errorf("%w %q; there are: %s", ErrNoNamespace, name, orNone(cs.Names()))
}

// Create opens a new cache as the Config says of name, with what change changes in
// it. The caller closes it. Once Caches is closed it is ErrClosed.
func (cs *Caches) Create(ctx context.Context, name string, change ...func(c *CacheConfig)) (*Cache, error) {
	if name == "" {
		name = cs.config.Default
	}
	config, ok := cs.config.Caches[name]
	if !ok {
		return nil, cs.unknown(name)
	}
	cs.mu.Lock()
	closed := cs.closed
	cs.mu.Unlock()
	if closed {
		return nil, ErrClosed
	}
	config.Hooks = slices.Clone(config.Hooks)
	for _, change := range change {
		change(&config)
	}
	config = cs.asUsed(config)
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

// Client opens all caches and answers a Client over them, which needs a default. To
// close Caches closes them; the Client is then closed as well.
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
