package redis

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/redis/rueidis"

	"github.com/cachewire/cachewire/core"
)

// The kinds of a bus; the documentation of the package describes them.
const (
	busTracking = "tracking"
	busPubSub   = "pubsub"
)

// OpenBus returns a bus of the kind "tracking" or "pubsub", as core.BusOpener says; the
// documentation of the package describes them. The bus connects when it is subscribed to. It
// returns core.ErrConfig if there is no such kind, or if the Backend was made with
// Options.Client, whose connections it cannot make.
func (b *Backend) OpenBus(kind string) (core.Bus, error) {
	if b.foreign {
		return nil, configErrorf("Options.Client is set, but a bus makes connections of its own; " +
			"want Addrs")
	}
	name, rest, given := strings.Cut(kind, ":")
	switch {
	case name == busTracking:
		return &tracking{backend: b, prefix: rest}, nil
	case name == busPubSub && (rest != "" || !given):
		return newPubSub(b, rest), nil
	}
	return nil, configErrorf("the kind of the bus is %.40q; want %s, %s:PREFIX, %s or %s:CHANNEL",
		kind, busTracking, busTracking, busPubSub, busPubSub)
}

const (
	// beat is the pause between two signs of life.
	beat = 500 * time.Millisecond

	// minBusPause and maxBusPause limit the pause between two sessions.
	minBusPause = 20 * time.Millisecond
	maxBusPause = time.Second
)

// subscribe calls listen again and again until ctx is done, and f in between. Listen runs until
// the connection is lost, and returns why. It reports whether it has worked before.
func subscribe(ctx context.Context, f func(core.Notice),
	listen func(ctx context.Context, f func(core.Notice)) (worked bool, err error)) {
	for pause := minBusPause; ; pause = min(2*pause, maxBusPause) {
		worked, err := listen(ctx, f)
		if ctx.Err() != nil {
			return
		}
		f(core.Notice{Lost: err})
		if worked {
			pause = minBusPause
		}
		if !wait(ctx, pause) {
			return
		}
	}
}

// wait waits for d, and reports whether ctx is not done before.
func wait(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// A session is a client with connections of its own. It ends when one of them is lost, because
// then a message may be lost. It also ends when another one is made after it is complete: the
// server may have told something before.
type session struct {
	client   rueidis.Client
	ctx      context.Context // done when the session has ended; its cause says why
	end      context.CancelCauseFunc
	conns    connSet
	complete atomic.Bool
}

var (
	errConnLost = errors.New("redis: the connection of the bus is lost")
	errNewConn  = errors.New("redis: the servers have changed")
)

// openSession connects. Change changes the options of the client.
func (b *Backend) openSession(ctx context.Context, change func(o *rueidis.ClientOption)) (
	*session, error) {
	s := &session{}
	s.ctx, s.end = context.WithCancelCause(ctx)
	context.AfterFunc(s.ctx, s.conns.close) // ends what waits for a server
	option := b.option
	option.PipelineMultiplex = multiplex(1)
	option.DialCtxFn = func(ctx context.Context, address string, dialer *net.Dialer,
		config *tls.Config) (net.Conn, error) {
		lost := func() { s.end(errConnLost) }
		if option.Sentinel.MasterSet != "" && slices.Contains(option.InitAddress, address) {
			lost = func() {} // a sentinel tells nothing
		} else if s.complete.Load() {
			s.end(errNewConn)
		}
		return connectTo(s.ctx, address, dialer, config, &s.conns, lost)
	}
	change(&option)
	var err error
	if s.client, err = rueidis.NewClient(option); err != nil {
		s.close()
		return nil, fmt.Errorf("%w: %w", core.ErrUnavailable, err)
	}
	return s, nil
}

// close ends the session.
func (s *session) close() {
	s.end(errClosed)
	s.conns.close()
	if s.client != nil {
		s.client.Close()
	}
}

// cause returns why the session has ended, or err if it has not.
func (s *session) cause(err error) error {
	if s.ctx.Err() != nil {
		return context.Cause(s.ctx)
	}
	return fmt.Errorf("%w: %w", core.ErrUnavailable, err)
}
