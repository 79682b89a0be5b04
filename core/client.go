package core

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
)

// A Client finds caches by name, so that an application says which part of its data it
// means, and not where that part is kept:
//
//	client, err := core.NewClient(map[string]*core.Cache{
//		"default":    local,
//		"membership": local,
//		"funds":      remote,
//	}, "default")
//
// Use a Client if the program makes its caches itself. If a configuration file names
// them, use config.Caches of package core/config, which makes a Client as well.
//
// A Client changes no key: names with the same Cache share its keys. A prefix keeps them
// apart; see Cache.WithPrefix. It may be used by many goroutines at once.
type Client struct {
	caches      map[string]*Cache
	defaultName string
}

// NewClient answers a Client for caches, of which it keeps a copy. The default
// name, which stands for the empty one, must be in the map. The error is
// ErrConfig.
func NewClient(caches map[string]*Cache, defaultName string) (*Client, error) {
	cl := &Client{caches: maps.Clone(caches), defaultName: defaultName}
	for _, name := range cl.Names() {
		if name == "" {
			return nil, fmt.Errorf("%w: a namespace has no name; the empty name stands for the default", ErrConfig)
		}
		if caches[name] == nil {
			return nil, fmt.Errorf("%w: the cache of namespace %q is nil", ErrConfig, name)
		}
	}
	if _, ok := caches[defaultName]; !ok {
		return nil, fmt.Errorf("%w: no cache for the default namespace %q; there are: %s", ErrConfig, defaultName, orNone(cl.Names()))
	}
	return cl, nil
}

// Namespace answers the Cache under name, or under the default name if name is
// empty. A name that nobody defined is ErrNoNamespace, and the error lists those
// that there are.
func (cl *Client) Namespace(name string) (*Cache, error) {
	if name == "" {
		name = cl.defaultName
	}
	c, ok := cl.caches[name]
	if !ok {
		return nil, fmt.Errorf("%w %q; there are: %s", ErrNoNamespace, name, orNone(cl.Names()))
	}
	return c, nil
}

// Names answers the names in order.
func (cl *Client) Names() []string { return slices.Sorted(maps.Keys(cl.caches)) }

// Flush flushes each distinct Cache once. It tries all and joins the errors.
func (cl *Client) Flush(ctx context.Context) error {
	return cl.all(func(c *Cache) error { return c.Flush(ctx) })
}

// Close closes each distinct Cache once. It tries all and joins the errors. The
// backend of a Cache that WithPrefix made stays open until the Cache which that
// was made of is closed.
func (cl *Client) Close() error {
	return cl.all((*Cache).Close)
}

func (cl *Client) all(do func(*Cache) error) error {
	var errs []error
	done := map[*Cache]bool{}
	for _, name := range cl.Names() {
		c := cl.caches[name]
		if done[c] {
			continue
		}
		done[c] = true
		if err := do(c); err != nil {
			errs = append(errs, fmt.Errorf("namespace %q: %w", name, err))
		}
	}
	return errors.Join(errs...)
}
