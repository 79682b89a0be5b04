//go:build slow

package memcachepure_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/memcache"
	"github.com/cachewire/cachewire/memcache/memcachetest"
)

// A server that answers byte by byte may take no longer than one that is silent.
func TestTheTimeOutHoldsForAWholeVerb(t *testing.T) {
	reply := memcachetest.ReplySlowly("VALUE k 0 100 7\r\n"+strings.Repeat("x", 100)+"\r\nEND\r\n", 50*time.Millisecond)
	many := func(c *memcachetest.Conn, _ string) { // one item after the other, each in time
		for i := range 20 {
			fmt.Fprintf(c, "VALUE k%d 0 1 7\r\nx\r\n", i)
			select {
			case <-t.Context().Done():
				return
			case <-time.After(150 * time.Millisecond):
			}
		}
	}
	keys := make([]string, 20)
	for i := range keys {
		keys[i] = fmt.Sprint("k", i)
	}
	for name, step := range map[string]memcachetest.Step{"slow": reply, "items": many, "silent": memcachetest.NoReply()} {
		server := memcachetest.StartHostile(t, memcachetest.InTurn(step))
		c := openCache(t, impatient, server.Addr())
		for what, verb := range map[string]func() error{
			"Get": func() error { _, err := c.Get(context.Background(), "k"); return err },
			"GetMulti": func() error {
				_, err := c.GetMulti(context.Background(), keys)
				return keyError(err, "k19")
			},
			"Set":  func() error { return c.Set(context.Background(), "k", nil, 0) },
			"Incr": func() error { _, err := c.Incr(context.Background(), "k", 1); return err },
		} {
			start := time.Now()
			wantErr(t, verb(), core.ErrUnavailable)
			if took := time.Since(start); took > 8*impatient.Timeout { // an item each 150 ms would take 15
				t.Errorf("%s of a %s server took %v, the time-out is %v", what, name, took, impatient.Timeout)
			}
		}
	}
}

func TestAContextEndsAVerbHoweverDeadTheServer(t *testing.T) {
	server := memcachetest.Start(t, nil)
	c := openCache(t, patient, server.Addr())
	set(t, c, "k", "v")
	server.Pause()
	defer server.Resume()
	for what, verb := range map[string]func(context.Context) error{
		"Get": func(ctx context.Context) error { _, err := c.Get(ctx, "k"); return err },
		"GetMulti": func(ctx context.Context) error {
			_, err := c.GetMulti(ctx, []string{"k", "l"})
			return keyError(err, "l")
		},
		"Set":      func(ctx context.Context) error { return c.Set(ctx, "k", nil, 0) },
		"SetMulti": func(ctx context.Context) error { return keyError(c.SetMulti(ctx, map[string][]byte{"k": nil}, 0), "k") },
		"Flush":    func(ctx context.Context) error { return c.Flush(ctx) },
	} {
		ctx, cancel := context.WithCancel(context.Background())
		result := make(chan error, 1)
		go func() { result <- verb(ctx) }()
		time.AfterFunc(20*time.Millisecond, cancel)
		<-ctx.Done()
		start := time.Now()
		wantErr(t, <-result, context.Canceled)
		if took := time.Since(start); took > 50*time.Millisecond {
			t.Errorf("%s took %v to notice", what, took)
		}
		ctx, cancel = context.WithTimeout(context.Background(), 20*time.Millisecond)
		wantErr(t, verb(ctx), context.DeadlineExceeded)
		cancel()
	}
}

