package tiered

import (
	"context"
	"encoding/binary"
	"errors"
	"hash/fnv"
	"math/rand/v2"
	"strconv"
	"sync"
	"time"

	"github.com/cachewire/cachewire/core"
)

// PollOptions are the settings of a bus that polls. The zero value of a field is its default. All
// processes that share a cache must have the same Prefix.
type PollOptions struct {
	// Prefix begins the keys of the counters. If "", it is "cachewire bus ".
	Prefix string

	// Interval is the pause between two polls, from 10 milliseconds to 1 second. If 0, it is 1
	// second.
	Interval time.Duration
}

const (
	defaultPollPrefix = "cachewire bus "
	maxPoll           = time.Second
	minPoll           = 10 * time.Millisecond

	// shares is the number of counters. The hash of a key chooses its counter.
	shares = 64
)

// A poll is a core.Bus over counters in a backend. Who changes an item increments the counter of
// its share. Every process reads all counters, again and again.
type poll struct {
	cache    *core.Cache // over far; never closed
	keys     [shares]string
	interval time.Duration

	mu  sync.Mutex
	own [shares][]uint64 // guarded by mu; the counters after increments of this process
}

// NewPoll returns a bus that keeps counters in far, and reads them at an interval. It works with
// every backend that keeps counters, and needs no messages. A change of an item costs one increment
// more, and drops the copies of 1/64 of all items in other processes. Close does not close far.
// The error is core.ErrConfig. A nil opts is the zero PollOptions.
func NewPoll(far core.Backend, opts *PollOptions) (core.Bus, error) {
	var o PollOptions
	if opts != nil {
		o = *opts
	}
	if o.Prefix == "" {
		o.Prefix = defaultPollPrefix
	}
	if o.Interval == 0 {
		o.Interval = maxPoll
	}
	switch {
	case far == nil:
		return nil, configErrorf("far is nil; want a backend")
	case len(o.Prefix) > core.MaxPrefixLen:
		return nil, configErrorf("PollOptions.Prefix is %d bytes long; want at most %d",
			len(o.Prefix), core.MaxPrefixLen)
	case o.Interval < minPoll || o.Interval > maxPoll:
		return nil, configErrorf("PollOptions.Interval is %v; want %v to %v, or 0 for %v",
			o.Interval, minPoll, maxPoll, maxPoll)
	}
	cache, err := core.New(far, nil)
	if err != nil {
		return nil, err
	}
	if cache.Traits().KeepsNothing {
		return nil, configErrorf("far is a %T, which keeps no counters; want another backend, or "+
			"no bus", far)
	}
	p := &poll{cache: cache, interval: o.Interval}
	for i := range p.keys {
		p.keys[i] = o.Prefix + strconv.Itoa(i)
	}
	return p, nil
}

// shareOf returns the share of key. All processes must agree on it.
func shareOf(key string) int {
	h := fnv.New64a()
	_, _ = h.Write([]byte(key))
	return int(h.Sum64() % shares)
}

// Publish increments the counters of the shares of keys.
func (p *poll) Publish(ctx context.Context, keys []string) error {
	var changed [shares]bool
	for _, key := range keys {
		changed[shareOf(key)] = true
	}
	var errs [shares]error
	var running sync.WaitGroup
	for i := range changed {
		if changed[i] || keys == nil {
			running.Go(func() { errs[i] = p.increment(ctx, i) })
		}
	}
	running.Wait()
	return errors.Join(errs[:]...)
}

func (p *poll) increment(ctx context.Context, share int) error {
	// A counter that was lost begins somewhere else, so that this looks like a change.
	n, err := p.cache.IncrFrom(ctx, p.keys[share], 1, uint64(rand.Int64()), core.Forever)
	if err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.own[share] = append(p.own[share], n)
	return nil
}

// Subscribe polls.
func (p *poll) Subscribe(ctx context.Context, f func(core.Notice)) {
	ticks := time.NewTicker(p.interval)
	defer ticks.Stop()
	var seen *counters
	for {
		start := time.Now()
		limited, cancel := context.WithTimeout(ctx, max(maxPoll, p.interval))
		now, err := p.read(limited)
		cancel()
		if err == nil {
			if changed := p.compare(seen, now); changed != nil {
				f(core.Notice{Match: func(key string) bool { return changed[shareOf(key)] }})
			}
			seen = now
			f(core.Notice{Synced: start})
		}
		select {
		case <-ticks.C:
		case <-ctx.Done():
			return
		}
	}
}

// counters are the counters at one time. A counter that is absent is nil.
type counters [shares]*uint64

// read reads the counters.
func (p *poll) read(ctx context.Context) (*counters, error) {
	items, err := p.cache.GetItems(ctx, p.keys[:])
	if err != nil {
		return nil, err
	}
	var all counters
	for i, key := range p.keys {
		item, ok := items[key]
		if !ok {
			continue
		}
		n, err := core.ParseCount(item.Value)
		if err != nil { // another program has stored it; any bytes can be compared
			n = digest(item.Value)
		}
		all[i] = &n
	}
	return &all, nil
}

// digest returns a number for bytes that are not one.
func digest(value []byte) uint64 {
	h := fnv.New64a()
	_, _ = h.Write(value)
	return binary.BigEndian.Uint64(h.Sum(nil))
}

// compare returns the shares whose counters have changed from before to now, other than by this
// process, or nil if there are none. Before may be nil.
func (p *poll) compare(before, now *counters) (changed *[shares]bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i := range now {
		var first, last uint64
		known := before != nil && before[i] != nil && now[i] != nil
		if known {
			first, last = *before[i], *now[i]
		}
		own, later := 0, p.own[i][:0]
		for _, n := range p.own[i] {
			switch {
			case n-first-1 < last-first: // from first + 1 to last
				own++
			case n-last-1 < 1<<62: // its poll is to come
				later = append(later, n)
			}
		}
		p.own[i] = later
		absent := before != nil && before[i] == nil && now[i] == nil
		if known && last-first == uint64(own) || absent || before == nil {
			continue
		}
		if changed == nil {
			changed = new([shares]bool)
		}
		changed[i] = true
	}
	return changed
}

// Close does nothing.
func (p *poll) Close() error { return nil }
