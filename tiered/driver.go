package tiered

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/url"
	"strings"

	"github.com/cachewire/cachewire/core"
)

func init() { core.Register("tiered", driver{}) }

type driver struct{}

// Open opens both halves and the bus.
func (driver) Open(ctx context.Context, u *url.URL) (core.Backend, error) {
	p := core.NewParams(u)
	p.NoHost(u)
	near, far := p.String("near", ""), p.String("far", "")
	kind := p.String("bus", busNone)
	opts := Options{
		NearTTL:     p.Duration("near_ttl", 0, minNearTTL),
		NegativeTTL: p.Duration("negative_ttl", 0, 0),
		MaxValue:    int(min(p.Bytes("max_value", 0), math.MaxInt32)),
		Bypass:      p.Strings("bypass"),
		MaxStale:    p.Duration("max_stale", 0, minMaxStale),
	}
	polls := PollOptions{Interval: p.Duration("poll", 0, minPoll)}
	if err := p.Err(); err != nil {
		return nil, err
	}
	if kind != busPoll && polls.Interval != 0 {
		return nil, configErrorf("parameter poll is set and bus is not %s; want both or none",
			busPoll)
	}
	if kind == busNone && opts.MaxStale != 0 {
		return nil, configErrorf(
			"parameter max_stale is set and there is no bus; want both or none")
	}
	checked := opts
	if err := checked.check(); err != nil {
		return nil, err
	}
	if err := errors.Join(checkHalf("near", near), checkHalf("far", far)); err != nil {
		return nil, err
	}
	farHalf, err := openHalf(ctx, "far", far)
	if err != nil {
		return nil, err
	}
	nearHalf, err := openHalf(ctx, "near", near)
	if err != nil {
		return nil, errors.Join(err, farHalf.Close())
	}
	if opts.Bus, err = openBus(kind, farHalf, &polls); err != nil {
		return nil, errors.Join(err, nearHalf.Close(), farHalf.Close())
	}
	b, err := New(nearHalf, farHalf, &opts)
	if err != nil {
		errs := []error{err}
		if opts.Bus != nil {
			errs = append(errs, opts.Bus.Close())
		}
		return nil, errors.Join(append(errs, nearHalf.Close(), farHalf.Close())...)
	}
	return b, nil
}

// The kinds of a bus that every far half has.
const (
	busNone = "none"
	busPoll = "poll"
)

// checkHalf checks the URL of a half without opening anything.
func checkHalf(half, rawURL string) error {
	if rawURL == "" {
		return configErrorf("parameter %s is missing; want the URL of the %s half, with each & as "+
			"%%26 and each %% as %%25", half, half)
	}
	if err := core.DefaultRegistry.Check(rawURL, nil); err != nil {
		return halfError(half, err)
	}
	u, err := url.Parse(rawURL)
	if err != nil {
		return configErrorf("%s: the URL is malformed", half)
	}
	for _, name := range []string{"prefix", "default_ttl"} {
		if u.Query().Has(name) {
			return configErrorf("%s: the URL has the parameter %s; want it in the URL of the tier",
				half, name)
		}
	}
	return nil
}

// openHalf opens the backend of a half.
func openHalf(ctx context.Context, half, rawURL string) (core.Backend, error) {
	c, err := core.DefaultRegistry.Open(ctx, rawURL, nil)
	if err != nil {
		return nil, halfError(half, err)
	}
	var b core.Backend
	c.As(&b) // c is not needed any more, and b is not closed
	return b, nil
}

// halfError returns err with the name of the half that it is about.
func halfError(half string, err error) error {
	if inner, ok := strings.CutPrefix(err.Error(), core.ErrConfig.Error()+": "); ok {
		return &partError{half + ": " + inner, err}
	}
	return fmt.Errorf("%s: %w", half, err)
}

// A partError is an error with another text, in which core.ErrConfig stands first once.
type partError struct {
	text string
	err  error
}

func (e *partError) Error() string { return core.ErrConfig.Error() + ": tiered: " + e.text }
func (e *partError) Unwrap() error { return e.err }

// openBus opens a bus of this kind for far, or returns nil for none.
func openBus(kind string, far core.Backend, polls *PollOptions) (core.Bus, error) {
	switch kind {
	case busNone:
		return nil, nil
	case busPoll:
		return NewPoll(far, polls)
	}
	opener, ok := core.Ability[core.BusOpener](far)
	if !ok {
		return nil, configErrorf("bus: the far half has no kinds of its own; want one of %s",
			strings.Join([]string{busNone, busPoll}, ", "))
	}
	bus, err := opener.OpenBus(kind)
	if err != nil {
		return nil, halfError("bus", err)
	}
	return bus, nil
}
