package core

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"sync"
)

// A Registry knows drivers by URL scheme, and hooks by name. The zero value knows
// none and is ready to use; a Registry may be used by many goroutines at once, and
// must not be copied. Programs that do without one of their own use the functions
// [Register], [RegisterHook], [Open], [NewCaches] and [Drivers].
type Registry struct {
	mu      sync.RWMutex
	drivers map[string]Driver // guarded by mu
	hooks   map[string]Hook   // guarded by mu
}

var defaultRegistry Registry

// Register makes d known by scheme. It panics if d is nil, if scheme is not a
// lower-case URL scheme (RFC 3986, section 3.1), or if the scheme is taken: each
// is a mistake in the program.
func (r *Registry) Register(scheme string, d Driver) {
	if d == nil {
		panic("cachewire: Register: driver of " + scheme + " is nil")
	}
	if !validScheme(scheme) {
		panic(fmt.Sprintf("cachewire: Register: %q is not a URL scheme: want a lower-case letter, then letters, digits, +, - and .", scheme))
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, taken := r.drivers[scheme]; taken {
		panic("cachewire: Register: scheme " + scheme + " is taken")
	}
	if r.drivers == nil {
		r.drivers = map[string]Driver{}
	}
	r.drivers[scheme] = d
}

// RegisterHook makes h known by name, for the caches of a Config. It panics if h is
// nil, or if name is empty or taken.
func (r *Registry) RegisterHook(name string, h Hook) {
	if h == nil || name == "" {
		panic(fmt.Sprintf("cachewire: RegisterHook: a hook of type %T with the name %q: want a hook and a name", h, name))
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, taken := r.hooks[name]; taken {
		panic("cachewire: RegisterHook: name " + name + " is taken")
	}
	if r.hooks == nil {
		r.hooks = map[string]Hook{}
	}
	r.hooks[name] = h
}

func (r *Registry) hook(name string) (Hook, error) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if h, ok := r.hooks[name]; ok {
		return h, nil
	}
	return nil, fmt.Errorf("%w: unknown hook %q; known: %s (not registered yet?)", ErrConfig, name, orNone(slices.Sorted(maps.Keys(r.hooks))))
}

func (r *Registry) driver(u *url.URL) (Driver, error) {
	r.mu.RLock()
	d, ok := r.drivers[u.Scheme]
	r.mu.RUnlock()
	if !ok {
		return nil, fmt.Errorf("%w: no driver for %q; known: %s (forgotten import?)", ErrConfig, u.Scheme, orNone(r.Drivers()))
	}
	return d, nil
}

func validScheme(scheme string) bool {
	for i, c := range scheme {
		switch {
		case 'a' <= c && c <= 'z':
		case i > 0 && ('0' <= c && c <= '9' || strings.ContainsRune("+-.", c)):
		default:
			return false
		}
	}
	return scheme != ""
}

// Drivers answers the known schemes in order.
func (r *Registry) Drivers() []string {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return slices.Sorted(maps.Keys(r.drivers))
}

// Open answers a new Cache on the backend that rawURL tells of, as in
// "memory://?max_items=10000&prefix=app:&default_ttl=10m". The scheme says which
// driver opens it; the parameters prefix and default_ttl are the Cache's, all
// others the driver's. What opts sets wins over rawURL; nil sets nothing.
//
// The error is ErrConfig if rawURL or opts is wrong, else the driver's, wrapped.
// It never shows a password. So that none is taken for something else, every @
// but the one behind user and password is to be percent-encoded, as %40.
func (r *Registry) Open(ctx context.Context, rawURL string, opts *Options) (*Cache, error) {
	if ctx == nil {
		ctx = context.Background()
	}
	u, err := parseURL(rawURL)
	if err != nil {
		return nil, err
	}
	d, err := r.driver(u)
	if err != nil {
		return nil, err
	}
	settings, err := urlOptions(u, opts)
	if err != nil {
		return nil, &openError{u, err}
	}
	backend, err := d.Open(ctx, u)
	if err != nil {
		return nil, &openError{u, err}
	}
	c, err := New(backend, settings)
	if err != nil {
		return nil, &openError{u, err}
	}
	return c, nil
}

// Register makes a driver known to the default registry, as Registry.Register
// does. Drivers call it when their package is initialized.
func Register(scheme string, d Driver) { defaultRegistry.Register(scheme, d) }

// RegisterHook makes a hook known to the default registry, as Registry.RegisterHook
// does.
func RegisterHook(name string, h Hook) { defaultRegistry.RegisterHook(name, h) }

// Open opens a Cache by the default registry, as Registry.Open does.
func Open(ctx context.Context, rawURL string, opts *Options) (*Cache, error) {
	return defaultRegistry.Open(ctx, rawURL, opts)
}

// Drivers answers the schemes that the default registry knows, in order.
func Drivers() []string { return defaultRegistry.Drivers() }

func orNone(names []string) string {
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, ", ")
}

