package conformance

import (
	"sync"
	"time"
)

// A clock measures how long verbs take, less the time in which the process did not
// run at all: machines that have much to do, and virtual ones, stand still for
// seconds, which is no backend's fault. A nil clock counts everything.
type clock struct {
	mu   sync.Mutex
	last time.Time     // guarded by mu; when the clock was last seen to go
	lost time.Duration // guarded by mu; how much longer than beat it stood still, in all
}

// beat is how often a clock looks whether the process runs.
const beat = 5 * time.Millisecond

// run keeps c going until done is closed.
func (c *clock) run(done <-chan struct{}) {
	ticks := time.NewTicker(beat)
	defer ticks.Stop()
	for {
		select {
		case <-done:
			return
		case <-ticks.C:
			c.standstill()
		}
	}
}

// standstill answers for how long the process has not run since c was made.
func (c *clock) standstill() time.Duration {
	if c == nil {
		return 0
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	c.lost += max(0, now.Sub(c.last)-2*beat)
	c.last = now
	return c.lost
}

// start answers a function that answers how long the process has run since.
func (c *clock) start() (elapsed func() time.Duration) {
	lost, start := c.standstill(), time.Now()
	return func() time.Duration { return time.Since(start) - (c.standstill() - lost) }
}
