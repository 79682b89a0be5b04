package memcachepure_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	gomemcache "github.com/bradfitz/gomemcache/memcache"

	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/encoding"
	"github.com/cachewire/cachewire/memcache"
	memcachepure "github.com/cachewire/cachewire/memcache-pure"
	"github.com/cachewire/cachewire/memcache/memcachetest"
)

// patient waits for slow machines; impatient gives up soon, where that is what is
// tested.
var (
	patient   = &memcachepure.Options{Options: memcache.Options{Timeout: 30 * time.Second}}
	impatient = &memcachepure.Options{Options: memcache.Options{Timeout: 200 * time.Millisecond}}
)

// openCache answers a Cache over the servers at addrs, which is closed when the
// test ends.
func openCache(t testing.TB, opts *memcachepure.Options, addrs ...string) *core.Cache {
	t.Helper()
	c, err := core.New(open(t, opts, addrs...), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func TestFaults(t *testing.T) {
	memcachetest.RunFaults(t, func(t testing.TB, servers []memcache.Server, opts memcache.Options) core.Backend {
		b, err := memcachepure.New(servers, &memcachepure.Options{Options: opts})
		if err != nil {
			t.Fatal(err)
		}
		return b
	})
}

func wantErr(t testing.TB, err, target error) {
	t.Helper()
	if !errors.Is(err, target) {
		t.Errorf("error is %v, want %v", err, target)
	}
}

func set(t testing.TB, c *core.Cache, key, value string) {
	t.Helper()
	if err := c.Set(t.Context(), key, []byte(value), 0); err != nil {
		t.Fatal(err)
	}
}

func wantValue(t testing.TB, c *core.Cache, key, value string) {
	t.Helper()
	if got, err := c.Get(context.Background(), key); string(got) != value || err != nil {
		t.Errorf("Get %q = %.60q, %v; want %.60q", key, got, err, value)
	}
}

// Two servers that count their tokens alike.
func TestATokenOfAnotherCacheIsAConflict(t *testing.T) {
	a := openCache(t, patient, memcachetest.Start(t, nil).Addr())
	b := openCache(t, patient, memcachetest.Start(t, nil).Addr())
	for _, c := range []*core.Cache{a, b} {
		set(t, c, "k", "v")
		set(t, c, "l", "v")
	}
	item, err := a.GetItem(t.Context(), "k")
	wantErr(t, err, nil)
	item.Value = []byte("new")
	wantErr(t, b.CompareAndSwap(t.Context(), item), core.ErrConflict)
	wantErr(t, b.CompareAndDelete(t.Context(), item), core.ErrConflict)
	wantValue(t, b, "k", "v")
	item.Key = "l"
	wantErr(t, a.CompareAndSwap(t.Context(), item), core.ErrConflict)
	item.Key = "k"
	wantErr(t, a.CompareAndSwap(t.Context(), item), nil)
}

// An encoder that answers nothing would have gomemcache send the value as a command.
func TestAKeyThatIsEncodedAsNothingIsNotSent(t *testing.T) {
	opts := *patient
	opts.Keys = func(key string) (string, error) { return strings.TrimPrefix(key, "x:"), nil }
	c := openCache(t, &opts, memcachetest.Start(t, nil).Addr())
	set(t, c, "k", "v")
	wantErr(t, c.Set(t.Context(), "x:", []byte("flush_all\r\n"), 0), core.ErrInvalidKey)
	wantValue(t, c, "k", "v")
	got, err := c.GetMulti(t.Context(), []string{"x:", "x:a b", "k"})
	var multi *core.MultiError
	if !errors.As(err, &multi) || len(multi.Errors) != 2 || string(got["k"]) != "v" {
		t.Errorf("GetMulti = %q, %v; want the value of k, and errors for the others", got, err)
	}
}

// Whatever a hostile server answers to a read or to a write.
func TestAHostileReplyIsUnavailableAndNotBelieved(t *testing.T) {
	for _, reply := range []string{
		"VALUE k 0 4294967295 7\r\n",
		"VALUE k 0 1073741824 7\r\n", // longest, and never comes
		"VALUE other 0 5 7\r\nhello\r\nEND\r\n",
		"VALUE k 0 5 7\r\nhel",
		"VALUE k 0 5 7\r\nhello!!\r\nEND\r\n",
		"VALUE k 0 5 7\r\nhello\r\n",
		"\n", "\r\n", "END\n", "garbage\r\n", "\x00\xff\x81\r\n",
		"END\r\nEND\r\n",
		"STORED\r\nSTORED\r\n",
		"CLIENT_ERROR \n",
		strings.Repeat("x", 100_000),
		"",
	} {
		t.Run(fmt.Sprintf("%.20q", reply), func(t *testing.T) {
			server := memcachetest.StartHostile(t, memcachetest.InTurn(memcachetest.ReplyAndClose(reply)))
			c := openCache(t, impatient, server.Addr())
			ctx := t.Context()
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			value, err := c.Get(ctx, "k")
			wantErr(t, err, core.ErrUnavailable)
			if value != nil || errors.Is(err, core.ErrMiss) {
				t.Errorf("Get = %q, %v", value, err)
			}
			values, err := c.GetMulti(ctx, []string{"k", "l"})
			var multi *core.MultiError
			if !errors.As(err, &multi) || !errors.Is(multi.Errors["l"], core.ErrUnavailable) {
				t.Errorf("GetMulti = %v, %v; want l to be unavailable", values, err)
			}
			for _, err := range []error{
				c.Set(ctx, "k", []byte("v"), 0), c.Add(ctx, "k", []byte("v"), 0), c.Replace(ctx, "k", []byte("v"), 0),
				c.Delete(ctx, "k"), c.Touch(ctx, "k", 0), c.Flush(ctx), c.Ping(ctx),
			} {
				wantErr(t, err, core.ErrUnavailable)
			}
			_, err = c.Incr(ctx, "k", 1)
			wantErr(t, err, core.ErrUnavailable)
			runtime.ReadMemStats(&after)
			if took := after.TotalAlloc - before.TotalAlloc; took > 64<<20 {
				t.Errorf("it took %d MiB of memory", took>>20)
			}
		})
	}
}

// A read that finds its connection closed is sent again, once; a write never is.
func TestOnlyAReadIsSentAgain(t *testing.T) {
	for _, lost := range []string{"", "VALUE k 0 5 7\r\nhel"} {
		server := memcachetest.StartHostile(t, memcachetest.InTurn(
			memcachetest.ReplyAndClose(lost),
			memcachetest.Reply("VALUE k 0 5 7\r\nhello\r\nEND\r\n"),
			memcachetest.ReplyAndClose(lost),
			memcachetest.Reply("VALUE k 0 5 7\r\nhello\r\nEND\r\n"),
			memcachetest.ReplyAndClose(""),
		))
		c := openCache(t, patient, server.Addr())
		wantValue(t, c, "k", "hello")
		values, err := c.GetMulti(t.Context(), []string{"k", "l"})
		if wantErr(t, err, nil); string(values["k"]) != "hello" {
			t.Errorf("GetMulti = %q", values)
		}
		requests := len(server.Requests())
		wantErr(t, c.Ping(t.Context()), core.ErrUnavailable)
		if n := len(server.Requests()) - requests; n != 2 {
			t.Errorf("a Ping was sent %d times, want 2", n)
		}
		requests = len(server.Requests())
		_, err = c.Get(t.Context(), "k")
		wantErr(t, err, core.ErrUnavailable)
		if n := len(server.Requests()) - requests; n != 2 {
			t.Errorf("a Get was sent %d times, want 2", n)
		}
		for what, write := range map[string]func() error{
			"Set":    func() error { return c.Set(t.Context(), "k", nil, 0) },
			"Add":    func() error { return c.Add(t.Context(), "k", nil, 0) },
			"Delete": func() error { return c.Delete(t.Context(), "k") },
			"Touch":  func() error { return c.Touch(t.Context(), "k", 0) },
			"Incr":   func() error { _, err := c.Incr(t.Context(), "k", 1); return err },
			"Flush":  func() error { return c.Flush(t.Context()) },
		} {
			requests := len(server.Requests())
			wantErr(t, write(), core.ErrUnavailable)
			if n := len(server.Requests()) - requests; n != 1 {
				t.Errorf("a %s was sent %d times, want once", what, n)
			}
		}
	}
}

// Items that came before the connection was lost stay, and the others are asked
// for again.
func TestGetMultiKeepsWhatHasCome(t *testing.T) {
	const first = "VALUE a 0 1 7\r\n1\r\nVALUE b 0 1 7\r\n2\r\n"
	server := memcachetest.StartHostile(t, memcachetest.InTurn(
		memcachetest.ReplyAndClose(first), memcachetest.Reply("VALUE d 0 1 7\r\n4\r\nEND\r\n"),
		memcachetest.ReplyAndClose(first), memcachetest.ReplyAndClose(""),
	))
	c := openCache(t, patient, server.Addr())
	keys := []string{"a", "b", "c", "d"}
	got, err := c.GetMulti(t.Context(), keys)
	if len(got) != 3 || string(got["a"]) != "1" || string(got["b"]) != "2" || string(got["d"]) != "4" || err != nil {
		t.Errorf("GetMulti = %q, %v", got, err)
	}
	if requests := server.Requests(); len(requests) != 2 || requests[1] != "gets c d\r\n" {
		t.Errorf("the requests were %q", requests)
	}
	got, err = c.GetMulti(t.Context(), keys)
	var multi *core.MultiError
	if len(got) != 2 || !errors.As(err, &multi) || len(multi.Errors) != 2 || !errors.Is(multi.Errors["c"], core.ErrUnavailable) {
		t.Errorf("GetMulti = %q, %v; want two values, and two errors", got, err)
	}
}

// What the server says of itself does not make it a dead one.
func TestAServerThatAnswersErrorsIsNotEjected(t *testing.T) {
	hostile := memcachetest.StartHostile(t, memcachetest.InTurn(
		memcachetest.ReplyAndClose(""), memcachetest.Reply("SERVER_ERROR out of memory storing object\r\n"),
		memcachetest.ReplyAndClose(""), memcachetest.Reply("SERVER_ERROR out of memory storing object\r\n"),
		memcachetest.ReplyAndClose(""), memcachetest.ReplyAndClose(""),
	))
	opts := *patient
	opts.Dead, opts.Failures, opts.CoolDown = memcache.Eject, 2, time.Hour
	c := openCache(t, &opts, hostile.Addr(), memcachetest.Start(t, nil).Addr())
	var key string
	for i := 0; len(hostile.Requests()) == 0; i++ { // the first of its keys
		key = fmt.Sprint("key-", i)
		c.Set(t.Context(), key, nil, 0)
	}
	for range 5 {
		wantErr(t, c.Set(t.Context(), key, nil, 0), core.ErrUnavailable)
	}
	wantErr(t, c.Set(t.Context(), key, nil, 0), nil) // after two failures in a row
	if n := len(hostile.Requests()); n != 6 {
		t.Errorf("%d requests went to the server, want 6", n)
	}
}

// A large value is one that gomemcache must not make room for before it has come.
func TestALongValueComesThrough(t *testing.T) {
	server := memcachetest.Start(t, &memcachetest.Options{Args: []string{"-I", "8m", "-m", "64"}})
	c := openCache(t, patient, server.Addr())
	for _, n := range []int{1<<20 - 1, 1 << 20, 1<<20 + 1, 7 << 20} {
		want := strings.Repeat("0123456789abcdef", n/16+1)[:n]
		set(t, c, "long", want)
		set(t, c, "short", "s")
		wantValue(t, c, "long", want)
		values, err := c.GetMulti(t.Context(), []string{"short", "long", "absent"})
		if len(values) != 2 || string(values["long"]) != want || string(values["short"]) != "s" || err != nil {
			t.Errorf("GetMulti of %d bytes answers %d values, %v", n, len(values), err)
		}
	}
}

func TestAValueThatTheServerRefusesIsTooLarge(t *testing.T) {
	c := openCache(t, patient, memcachetest.Start(t, nil).Addr())
	large := make([]byte, 2<<20)
	for range 3 {
		wantErr(t, c.Set(t.Context(), "k", large, 0), core.ErrTooLarge)
		wantErr(t, c.Add(t.Context(), "k", large, 0), core.ErrTooLarge)
		set(t, c, "other", "v")
		wantValue(t, c, "other", "v")
	}
}

func TestWhatTheServerSaysIsInTheError(t *testing.T) {
	for reply, want := range map[string]error{
		"SERVER_ERROR out of memory storing object\r\n":                    core.ErrUnavailable,
		"SERVER_ERROR object too large for cache\r\n":                      core.ErrTooLarge,
		"CLIENT_ERROR bad data chunk\r\n":                                  core.ErrUnavailable,
		"ERROR\r\n":                                                        core.ErrUnavailable,
		"CLIENT_ERROR cannot increment or decrement non-numeric value\r\n": core.ErrNotNumber,
		"ERROR Too many open connections\r\n":                              core.ErrUnavailable,
	} {
		server := memcachetest.StartHostile(t, memcachetest.InTurn(memcachetest.Reply(reply)))
		c := openCache(t, impatient, server.Addr())
		_, getErr := c.Get(t.Context(), "k")
		_, incrErr := c.Incr(t.Context(), "k", 1)
		for _, err := range []error{getErr, incrErr, c.Set(t.Context(), "k", nil, 0), c.Delete(t.Context(), "k")} {
			wantErr(t, err, want)
			if !strings.Contains(err.Error(), strings.TrimSpace(reply)) || !strings.Contains(err.Error(), server.Addr()) {
				t.Errorf("the error is %v", err)
			}
		}
	}
}

func TestANumberThatIsNoneIsTypedAndUntouched(t *testing.T) {
	c := openCache(t, patient, memcachetest.Start(t, nil).Addr())
	set(t, c, "k", "text")
	_, err := c.Incr(t.Context(), "k", 1)
	wantErr(t, err, core.ErrNotNumber)
	wantValue(t, c, "k", "text")
}

// With the encoder that changes nothing.
func TestAnIllegalKeyFailsAloneAndIsNotSent(t *testing.T) {
	server := memcachetest.Start(t, nil)
	opts := *patient
	opts.Keys = encoding.String
	b := open(t, &opts, server.Addr())
	c, err := core.New(b, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	set(t, c, "good", "v")
	evil := "k 0 0 1\r\nx\r\nflush_all"
	for _, key := range []string{evil, "a b", strings.Repeat("k", 251)} {
		wantErr(t, c.Set(t.Context(), key, []byte("v"), 0), core.ErrInvalidKey)
		_, err := c.Get(t.Context(), key)
		wantErr(t, err, core.ErrInvalidKey)
		values, err := c.GetMulti(t.Context(), []string{key, "good", "absent"})
		var multi *core.MultiError
		if !errors.As(err, &multi) || len(multi.Errors) != 1 || !errors.Is(multi.Errors[key], core.ErrInvalidKey) || string(values["good"]) != "v" {
			t.Errorf("GetMulti = %q, %v", values, err)
		}
	}
	wantErr(t, b.Store(t.Context(), core.Set, core.Item{Value: []byte("flush_all\r\n")}), core.ErrInvalidKey)
	wantValue(t, c, "good", "v")
}

// Each of many idle connections is dead after a restart, and neither a read nor a
// write pays for it.
func TestARestartCostsNoVerb(t *testing.T) {
	server := memcachetest.Start(t, nil)
	c := openCache(t, patient, server.Addr())
	for _, verb := range []struct {
		name string
		do   func() error
	}{
		{"Set", func() error { return c.Set(context.Background(), "k", []byte("v"), 0) }},
		{"Incr", func() error { _, err := c.IncrFrom(context.Background(), "n", 1, 0, 0); return err }},
		{"Get", func() error {
			if _, err := c.Get(context.Background(), "k"); err != core.ErrMiss {
				return err
			}
			return nil
		}},
		{"Delete", func() error {
			if err := c.Delete(context.Background(), "k"); err != core.ErrMiss {
				return err
			}
			return nil
		}},
	} {
		together(16, func() {
			if err := c.Set(context.Background(), "warm", nil, 0); err != nil {
				t.Error(err)
			}
		})
		server.Restart()
		together(16, func() {
			if err := verb.do(); err != nil {
				t.Errorf("%s after a restart: %v", verb.name, err)
			}
		})
	}
}

// together calls do in n goroutines at once.
func together(n int, do func()) {
	var wg sync.WaitGroup
	for range n {
		wg.Go(do)
	}
	wg.Wait()
}

func TestAsHandsOutTheClient(t *testing.T) {
	c := openCache(t, patient, memcachetest.Start(t, nil).Addr())
	set(t, c, "k", "v")
	var client *gomemcache.Client
	if !c.As(&client) {
		t.Fatal("As answers false")
	}
	if item, err := client.Get("k"); err != nil || string(item.Value) != "v" {
		t.Errorf("Get = %v, %v", item, err)
	}
}

// open answers a Backend over the servers at addrs.
func open(t testing.TB, opts *memcachepure.Options, addrs ...string) *memcachepure.Backend {
	t.Helper()
	servers := make([]memcache.Server, len(addrs))
	for i, addr := range addrs {
		servers[i].Addr = addr
	}
	b, err := memcachepure.New(servers, opts)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
