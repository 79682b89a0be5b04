package memcachepooled_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/memcache"
	"github.com/cachewire/cachewire/memcache/memcachetest"
)

// The tests in this file are about faults of the library that the driver corrects. The
// conformance suite and TestFaults have more such tests.

// response returns a reply of the binary protocol, which is described in
// doc/protocol-binary of memcached.
func response(status uint16, extras, key, value string) string {
	header := make([]byte, 24)
	header[0] = 0x81
	binary.BigEndian.PutUint16(header[2:], uint16(len(key)))
	header[4] = byte(len(extras))
	binary.BigEndian.PutUint16(header[6:], status)
	binary.BigEndian.PutUint32(header[8:], uint32(len(extras)+len(key)+len(value)))
	binary.BigEndian.PutUint64(header[16:], 7) // the token
	return string(header) + extras + key + value
}

func TestPanicInTheLibraryIsAnErrorAndDestroysTheClient(t *testing.T) {
	// The library reads flags of 4 bytes and a counter of 8 bytes. These replies have only 2.
	for name, reply := range map[string]string{
		"Get":  response(0, "xx", "", "value"),
		"Incr": response(0, "", "", "xx"),
	} {
		server := memcachetest.StartHostile(t, memcachetest.InTurn(
			memcachetest.Reply(reply),
			memcachetest.Reply(response(0, "\x00\x00\x00\x00", "", "12345678")),
		))
		b := openBackend(t, shortTimeoutOptions, server.Addr())
		defer b.Close()
		verb := func() (err error) {
			if name == "Get" {
				_, err = b.GetItem(context.Background(), "k")
			} else {
				_, err = b.Incr(context.Background(), "k", 1)
			}
			return err
		}
		err := verb()
		wantErr(t, err, core.ErrUnavailable)
		if err != nil && !strings.Contains(err.Error(), "panic in the client library") {
			t.Errorf("%s: error is %v, want one about a panic", name, err)
		}
		wantErr(t, verb(), nil)
		if n := server.Dialled(); n != 2 {
			t.Errorf("%s: %d connections were opened, want 2", name, n)
		}
		eventually(t, "the client is destroyed", func() bool {
			stats, _ := b.Stats(context.Background()) // an error, because the server has no stats
			return stats.Pool.Destroyed == 1
		})
	}
}

func TestErrorContainsTheReplyOfTheServer(t *testing.T) {
	for status, want := range map[uint16]struct {
		err  error
		text string
	}{
		0x01: {core.ErrMiss, ""},
		0x03: {core.ErrTooLarge, "value too large"},
		0x04: {core.ErrUnavailable, "invalid arguments"},
		0x06: {core.ErrNotNumber, "non-numeric"},
		0x20: {core.ErrUnavailable, "status 0x20"},
		0x81: {core.ErrUnavailable, "unknown command"},
		0x82: {core.ErrUnavailable, "out of memory"},
		0x84: {core.ErrUnavailable, "internal error"},
		0x85: {core.ErrUnavailable, "busy"},
		0x86: {core.ErrUnavailable, "temporary failure"},
	} {
		reply := response(status, "", "", "some text")
		server := memcachetest.StartHostile(t, memcachetest.InTurn(memcachetest.Reply(reply)))
		c := openCache(t, longTimeoutOptions, server.Addr())
		_, getErr := c.Get(t.Context(), "k")
		_, incrErr := c.Incr(t.Context(), "k", 1)
		setErr, deleteErr := c.Set(t.Context(), "k", nil, 0), c.Delete(t.Context(), "k")
		for _, err := range []error{getErr, incrErr, setErr, deleteErr} {
			wantErr(t, err, want.err)
			if want.text != "" &&
				(!strings.Contains(err.Error(), want.text) ||
					!strings.Contains(err.Error(), server.Addr())) {
				t.Errorf("status %#02x: error is %v, want one with %q and the address",
					status, err, want.text)
			}
		}
	}
}

// A server that sends error replies is not ejected. One that sends invalid replies is.
func TestServerThatRepliesWithErrorsIsNotEjected(t *testing.T) {
	for reply, ejects := range map[string]bool{
		response(0x82, "", "", ""):  false,
		"garbage of 24 bytes or so": true,
	} {
		hostile := memcachetest.StartHostile(t, memcachetest.InTurn(memcachetest.Reply(reply)))
		opts := *longTimeoutOptions
		opts.Dead, opts.Failures, opts.CoolDown = memcache.Eject, 2, time.Hour
		c := openCache(t, &opts, hostile.Addr(), memcachetest.Start(t, nil).Addr())
		var key string
		for i := 0; len(hostile.Requests()) == 0; i++ { // find a key of the hostile server
			key = fmt.Sprint("key-", i)
			c.Set(t.Context(), key, nil, 0)
		}
		for range 5 {
			c.Set(t.Context(), key, nil, 0)
		}
		want := 6
		if ejects {
			want = 2
		}
		if n := len(hostile.Requests()); n != want {
			t.Errorf("a server that replies %q received %d requests, want %d", reply, n, want)
		}
	}
}

