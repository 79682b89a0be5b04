package memory

import (
	"math"
	"sync"
	"sync/atomic"
	"time"
	"weak"
)

// A wakeTimer sweeps when the interval of the earliest item that expires is over, whether
// anything is stored or not. It rests while no item expires. It does not keep a Backend in
// memory that nothing else uses.
type wakeTimer struct {
	// from is the beginning of the interval at whose end the timer fires, as a time of
	// Backend.now, or atRest. No item expires before it. Stores only lower it.
	from atomic.Int64

	mu     sync.Mutex // guards the fields below; held for no longer than setting a timer
	timer  *time.Timer
	after  int64 // the timer does not fire before this time
	awake  bool  // wake runs, and sets the timer at its end
	closed bool
}

const atRest = math.MaxInt64

// wakeShare bounds the processor time of the timer: between two of its sweeps it waits at least
// wakeShare times as long as the first of them took.
const wakeShare = 3

func (w *wakeTimer) init(b *Backend) {
	w.from.Store(atRest)
	w.after = math.MinInt64
	ref := weak.Make(b)
	w.timer = time.AfterFunc(time.Hour, func() {
		if b := ref.Value(); b != nil {
			b.wake()
		}
	})
	w.timer.Stop()
}

// wakeFor makes sure that the timer fires when the interval of deadline is over.
func (b *Backend) wakeFor(deadline int64) {
	w := &b.wakeTimer
	from := deadline - mod(deadline, b.interval)
	for {
		old := w.from.Load()
		if from >= old {
			return
		}
		if w.from.CompareAndSwap(old, from) {
			b.setTimer()
			return
		}
	}
}

// setTimer sets the timer to the time that wakeTimer.from demands.
func (b *Backend) setTimer() {
	w := &b.wakeTimer
	w.mu.Lock()
	defer w.mu.Unlock()
	from := w.from.Load()
	if from == atRest || w.awake || w.closed {
		return
	}
	now := b.now()
	at := max(min(from, math.MaxInt64-b.interval)+b.interval, w.after)
	w.timer.Reset(time.Duration(max(at-now, 0)))
}

// wake sweeps all intervals that are over, and sets the timer for the next one in which an item
// expires.
func (b *Backend) wake() {
	w := &b.wakeTimer
	if !w.begin() {
		return
	}
	// From here on, stores lower from for the items that this sweep may not see.
	w.from.Store(atRest)
	earliest, took := b.sweepAll()
	w.end(b.now() + wakeShare*took)
	if earliest != atRest {
		b.wakeFor(earliest)
	}
	b.setTimer()
}

// begin reports whether wake may run: no other one does.
func (w *wakeTimer) begin() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.awake {
		return false
	}
	w.awake = true
	return true
}

// end says that wake has swept. The timer does not fire before the time after.
func (w *wakeTimer) end(after int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.awake, w.after = false, after
}

// sweepAll sweeps all intervals that are over. It returns a time that is not after the deadline of
// any item that it has left, or atRest if none of them expires, and how long it has swept.
func (b *Backend) sweepAll() (earliest, took int64) {
	s := &b.sweeper
	s.mu.Lock()
	defer s.mu.Unlock()
	now := b.now() // not before the time of the last store that swept
	defer func() { took = b.now() - now }()
	s.earliest = atRest
	sh := &b.shards[s.nextShard]
	sh.mu.Lock()
	sh.restartSweep()
	sh.mu.Unlock()
	s.nextShard, s.endTick = 0, max(s.endTick, now/s.interval)
	for ; s.nextShard < len(b.shards); s.nextShard++ {
		for finished := false; !finished; {
			if b.wakeTimer.isClosed() {
				return atRest, 0
			}
			_, finished = b.shards[s.nextShard].sweep(s.nextTick.Load(), s.endTick, now, sweepBudget)
		}
	}
	s.nextShard = 0
	s.nextTick.Store(s.endTick)
	return s.earliest, 0
}

func (w *wakeTimer) isClosed() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.closed
}

// closeTimer stops the timer permanently, and waits until no sweep of it is running.
func (b *Backend) closeTimer() {
	w := &b.wakeTimer
	w.mu.Lock()
	w.closed = true
	w.timer.Stop()
	w.mu.Unlock()
	b.sweeper.mu.Lock()
	defer b.sweeper.mu.Unlock()
}
