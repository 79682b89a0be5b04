package conformance

import (
	"sync"
	"time"
)

// A clock measures how long verbs take, without the time during which the whole process
// was stopped. A busy machine or a virtual one can stop a process for seconds, which is not
// the fault of the backend. A nil clock leaves nothing out.
type clock struct {
	mu   sync.Mutex
	last time.Time     // guarded by mu; when stalled was last called
	lost time.Duration // guarded by mu; how much the calls were late, beyond 2 ticks each
}

// tick is the interval at which run calls stalled.
const tick = 5 * time.Millisecond

// run keeps c up to date until done is closed.
func (c *clock) run(done <-chan struct{}) {
	ticks := time.NewTicker(tick)
	defer ticks.Stop()
	for {
		select {
		case <-done:
			return
		case <-ticks.C:
			c.stalled()
		}
	}
}

// stalled returns how long the process has been stopped since c was made.
func (c *clock) stalled() time.Duration {
	if c == nil {
		return 0
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	c.lost += max(0, now.Sub(c.last)-2*tick)
	c.last = now
	return c.lost
}

// start returns a function that returns how long the process has run since start was
// called.
func (c *clock) start() (elapsed func() time.Duration) {
	lost, start := c.stalled(), time.Now()
	return func() time.Duration { return time.Since(start) - (c.stalled() - lost) }
}