func TestValueThatTheServerRefusesIsErrTooLarge(t *testing.T) {
	c := openCache(t, longTimeoutOptions, memcachetest.Start(t, nil).Addr())
	large := make([]byte, 2<<20)
	for range 3 {
		wantErr(t, c.Set(t.Context(), "k", large, 0), core.ErrTooLarge)
		wantErr(t, c.Add(t.Context(), "k", large, 0), core.ErrTooLarge)
		set(t, c, "k", "v")
		wantErr(t, c.Replace(t.Context(), "k", large, 0), core.ErrTooLarge)
		wantErr(t, c.Delete(t.Context(), "k"), core.ErrMiss) // Replace deleted the item
	}
}

// The library sends any key. With a key of 65,536 bytes, the length in the request
// overflows, and another key would be overwritten.
func TestInvalidKeyIsNotSent(t *testing.T) {
	server := memcachetest.Start(t, nil)
	opts := *longTimeoutOptions
	opts.Keys = func(key string) (string, error) { return strings.TrimPrefix(key, "x:"), nil }
	c := openCache(t, &opts, server.Addr())
	for _, key := range []string{
		"x:", "a b", "a\x00", strings.Repeat("k", 251), strings.Repeat("k", core.MaxKeyLen),
	} {
		wantErr(t, c.Set(t.Context(), key, nil, 0), core.ErrInvalidKey)
		got, err := c.GetMulti(t.Context(), []string{key, "valid"})
		var multi *core.MultiError
		if !errors.As(err, &multi) || len(multi.Errors) != 1 || len(got) != 0 {
			t.Errorf("GetMulti = %v, %v; want no values, and one error", got, err)
		}
		set(t, c, "valid", "v")
		wantValue(t, c, "valid", "v")
		wantErr(t, c.Delete(t.Context(), "valid"), nil)
	}
	if n := server.Stat("cmd_set"); n != "5" {
		t.Errorf("the server received %s sets, want only the 5 of the valid key", n)
	}
}

// With a token of 0, the library would store without a condition.
func TestItemsOfAServerWithoutTokensAreNotOverwritten(t *testing.T) {
	server := memcachetest.Start(t, &memcachetest.Options{Args: []string{"-C"}})
	c := openCache(t, longTimeoutOptions, server.Addr())
	set(t, c, "k", "v")
	item, err := c.GetItem(t.Context(), "k")
	wantErr(t, err, nil)
	swapped := core.Item{Key: "k", Value: []byte("new"), Token: item.Token}
	for verb, err := range map[string]error{
		"CompareAndSwap":   c.CompareAndSwap(t.Context(), swapped),
		"CompareAndDelete": c.CompareAndDelete(t.Context(), item),
		"Replace":          c.Replace(t.Context(), "k", []byte("new"), 0),
		"Touch":            c.Touch(t.Context(), "k", time.Hour),
	} {
		wantErr(t, err, core.ErrUnavailable)
		if err == nil || !strings.Contains(err.Error(), "-C") {
			t.Errorf("%s: error is %v, want one that mentions -C", verb, err)
		}
	}
	wantValue(t, c, "k", "v")
}

// After a restart, reads succeed. A write succeeds if its connection was idle for more than a
// second. Otherwise one write returns ErrUnavailable.
func TestAtMostOneWriteFailsAfterARestart(t *testing.T) {
	server := memcachetest.Start(t, nil)
	c := openCache(t, longTimeoutOptions, server.Addr())
	ctx := context.Background()
	set(t, c, "k", "v")
	server.Restart()
	if _, err := c.Get(ctx, "k"); err != core.ErrMiss {
		t.Errorf("Get: error is %v, want %v", err, core.ErrMiss)
	}
	set(t, c, "k", "v")
	server.Restart()
	wantErr(t, c.Set(ctx, "k", nil, 0), core.ErrUnavailable)
	eventually(t, "the client of the write is destroyed", func() bool {
		return poolStats(t, c).Destroyed == 1
	})
	writes := map[string]func(c *core.Cache) error{
		"Set":    func(c *core.Cache) error { return c.Set(ctx, "k", []byte("v"), 0) },
		"Add":    func(c *core.Cache) error { return c.Add(ctx, "added", []byte("v"), 0) },
		"Incr":   func(c *core.Cache) error { _, err := c.IncrFrom(ctx, "n", 1, 0, 0); return err },
		"Flush":  func(c *core.Cache) error { return c.Flush(ctx) },
		"Delete": func(c *core.Cache) error { return ignoreMiss(c.Delete(ctx, "k")) },
	}
	caches := map[string]*core.Cache{} // one for each write, so that all are idle at the same time
	for name := range writes {
		caches[name] = openCache(t, longTimeoutOptions, server.Addr())
		set(t, caches[name], "warm", "v")
	}
	server.Restart()
	idleUntil := time.Now().Add(1100 * time.Millisecond)
	eventually(t, "the connections were idle for more than a second", func() bool {
		return time.Now().After(idleUntil)
	})
	for name, write := range writes {
		if err := write(caches[name]); err != nil {
			t.Errorf("%s after a restart: error is %v", name, err)
		}
	}
}

