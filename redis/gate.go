package redis

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/rueidis"
)

const (
	// A connection of rueidis holds 2^ringScale requests. If all places are taken, rueidis waits
	// for one, even if the context is done.
	ringScale = 12

	// maxInline is how many verbs may be in progress when another verb begins inline. It leaves
	// room in the ring for the verbs of the goroutines below.
	maxInline = 1 << (ringScale - 1)

	// lanes and laneLen limit the goroutines that own a call. In a cluster each lane is for the
	// keys of some slots. So verbs that wait for a dead server leave room for others.
	lanes   = 16
	laneLen = 64
)

// errInlineDial is the error of a connection that rueidis tries to make inside of a verb whose
// context can be done. This verb has not been sent; see gate.
var errInlineDial = errors.New("not connected")

// errClosed is the error of a verb that runs while its Backend is closed.
var errClosed = errors.New("the backend is closed")

// A gate makes verbs return in time when their context is done.
//
// While rueidis waits for a reply, it returns when the context is done. While it waits for a
// connection or for a place in its ring, it does not. So a verb calls rueidis itself only while
// the gate is open. Otherwise a goroutine calls rueidis, with a context that is never done, and
// the verb waits for the goroutine or for its own context. The goroutine ends when rueidis gives
// up.
//
// The gate closes when a connection is made or lost and when a context has abandoned a verb. It
// opens when a call of such a goroutine succeeds. That call was sent after the abandoned calls.
// So if there is one connection, the server has replied to them. If there are several, this is
// not known, and the gate stays closed for as long as rueidis can take to give up.
//
// A verb may pass an open gate and find that its connection has been lost meanwhile. rueidis
// then tries to connect at once. The dialer refuses that with errInlineDial, and the verb starts
// again with a goroutine.
type gate struct {
	hold time.Duration // how long the gate stays closed after a verb was abandoned

	// The gate stays closed because calls of the client cannot be observed: rueidis was not
	// opened by this package. A goroutine then gets a context that ends after giveUp.
	foreign bool
	giveUp  time.Duration

	shut     atomic.Bool
	until    atomic.Int64 // in nanoseconds since start; before it, the gate does not open
	inFlight atomic.Int64 // verbs in progress

	lanes [lanes]chan struct{} // holds a value for each goroutine
	begun time.Time

	mu      sync.Mutex
	closed  bool           // guarded by mu
	running sync.WaitGroup // Add is called with mu held and closed false
}

func newGate(hold time.Duration) *gate {
	g := &gate{hold: hold, begun: time.Now()}
	for i := range g.lanes {
		g.lanes[i] = make(chan struct{}, laneLen)
	}
	g.shut.Store(true) // nothing is connected
	return g
}

// enter reports whether a verb may call rueidis itself. If so, leave must follow.
func (g *gate) enter(ctx context.Context) bool {
	if ctx.Done() == nil && !g.foreign {
		g.inFlight.Add(1)
		return true
	}
	if g.foreign || g.shut.Load() {
		return false
	}
	if g.inFlight.Add(1) > maxInline {
		g.inFlight.Add(-1)
		return false
	}
	return true
}

func (g *gate) leave() { g.inFlight.Add(-1) }

// close closes the gate.
func (g *gate) close() { g.shut.Store(true) }

// abandon closes the gate because a context has abandoned a verb.
func (g *gate) abandon() {
	if g.hold > 0 {
		g.until.Store(int64(time.Since(g.begun) + g.hold))
	}
	g.shut.Store(true)
}

// succeed opens the gate.
func (g *gate) succeed() {
	if !g.shut.Load() {
		return
	}
	if g.hold > 0 && int64(time.Since(g.begun)) < g.until.Load() {
		return
	}
	g.shut.Store(false)
}

// start registers a goroutine. It reports whether the gate accepts it.
func (g *gate) start() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return false
	}
	g.running.Add(1)
	return true
}

// end refuses more goroutines and waits for those that run.
func (g *gate) end() {
	g.mu.Lock()
	g.closed = true
	g.mu.Unlock()
	g.running.Wait()
}

