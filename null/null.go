// Package null provides a cache that keeps nothing: every read misses, every store and
// every delete succeeds and changes nothing, and counters miss. Use it to disable a cache
// without changing the program:
//
//	CACHE_URL=null://
//
// A program that imports the package, even as _, can open null:// URLs. They have no
// parameters except those of core.Open.
package null

import (
	"context"
	"iter"
	"net/url"
	"time"

	"github.com/cachewire/cachewire/core"
)

func init() { core.Register("null", driver{}) }

type driver struct{}

func (driver) Open(_ context.Context, u *url.URL) (core.Backend, error) {
	p := core.NewParams(u)
	p.NoHost(u)
	if err := p.Err(); err != nil {
		return nil, err
	}
	return New(), nil
}

// A Backend keeps nothing. It has no state, so that any number of caches and goroutines may
// share one.
type Backend struct{}

// Backend implements every optional interface of core that a cache without items can have.
var _ interface {
	core.Backend
	core.MultiGetter
	core.MultiStorer
	core.MultiDeleter
	core.TTLReader
	core.Pinger
	core.StatsReader
	core.KeyLister
	core.SharedStorer
	core.TraitsReporter
} = Backend{}

// New returns a Backend, for core.New.
func New() Backend { return Backend{} }

// GetItem returns core.ErrMiss.
func (Backend) GetItem(context.Context, string) (core.Item, error) {
	return core.Item{}, core.ErrMiss
}

// GetItems returns no items and no error.
func (Backend) GetItems(context.Context, []string) ([]core.Item, error) { return nil, nil }

// Store returns nil for every mode.
func (Backend) Store(context.Context, core.Mode, core.Item) error { return nil }

// StoreMulti returns nil for every mode.
func (Backend) StoreMulti(context.Context, core.Mode, []core.Item) error { return nil }

// Delete returns nil.
func (Backend) Delete(context.Context, string) error { return nil }

// DeleteMulti returns nil.
func (Backend) DeleteMulti(context.Context, []string) error { return nil }

// Incr returns core.ErrMiss.
func (Backend) Incr(context.Context, string, uint64) (uint64, error) { return 0, core.ErrMiss }

// Decr returns core.ErrMiss.
func (Backend) Decr(context.Context, string, uint64) (uint64, error) { return 0, core.ErrMiss }

// Touch returns nil.
func (Backend) Touch(context.Context, string, time.Duration) error { return nil }

// TTL returns core.ErrMiss.
func (Backend) TTL(context.Context, string) (time.Duration, error) { return 0, core.ErrMiss }

// Flush returns nil.
func (Backend) Flush(context.Context) error { return nil }

// Keys yields no keys.
func (Backend) Keys(context.Context, string) iter.Seq2[string, error] {
	return func(func(string, error) bool) {}
}

// Ping returns nil.
func (Backend) Ping(context.Context) error { return nil }

// Stats returns the zero Stats: a Backend counts nothing.
func (Backend) Stats(context.Context) (core.Stats, error) { return core.Stats{}, nil }

// GetShared returns core.ErrMiss.
func (Backend) GetShared(context.Context, string) (value, token any, err error) {
	return nil, nil, core.ErrMiss
}

// StoreShared returns nil for every mode.
func (Backend) StoreShared(context.Context, core.Mode, core.Item, any) error { return nil }

// Traits returns Traits with KeepsNothing set.
func (Backend) Traits() core.Traits { return core.Traits{KeepsNothing: true} }

// Close returns nil.
func (Backend) Close() error { return nil }
