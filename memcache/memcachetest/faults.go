package memcachetest

import (
	"context"
	"errors"
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/memcache"
)

// RunFaults tests, in subtests of t, how a driver for memcached handles faults: servers
// that die, hang, reply slowly, send half a reply or random bytes, and contexts that are
// done at any moment of a verb. Open returns a new Backend of the driver over servers, with
// opts; RunFaults closes it. The Backend must allow 64 verbs to run at once.
//
// RunFaults is not part of package conformance, which does not know memcached. It takes
// about five seconds. No other test may run at the same time.
func RunFaults(
	t *testing.T, open func(servers []memcache.Server, opts memcache.Options) (core.Backend, error),
) {
	runFaults(t, math.MaxInt, open)
}

// RunPipelineFaults is RunFaults for a driver that sends the requests of all verbs over one
// connection to each server. It leaves out what can only be tested with more connections.
func RunPipelineFaults(
	t *testing.T, open func(servers []memcache.Server, opts memcache.Options) (core.Backend, error),
) {
	runFaults(t, 1, open)
}

func runFaults(
	t *testing.T, most int,
	open func(servers []memcache.Server, opts memcache.Options) (core.Backend, error),
) {
	for _, fault := range faults {
		if fault.connections > most {
			continue
		}
		t.Run(fault.name, func(t *testing.T) {
			if fault.waits {
				t.Parallel()
			}
			fault.run(&driverTest{t, open, most})
		})
	}
}

var faults = []struct {
	name  string
	run   func(d *driverTest)
	waits bool // whether it mostly waits, so that it runs in parallel with others that wait

	connections int // how many to a server it needs; 0 if any number
}{
	{"live idle connections are used while new ones are refused", liveConnectionsAreUsed, false,
		20},
	{"a server at its limit of connections serves those that it has", fullServerIsUsed, false, 0},
	{"after one time-out, idle connections are tried before use", silentConnectionsAreTried, true,
		0},
	{"counters of 2^63 and more can be changed", largeCountersCanBeChanged, false, 0},
	{"the longest time to live is that of the traits", longestTTLIsKept, false, 0},
	{"a reply that comes twice is never taken for another", doubledRepliesAreNotTaken, false, 0},
	{"a length in a reply is not believed", lengthIsNotBelieved, false, 0},
	{"only the keys of a dead server fail", onlyKeysOfDeadServerFail, false, 0},
	{"Eject moves the keys of a dead server until it is back", ejectMovesKeys, false, 0},
	{"an ejected server gets one verb each cool-down", ejectedServerGetsOneVerb, false, 0},
	{"a name is resolved when a connection is opened", namesAreResolvedByDialing, false, 0},
	{"when a name gets another address, all connections move", namesAreFollowed, false, 0},
	{"with Expand, each address of a name is a server", namesAreExpanded, false, 0},
	{"SetServers moves the keys that must move, while verbs run", listsCanBeReplaced, false, 0},
	{"idle and old connections are closed", connectionsAge, false, 0},
	{"a login is sent to a server that requires one", loginsAreSent, false, 0},
	{"Eject returns old values, and Fail does not", ejectReturnsOldValues, false, 0},
	{"a trial that ends by its context is repeated", abandonedTrialsAreRepeated, false, 0},
	{"verbs succeed after a restart", verbsSucceedAfterRestart, false, 0},
	{"Close ends running verbs", closeEndsRunningVerbs, false, 0},
	{"verbs work over TLS", verbsWorkOverTLS, false, 0},
	{"a context and Close end a handshake and a login", contextAndCloseEndADial, false, 0},
	{"a reply of random bytes is an error", garbageIsAnError, false, 0},
	{"a truncated reply is an error", truncatedReplyIsAnError, false, 0},
	{"a reply that drips times out like one that never comes", drippingReplyTimesOut, true, 0},
	{"a context that is done ends a verb at any point", contextEndsVerbs, true, 0},
	{"ten thousand cancelled verbs leave nothing behind", cancelledVerbsLeaveNothing, false, 0},
	{"100 keys take at most 5 round trips", multiVerbsTakeFewRoundTrips, true, 0},
	{"a multi verb sends to all servers at once", multiVerbsSendToAllServersAtOnce, false, 0},
}

// A driverTest is the test of one fault.
type driverTest struct {
	*testing.T
	backend func(servers []memcache.Server, opts memcache.Options) (core.Backend, error)
	most    int // connections to a server that the driver opens for verbs
}

// connections returns how many connections the driver opens to a server for n verbs.
func (d *driverTest) connections(n int) int { return min(n, d.most) }

// Most tests use longTimeoutOptions, so that they pass on slow machines. Tests of time-outs
// use shortTimeoutOptions.
var (
	longTimeoutOptions  = memcache.Options{Timeout: 30 * time.Second}
	shortTimeoutOptions = memcache.Options{Timeout: 200 * time.Millisecond}
)

