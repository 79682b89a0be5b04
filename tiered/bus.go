package tiered

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cachewire/cachewire/core"
)

// A busState is what a Backend knows about its Bus, and has for it.
type busState struct {
	backend *Backend
	bus     core.Bus
	stop    context.CancelFunc // ends the goroutines

	up     atomic.Bool  // whether copies may be trusted for NearTTL
	synced atomic.Int64 // Notice.Synced of the last Notice that had it, as Backend.now
	lost   atomic.Uint64
	drops  atomic.Uint64

	turn sync.Mutex // held while a Notice is handled; guards changes of up
	told bool       // guarded by turn; whether it was reported that the Bus is down

	mu      sync.Mutex
	pending map[string]struct{} // guarded by mu; keys that have changed and are to be published
	all     bool                // guarded by mu; everything has changed, and pending is empty
	wake    chan struct{}       // has a value if something is pending
}

const (
	// maxPending is how many keys may wait to be published. If there are more, everything is
	// published as changed.
	maxPending = 10_000

	// publishLen is how many keys are published at once.
	publishLen = 1000

	// minPause and maxPause limit the pause after a Publish that failed.
	minPause = 50 * time.Millisecond
	maxPause = time.Second

	// lastPublish is how long Close tries to publish what is pending.
	lastPublish = time.Second
)

// startBus starts the goroutines for the Bus, which end with Close.
func (b *Backend) startBus() {
	ctx, stop := context.WithCancel(context.Background())
	s := &busState{
		backend: b,
		bus:     b.opts.Bus,
		stop:    stop,
		pending: map[string]struct{}{},
		wake:    make(chan struct{}, 1),
	}
	b.bus = s
	b.running.Go(func() {
		s.bus.Subscribe(ctx, s.handle)
		if ctx.Err() == nil {
			s.handle(core.Notice{Lost: errSubscribe})
		}
	})
	b.running.Go(func() { s.watch(ctx) })
	b.running.Go(func() { s.publishPending(ctx) })
}

var errSubscribe = errors.New("tiered: Subscribe of the bus has returned")

// handle handles a Notice.
func (s *busState) handle(n core.Notice) {
	s.turn.Lock()
	defer s.turn.Unlock()
	b := s.backend
	switch {
	case n.Lost != nil:
		s.lose(n.Lost)
	case n.All:
		s.dropAll()
	case n.Match != nil:
		s.drops.Add(b.dropMatching(n.Match))
	}
	for _, key := range n.Keys {
		if b.drop(key) {
			s.drops.Add(1)
		}
	}
	if n.Synced.IsZero() {
		return
	}
	s.synced.Store(int64(n.Synced.Sub(b.begun)))
	if !s.up.Load() && !s.isSilent() {
		s.dropAll() // what was missed while the bus was down
		s.up.Store(true)
		s.told = false
		s.report(nil)
	}
}

func (s *busState) dropAll() {
	if near, err := s.backend.near.Stats(context.Background()); err == nil {
		s.drops.Add(near.Items)
	}
	s.backend.dropAll()
}

// lose makes copies be trusted no longer. The caller holds turn.
func (s *busState) lose(err error) {
	s.up.Store(false)
	s.dropAll()
	if !s.told {
		s.told = true
		s.lost.Add(1)
		s.report(err)
	}
}

func (s *busState) report(err error) {
	if f := s.backend.opts.OnBus; f != nil {
		f(err)
	}
}

// isSilent reports whether the last sign of life is too old.
func (s *busState) isSilent() bool {
	return s.backend.now()-time.Duration(s.synced.Load()) >= s.backend.opts.MaxStale
}

// watch drops the copies when the Bus has been silent for MaxStale.
func (s *busState) watch(ctx context.Context) {
	limit := s.backend.opts.MaxStale
	timer := time.NewTimer(limit)
	defer timer.Stop()
	for {
		select {
		case <-timer.C:
		case <-ctx.Done():
			return
		}
		left := time.Duration(s.synced.Load()) + limit - s.backend.now()
		if left <= 0 {
			s.turn.Lock()
			if s.up.Load() && s.isSilent() {
				s.lose(fmt.Errorf("tiered: the bus has been silent for %v", limit))
			}
			s.turn.Unlock()
			left = limit
		}
		timer.Reset(left)
	}
}

// publish publishes, soon, that the item under key has changed.
func (s *busState) publish(key string) {
	s.mu.Lock()
	switch {
	case s.all:
	case len(s.pending) < maxPending:
		s.pending[key] = struct{}{}
	default:
		s.setAll()
	}
	s.mu.Unlock()
	s.wakeUp()
}

// publishAll publishes, soon, that everything has changed.
func (s *busState) publishAll() {
	s.mu.Lock()
	s.setAll()
	s.mu.Unlock()
	s.wakeUp()
}

// setAll makes everything pending. The caller holds mu.
func (s *busState) setAll() {
	s.all = true
	clear(s.pending)
}

func (s *busState) wakeUp() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// take returns what is pending, at most publishLen keys or nil for everything, and reports
// whether there is something.
func (s *busState) take() (keys []string, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.all {
		s.all = false
		return nil, true
	}
	for key := range s.pending {
		if len(keys) == publishLen {
			break
		}
		keys = append(keys, key)
		delete(s.pending, key)
	}
	return keys, len(keys) > 0
}

// publishPending publishes what is pending until ctx is done, and then for lastPublish.
func (s *busState) publishPending(ctx context.Context) {
	for pause := minPause; ; {
		keys, ok := s.take()
		if !ok {
			select {
			case <-s.wake:
				continue
			case <-ctx.Done():
			}
		} else if err := s.bus.Publish(ctx, keys); err == nil {
			pause = minPause
			continue
		} else {
			s.giveBack(keys)
		}
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
			pause = min(2*pause, maxPause)
			continue
		case <-ctx.Done():
			timer.Stop()
		}
		break
	}
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastPublish)
	defer cancel()
	for keys, ok := s.take(); ok; keys, ok = s.take() {
		if s.bus.Publish(last, keys) != nil {
			return
		}
	}
}

// giveBack makes keys pending again, or everything if keys is nil.
func (s *busState) giveBack(keys []string) {
	if keys == nil {
		s.publishAll()
	}
	for _, key := range keys {
		s.publish(key)
	}
}

// addTo adds the figures of the Bus.
func (s *busState) addTo(stats *core.NearStats) {
	stats.HasBus, stats.BusUp = true, s.up.Load()
	stats.Drops, stats.BusLost = s.drops.Load(), s.lost.Load()
}
