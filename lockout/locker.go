package lockout

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/cachewire/cachewire/core"
)

// Options are the settings of a Locker.
type Options struct {
	// Prefix is the first part of the keys; "" is "c".
	Prefix string

	// FailClosed has the verbs answer the errors of the cache. Without it, nobody is
	// locked out where the cache fails.
	FailClosed bool

	// OnError is told of errors of the cache that the caller is not. Many goroutines call
	// it at once; nil is nobody.
	OnError func(ctx context.Context, err error)
}

// A Locker defines lockouts by terms that have names and defaults. The nil Locker defines
// the nil Lockout, whatever the terms.
type Locker[C any] struct {
	cache *core.Cache
	terms Terms[C]
	opts  Options
}

// New answers a Locker whose counters and locks are in cache. What terms leave zero each
// lockout has to say. A nil opts is the zero Options. The error is core.ErrConfig: a
// duration is negative.
func New[C any](cache *core.Cache, terms Terms[C], opts *Options) (*Locker[C], error) {
	l := &Locker[C]{cache: cache, terms: maps.Clone(terms)}
	if opts != nil {
		l.opts = *opts
	}
	if l.opts.Prefix == "" {
		l.opts.Prefix = "c"
	}
	if l.opts.OnError == nil {
		l.opts.OnError = func(context.Context, error) {}
	}
	for name, c := range terms {
		if c.Period < 0 || c.Duration < 0 {
			return nil, fmt.Errorf("lockout: %w: the counter %q: Period is %v and Duration %v, want 0 or more", core.ErrConfig, name, c.Period, c.Duration)
		}
	}
	return l, nil
}

// Define answers the lockout called name, which has the counters that terms name. What is
// not zero in them takes the place of the Locker's. The error is core.ErrConfig: there is
// no such term, or a counter is not complete.
func (l *Locker[C]) Define(name string, terms Terms[C]) (*Lockout[C], error) {
	if l == nil {
		return nil, nil
	}
	if name == "" || len(terms) == 0 {
		return nil, fmt.Errorf("lockout: %w: the lockout %q with %d terms, want a name and at least one of %q", core.ErrConfig, name, len(terms), l.known())
	}
	lo := &Lockout[C]{locker: l, name: name, prefix: l.opts.Prefix + ":" + strings.ReplaceAll(name, " ", "_") + ":"}
	for _, term := range slices.Sorted(maps.Keys(terms)) {
		base, ok := l.terms[term]
		if !ok {
			return nil, fmt.Errorf("lockout: %w: the lockout %q: unknown term %q; known: %q", core.ErrConfig, name, term, l.known())
		}
		c := terms[term].over(base)
		if c.Success == 0 {
			c.Success = Resets
		}
		if err := c.check(term); err != nil {
			return nil, err
		}
		lo.counters = append(lo.counters, named[C]{c, term})
	}
	return lo, nil
}

func (l *Locker[C]) known() []string { return slices.Sorted(maps.Keys(l.terms)) }