// open returns a Cache over the servers at addrs. It is closed when the test ends.
func (d *driverTest) open(opts memcache.Options, addrs ...string) *core.Cache {
	d.Helper()
	backend, err := d.backend(serversAt(addrs), opts)
	if err != nil {
		d.Fatal(err)
	}
	cache, err := core.New(backend, nil)
	if err != nil {
		d.Fatal(err)
	}
	d.Cleanup(func() { cache.Close() })
	return cache
}

func serversAt(addrs []string) []memcache.Server {
	servers := make([]memcache.Server, len(addrs))
	for i, addr := range addrs {
		servers[i].Addr = addr
	}
	return servers
}

func (d *driverTest) wantErr(call string, err, target error) {
	d.Helper()
	if !errors.Is(err, target) {
		d.Errorf("%s: error is %v, want %v", call, err, target)
	}
}

// eventually waits until ok returns true. The error describes that as condition.
func (d *driverTest) eventually(condition string, ok func() bool) {
	d.Helper()
	for deadline := time.Now().Add(maxWait); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			d.Fatalf("after %v it is still not true that %s", maxWait, condition)
		}
	}
}

// checkWithin checks that at least one of ten calls of do takes no longer than limit,
// because a busy machine makes calls slower, but never faster. A call that takes maxWait
// longer than limit fails the test at once.
func (d *driverTest) checkWithin(call string, limit time.Duration, do func()) {
	d.Helper()
	var best time.Duration
	for try := range 10 {
		start := time.Now()
		do()
		took := time.Since(start)
		if took <= limit {
			return
		}
		if took > limit+maxWait {
			d.Fatalf("%s took %v, want at most %v", call, took, limit)
		}
		if try == 0 || took < best {
			best = took
		}
	}
	d.Errorf("%s took %v, want at most %v", call, best, limit)
}

// A verb calls a verb of a Cache.
type verb struct {
	name string
	call func(ctx context.Context, c *core.Cache) error
}

// verbs are calls with the key k. A multi verb returns the error of k.
var verbs = []verb{
	{"Get", func(ctx context.Context, c *core.Cache) error {
		_, err := c.Get(ctx, "k")
		return err
	}},
	{"GetMulti", func(ctx context.Context, c *core.Cache) error {
		_, err := c.GetMulti(ctx, []string{"k", "l"})
		return keyError(err, "k")
	}},
	{"Set", func(ctx context.Context, c *core.Cache) error {
		return c.Set(ctx, "k", []byte("v"), 0)
	}},
	{"SetMulti", func(ctx context.Context, c *core.Cache) error {
		return keyError(c.SetMulti(ctx, map[string][]byte{"k": []byte("v"), "l": nil}, 0), "k")
	}},
	{"Add", func(ctx context.Context, c *core.Cache) error {
		return c.Add(ctx, "k", []byte("v"), 0)
	}},
	{"Replace", func(ctx context.Context, c *core.Cache) error {
		return c.Replace(ctx, "k", []byte("v"), 0)
	}},
	{"Delete", func(ctx context.Context, c *core.Cache) error { return c.Delete(ctx, "k") }},
	{"DeleteMulti", func(ctx context.Context, c *core.Cache) error {
		return keyError(c.DeleteMulti(ctx, []string{"k", "l"}), "k")
	}},
	{"Incr", func(ctx context.Context, c *core.Cache) error {
		_, err := c.Incr(ctx, "k", 1)
		return err
	}},
	{"Touch", func(ctx context.Context, c *core.Cache) error {
		return c.Touch(ctx, "k", time.Hour)
	}},
	{"Flush", func(ctx context.Context, c *core.Cache) error { return c.Flush(ctx) }},
	{"Ping", func(ctx context.Context, c *core.Cache) error { return c.Ping(ctx) }},
}

// keyError returns the error of key in err, the error of a multi verb. If err is not a
// MultiError, keyError returns err.
func keyError(err error, key string) error {
	var multi *core.MultiError
	if errors.As(err, &multi) {
		return multi.Errors[key]
	}
	return err
}

// failedKeys returns how many keys failed, by err, the error of a multi verb.
func failedKeys(err error) int {
	var multi *core.MultiError
	if errors.As(err, &multi) {
		return len(multi.Errors)
	}
	if err != nil {
		return math.MaxInt32 // err is not about keys
	}
	return 0
}

// numberedKeys returns n keys, and a value for each.
func numberedKeys(n int) ([]string, map[string][]byte) {
	keys, values := make([]string, n), make(map[string][]byte, n)
	for i := range keys {
		keys[i] = fmt.Sprint("key-", i)
		values[keys[i]] = fmt.Append(nil, "value-", i)
	}
	return keys, values
}
