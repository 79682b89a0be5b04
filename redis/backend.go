package redis

import (
	"context"
	"math/bits"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/rueidis"

	"github.com/cachewire/cachewire/core"
)

// A Backend is a core.Backend over rueidis. It may be used by many goroutines at once.
type Backend struct {
	option   rueidis.ClientOption
	foreign  bool // the client is Options.Client
	plain    bool
	maxValue int

	gate    *gate
	conns   connSet
	closing context.Context
	cancel  context.CancelFunc // ends closing

	client atomic.Pointer[rueidis.Client] // nil until the first verb has connected

	mu      sync.Mutex
	opening *opening // guarded by mu; nil if no goroutine opens the client
	closed  bool     // guarded by mu
}

// A Backend implements core.Backend and these interfaces.
var _ interface {
	core.Backend
	core.ValueGetter
	core.CounterStarter
	core.MultiGetter
	core.MultiStorer
	core.MultiDeleter
	core.TTLReader
	core.ItemTTLReader
	core.Pinger
	core.StatsReader
	core.KeyLister
	core.BusOpener
	core.Unwrapper
	core.TraitsReporter
} = (*Backend)(nil)

// New returns a new Backend. It does not connect; the first verb does. New returns
// core.ErrConfig if opts is nil, or if a field of opts is missing, is out of its range, or
// contradicts another field.
func New(opts *Options) (*Backend, error) {
	if opts == nil {
		return nil, configErrorf("the options are nil; want the address of a server in Addrs")
	}
	o, err := opts.check()
	if err != nil {
		return nil, err
	}
	b := &Backend{plain: o.Plain, maxValue: o.MaxValue, foreign: o.Client != nil}
	b.closing, b.cancel = context.WithCancel(context.Background())
	if b.foreign {
		b.gate = newGate(0)
		b.gate.foreign, b.gate.giveUp = true, 3*o.Timeout
		b.client.Store(&o.Client)
		return b, nil
	}
	hold := 3 * o.Timeout
	if o.Connections == 1 && !o.isCluster() {
		hold = 0
	}
	b.gate = newGate(hold)
	// KeepAlive is the pause after which rueidis sends PING over a silent connection.
	dialer := net.Dialer{Timeout: o.Timeout, KeepAlive: o.Timeout}
	b.option = rueidis.ClientOption{
		InitAddress: o.Addrs,
		Username:    o.Username,
		Password:    o.Password,
		SelectDB:    o.DB,
		TLSConfig:   o.TLS,
		Dialer:      dialer,
		DialCtxFn:   b.dial,
		Sentinel: rueidis.SentinelOption{
			MasterSet: o.Master,
			Username:  o.SentinelUsername,
			Password:  o.SentinelPassword,
			TLSConfig: o.TLS,
			Dialer:    dialer,

			TopologyRefreshInterval: topologyInterval,
		},
		ClusterOption:     rueidis.ClusterOption{MaxMovedRedirections: maxRedirections},
		ClientSetInfo:     rueidis.DisableClientSetInfo,
		ConnWriteTimeout:  o.Timeout,
		RingScaleEachConn: ringScale,
		PipelineMultiplex: multiplex(o.Connections),
		AlwaysPipelining:  true, // otherwise rueidis ignores a cancel
		DisableCache:      true,
		DisableRetry:      true, // otherwise rueidis repeats a read until the context is done
		ForceSingleClient: !o.isCluster() && o.Master == "",
	}
	return b, nil
}

const (
	// topologyInterval is how often the sentinels are asked for the primary, in case one of
	// their messages was missed.
	topologyInterval = 5 * time.Second

	// maxRedirections is how often a verb follows MOVED and ASK.
	maxRedirections = 16
)

// multiplex returns the option of rueidis for n connections, a power of two. 0 would be a
// default that depends on the processors.
func multiplex(n int) int {
	if n == 1 {
		return -1
	}
	return bits.Len(uint(n)) - 1
}

// Traits returns the traits of this backend.
func (b *Backend) Traits() core.Traits {
	return core.Traits{MaxValue: b.maxValue, ByValue: b.plain}
}

// If target is a *rueidis.Client, As sets *target to the client and returns true. If no verb has
// connected yet, As connects, and returns false if that fails. The contract does not cover
// direct use of the client. Close closes the client, unless it is from the Options.
func (b *Backend) As(target any) bool {
	to, ok := target.(*rueidis.Client)
	if !ok {
		return false
	}
	_, _ = b.connect(b.closing) // there may be a client and an error
	c := b.client.Load()
	if c == nil {
		return false
	}
	*to = *c
	return true
}

// Close closes all connections, which ends the verbs that are running, and waits for the
// goroutines of the Backend. In a cluster whose servers have changed, rueidis can keep a goroutine
// for up to 5 seconds longer.
func (b *Backend) Close() error {
	b.cancel()
	b.mu.Lock()
	b.closed = true
	b.mu.Unlock()
	b.conns.close()
	if c := b.client.Load(); c != nil && !b.foreign {
		(*c).Close()
	}
	if !b.foreign {
		b.gate.end()
	}
	return nil
}
