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
	// Prefix is the first part of the keys. If "", it is "c".
	Prefix string

	// Action is called when a lockout of the Locker refuses; see Lockout.WithAction.
	Action Action[C]

	// FailClosed makes the verbs return the errors of the cache. If false, callers pass
	// when the cache fails. A context that is done is not a failure of the cache: the
	// verbs return its error in any case.
	FailClosed bool

	// OnError is called with the errors of the cache, by many goroutines at once. If nil,
	// they are dropped.
	OnError func(ctx context.Context, err error)
}

// An Action is called when c is refused. The caller gets the error that it returns. If it
// returns nil, c passes and is not counted, which is a way to try new terms out. The nil
// Action returns locked.
type Action[C any] func(ctx context.Context, c C, locked *LockedError) error

// A Locker has terms with names and defaults, and defines lockouts by them. Define on a nil
// Locker returns a nil Lockout, whatever the terms are.
type Locker[C any] struct {
	cache *core.Cache
	terms Terms[C]
	opts  Options[C]

	seed maphash.Seed // for the hash of a key

	// retries has a slot for each hash of a key. A goroutine fills it while it retries an
	// update; see Lockout.update.
	retries [64]chan struct{}
}

// New returns a Locker whose counters and locks are in cache. A field that is zero in terms
// is left to Define. A nil opts is the zero Options. New returns core.ErrConfig if cache is
// nil, or if a duration in terms is negative.
func New[C any](cache *core.Cache, terms Terms[C], opts *Options[C]) (*Locker[C], error) {
	if cache == nil {
		return nil, fmt.Errorf("%w: lockout: the cache is nil; core.Open returns one",
			core.ErrConfig)
	}
	l := &Locker[C]{cache: cache, terms: maps.Clone(terms), seed: maphash.MakeSeed()}
	for i := range l.retries {
		l.retries[i] = make(chan struct{}, 1)
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
			return nil, fmt.Errorf("%w: lockout: the counter %q: Period is %v, Duration %v and "+
				"MaxDuration %v; want 0 or more", core.ErrConfig,
				name, c.Period, c.Duration, c.MaxDuration)
		}
	}
	return l, nil
}

// Define returns the lockout called name, with a counter for each of terms. Fields of terms
// that are not zero replace those of the term with the same name in the Locker. A space in
// name is an underscore in keys. Define returns core.ErrConfig if name or terms is empty, if
// the Locker has no such term, or if a counter is incomplete or wrong.
func (l *Locker[C]) Define(name string, terms Terms[C]) (*Lockout[C], error) {
	if l == nil {
		return nil, nil
	}
	if name == "" || len(terms) == 0 {
		return nil, fmt.Errorf(
			"%w: lockout: the lockout %q has %d terms; want a name and at least one of %q",
			core.ErrConfig, name, len(terms), l.termNames())
	}
	lo := &Lockout[C]{locker: l, name: name, action: l.opts.Action}
	prefix := l.opts.Prefix + ":" + strings.ReplaceAll(name, " ", "_") + ":"
	for _, termName := range slices.Sorted(maps.Keys(terms)) {
		base, ok := l.terms[termName]
		if !ok {
			return nil, fmt.Errorf("%w: lockout: the lockout %q: unknown term %q; known: %q",
				core.ErrConfig, name, termName, l.termNames())
		}
		c := terms[termName].withDefaults(base)
		if c.Success == 0 {
			c.Success = Resets
		}
		if c.Algorithm == 0 {
			c.Algorithm = FixedWindow
		}
		if err := c.check(termName); err != nil {
			return nil, err
		}
		lo.terms = append(lo.terms, newTerm(c, termName, prefix))
		lo.readsFirst = lo.readsFirst || c.Duration > 0 || c.Algorithm != FixedWindow
	}
	lo.simple = len(lo.terms) == 1 && !lo.readsFirst
	return lo, nil
}

func (l *Locker[C]) termNames() []string { return slices.Sorted(maps.Keys(l.terms)) }