// MaxOpen holds for verbs of every kind, also those that were given up.
func TestThereAreNoMoreConnectionsThanMaxOpen(t *testing.T) {
	server := memcachetest.Start(t, nil)
	proxy := memcachetest.StartProxy(t, server.Addr(), nil)
	opts := *patient
	opts.MaxOpen = 2
	c := openCache(t, &opts, proxy.Addr())
	set(t, c, "k", "v")
	server.Pause()
	defer server.Resume()
	together(20, func() {
		for _, verb := range []func(context.Context) error{
			c.Ping, c.Flush, func(ctx context.Context) error { _, err := c.Get(ctx, "k"); return err },
		} {
			ctx, cancel := context.WithTimeout(context.Background(), 5*time.Millisecond)
			wantErr(t, verb(ctx), context.DeadlineExceeded)
			cancel()
		}
	})
	eventually(t, "connections are 2 or fewer", func() bool { return proxy.Open() <= 2 })
}

// Over a line with a round trip of 100 ms, 100 keys take no longer than five of
// them with 32 connections, of which each is dialled already.
func TestMultiVerbsTakeFewRoundTrips(t *testing.T) {
	const roundTrip = 100 * time.Millisecond
	proxy := memcachetest.StartProxy(t, memcachetest.Start(t, nil).Addr(), nil)
	c := openCache(t, patient, proxy.Addr())
	ctx := t.Context()
	values, keys := map[string][]byte{}, []string{}
	for i := range 100 {
		keys = append(keys, fmt.Sprint("key-", i))
		values[keys[i]] = []byte("value")
	}
	proxy.Set(&memcachetest.ProxyOptions{RoundTrip: roundTrip})
	for name, verb := range map[string]func() error{
		"SetMulti":     func() error { return c.SetMulti(ctx, values, 0) },
		"ReplaceMulti": func() error { return c.ReplaceMulti(ctx, values, 0) },
		"GetMulti":     func() error { _, err := c.GetMulti(ctx, keys); return err },
	} {
		wantErr(t, c.SetMulti(ctx, values, 0), nil) // which also dials
		best := time.Hour
		for range 5 { // the machine may have other things to do
			start := time.Now()
			wantErr(t, verb(), nil)
			best = min(best, time.Since(start))
		}
		if best > 5*roundTrip {
			t.Errorf("%s took %v, want at most 5 round trips of %v", name, best, roundTrip)
		}
	}
	proxy.Set(nil)
	for range 3 {
		wantErr(t, c.DeleteMulti(ctx, keys), nil)
		wantErr(t, c.AddMulti(ctx, values, 0), nil)
	}
	proxy.Set(&memcachetest.ProxyOptions{RoundTrip: roundTrip})
	best := time.Hour
	for range 5 {
		start := time.Now()
		wantErr(t, c.DeleteMulti(ctx, keys), nil)
		wantErr(t, c.AddMulti(ctx, values, 0), nil)
		best = min(best, time.Since(start))
	}
	if best > 10*roundTrip {
		t.Errorf("DeleteMulti and AddMulti took %v, want at most 10 round trips of %v", best, roundTrip)
	}
}

// With Eject the keys of a dead server move, and are back when it is.
func TestEjectMovesTheKeysOfADeadServer(t *testing.T) {
	servers := memcachetest.StartN(t, 3, nil)
	opts := *patient
	opts.Dead, opts.Failures, opts.CoolDown = memcache.Eject, 2, 300*time.Millisecond
	c := openCache(t, &opts, servers.Addrs()...)
	ctx := t.Context()
	servers[1].Kill()
	var failed int
	for i := range 200 {
		if err := c.Set(ctx, fmt.Sprint("key-", i), []byte("v"), 0); err != nil {
			wantErr(t, err, core.ErrUnavailable)
			failed++
		}
	}
	if failed < 2 || failed > 10 { // two, and one each time that the cool-down is over
		t.Errorf("%d of 200 verbs failed", failed)
	}
	servers[1].Restart()
	eventually(t, "the server has keys again", func() bool {
		for i := range 200 {
			c.Set(ctx, fmt.Sprint("key-", i), []byte("v"), 0)
		}
		return servers[1].Stat("curr_items") != "0"
	})
}

func keyError(err error, key string) error {
	var multi *core.MultiError
	if errors.As(err, &multi) {
		return multi.Errors[key]
	}
	return err
}