func ignoreMiss(err error) error {
	if err == core.ErrMiss {
		return nil
	}
	return err
}

// Touch is a read and a write, and another client may change the item in between. The
// server has one thread: with several, memcached 1.6.18 may return the old value of a
// counter with its new token; see the documentation of the package.
func TestTouchDoesNotUndoAConcurrentIncr(t *testing.T) {
	server := memcachetest.Start(t, &memcachetest.Options{Args: []string{"-t", "1"}})
	c := openCache(t, longTimeoutOptions, server.Addr())
	ctx := context.Background()
	if _, err := c.IncrFrom(ctx, "n", 0, 0, 0); err != nil {
		t.Fatal(err)
	}
	const workers, rounds = 8, 50
	concurrently(workers, func() {
		for range rounds {
			wantErr(t, c.Touch(ctx, "n", time.Hour), nil)
			_, err := c.Incr(ctx, "n", 1)
			wantErr(t, err, nil)
		}
	})
	if n, err := c.Count(ctx, "n"); n != workers*rounds || err != nil {
		t.Errorf("Count = %d, %v; want %d", n, err, workers*rounds)
	}
}

// The server claims for every write that another client has changed the item.
func TestItemThatAlwaysChangesIsAConflict(t *testing.T) {
	gets := 0
	step := func(c *memcachetest.Conn, request string) {
		if request[1] == 0 { // get
			gets++
			fmt.Fprint(c, response(0, "\x00\x00\x00\x00", "", "value"))
		} else {
			fmt.Fprint(c, response(2, "", "", "Data exists for key."))
		}
	}
	server := memcachetest.StartHostile(t, memcachetest.InTurn(step))
	c := openCache(t, longTimeoutOptions, server.Addr())
	wantErr(t, c.Replace(t.Context(), "k", nil, 0), core.ErrConflict)
	if gets != 256 {
		t.Errorf("Replace tried %d times, want 256", gets)
	}
	err := c.Touch(t.Context(), "k", 0)
	wantErr(t, err, core.ErrConflict)
	const want = "in each try, another client changed the item"
	if err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("error is %v, want one with %q", err, want)
	}
}

// If the item changed in every try until the time-out, the error is ErrConflict and not
// ErrUnavailable, because the server responded.
func TestItemThatChangesUntilTheTimeOutIsAConflict(t *testing.T) {
	step := func(c *memcachetest.Conn, request string) {
		if request[1] == 0 { // get
			time.Sleep(5 * time.Millisecond) // 256 times this is longer than the time-out
			fmt.Fprint(c, response(0, "\x00\x00\x00\x00", "", "value"))
		} else {
			fmt.Fprint(c, response(2, "", "", ""))
		}
	}
	server := memcachetest.StartHostile(t, memcachetest.InTurn(step))
	b := openBackend(t, shortTimeoutOptions, server.Addr())
	defer b.Close()
	for range 5 { // if the time-out is over during a write, the error is not ErrConflict
		if err := b.Touch(t.Context(), "k", time.Hour); errors.Is(err, core.ErrConflict) {
			return
		}
	}
	t.Errorf("no Touch returned %v", core.ErrConflict)
}

func TestRefusedFlushIsAnErrorAndDoesNotEject(t *testing.T) {
	server := memcachetest.Start(t, &memcachetest.Options{Args: []string{"-F"}})
	opts := *longTimeoutOptions
	opts.Dead, opts.Failures, opts.CoolDown = memcache.Eject, 1, time.Hour
	c := openCache(t, &opts, server.Addr())
	set(t, c, "k", "v")
	err := c.Flush(t.Context())
	wantErr(t, err, core.ErrUnavailable)
	if err == nil || !strings.Contains(err.Error(), "refuses to flush") {
		t.Errorf("error is %v, want one about the refused flush", err)
	}
	wantValue(t, c, "k", "v")
	if p := poolStats(t, c); p.Destroyed != 0 {
		t.Errorf("%d clients were destroyed, want 0", p.Destroyed)
	}
}

// The library would send the part of a value above 4 GiB as commands.
func TestValueThatNoServerAcceptsIsNotSent(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector needs memory even for pages that are never used")
	}
	b := openBackend(t, longTimeoutOptions, "127.0.0.1:1") // no server listens here
	defer b.Close()
	err := b.Store(t.Context(), core.Set, core.Item{Key: "k", Value: make([]byte, 1<<30+1)})
	wantErr(t, err, core.ErrTooLarge)
}
