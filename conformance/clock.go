package conformance

import (
	"sync"
	"sync/atomic"
	"time"
)

// A clock measures how long verbs take, without the time during which the whole process was
// stopped. A busy or virtual machine can stop a process for seconds, and the backend is not
// to blame for that. A nil clock counts all time.
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

// start starts a measurement. It returns a function that returns how long the process has
// run since then.
func (c *clock) start() (elapsed func() time.Duration) {
	lost, start := c.stalled(), time.Now()
	return func() time.Duration { return time.Since(start) - (c.stalled() - lost) }
}

// A realClock measures real time inside a bubble of testing/synctest.
type realClock struct {
	elapsed atomic.Int64 // nanoseconds since start
	done    chan struct{}
}

// startRealClock starts a realClock. It must be called outside the bubble.
func startRealClock() *realClock {
	c := &realClock{done: make(chan struct{})}
	go func() {
		start := time.Now()
		ticks := time.NewTicker(tick)
		defer ticks.Stop()
		for {
			select {
			case <-c.done:
				return
			case <-ticks.C:
				c.elapsed.Store(int64(time.Since(start)))
			}
		}
	}()
	return c
}

// stop ends the goroutine of c.
func (c *realClock) stop() { close(c.done) }

// now returns the real time that has passed since start.
func (c *realClock) now() time.Duration { return time.Duration(c.elapsed.Load()) }

// sleep waits for d, and reports whether it did. In a bubble, it gives up if the wait takes
// noticeable real time. This happens if the backend has a goroutine that wakes again and
// again, such as one with a ticker. The case then declines the check.
func (e *env) sleep(d time.Duration) bool {
	if e.realClock == nil {
		time.Sleep(d)
		return true
	}
	const limit = 300 * time.Millisecond
	start := e.realClock.now()
	for step := time.Minute; d > 0; step *= 2 {
		if e.realClock.now()-start > limit {
			e.decline(
				"a wait of " + d.Round(time.Second).String() + ": in a bubble it should " +
					"take no time, but a goroutine of the backend, such as one with a ticker, " +
					"runs meanwhile",
			)
			return false
		}
		time.Sleep(min(step, d))
		d -= step
	}
	return true
}

// withShortTTL calls f. The verbs in f give items the time to live ttl, and must end before
// the items expire. If they take too long, because the backend is slow or the machine is
// busy, withShortTTL calls f again with a longer ttl and another round, with which all keys
// must begin. Only the error of the last call counts. It returns the last ttl.
func (e *env) withShortTTL(
	ttl time.Duration, f func(round string, ttl time.Duration) error,
) time.Duration {

	const tries = 6
	for try := 0; ; try, ttl = try+1, 2*ttl {
		start := time.Now()
		err := f(numbered("round ", try)+" ", ttl)
		if took := time.Since(start); took >= ttl && try < tries {
			continue
		} else if took >= ttl {
			e.decline("a short time to live: the verbs of the case took " + took.String())
		} else {
			e.must("verbs before items with a time to live of "+ttl.String()+" expire", err)
		}
		return ttl
	}
}

// eventually reports whether ok returns true. If patient, it calls ok again and again for half
// a second, because a busy machine may be late.
func eventually(patient bool, ok func() bool) bool {
	for tries := 50; !ok(); tries-- {
		if tries == 0 || !patient {
			return false
		}
		time.Sleep(10 * time.Millisecond)
	}
	return true
}
