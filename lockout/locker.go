package lockout

import (
	"context"
	"fmt"
	"hash/maphash"
	"maps"
	"slices"
	"strings"

	"github.com/cachewire/cachewire/core"
)

// Options are the settings of a Locker.
type Options[C any] struct {
	// Prefix is the first part of the keys; "" is "c".
	Prefix string

	// Action is what its lockouts do where they refuse; see Lockout.WithAction.
	Action Action[C]

	// FailClosed has the verbs answer the errors of the cache. Without it, nobody is
	// locked out where the cache fails. A context that is done is no failure of the cache:
	// its error is answered in any case.
	FailClosed bool

	// OnError is told of the errors of the cache. Many goroutines call it at once; nil is
	// nobody.
	OnError func(ctx context.Context, err error)
}

// An Action is called where c is refused. Its error is the caller's; nil lets c pass,
// uncounted, which is how terms are tried out. The nil Action answers locked.
type Action[C any] func(ctx context.Context, c C, locked *LockedError) error

// A Locker defines lockouts by terms that have names and defaults. The nil Locker defines
// the nil Lockout, whatever the terms.
type Locker[C any] struct {
	cache *core.Cache
	terms Terms[C]
	opts  Options[C]

	seed  maphash.Seed
	lanes [64]chan struct{} // by key; see Lockout.move
}

// New answers a Locker whose counters and locks are in cache. What terms leave zero each
// lockout has to say. A nil opts is the zero Options. The error is core.ErrConfig: a
// duration is negative.
func New[C any](cache *core.Cache, terms Terms[C], opts *Options[C]) (*Locker[C], error) {
	if cache == nil {
		return nil, fmt.Errorf("%w: lockout: the cache is nil; core.Open returns one", core.ErrConfig)
	}
	l := &Locker[C]{cache: cache, terms: maps.Clone(terms), seed: maphash.MakeSeed()}
	for i := range l.lanes {
		l.lanes[i] = make(chan struct{}, 1)
	}
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
		if c.Period < 0 || c.Duration < 0 || c.MaxDuration < 0 {
			return nil, fmt.Errorf("%w: lockout: the counter %q: Period is %v, Duration %v and MaxDuration %v, want 0 or more", core.ErrConfig, name, c.Period, c.Duration, c.MaxDuration)
		}
	}
	return l, nil
}

// Define answers the lockout called name, which has the counters that terms name. What is
// not zero in them takes the place of the Locker's. A blank in the name is an underscore in
// keys. The error is core.ErrConfig: there is
// no such term, or a counter is not complete.
func (l *Locker[C]) Define(name string, terms Terms[C]) (*Lockout[C], error) {
	if l == nil {
		return nil, nil
	}
	if name == "" || len(terms) == 0 {
		return nil, fmt.Errorf("%w: lockout: the lockout %q with %d terms, want a name and at least one of %q", core.ErrConfig, name, len(terms), l.known())
	}
	lo := &Lockout[C]{locker: l, name: name, action: l.opts.Action}
	prefix := l.opts.Prefix + ":" + strings.ReplaceAll(name, " ", "_") + ":"
	for _, term := range slices.Sorted(maps.Keys(terms)) {
		base, ok := l.terms[term]
		if !ok {
			return nil, fmt.Errorf("%w: lockout: the lockout %q: unknown term %q; known: %q", core.ErrConfig, name, term, l.known())
		}
		c := terms[term].over(base)
		if c.Success == 0 {
			c.Success = Resets
		}
		if c.Algorithm == 0 {
			c.Algorithm = FixedWindow
		}
		if err := c.check(term); err != nil {
			return nil, err
		}
		lo.counters = append(lo.counters, newNamed(c, term, prefix))
		lo.looks = lo.looks || c.Duration > 0 || c.Algorithm != FixedWindow
	}
	lo.simple = len(lo.counters) == 1 && !lo.looks
	return lo, nil
}

func (l *Locker[C]) known() []string { return slices.Sorted(maps.Keys(l.terms)) }
