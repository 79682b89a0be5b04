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

// What the library gets wrong, and the driver right. More of it is in the
// conformance suite and among the faults.

// response answers a reply of the binary protocol, as doc/protocol-binary of
// memcached has it.
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

func TestAPanicInTheLibraryIsAnErrorAndDestroysTheClient(t *testing.T) {
	// Flags of two bytes, and then a counter of two: it reads four and eight.
	for what, reply := range map[string]string{"Get": response(0, "xx", "", "value"), "Incr": response(0, "", "", "xx")} {
		server := memcachetest.StartHostile(t, memcachetest.InTurn(
			memcachetest.Reply(reply),
			memcachetest.Reply(response(0, "\x00\x00\x00\x00", "", "12345678")),
		))
		b := open(t, impatient, server.Addr())
		defer b.Close()
		verb := func() (err error) {
			if what == "Get" {
				_, err = b.GetItem(context.Background(), "k")
			} else {
				_, err = b.Incr(context.Background(), "k", 1)
			}
			return err
		}
		err := verb()
		wantErr(t, err, core.ErrUnavailable)
		if err != nil && !strings.Contains(err.Error(), "panic in the client library") {
			t.Errorf("%s: error is %v", what, err)
		}
		wantErr(t, verb(), nil)
		if n := server.Dialled(); n != 2 {
			t.Errorf("%s: %d connections were made, want 2", what, n)
		}
		eventually(t, "the client is destroyed", func() bool {
			stats, _ := b.Stats(context.Background()) // of the server there are none
			return stats.Pool.Destroyed == 1
		})
	}
}

func TestWhatTheServerSaysIsInTheError(t *testing.T) {
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
		server := memcachetest.StartHostile(t, memcachetest.InTurn(memcachetest.Reply(response(status, "", "", "some text"))))
		c := openCache(t, patient, server.Addr())
		_, getErr := c.Get(t.Context(), "k")
		_, incrErr := c.Incr(t.Context(), "k", 1)
		for _, err := range []error{getErr, incrErr, c.Set(t.Context(), "k", nil, 0), c.Delete(t.Context(), "k")} {
			wantErr(t, err, want.err)
			if want.text != "" && (!strings.Contains(err.Error(), want.text) || !strings.Contains(err.Error(), server.Addr())) {
				t.Errorf("status %#02x: the error is %v", status, err)
			}
		}
	}
}

// A server that answers, if only errors, is not ejected; one that answers nonsense is.
func TestAServerThatAnswersErrorsIsNotEjected(t *testing.T) {
	for reply, ejects := range map[string]bool{response(0x82, "", "", ""): false, "garbage of 24 bytes or so": true} {
		hostile := memcachetest.StartHostile(t, memcachetest.InTurn(memcachetest.Reply(reply)))
		opts := *patient
		opts.Dead, opts.Failures, opts.CoolDown = memcache.Eject, 2, time.Hour
		c := openCache(t, &opts, hostile.Addr(), memcachetest.Start(t, nil).Addr())
		var key string
		for i := 0; len(hostile.Requests()) == 0; i++ { // the first of its keys
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
			t.Errorf("%d requests went to a server that answers %q, want %d", n, reply, want)
		}
	}
}

func TestAValueThatTheServerRefusesIsTooLarge(t *testing.T) {
	c := openCache(t, patient, memcachetest.Start(t, nil).Addr())
	large := make([]byte, 2<<20)
	for range 3 {
		wantErr(t, c.Set(t.Context(), "k", large, 0), core.ErrTooLarge)
		wantErr(t, c.Add(t.Context(), "k", large, 0), core.ErrTooLarge)
		set(t, c, "k", "v")
		wantErr(t, c.Replace(t.Context(), "k", large, 0), core.ErrTooLarge)
		wantErr(t, c.Delete(t.Context(), "k"), core.ErrMiss) // as the documentation says
	}
}

