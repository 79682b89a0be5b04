package core

import (
	"context"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"sync"
)

// A Registry holds drivers by URL scheme. The zero value holds none and is ready to use. A
// Registry may be used by many goroutines at once, and must not be copied. Most programs
// use [DefaultRegistry], through the functions [Register], [Open] and [Drivers].
type Registry struct {
	mu      sync.RWMutex
	drivers map[string]Driver // guarded by mu
}

// DefaultRegistry is the Registry of the functions Register, Open and Drivers.
var DefaultRegistry = new(Registry)

// Register registers d for scheme. It panics if d is nil, if scheme is not a lower-case URL
// scheme (RFC 3986, section 3.1), or if another driver is registered for it. Each of these
// is a mistake in the program.
func (r *Registry) Register(scheme string, d Driver) {
	if d == nil {
		panic("cachewire: Register: driver of " + scheme + " is nil")
	}
	if !validScheme(scheme) {
		panic(fmt.Sprintf("cachewire: Register: %q is not a URL scheme: want a lower-case letter, "+
			"then letters, digits, +, - and .", scheme))
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

func (r *Registry) driver(u *url.URL) (Driver, error) {
	r.mu.RLock()
	d, ok := r.drivers[u.Scheme]
	r.mu.RUnlock()
	if !ok {
		return nil, fmt.Errorf(
			"%w: no driver for %q; known: %s (forgotten import?)",
			ErrConfig,
			u.Scheme,
			orNone(r.Drivers()),
		)
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

// Drivers returns the schemes for which drivers are registered, sorted.
func (r *Registry) Drivers() []string {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return slices.Sorted(maps.Keys(r.drivers))
}

// Open returns a new Cache on the backend that rawURL describes, as in
// "memory://?max_items=10000&prefix=app:&default_ttl=10m". The scheme selects the driver.
// The parameters prefix and default_ttl are settings of the Cache, and the driver reads all
// others. If opts is nil, Open uses the zero Options. The DefaultTTL in opts takes
// precedence over default_ttl in rawURL. The prefix must not be in both.
//
// Open returns ErrConfig if rawURL or opts is wrong. If the driver fails, Open wraps the
// error of the driver. The error never shows a password. Every @ other than the one after
// user and password must be percent-encoded, as %40, so that no part of a password is taken
// for a host or a path.
func (r *Registry) Open(ctx context.Context, rawURL string, opts *Options) (*Cache, error) {
	if ctx == nil {
		ctx = context.Background()
	}
	u, d, settings, err := r.prepare(rawURL, opts)
	if err != nil && u != nil {
		err = &openError{u, err}
	}
	if err != nil {
		return nil, err
	}
	backend, err := d.Open(ctx, u)
	if err != nil {
		return nil, &openError{u, err}
	}
	c, err := New(backend, settings)
	if err != nil {
		return nil, &openError{u, err}
	}
	c.url = RedactURL(rawURL)
	return c, nil
}

// Check returns the error that Open would return before it calls the driver, or nil.
// It connects to nothing.
func (r *Registry) Check(rawURL string, opts *Options) error {
	_, _, _, err := r.prepare(rawURL, opts)
	return err
}

// prepare returns what Open needs: the URL without the parameters of the Cache, its driver,
// and opts completed by those parameters. If the error is about the parameters of the URL,
// the URL is not nil.
func (r *Registry) prepare(rawURL string, opts *Options) (*url.URL, Driver, *Options, error) {
	u, err := parseURL(rawURL)
	if err != nil {
		return nil, nil, nil, err
	}
	d, err := r.driver(u)
	if err != nil {
		return nil, nil, nil, err
	}
	settings, err := urlOptions(u, opts)
	return u, d, settings, err
}

// Register registers a driver in the DefaultRegistry. The package of a driver calls it when
// it is initialized.
func Register(scheme string, d Driver) { DefaultRegistry.Register(scheme, d) }

// Open opens a Cache with the DefaultRegistry; see Registry.Open.
func Open(ctx context.Context, rawURL string, opts *Options) (*Cache, error) {
	return DefaultRegistry.Open(ctx, rawURL, opts)
}

// Drivers returns the schemes of the DefaultRegistry, sorted.
func Drivers() []string { return DefaultRegistry.Drivers() }

func orNone(names []string) string {
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, ", ")
}
