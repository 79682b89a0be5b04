package core

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
)

// A Client finds caches by name. The application names a part of its data, and does not
// need to know which cache keeps that part:
//
//	client, err := core.NewClient(map[string]*core.Cache{
//		"default":    local,
//		"membership": local,
//		"funds":      remote,
//	}, "default")
//
// Use a Client if the program makes its caches itself. If a configuration file names them,
// use config.Caches of package core/config, which can also return a Client.
//
// A Client changes no key: names with the same Cache share its keys. A prefix keeps them
// apart; see Cache.WithPrefix. It may be used by many goroutines at once.
type Client struct {
	caches      map[string]*Cache
	defaultName string
}

// NewClient returns a Client for caches. It copies the map. The empty name stands for
// defaultName. NewClient returns ErrConfig if the map has no cache with that name, if a
// name is empty, or if a Cache is nil.
func NewClient(caches map[string]*Cache, defaultName string) (*Client, error) {
	cl := &Client{caches: maps.Clone(caches), defaultName: defaultName}
	for _, name := range cl.Names() {
		if name == "" {
			return nil, fmt.Errorf(
				"%w: a namespace has no name; the empty name stands for the default",
				ErrConfig,
			)
		}
		if caches[name] == nil {
			return nil, fmt.Errorf("%w: the cache of namespace %q is nil", ErrConfig, name)
		}
	}
	if _, ok := caches[defaultName]; !ok {
		return nil, fmt.Errorf(
			"%w: no cache for the default namespace %q; there are: %s",
			ErrConfig,
			defaultName,
			orNone(cl.Names()),
		)
	}
	return cl, nil
}

// Namespace returns the Cache with this name, or the default one if name is empty. If there
// is no such Cache, it returns ErrNoNamespace, and the error lists the names.
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

// Names returns the names, sorted.
func (cl *Client) Names() []string { return slices.Sorted(maps.Keys(cl.caches)) }

// Flush flushes each distinct Cache once. It tries all and joins the errors.
func (cl *Client) Flush(ctx context.Context) error {
	return cl.all(func(c *Cache) error { return c.Flush(ctx) })
}

// Close closes each distinct Cache once. It tries all and joins the errors. A Cache that
// WithPrefix returned does not close its backend; the Cache that WithPrefix was called on
// does.
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
