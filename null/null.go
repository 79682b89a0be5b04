// Package null is a cache that keeps nothing: every read misses, every store and
// every delete succeeds and changes nothing, and counters miss. It is how a
// cache is switched off without a change to the program:
//
//	CACHE_URL=null://
//
// A program that imports the package, if only for its name, can open null://
// URLs. They have no parameters but those of core.Open.
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

// A Backend keeps nothing. It holds nothing either, so that one may serve any
// number of caches and goroutines.
type Backend struct{}

// These are the abilities of a Backend beyond core.Backend.
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

// New answers a Backend, for core.New.
func New() Backend { return Backend{} }

// GetItem answers core.ErrMiss.
func (Backend) GetItem(context.Context, string) (core.Item, error) { return core.Item{}, core.ErrMiss }

// GetItems finds nothing.
func (Backend) GetItems(context.Context, []string) ([]core.Item, error) { return nil, nil }

// Store succeeds, whatever the mode.
func (Backend) Store(context.Context, core.Mode, core.Item) error { return nil }

// StoreMulti succeeds, whatever the mode.
func (Backend) StoreMulti(context.Context, core.Mode, []core.Item) error { return nil }

// Delete succeeds.
func (Backend) Delete(context.Context, string) error { return nil }

// DeleteMulti succeeds.
func (Backend) DeleteMulti(context.Context, []string) error { return nil }

// Incr answers core.ErrMiss.
func (Backend) Incr(context.Context, string, uint64) (uint64, error) { return 0, core.ErrMiss }

// Decr answers core.ErrMiss.
func (Backend) Decr(context.Context, string, uint64) (uint64, error) { return 0, core.ErrMiss }

// Touch succeeds.
func (Backend) Touch(context.Context, string, time.Duration) error { return nil }

// TTL answers core.ErrMiss.
func (Backend) TTL(context.Context, string) (time.Duration, error) { return 0, core.ErrMiss }

// Flush succeeds.
func (Backend) Flush(context.Context) error { return nil }

// Keys yields nothing.
func (Backend) Keys(context.Context, string) iter.Seq2[string, error] {
	return func(func(string, error) bool) {}
}

// Ping succeeds.
func (Backend) Ping(context.Context) error { return nil }

// Stats answers zeros: it counts nothing either.
func (Backend) Stats(context.Context) (core.Stats, error) { return core.Stats{}, nil }

// GetShared answers core.ErrMiss.
func (Backend) GetShared(context.Context, string) (value, token any, err error) {
	return nil, nil, core.ErrMiss
}

// StoreShared succeeds, whatever the mode.
func (Backend) StoreShared(context.Context, core.Mode, core.Item, any) error { return nil }

// Traits says that nothing is kept.
func (Backend) Traits() core.Traits { return core.Traits{KeepsNothing: true} }

// Close succeeds.
func (Backend) Close() error { return nil }
