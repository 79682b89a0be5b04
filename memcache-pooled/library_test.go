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

// reply returns a step that sends a reply of the binary protocol, which is described in
// doc/protocol-binary.txt of memcached, to the request. Its token is 7.
func reply(status uint16, extras, key, value string) memcachetest.Step {
	return func(c *memcachetest.Conn, request string) {
		header := make([]byte, 24)
		header[0], header[1] = 0x81, request[1]
		binary.BigEndian.PutUint16(header[2:], uint16(len(key)))
		header[4] = byte(len(extras))
		binary.BigEndian.PutUint16(header[6:], status)
		binary.BigEndian.PutUint32(header[8:], uint32(len(extras)+len(key)+len(value)))
		copy(header[12:16], request[12:16]) // the opaque field
		header[23] = 7
		fmt.Fprint(c, string(header)+extras+key+value)
	}
}

// The library reads flags of 4 bytes and a counter of 8 bytes, and panics if a reply has less.
func TestReplyThatIsTooShortIsAnErrorAndClosesTheConnection(t *testing.T) {
	for name, short := range map[string]memcachetest.Step{
		"Get":  reply(0, "xx", "", "value"),
		"Incr": reply(0, "", "", "xx"),
	} {
		whole := reply(0, "\x00\x00\x00\x00", "", "12345678")
		if name == "Incr" {
			whole = reply(0, "", "", "12345678")
		}
		server := memcachetest.StartHostile(t, memcachetest.InTurn(short, whole))
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
		if err != nil && !strings.Contains(err.Error(), "the reply to command") {
			t.Errorf("%s: error is %v, want one about the reply", name, err)
		}
		wantErr(t, verb(), nil)
		if n := server.Dialled(); n != 2 {
			t.Errorf("%s: %d connections were opened, want 2", name, n)
		}
	}
}

// A reply that has the number of another request, or is for another key, is never taken for the
// reply to the present one.
func TestReplyToAnotherRequestIsAnError(t *testing.T) {
	const flags = "\x00\x00\x00\x00"
	right := reply(0, flags, "", "value")
	for name, wrong := range map[string]memcachetest.Step{
		"the number of the request before": func(c *memcachetest.Conn, request string) {
			before := []byte(request)
			binary.BigEndian.PutUint32(before[12:], binary.BigEndian.Uint32(before[12:])-1)
			right(c, string(before))
		},
		"no number": func(c *memcachetest.Conn, request string) {
			right(c, request[:12]+"\x00\x00\x00\x00"+request[16:])
		},
		"another command": func(c *memcachetest.Conn, request string) {
			right(c, request[:1]+"\x05"+request[2:])
		},
		"twice": func(c *memcachetest.Conn, request string) {
			right(c, request)
			right(c, request)
		},
	} {
		server := memcachetest.StartHostile(t, memcachetest.InTurn(right, wrong, right))
		b := openBackend(t, shortTimeoutOptions, server.Addr())
		defer b.Close()
		for i := range 4 {
			value, err := b.Get(t.Context(), "k")
			switch {
			case (i == 1 || i == 2) && name == "twice":
				// The second copy may come after Get has returned, and meet the next one.
				if !errors.Is(err, core.ErrUnavailable) && (err != nil || string(value) != "value") {
					t.Errorf("%s: Get %d = %q, %v", name, i, value, err)
				}
			case i == 1:
				wantErr(t, err, core.ErrUnavailable)
			case string(value) != "value" || err != nil:
				t.Errorf("%s: Get %d = %q, %v; want its value", name, i, value, err)
			}
		}
	}

	// GetMulti sends a get that has no reply if the key is absent, and then a no-op.
	server := memcachetest.StartHostile(t, memcachetest.InTurn(reply(0, flags, "other", "value")))
	c := openCache(t, shortTimeoutOptions, server.Addr())
	got, err := c.GetMulti(t.Context(), []string{"k", "l"})
	var multi *core.MultiError
	if len(got) != 0 || !errors.As(err, &multi) || len(multi.Errors) != 2 ||
		!errors.Is(multi.Errors["k"], core.ErrUnavailable) {
		t.Errorf("GetMulti returned the value of another key: %q, %v", got, err)
	}
}

func TestErrorContainsTheReplyOfTheServer(t *testing.T) {
	for status, want := range map[uint16]struct {
		err  error
		text string
	}{
		0x01: {core.ErrMiss, ""},
		0x03: {core.ErrTooLarge, "some text"},
		0x04: {core.ErrUnavailable, "some text"},
		0x06: {core.ErrNotNumber, "some text"},
		0x20: {core.ErrUnavailable, "status 0x20"},
		0x81: {core.ErrUnavailable, "some text"},
		0x86: {core.ErrUnavailable, "some text"},
	} {
		server := memcachetest.StartHostile(t,
			memcachetest.InTurn(reply(status, "", "", "some text")))
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
	for name, step := range map[string]memcachetest.Step{
		"error":   reply(0x82, "", "", ""),
		"invalid": memcachetest.Reply("garbage of 24 bytes or so"),
	} {
		hostile := memcachetest.StartHostile(t, memcachetest.InTurn(step))
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
		if name == "invalid" {
			want = 2
		}
		if n := len(hostile.Requests()); n != want {
			t.Errorf("a server with %s replies received %d requests, want %d", name, n, want)
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
		wantErr(t, c.Delete(t.Context(), "k"), nil) // Replace has left the item
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
	} {
		wantErr(t, err, core.ErrUnavailable)
		if err == nil || !strings.Contains(err.Error(), "-C") {
			t.Errorf("%s: error is %v, want one that mentions -C", verb, err)
		}
	}
	wantValue(t, c, "k", "v")
	wantErr(t, c.Replace(t.Context(), "k", []byte("new"), 0), nil)
	wantErr(t, c.Touch(t.Context(), "k", time.Hour), nil)
	wantValue(t, c, "k", "new")
}

// The library has no Touch, and the driver must not make it of a read and a write.
func TestTouchDoesNotUndoAConcurrentIncr(t *testing.T) {
	server := memcachetest.Start(t, nil)
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

func TestRefusedFlushIsAnErrorAndDoesNotEject(t *testing.T) {
	server := memcachetest.Start(t, &memcachetest.Options{Args: []string{"-F"}})
	opts := *longTimeoutOptions
	opts.Dead, opts.Failures, opts.CoolDown = memcache.Eject, 1, time.Hour
	c := openCache(t, &opts, server.Addr())
	set(t, c, "k", "v")
	err := c.Flush(t.Context())
	wantErr(t, err, core.ErrUnavailable)
	if err == nil || !strings.Contains(err.Error(), "status 0x20") {
		t.Errorf("error is %v, want one about the refused flush", err)
	}
	wantValue(t, c, "k", "v")
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