// The library sends any key: at 65,536 bytes its length wraps, and another key
// would be overwritten.
func TestAnIllegalKeyIsNotSent(t *testing.T) {
	server := memcachetest.Start(t, nil)
	opts := *patient
	opts.Keys = func(key string) (string, error) { return strings.TrimPrefix(key, "x:"), nil }
	c := openCache(t, &opts, server.Addr())
	for _, key := range []string{"x:", "a b", "a\x00", strings.Repeat("k", 251), strings.Repeat("k", core.MaxKeyLen)} {
		wantErr(t, c.Set(t.Context(), key, nil, 0), core.ErrInvalidKey)
		got, err := c.GetMulti(t.Context(), []string{key, "legal"})
		var multi *core.MultiError
		if !errors.As(err, &multi) || len(multi.Errors) != 1 || len(got) != 0 {
			t.Errorf("GetMulti = %v, %v", got, err)
		}
		set(t, c, "legal", "v")
		wantValue(t, c, "legal", "v")
		wantErr(t, c.Delete(t.Context(), "legal"), nil)
	}
	if n := server.Stat("cmd_set"); n != "5" {
		t.Errorf("%s sets reached the server, want the 5 of legal keys", n)
	}
}

// The library takes a token of 0 for no condition.
func TestAServerWithoutTokensIsNotOverwritten(t *testing.T) {
	server := memcachetest.Start(t, &memcachetest.Options{Args: []string{"-C"}})
	c := openCache(t, patient, server.Addr())
	set(t, c, "k", "v")
	item, err := c.GetItem(t.Context(), "k")
	wantErr(t, err, nil)
	for what, err := range map[string]error{
		"CompareAndSwap":   c.CompareAndSwap(t.Context(), core.Item{Key: "k", Value: []byte("new"), Token: item.Token}),
		"CompareAndDelete": c.CompareAndDelete(t.Context(), item),
		"Replace":          c.Replace(t.Context(), "k", []byte("new"), 0),
		"Touch":            c.Touch(t.Context(), "k", time.Hour),
	} {
		wantErr(t, err, core.ErrUnavailable)
		if err == nil || !strings.Contains(err.Error(), "-C") {
			t.Errorf("%s: error is %v", what, err)
		}
	}
	wantValue(t, c, "k", "v")
}

// After a restart a read costs nothing. A write costs nothing either if its
// connection was idle for more than a second; else it is unavailable, once.
func TestARestartCostsOneWriteAtMost(t *testing.T) {
	server := memcachetest.Start(t, nil)
	c := openCache(t, patient, server.Addr())
	ctx := context.Background()
	set(t, c, "k", "v")
	server.Restart()
	if _, err := c.Get(ctx, "k"); err != core.ErrMiss {
		t.Errorf("Get: error is %v, want %v", err, core.ErrMiss)
	}
	set(t, c, "k", "v")
	server.Restart()
	wantErr(t, c.Set(ctx, "k", nil, 0), core.ErrUnavailable)
	eventually(t, "its client is destroyed", func() bool { return poolOf(t, c).Destroyed == 1 })
	writes := map[string]func(c *core.Cache) error{
		"Set":    func(c *core.Cache) error { return c.Set(ctx, "k", []byte("v"), 0) },
		"Add":    func(c *core.Cache) error { return c.Add(ctx, "added", []byte("v"), 0) },
		"Incr":   func(c *core.Cache) error { _, err := c.IncrFrom(ctx, "n", 1, 0, 0); return err },
		"Flush":  func(c *core.Cache) error { return c.Flush(ctx) },
		"Delete": func(c *core.Cache) error { return ignoreMiss(c.Delete(ctx, "k")) },
	}
	caches := map[string]*core.Cache{} // one for each write, so that all wait at once
	for name := range writes {
		caches[name] = openCache(t, patient, server.Addr())
		set(t, caches[name], "warm", "v")
	}
	server.Restart()
	idle := time.Now().Add(1100 * time.Millisecond)
	eventually(t, "the connections were idle for more than a second", func() bool { return time.Now().After(idle) })
	for name, write := range writes {
		if err := write(caches[name]); err != nil {
			t.Errorf("%s after a restart: %v", name, err)
		}
	}
}

func ignoreMiss(err error) error {
	if err == core.ErrMiss {
		return nil
	}
	return err
}

