package config

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/cachewire/cachewire/core"
)

// Options are settings of Caches that cannot be in a Config.
type Options struct {
	// Registry opens the caches. If nil, it is core.DefaultRegistry.
	Registry *core.Registry

	// Hooks are the hooks that a Config may use, by name.
	Hooks map[string]core.Hook
}

// Caches are the caches of a Config. Caches may be used by many goroutines at once, and
// must not be copied.
type Caches struct {
	config   Config // with the defaults filled in
	registry *core.Registry
	hooks    map[string]core.Hook
	disabled bool

	mu      sync.Mutex
	caches  map[string]*core.Cache // opened by Get; guarded by mu, constant once closed is true
	opening map[string]*opening    // by name; guarded by mu
	order   []string               // the keys of caches, in the order of opening; guarded by mu
	closed  bool                   // guarded by mu
}

// An opening is a call of Get that opens a cache. Other calls wait for it.
type opening struct {
	done  chan struct{} // closed when the other fields are set
	cache *core.Cache
	err   error

	// canceled says that the context of that call was done, so that err does not apply to
	// the waiting calls.
	canceled bool
}

// disableVariable is the name of the environment variable that replaces every URL by
// null://.
const disableVariable = "CACHEWIRE_DISABLE"

// New returns the caches of c. It does not open them. If opts is nil, New uses the zero
// Options. New returns core.ErrConfig if c is wrong, and the error lists all mistakes: a
// URL that is malformed or whose scheme has no driver, a hook that is not in opts, a
// setting out of its range, a default that is not among the caches.
//
// If the environment has CACHEWIRE_DISABLE=1, nothing is cached: the URL of every cache,
// including those of Create, is null://. The program must then import package null. Beware:
// this also disables limits that are counted in a cache, such as those of package lockout.
func New(c Config, opts *Options) (*Caches, error) {
	cs := &Caches{
		config:   c.complete(),
		registry: core.DefaultRegistry,
		caches:   map[string]*core.Cache{},
		opening:  map[string]*opening{},
	}
	if opts != nil {
		cs.hooks = maps.Clone(opts.Hooks)
		if opts.Registry != nil {
			cs.registry = opts.Registry
		}
	}
	if err := cs.readEnvironment(); err != nil {
		return nil, err
	}
	var wrong []string
	for _, name := range slices.Sorted(maps.Keys(cs.hooks)) {
		if cs.hooks[name] == nil {
			wrong = append(wrong, fmt.Sprintf("Options.Hooks[%q] is nil", name))
		}
	}
	for name, cache := range cs.config.Caches {
		cache = cs.applyDisabled(cache)
		cs.config.Caches[name] = cache
		wrong = append(wrong, cs.check(name, cache)...)
	}
	if _, ok := cs.config.Caches[cs.config.Default]; !ok {
		missing := fmt.Sprintf("default: no cache %q", c.Default)
		if c.Default == "" {
			missing = `default: missing, and no cache is named "default"`
		}
		wrong = append(wrong, missing+"; want one of "+strings.Join(cs.Names(), ", "))
	}
	if err := configError(wrong); err != nil {
		return nil, err
	}
	return cs, nil
}

// readEnvironment sets disabled according to the environment.
func (cs *Caches) readEnvironment() error {
	text := os.Getenv(disableVariable)
	if text == "" {
		return nil
	}
	var err error
	if cs.disabled, err = strconv.ParseBool(text); err != nil {
		return fmt.Errorf("%w: the environment variable %s is %q, want 1 or 0",
			core.ErrConfig, disableVariable, text)
	}
	if err := cs.registry.Check(disabledURL, nil); cs.disabled && err != nil {
		return fmt.Errorf("%w; the environment variable %s=%s needs it", err, disableVariable, text)
	}
	return nil
}

const disabledURL = "null://"

// applyDisabled returns c, with the URL null:// if the caches are disabled.
func (cs *Caches) applyDisabled(c Cache) Cache {
	if cs.disabled {
		c.URL = disabledURL
		c.Near, c.Far, c.Bus = "", "", ""
	}
	return c
}

// check returns the mistakes in c, the description of the cache called name. It opens
// nothing.
func (cs *Caches) check(name string, c Cache) []string {
	var wrong []string
	add := func(field string, err error) {
		text := strings.ReplaceAll(err.Error(), core.ErrConfig.Error()+": ", "")
		wrong = append(wrong, "caches."+name+field+": "+text)
	}
	if name == "" {
		add("", errors.New("a cache has no name; the empty name stands for the default"))
	}
	c = cs.withTier(c, add)
	if err := cs.registry.Check(c.URL, nil); err != nil {
		add(".url", err)
	} else if err := cs.registry.Check(c.URL, &core.Options{Prefix: c.Prefix}); err != nil {
		add(".prefix", err)
	}
	if c.DefaultTTL < 0 {
		add(".default_ttl", fmt.Errorf("%v, want 0 (the item never expires) or more", c.DefaultTTL))
	}
	if c.Timeout < 0 {
		add(".timeout", fmt.Errorf("%v, want 0 (none) or more", c.Timeout))
	}
	for i, hook := range c.Hooks {
		if cs.hooks[hook] == nil {
			add(fmt.Sprintf(".hooks[%d]", i), fmt.Errorf("unknown hook %q; Options.Hooks have: %s",
				hook, namesOrNone(slices.Sorted(maps.Keys(cs.hooks)))))
		}
	}
	return wrong
}

