package tiered

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"reflect"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cachewire/cachewire/core"
)

// Options are the settings of a Backend. The zero value of a field is its default.
type Options struct {
	// NearTTL is how long a copy is served, from the moment at which it was asked for. A
	// value that another process has replaced is read for at most this time. It is at least
	// 10 milliseconds. If 0, it is 2 seconds.
	NearTTL time.Duration

	// NegativeTTL is how long it is remembered that a key is absent, at most NearTTL. An Add
	// of another process stays unseen for so long. All processes should have the same
	// setting. If 0, misses are not remembered.
	NegativeTTL time.Duration

	// MaxValue is the length in bytes of the longest value that is kept near. If 0,
	// it is 64 KiB.
	MaxValue int

	// Bypass are prefixes of keys that are never kept near, so that every read goes far.
	// A prefix of the Cache is a part of the key. An empty prefix is an error.
	Bypass []string

	// Bus tells which items other processes have changed. If nil, NearTTL alone limits how old
	// a value is. The Backend closes the Bus.
	Bus core.Bus

	// MaxStale is how long copies are trusted while the Bus is silent: then they are dropped.
	// Until the Bus works again, copies are served for this time instead of NearTTL, if it is
	// shorter. It is at least 2 seconds, because a Bus gives a sign of life each second. If 0,
	// it is 5 seconds. Without a Bus it has no meaning.
	MaxStale time.Duration

	// OnBus is called when the Bus is lost, with the reason, and with nil when it works, also
	// the first time. Calls do not overlap. It must return soon, and must not call Close. If
	// nil, Stats still tell.
	OnBus func(err error)
}

const (
	defaultNearTTL  = 2 * time.Second
	defaultMaxValue = 64 << 10
	defaultMaxStale = 5 * time.Second
	minNearTTL      = 10 * time.Millisecond
	minMaxStale     = 2 * time.Second
)

// A Backend is a near backend in front of a far one. It may be used by many goroutines at once.
type Backend struct {
	near nearBackend
	far  core.Backend
	opts Options

	// The abilities of far, nil if it lacks them.
	itemTTL  core.ItemTTLReader
	getter   core.MultiGetter
	storer   core.MultiStorer
	deleter  core.MultiDeleter
	starter  core.CounterStarter
	ttl      core.TTLReader
	pinger   core.Pinger
	stats    core.StatsReader
	lister   core.KeyLister
	traits   core.Traits
	declined []any

	begun   time.Time
	seed    maphash.Seed
	stripes [stripeCount]stripe

	farHits, misses, negative atomic.Uint64

	bus     *busState // nil without a bus
	running sync.WaitGroup
}

// A nearBackend is what near must be: it keeps Go values as they are.
type nearBackend interface {
	core.Backend
	core.SharedStorer
	core.KeyLister
	core.StatsReader
}

// A Backend implements these interfaces, and declines those that far lacks.
var _ interface {
	core.Backend
	core.ValueGetter
	core.CounterStarter
	core.MultiGetter
	core.MultiStorer
	core.MultiDeleter
	core.TTLReader
	core.Pinger
	core.StatsReader
	core.KeyLister
	core.Unwrapper
	core.TraitsReporter
	core.Decliner
} = (*Backend)(nil)

// New returns a Backend over near and far, for core.New. It owns both and the Bus from then on:
// Close closes them. Near must be a core.SharedStorer, a core.KeyLister and a core.StatsReader, as
// a memory.Backend is, and should have a bound. It must be empty and must not be used otherwise. A
// nil opts is the zero Options. The error is core.ErrConfig. Then near, far and the Bus stay open.
func New(near, far core.Backend, opts *Options) (*Backend, error) {
	var o Options
	if opts != nil {
		o = *opts
	}
	if err := o.check(); err != nil {
		return nil, err
	}
	n, ok := near.(nearBackend)
	switch {
	case near == nil:
		return nil, configErrorf("near is nil; want a backend in memory, such as memory.New(nil)")
	case far == nil:
		return nil, configErrorf("far is nil; want a backend")
	case !ok:
		return nil, configErrorf("near is a %T, which cannot keep copies; want a backend in "+
			"memory, such as memory.New(nil)", near)
	case sameBackend(near, far):
		return nil, configErrorf("near and far are the same backend; want two")
	}
	b := &Backend{near: n, far: far, opts: o, begun: time.Now(), seed: maphash.MakeSeed()}
	b.findAbilities()
	if o.Bus != nil {
		b.startBus()
	}
	return b, nil
}

// sameBackend reports whether a and b are the same. Types that cannot be compared are not.
func sameBackend(a, b core.Backend) bool {
	return reflect.TypeOf(a) == reflect.TypeOf(b) && reflect.ValueOf(a).Comparable() && a == b
}