// Replace and Touch are a read and a write, which others may come between. The server has
// one thread: with several, memcached 1.6.18 itself can answer a counter's old value with
// its new token; see the package's documentation.
func TestReplaceAndTouchLoseNoRace(t *testing.T) {
	c := openCache(t, patient, memcachetest.Start(t, &memcachetest.Options{Args: []string{"-t", "1"}}).Addr())
	ctx := context.Background()
	if _, err := c.IncrFrom(ctx, "n", 0, 0, 0); err != nil {
		t.Fatal(err)
	}
	const workers, rounds = 8, 50
	together(workers, func() {
		for range rounds {
			wantErr(t, c.Touch(ctx, "n", time.Hour), nil)
			_, err := c.Incr(ctx, "n", 1)
			wantErr(t, err, nil)
		}
	})
	if n, err := c.Count(ctx, "n"); n != workers*rounds || err != nil {
		t.Errorf("the counter is %d, %v; want %d: a Touch has undone an Incr", n, err, workers*rounds)
	}
}

// Somebody always comes between.
func TestARaceThatIsAlwaysLostIsAConflict(t *testing.T) {
	gets := 0
	server := memcachetest.StartHostile(t, memcachetest.InTurn(func(c *memcachetest.Conn, request string) {
		if request[1] == 0 { // get
			gets++
			fmt.Fprint(c, response(0, "\x00\x00\x00\x00", "", "value"))
		} else {
			fmt.Fprint(c, response(2, "", "", "Data exists for key."))
		}
	}))
	c := openCache(t, patient, server.Addr())
	wantErr(t, c.Replace(t.Context(), "k", nil, 0), core.ErrConflict)
	if gets != 256 {
		t.Errorf("%d tries, want 256", gets)
	}
	err := c.Touch(t.Context(), "k", 0)
	wantErr(t, err, core.ErrConflict)
	if err == nil || !strings.Contains(err.Error(), "each time others changed the item") {
		t.Errorf("the error is %v", err)
	}
}

// A race that is lost until the time is over is one, too, and no fault of the server's.
func TestARaceThatTakesTooLongIsAConflict(t *testing.T) {
	server := memcachetest.StartHostile(t, memcachetest.InTurn(func(c *memcachetest.Conn, request string) {
		if request[1] == 0 {
			time.Sleep(5 * time.Millisecond) // 256 times that is longer than the time-out
			fmt.Fprint(c, response(0, "\x00\x00\x00\x00", "", "value"))
		} else {
			fmt.Fprint(c, response(2, "", "", ""))
		}
	}))
	b := open(t, impatient, server.Addr())
	defer b.Close()
	for range 5 { // where the time is over in the midst of a write, that is no conflict
		if err := b.Touch(t.Context(), "k", time.Hour); errors.Is(err, core.ErrConflict) {
			return
		}
	}
	t.Error("no Touch told of a conflict")
}

// A server that refuses to flush is not a dead one.
func TestAFlushThatIsRefused(t *testing.T) {
	server := memcachetest.Start(t, &memcachetest.Options{Args: []string{"-F"}})
	opts := *patient
	opts.Dead, opts.Failures, opts.CoolDown = memcache.Eject, 1, time.Hour
	c := openCache(t, &opts, server.Addr())
	set(t, c, "k", "v")
	err := c.Flush(t.Context())
	wantErr(t, err, core.ErrUnavailable)
	if err == nil || !strings.Contains(err.Error(), "refuses to flush") {
		t.Errorf("error is %v", err)
	}
	wantValue(t, c, "k", "v")
	if p := poolOf(t, c); p.Destroyed != 0 {
		t.Errorf("%d clients were destroyed", p.Destroyed)
	}
}

// The library would send what is above 4 GiB as commands.
func TestAValueThatNoServerTakesIsNotSent(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector takes memory for memory that is never touched")
	}
	b := open(t, patient, "127.0.0.1:1") // where nobody is
	defer b.Close()
	err := b.Store(t.Context(), core.Set, core.Item{Key: "k", Value: make([]byte, 1<<30+1)})
	wantErr(t, err, core.ErrTooLarge)
}
