package page

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/observe"
)

// maxKeys is the largest Options.Keys.
const maxKeys = 100

// Options are the settings of a Page. The zero value shows figures and nothing else.
type Options struct {
	// Keys is how many of the most frequent keys of each cache the page shows, and of those with
	// the slowest verbs on one key of the last ten minutes: at most 100. If 0, keys are not
	// recorded. Recording takes a lock in each verb. A key is shown up to its first 200 bytes.
	Keys int

	// LookUp lets every visitor of the page read the item under any key.
	LookUp bool

	// Change lets every visitor of the page delete items and flush caches.
	Change bool
}

// A Page is an http.Handler, a core.Hook and a patterns.Observer. Any number of caches may
// share one. Use New to make one.
type Page struct {
	opts    Options
	token   string // of forms
	caches  *observe.Caches[figures]
	origins *http.CrossOriginProtection
	closed  chan struct{}
	close   sync.Once
	streams chan struct{} // holds one value for each running stream

	mu sync.Mutex // guards the windows and readings of caches
}

// maxStreams is how many browsers may have the live page open at once.
const maxStreams = 64

// New returns a Page without caches. A nil opts is the zero Options. The error is
// core.ErrConfig: opts.Keys is out of its range.
func New(opts *Options) (*Page, error) {
	if opts == nil {
		opts = &Options{}
	}
	if opts.Keys < 0 || opts.Keys > maxKeys {
		return nil, fmt.Errorf("%w: page: Options.Keys is %d; want 0 to %d",
			core.ErrConfig, opts.Keys, maxKeys)
	}
	p := &Page{
		opts:    *opts,
		token:   rand.Text(),
		origins: http.NewCrossOriginProtection(),
		closed:  make(chan struct{}),
		streams: make(chan struct{}, maxStreams),
	}
	p.caches = observe.NewCaches(func(string, string) *figures { return newFigures(p.opts.Keys) })
	return p, nil
}

// Add adds a cache, under its name. Without it, the verbs of the cache are shown, but not its
// driver, URL and Stats. The error is core.ErrConfig: c is nil, or a cache with its name was
// added.
//
// A Cache that WithPrefix returned counts as the one that it was made from, unless it is added
// as well.
func (p *Page) Add(c *core.Cache) error { return p.caches.Add(c) }

// Remove removes a cache from the page. Another cache with its name may be added then. It does
// nothing if c was not added.
func (p *Page) Remove(c *core.Cache) { p.caches.Remove(c) }

// Close ends the live updates of all browsers, for which http.Server.Shutdown would wait; see
// http.Server.RegisterOnShutdown. The page can still be loaded. Close always returns nil.
func (p *Page) Close() error {
	p.close.Do(func() { close(p.closed) })
	return nil
}

// After counts a verb; see core.Hook.
func (p *Page) After(_ context.Context, op *core.Op) {
	f := p.caches.Of(op.Cache)
	o := observe.OutcomeOf(op.Verb, op.Hits, op.Misses, op.Err)
	f.verb(observe.VerbOf(op.Verb)).add(op.Duration, o)
	if op.Hits > 0 {
		f.hits.Add(uint64(op.Hits))
	}
	if op.Misses > 0 {
		f.misses.Add(uint64(op.Misses))
	}
	if f.keys != nil {
		f.keys.add(op)
	}
}

// Served counts keys that a pattern served; see patterns.Observer.
func (p *Page) Served(cache, outcome string, keys int) {
	if keys <= 0 {
		return
	}
	p.caches.Of(cache).served[observe.ServedOf(outcome)].Add(uint64(keys))
}

// Loaded counts a call of a loader; see patterns.Observer.
func (p *Page) Loaded(cache string, _ int, took time.Duration, err error) {
	f := p.caches.Of(cache)
	f.loads.Add(1)
	f.loadTime.Add(int64(took))
	if err != nil {
		f.loadErrors.Add(1)
	}
}