func (o *Options) check() error {
	o.NearTTL = cmp.Or(o.NearTTL, defaultNearTTL)
	o.MaxValue = cmp.Or(o.MaxValue, defaultMaxValue)
	o.MaxStale = cmp.Or(o.MaxStale, defaultMaxStale)
	o.Bypass = slices.Clone(o.Bypass)
	switch {
	case o.NearTTL < minNearTTL:
		return configErrorf("Options.NearTTL is %v; want %v or more, or 0 for %v", o.NearTTL,
			minNearTTL, defaultNearTTL)
	case o.NegativeTTL < 0 || o.NegativeTTL > o.NearTTL:
		return configErrorf("Options.NegativeTTL is %v; want at most NearTTL, %v, or 0 if misses "+
			"are not remembered", o.NegativeTTL, o.NearTTL)
	case o.MaxValue < 0:
		return configErrorf("Options.MaxValue is %d; want 1 or more, or 0 for %d", o.MaxValue,
			defaultMaxValue)
	case o.MaxStale < minMaxStale:
		return configErrorf("Options.MaxStale is %v; want %v or more, or 0 for %v", o.MaxStale,
			minMaxStale, defaultMaxStale)
	case slices.Contains(o.Bypass, ""):
		return configErrorf("Options.Bypass has an empty prefix, which every key has; want " +
			"prefixes like \"lock:\"")
	}
	return nil
}

func configErrorf(format string, args ...any) error {
	return fmt.Errorf("%w: tiered: "+format, append([]any{core.ErrConfig}, args...)...)
}

// findAbilities finds out what far can do.
func (b *Backend) findAbilities() {
	if r, ok := core.Ability[core.TraitsReporter](b.far); ok {
		b.traits = r.Traits()
	}
	if b.itemTTL, _ = core.Ability[core.ItemTTLReader](b.far); b.itemTTL == nil {
		b.traits.Resolution = max(b.traits.Resolution, defaultResolution) + b.opts.NearTTL
	}
	b.getter = ability(b, (*core.MultiGetter)(nil))
	b.storer = ability(b, (*core.MultiStorer)(nil))
	b.deleter = ability(b, (*core.MultiDeleter)(nil))
	b.starter = ability(b, (*core.CounterStarter)(nil))
	b.ttl = ability(b, (*core.TTLReader)(nil))
	b.pinger = ability(b, (*core.Pinger)(nil))
	b.lister = ability(b, (*core.KeyLister)(nil))
	b.stats, _ = core.Ability[core.StatsReader](b.far)
}

// defaultResolution is what core.Traits.Resolution means if it is 0.
const defaultResolution = 10 * time.Millisecond

// ability returns far as A. If far lacks it, the Backend declines it.
func ability[A any](b *Backend, iface *A) A {
	a, ok := core.Ability[A](b.far)
	if !ok {
		b.declined = append(b.declined, iface)
	}
	return a
}

// Declines reports whether far lacks an ability that the Backend passes on.
func (b *Backend) Declines(ability any) bool { return slices.Contains(b.declined, ability) }

// Traits returns those of far. If far is not a core.ItemTTLReader, NearTTL is added to the
// Resolution, because a copy may outlive its item.
func (b *Backend) Traits() core.Traits { return b.traits }

// As sets what target points to, to far, or to something that far hands out, or to near.
func (b *Backend) As(target any) bool {
	for _, half := range []core.Backend{b.far, b.near} {
		if c, err := core.New(half, nil); err == nil && c.As(target) {
			return true
		}
	}
	return false
}

// bypassed reports whether there are no copies of the item under key.
func (b *Backend) bypassed(key string) bool {
	for _, prefix := range b.opts.Bypass {
		if strings.HasPrefix(key, prefix) {
			return true
		}
	}
	return false
}

// now returns the time since the Backend was made, on the monotonic clock.
func (b *Backend) now() time.Duration { return time.Since(b.begun) }

// TTL returns what far returns.
func (b *Backend) TTL(ctx context.Context, key string) (time.Duration, error) {
	if b.ttl == nil {
		return 0, errors.ErrUnsupported
	}
	return b.ttl.TTL(ctx, key)
}

// Ping returns what far returns.
func (b *Backend) Ping(ctx context.Context) error {
	if b.pinger == nil {
		return errors.ErrUnsupported
	}
	return b.pinger.Ping(ctx)
}

// Stats returns the figures of far, with the hits and misses of this Backend, and Near. While far
// cannot be reached, it returns far's error.
func (b *Backend) Stats(ctx context.Context) (core.Stats, error) {
	var s core.Stats
	if b.stats != nil {
		var err error
		if s, err = b.stats.Stats(ctx); err != nil {
			return core.Stats{}, err
		}
	}
	near, err := b.near.Stats(ctx)
	if err != nil {
		return core.Stats{}, err
	}
	negative := b.negative.Load()
	s.Near = core.NearStats{
		Items:   near.Items,
		Bytes:   near.Bytes,
		Hits:    near.Hits - min(near.Hits, negative),
		FarHits: b.farHits.Load(),
	}
	s.Hits, s.Misses = s.Near.Hits+s.Near.FarHits, negative+b.misses.Load()
	if b.bus != nil {
		b.bus.addTo(&s.Near)
	}
	return s, nil
}

// Close closes the Bus, near and far. Before that, it tries for at most a second to publish the
// changes that are not published yet.
func (b *Backend) Close() error {
	var errs []error
	if b.bus != nil {
		b.bus.stop()
		b.running.Wait()
		errs = append(errs, prefixed("bus", b.opts.Bus.Close()))
	}
	errs = append(errs, prefixed("near", b.near.Close()), prefixed("far", b.far.Close()))
	return errors.Join(errs...)
}

// prefixed returns err with the name of the part that it comes from.
func prefixed(part string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", part, err)
}