// parseURL parses rawURL. Its error shows nothing that may be secret.
func parseURL(rawURL string) (*url.URL, error) {
	u, err := url.Parse(rawURL)
	switch {
	case err != nil:
	case u.Scheme == "":
		return nil, fmt.Errorf("%w: the URL has no scheme; want one like memory:// or scheme://host:port?name=value", ErrConfig)
	// A password with a / in it ends too early, and its rest is taken for a path
	// that errors show. The @ behind it tells.
	case strings.Contains(u.Host+u.Opaque+u.EscapedPath()+u.RawQuery+u.EscapedFragment(), "@"):
		return nil, fmt.Errorf("%w: the URL has an @ that does not end user and password: percent-encode @ / ? # in a password, "+
			"and @ in what comes behind the host (%%40 %%2F %%3F %%23)", ErrConfig)
	default:
		return u, nil
	}
	why := "malformed"
	// The text of the cause may show part of what stands before an @, or after
	// the colon of a forgotten one.
	var cause *url.Error
	if errors.As(err, &cause) && !strings.Contains(rawURL, "@") && !strings.Contains(cause.Err.Error(), "invalid port") {
		why = cause.Err.Error()
	}
	return nil, fmt.Errorf("%w: the URL is wrong: %s; want scheme://host:port,host:port?name=value, "+
		"or for hosts that do not fit there scheme://?server=host:port&server=[::1]:port", ErrConfig, why)
}

// An openError says which URL could not be opened, without what may be secret in
// it.
type openError struct {
	url *url.URL
	err error
}

func (e *openError) Error() string {
	return textPrefix + "open " + e.url.Scheme + "://" + e.url.Host + e.url.EscapedPath() + ": " +
		strings.TrimPrefix(e.err.Error(), textPrefix)
}

func (e *openError) Unwrap() error { return e.err }

// urlOptions takes the Cache's parameters out of u and answers opts, completed
// by them.
func urlOptions(u *url.URL, opts *Options) (*Options, error) {
	settings := Options{}
	if opts != nil {
		settings = *opts
	}
	p := NewParams(u)
	prefix := p.String("prefix", "")
	ttl := p.Duration("default_ttl", 0, 0)
	if err := configError(p.wrong); err != nil {
		return nil, err
	}
	if settings.Prefix == "" {
		settings.Prefix = prefix
	}
	if settings.DefaultTTL == 0 {
		settings.DefaultTTL = ttl
	}
	if err := settings.check(); err != nil {
		return nil, err
	}
	// What is left stays as it was written, also in its order.
	rest := slices.DeleteFunc(strings.Split(u.RawQuery, "&"), func(pair string) bool {
		name, _, _ := strings.Cut(pair, "=")
		name, _ = url.QueryUnescape(name)
		return name == "prefix" || name == "default_ttl"
	})
	u.RawQuery = strings.Join(rest, "&")
	return &settings, nil
}
