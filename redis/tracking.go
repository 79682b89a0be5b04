package redis

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/redis/rueidis"

	"github.com/cachewire/cachewire/core"
)

// A tracking is a bus by client tracking in broadcast mode: the servers report every change of a
// key, by any program.
type tracking struct {
	backend *Backend
	prefix  string // of the keys; "" for all
}

// Publish does nothing, because the servers know.
func (t *tracking) Publish(context.Context, []string) error { return nil }

// Close does nothing, because Subscribe has ended its session.
func (t *tracking) Close() error { return nil }

// Subscribe listens to all primaries.
func (t *tracking) Subscribe(ctx context.Context, f func(core.Notice)) {
	subscribe(ctx, f, t.listen)
}

// A giver calls f, one call at a time, until it is stopped. The connections of a cluster call it
// side by side, and may do so after the session has ended.
type giver struct {
	mu      sync.Mutex
	f       func(core.Notice)
	stopped bool // guarded by mu
}

func (g *giver) give(n core.Notice) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.stopped {
		g.f(n)
	}
}

func (g *giver) stop() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.stopped = true
}

func (t *tracking) listen(ctx context.Context, f func(core.Notice)) (worked bool, err error) {
	g := &giver{f: f}
	defer g.stop()
	s, err := t.backend.openSession(ctx, func(o *rueidis.ClientOption) {
		o.DisableCache = false // otherwise rueidis does not switch tracking on
		o.ClientTrackingOptions = []string{"BCAST"}
		if t.prefix != "" {
			o.ClientTrackingOptions = append(o.ClientTrackingOptions, "PREFIX", t.prefix)
		}
		o.OnInvalidations = func(messages []rueidis.RedisMessage) { g.give(noticeOf(messages)) }
	})
	if errors.Is(err, rueidis.ErrNoCache) {
		return false, fmt.Errorf("%w; CLIENT TRACKING needs Redis 6 and its permission: if it "+
			"cannot be had, use the bus %s", err, busPubSub)
	}
	if err != nil {
		return false, err
	}
	defer s.close()
	// The reply to a PING may arrive before what the server tells of changes that preceded it,
	// since it tells them together at the end of a round of its loop. They arrive before the
	// reply to a later PING.
	var known []node
	var before time.Time
	for {
		start := time.Now()
		nodes, err := t.ping(s)
		switch {
		case err != nil || s.ctx.Err() != nil:
			return worked, s.cause(err)
		case known != nil && !sameNodes(known, nodes):
			return worked, errNewConn
		case known != nil:
			g.give(core.Notice{Synced: before})
			worked = true
			if !wait(s.ctx, beat) {
				return worked, s.cause(nil)
			}
		default:
			s.complete.Store(true) // by this PING, each primary has a connection
		}
		known, before = nodes, start
	}
}

// ping waits for a reply of every primary, and returns them.
func (t *tracking) ping(s *session) ([]node, error) {
	ctx, cancel := context.WithTimeout(s.ctx, t.backend.option.ConnWriteTimeout)
	defer cancel()
	do := func(client rueidis.Client, cmd rueidis.Completed) rueidis.RedisResult {
		return client.Do(ctx, cmd)
	}
	nodes, err := primariesOf(ctx, s.client, do)
	if err != nil {
		return nil, err
	}
	return nodes, on(ctx, nodes, func(_ int, n node) error {
		return do(n.client, n.client.B().Ping().Build()).Error()
	})
}

func sameNodes(a, b []node) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i].addr != b[i].addr {
			return false
		}
	}
	return true
}

// noticeOf returns the notice for a message of the server, which is nil for all keys.
func noticeOf(messages []rueidis.RedisMessage) core.Notice {
	if messages == nil {
		return core.Notice{All: true}
	}
	keys := make([]string, len(messages))
	for i := range messages {
		key, err := messages[i].ToString()
		if err != nil {
			return core.Notice{All: true}
		}
		keys[i] = key
	}
	return core.Notice{Keys: keys}
}