func namesOrNone(names []string) string {
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, ", ")
}

// Get returns the cache called name, or the default one if name is empty. The first call
// opens the cache, and later calls return the same one. If the cache is being opened by
// another call, Get waits for it and returns the same error if opening fails; later calls
// try again. If opening failed because the context of the other call was done, Get tries
// again itself. It returns core.ErrNoNamespace if the Config has no such cache,
// core.ErrClosed after Close, and the error of ctx if ctx is done before the cache is open.
func (cs *Caches) Get(ctx context.Context, name string) (*core.Cache, error) {
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
		first := !closed && c == nil && o == nil && ctx.Err() == nil
		if first {
			o = &opening{done: make(chan struct{})}
			cs.opening[name] = o
		}
		cs.mu.Unlock()
		switch {
		case closed:
			return nil, core.ErrClosed
		case c != nil:
			return c, nil
		case first:
			cs.open(ctx, name, o)
			return o.cache, o.err
		case o == nil:
			return nil, ctx.Err()
		}
		select {
		case <-o.done:
			if !o.canceled {
				return o.cache, o.err
			}
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// open opens the cache called name and sets the fields of o.
func (cs *Caches) open(ctx context.Context, name string, o *opening) {
	o.err = fmt.Errorf("caches.%s: the driver panicked", name)
	defer func() {
		cs.mu.Lock()
		delete(cs.opening, name)
		cs.mu.Unlock()
		close(o.done)
	}()
	o.cache, o.err = cs.Create(ctx, name)
	o.canceled = o.err != nil && ctx.Err() != nil
	cs.mu.Lock()
	closed := cs.closed
	if o.err == nil && !closed {
		cs.caches[name] = o.cache
		cs.order = append(cs.order, name)
	}
	cs.mu.Unlock()
	if o.err == nil && closed {
		o.err = errors.Join(core.ErrClosed, o.cache.Close())
		o.cache = nil
	}
}

// Create opens a new cache from the description of name in the Config, or of the default if
// name is empty. First it calls each function in change with a copy of the description. The
// function may change this copy. The caller must close the cache. The errors are those of
// Get and of New.
func (cs *Caches) Create(
	ctx context.Context, name string, change ...func(c *Cache),
) (*core.Cache, error) {
	if name == "" {
		name = cs.config.Default
	}
	c, ok := cs.config.Caches[name]
	if !ok {
		return nil, fmt.Errorf("%w %q; there are: %s",
			core.ErrNoNamespace, name, namesOrNone(cs.Names()))
	}
	cs.mu.Lock()
	closed := cs.closed
	cs.mu.Unlock()
	if closed {
		return nil, core.ErrClosed
	}
	c.Hooks = slices.Clone(c.Hooks)
	for _, change := range change {
		change(&c)
	}
	c = cs.applyDisabled(c)
	if err := configError(cs.check(name, c)); err != nil {
		return nil, err
	}
	c = cs.withTier(c, func(string, error) {}) // its mistakes have been found
	opts := core.Options{
		Name:       name,
		Prefix:     c.Prefix,
		DefaultTTL: time.Duration(c.DefaultTTL),
		Timeout:    time.Duration(c.Timeout),
	}
	for _, hook := range c.Hooks {
		opts.Hooks = append(opts.Hooks, cs.hooks[hook])
	}
	cache, err := cs.registry.Open(ctx, c.URL, &opts)
	if err != nil {
		return nil, fmt.Errorf("caches.%s: %w", name, err)
	}
	return cache, nil
}

// Names returns the names of the caches, sorted.
func (cs *Caches) Names() []string { return slices.Sorted(maps.Keys(cs.config.Caches)) }

// Describe returns a copy of the Config in use, with the defaults filled in. Secrets in its
// URLs are replaced, as core.RedactURL does.
func (cs *Caches) Describe() Config {
	c := cs.config.complete()
	for name, cache := range c.Caches {
		if cache.URL != "" {
			cache.URL = core.RedactURL(cache.URL)
		}
		c.Caches[name] = cache
	}
	return c
}

// Client opens all caches, as Get does, and returns a core.Client with them. Closing the
// Client closes these caches; so does closing cs.
func (cs *Caches) Client(ctx context.Context) (*core.Client, error) {
	all := map[string]*core.Cache{}
	for _, name := range cs.Names() {
		c, err := cs.Get(ctx, name)
		if err != nil {
			return nil, err
		}
		all[name] = c
	}
	return core.NewClient(all, cs.config.Default)
}

// Close closes the caches that Get has opened, in reverse order. It tries all of them and
// joins the errors. A second Close does nothing.
func (cs *Caches) Close() error {
	cs.mu.Lock()
	cs.closed = true
	order := cs.order
	cs.order = nil
	cs.mu.Unlock()
	var errs []error
	for _, name := range slices.Backward(order) {
		if err := cs.caches[name].Close(); err != nil {
			errs = append(errs, fmt.Errorf("caches.%s: %w", name, err))
		}
	}
	return errors.Join(errs...)
}