// own runs call in a goroutine and returns its result, or the error of ctx as soon as ctx is
// done. Call gets a context that rueidis may dial with. It reports whether the server has
// replied. Lane is any number.
func own[T any](ctx context.Context, g *gate, lane int,
	call func(ctx context.Context) (result T, replied bool)) (T, error) {
	var none T
	places := g.lanes[uint(lane)%lanes]
	select {
	case places <- struct{}{}:
	case <-ctx.Done():
		return none, ctx.Err()
	}
	if !g.start() {
		<-places
		return none, errClosed
	}
	done := make(chan T, 1)
	go func() {
		defer g.running.Done()
		defer func() { <-places }()
		owned := context.Background()
		if g.foreign {
			var cancel context.CancelFunc
			owned, cancel = context.WithTimeout(owned, g.giveUp)
			defer cancel()
		}
		g.inFlight.Add(1)
		result, replied := call(owned)
		g.inFlight.Add(-1)
		if replied {
			g.succeed()
		}
		done <- result
	}()
	select {
	case result := <-done:
		return result, nil
	case <-ctx.Done():
		g.abandon()
		return none, ctx.Err()
	}
}

// A kind says whether a command may be sent again if its connection is lost.
type kind bool

const (
	writing kind = false // it may have taken place, and is never sent again
	reading kind = true  // it is sent once more
)

// do sends one command.
func (b *Backend) do(ctx context.Context, c rueidis.Client, cmd rueidis.Completed,
	k kind) rueidis.RedisResult {
	if b.gate.enter(ctx) {
		result := c.Do(ctx, cmd)
		b.gate.leave()
		switch err := result.NonRedisError(); {
		case err == nil:
			return result
		case ctx.Err() != nil:
			b.gate.abandon()
			return result
		case isUnsent(err):
		case k == reading && isLost(err):
			k = writing // sent again once, and not twice
		default:
			return result
		}
	}
	return b.doOwned(ctx, c, cmd, k)
}

// doOwned is do by a goroutine. It is a separate function, so that do does not allocate.
func (b *Backend) doOwned(ctx context.Context, c rueidis.Client, cmd rueidis.Completed,
	k kind) rueidis.RedisResult {
	lane := int(cmd.Slot()&^rueidisNoSlot) / slotsPerLane
	result, err := own(ctx, b.gate, lane, func(ctx context.Context) (rueidis.RedisResult, bool) {
		var result rueidis.RedisResult
		for try := range maxTries {
			result = c.Do(ctx, cmd)
			err := result.NonRedisError()
			if err == nil {
				return result, true
			}
			// rueidis reuses the memory of a command only after a reply.
			if !isUnsent(err) && (k == writing || try > 0 || !isLost(err)) {
				break
			}
		}
		return result, false
	})
	if err != nil {
		return rueidis.NewErrorResult(err)
	}
	return result
}

const (
	rueidisNoSlot = 1 << 15 // is set in the slot of a command that is not for a cluster
	slotsPerLane  = 16384 / lanes

	// maxTries is how often a goroutine sends a command. It may fail because it has joined
	// commands that were refused with errInlineDial, or, for a read, because its connection has
	// been lost.
	maxTries = 4
)

// doMulti sends commands in one pipeline for each server and returns their results. The results
// are never empty. If ctx is done, it returns the error of ctx.
func (b *Backend) doMulti(ctx context.Context, c rueidis.Client, commands []rueidis.Completed,
	k kind) ([]rueidis.RedisResult, error) {
	call := func(ctx context.Context) ([]rueidis.RedisResult, bool) {
		results := c.DoMulti(ctx, commands...)
		for try := 1; try < maxTries; try++ {
			var again []int
			for i, result := range results {
				err := result.NonRedisError()
				if isUnsent(err) || k == reading && try == 1 && isLost(err) {
					again = append(again, i)
				}
			}
			if len(again) == 0 {
				break
			}
			some := make([]rueidis.Completed, len(again))
			for i, at := range again {
				some[i] = commands[at]
			}
			for i, result := range c.DoMulti(ctx, some...) {
				results[again[i]] = result
			}
		}
		for _, result := range results {
			if result.NonRedisError() != nil {
				return results, false
			}
		}
		return results, true
	}
	if ctx.Done() == nil && b.gate.enter(ctx) {
		defer b.gate.leave()
		results, _ := call(ctx)
		return results, nil
	}
	return own(ctx, b.gate, int(commands[0].Slot()&^rueidisNoSlot)/slotsPerLane, call)
}
