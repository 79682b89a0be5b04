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

// RunFaults runs, as subtests of t, what a driver for memcached has to bear: servers
// that die, stand still, answer slowly, in halves or nonsense, and contexts that
// are done at every moment of a verb. Open answers a Backend of the driver over
// servers, with opts; RunFaults closes it. It is to have room for 64 verbs at once.
//
// Package conformance knows no servers, so this is not part of it. It takes some five
// seconds, in which no other test may run.
func RunFaults(t *testing.T, open func(t testing.TB, servers []memcache.Server, opts memcache.Options) core.Backend) {
	for _, fault := range faults {
		t.Run(fault.name, func(t *testing.T) {
			if fault.waits {
				t.Parallel()
			}
			fault.run(&victim{t, open})
		})
	}
}

var faults = []struct {
	name  string
	run   func(v *victim)
	waits bool // it mostly waits, and so runs in parallel with others that wait
}{
	{"a dead server costs its own keys only", deadServerCostsItsOwnKeys, false},
	{"a dead server's keys move with Eject, and come back", ejectMovesKeys, false},
	{"an ejected server is left alone, but for one verb each cool-down", ejectedServerIsLeftAlone, false},
	{"a server is killed, paused and restarted under load", serverComesAndGoes, false},
	{"a name is resolved on each dial", namesAreResolvedOnEachDial, false},
	{"nonsense is not believed", nonsenseIsNotBelieved, false},
	{"half a reply is none", halfAReplyIsNone, false},
	{"a reply that drips has the time-out of one that never comes", replyThatDripsTimesOut, true},
	{"a context that is done ends a verb at any point", contextEndsVerbs, true},
	{"ten thousand cancelled verbs leave nothing behind", cancelledVerbsLeaveNothing, false},
	{"100 keys take no more than 5 round trips", multiVerbsTakeFewRoundTrips, true},
	{"a multi verb asks all servers at once", multiVerbsAskAllServersAtOnce, false},
}

// A victim is the driver in one of the faults.
type victim struct {
	*testing.T
	backend func(t testing.TB, servers []memcache.Server, opts memcache.Options) core.Backend
}

// patient is for what must not fail on slow machines; impatient gives up soon,
// where that is what is tested.
var (
	patient   = memcache.Options{Timeout: 30 * time.Second}
	impatient = memcache.Options{Timeout: 200 * time.Millisecond}
)

// open answers a Cache over the servers at addrs, which is closed with the test.
func (v *victim) open(opts memcache.Options, addrs ...string) *core.Cache {
	v.Helper()
	cache, err := core.New(v.backend(v, serversAt(addrs), opts), nil)
	if err != nil {
		v.Fatal(err)
	}
	v.Cleanup(func() { cache.Close() })
	return cache
}

func serversAt(addrs []string) []memcache.Server {
	servers := make([]memcache.Server, len(addrs))
	for i, addr := range addrs {
		servers[i].Addr = addr
	}
	return servers
}

func (v *victim) wantErr(what string, err, target error) {
	v.Helper()
	if !errors.Is(err, target) {
		v.Errorf("%s: error is %v, want %v", what, err, target)
	}
}

// eventually waits until ok answers true.
func (v *victim) eventually(what string, ok func() bool) {
	v.Helper()
	for deadline := time.Now().Add(patience); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			v.Fatalf("%v later still not so: %s", patience, what)
		}
	}
}

// takes says that do must take no longer than limit, once in some tries: a machine
// that has other things to do is late, but never early. It is never late by
// patience.
func (v *victim) takes(what string, limit time.Duration, do func()) {
	v.Helper()
	var best time.Duration
	for try := range 10 {
		start := time.Now()
		do()
		took := time.Since(start)
		if took <= limit {
			return
		}
		if took > limit+patience {
			v.Fatalf("%s took %v, want %v", what, took, limit)
		}
		if try == 0 || took < best {
			best = took
		}
	}
	v.Errorf("%s took %v, want %v", what, best, limit)
}

// A verb is one of core.Cache.
type verb struct {
	name string
	call func(ctx context.Context, c *core.Cache) error
}

// verbs are all about the key k. The error of a multi verb is that of k.
var verbs = []verb{
	{"Get", func(ctx context.Context, c *core.Cache) error { _, err := c.Get(ctx, "k"); return err }},
	{"GetMulti", func(ctx context.Context, c *core.Cache) error {
		_, err := c.GetMulti(ctx, []string{"k", "l"})
		return keyError(err, "k")
	}},
	{"Set", func(ctx context.Context, c *core.Cache) error { return c.Set(ctx, "k", []byte("v"), 0) }},
	{"SetMulti", func(ctx context.Context, c *core.Cache) error {
		return keyError(c.SetMulti(ctx, map[string][]byte{"k": []byte("v"), "l": nil}, 0), "k")
	}},
	{"Add", func(ctx context.Context, c *core.Cache) error { return c.Add(ctx, "k", []byte("v"), 0) }},
	{"Replace", func(ctx context.Context, c *core.Cache) error { return c.Replace(ctx, "k", []byte("v"), 0) }},
	{"Delete", func(ctx context.Context, c *core.Cache) error { return c.Delete(ctx, "k") }},
	{"DeleteMulti", func(ctx context.Context, c *core.Cache) error {
		return keyError(c.DeleteMulti(ctx, []string{"k", "l"}), "k")
	}},
	{"Incr", func(ctx context.Context, c *core.Cache) error { _, err := c.Incr(ctx, "k", 1); return err }},
	{"Touch", func(ctx context.Context, c *core.Cache) error { return c.Touch(ctx, "k", time.Hour) }},
	{"Flush", func(ctx context.Context, c *core.Cache) error { return c.Flush(ctx) }},
	{"Ping", func(ctx context.Context, c *core.Cache) error { return c.Ping(ctx) }},
}

// keyError answers the error of key in that of a multi verb.
func keyError(err error, key string) error {
	var multi *core.MultiError
	if errors.As(err, &multi) {
		return multi.Errors[key]
	}
	return err
}

// failures answers how many keys failed in a multi verb.
func failures(err error) int {
	var multi *core.MultiError
	if errors.As(err, &multi) {
		return len(multi.Errors)
	}
	if err != nil {
		return math.MaxInt32 // it tells nothing of keys
	}
	return 0
}

// numbered answers n keys and a value for each.
func numbered(n int) ([]string, map[string][]byte) {
	keys, values := make([]string, n), make(map[string][]byte, n)
	for i := range keys {
		keys[i] = fmt.Sprint("key-", i)
		values[keys[i]] = fmt.Append(nil, "value-", i)
	}
	return keys, values
}
