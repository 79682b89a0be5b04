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

// Most tests use longTimeoutOptions, so that they pass on slow machines. Tests of time-outs
// use shortTimeoutOptions.
var (
	longTimeoutOptions = &memcachepure.Options{
		Options: memcache.Options{Timeout: 30 * time.Second},
	}
	shortTimeoutOptions = &memcachepure.Options{
		Options: memcache.Options{Timeout: 200 * time.Millisecond},
	}
)

// openCache returns a Cache over the servers at addrs. It is closed when the test ends.
func openCache(t testing.TB, opts *memcachepure.Options, addrs ...string) *core.Cache {
	t.Helper()
	c, err := core.New(openBackend(t, opts, addrs...), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func TestFaults(t *testing.T) {
	memcachetest.RunFaults(t, func(
		servers []memcache.Server, opts memcache.Options,
	) (core.Backend, error) {
		return memcachepure.New(servers, &memcachepure.Options{Options: opts})
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
		t.Errorf("Get(%q) = %.60q, %v; want %.60q", key, got, err, value)
	}
}

// The two servers give out the same numbers as tokens.
func TestTokenOfAnotherCacheOrKeyIsAConflict(t *testing.T) {
	a := openCache(t, longTimeoutOptions, memcachetest.Start(t, nil).Addr())
	b := openCache(t, longTimeoutOptions, memcachetest.Start(t, nil).Addr())
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

// With an empty key, gomemcache would send a request whose value is a command for memcached.
func TestKeyThatIsEncodedToNothingIsNotSent(t *testing.T) {
	opts := *longTimeoutOptions
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

func TestInvalidReplyIsErrUnavailable(t *testing.T) {
	for _, reply := range []string{
		"VALUE k 0 4294967295 7\r\n",
		"VALUE k 0 1073741824 7\r\n", // the longest value, but it does not arrive
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
			server := memcachetest.StartHostile(t,
				memcachetest.InTurn(memcachetest.ReplyAndClose(reply)))
			c := openCache(t, shortTimeoutOptions, server.Addr())
			ctx := t.Context()
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			value, err := c.Get(ctx, "k")
			wantErr(t, err, core.ErrUnavailable)
			if value != nil || errors.Is(err, core.ErrMiss) {
				t.Errorf("Get = %q, %v; want no value and no miss", value, err)
			}
			values, err := c.GetMulti(ctx, []string{"k", "l"})
			var multi *core.MultiError
			if !errors.As(err, &multi) || !errors.Is(multi.Errors["l"], core.ErrUnavailable) {
				t.Errorf("GetMulti = %v, %v; want %v for l", values, err, core.ErrUnavailable)
			}
			for _, err := range []error{
				c.Set(ctx, "k", []byte("v"), 0),
				c.Add(ctx, "k", []byte("v"), 0),
				c.Replace(ctx, "k", []byte("v"), 0),
				c.Delete(ctx, "k"),
				c.Touch(ctx, "k", 0),
				c.Flush(ctx),
				c.Ping(ctx),
			} {
				wantErr(t, err, core.ErrUnavailable)
			}
			_, err = c.Incr(ctx, "k", 1)
			wantErr(t, err, core.ErrUnavailable)
			runtime.ReadMemStats(&after)
			if allocated := after.TotalAlloc - before.TotalAlloc; allocated > 64<<20 {
				t.Errorf("the verbs allocated %d MiB, want at most 64", allocated>>20)
			}
		})
	}
}

func TestOnlyReadsAreSentAgain(t *testing.T) {
	for _, cutReply := range []string{"", "VALUE k 0 5 7\r\nhel"} {
		server := memcachetest.StartHostile(t, memcachetest.InTurn(
			memcachetest.ReplyAndClose(cutReply),
			memcachetest.Reply("VALUE k 0 5 7\r\nhello\r\nEND\r\n"),
			memcachetest.ReplyAndClose(cutReply),
			memcachetest.Reply("VALUE k 0 5 7\r\nhello\r\nEND\r\n"),
			memcachetest.ReplyAndClose(""),
		))
		c := openCache(t, longTimeoutOptions, server.Addr())
		wantValue(t, c, "k", "hello")
		values, err := c.GetMulti(t.Context(), []string{"k", "l"})
		if wantErr(t, err, nil); string(values["k"]) != "hello" {
			t.Errorf("GetMulti = %q, want hello for k", values)
		}
		requests := len(server.Requests())
		wantErr(t, c.Ping(t.Context()), core.ErrUnavailable)
		if n := len(server.Requests()) - requests; n != 2 {
			t.Errorf("Ping was sent %d times, want 2", n)
		}
		requests = len(server.Requests())
		_, err = c.Get(t.Context(), "k")
		wantErr(t, err, core.ErrUnavailable)
		if n := len(server.Requests()) - requests; n != 2 {
			t.Errorf("Get was sent %d times, want 2", n)
		}
		for verb, write := range map[string]func() error{
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
				t.Errorf("%s was sent %d times, want once", verb, n)
			}
		}
	}
}

// GetMulti keeps the items that arrived before the connection was lost, and requests only the
// others again.
func TestGetMultiKeepsItemsOfALostConnection(t *testing.T) {
	const first = "VALUE a 0 1 7\r\n1\r\nVALUE b 0 1 7\r\n2\r\n"
	server := memcachetest.StartHostile(t, memcachetest.InTurn(
		memcachetest.ReplyAndClose(first), memcachetest.Reply("VALUE d 0 1 7\r\n4\r\nEND\r\n"),
		memcachetest.ReplyAndClose(first), memcachetest.ReplyAndClose(""),
	))
	c := openCache(t, longTimeoutOptions, server.Addr())
	keys := []string{"a", "b", "c", "d"}
	got, err := c.GetMulti(t.Context(), keys)
	if len(got) != 3 || string(got["a"]) != "1" || string(got["b"]) != "2" ||
		string(got["d"]) != "4" || err != nil {
		t.Errorf("GetMulti = %q, %v; want the values of a, b and d", got, err)
	}
	if requests := server.Requests(); len(requests) != 2 || requests[1] != "gets c d\r\n" {
		t.Errorf("the requests are %q, want the second one to have only c and d", requests)
	}
	got, err = c.GetMulti(t.Context(), keys)
	var multi *core.MultiError
	if len(got) != 2 || !errors.As(err, &multi) || len(multi.Errors) != 2 ||
		!errors.Is(multi.Errors["c"], core.ErrUnavailable) {
		t.Errorf("GetMulti = %q, %v; want two values and two errors", got, err)
	}
}

func TestServerThatRepliesWithErrorsIsNotEjected(t *testing.T) {
	lose := memcachetest.ReplyAndClose("")
	fail := memcachetest.Reply("SERVER_ERROR out of memory storing object\r\n")
	hostile := memcachetest.StartHostile(t,
		memcachetest.InTurn(lose, fail, lose, fail, lose, lose))
	opts := *longTimeoutOptions
	opts.Dead, opts.Failures, opts.CoolDown = memcache.Eject, 2, time.Hour
	c := openCache(t, &opts, hostile.Addr(), memcachetest.Start(t, nil).Addr())
	var key string
	for i := 0; len(hostile.Requests()) == 0; i++ { // find a key of the hostile server
		key = fmt.Sprint("key-", i)
		c.Set(t.Context(), key, nil, 0)
	}
	for range 5 {
		wantErr(t, c.Set(t.Context(), key, nil, 0), core.ErrUnavailable)
	}
	// After two failures in a row, the server is ejected.
	wantErr(t, c.Set(t.Context(), key, nil, 0), nil)
	if n := len(hostile.Requests()); n != 6 {
		t.Errorf("the server received %d requests, want 6", n)
	}
}

// gomemcache must not allocate a value of more than 1 MiB before it has arrived.
func TestLongValuesAreRead(t *testing.T) {
	server := memcachetest.Start(t, &memcachetest.Options{Args: []string{"-I", "8m", "-m", "64"}})
	c := openCache(t, longTimeoutOptions, server.Addr())
	for _, n := range []int{1<<20 - 1, 1 << 20, 1<<20 + 1, 7 << 20} {
		want := strings.Repeat("0123456789abcdef", n/16+1)[:n]
		set(t, c, "long", want)
		set(t, c, "short", "s")
		wantValue(t, c, "long", want)
		values, err := c.GetMulti(t.Context(), []string{"short", "long", "absent"})
		if len(values) != 2 || string(values["long"]) != want ||
			string(values["short"]) != "s" || err != nil {
			t.Errorf("GetMulti with a value of %d bytes returned %d values, %v; want 2 values",
				n, len(values), err)
		}
	}
}

func TestValueThatTheServerRefusesIsErrTooLarge(t *testing.T) {
	c := openCache(t, longTimeoutOptions, memcachetest.Start(t, nil).Addr())
	large := make([]byte, 2<<20)
	for range 3 {
		wantErr(t, c.Set(t.Context(), "k", large, 0), core.ErrTooLarge)
		wantErr(t, c.Add(t.Context(), "k", large, 0), core.ErrTooLarge)
		set(t, c, "other", "v")
		wantValue(t, c, "other", "v")
	}
}

func TestErrorContainsTheReplyOfTheServer(t *testing.T) {
	for reply, want := range map[string]error{
		"SERVER_ERROR out of memory storing object\r\n":                    core.ErrUnavailable,
		"SERVER_ERROR object too large for cache\r\n":                      core.ErrTooLarge,
		"CLIENT_ERROR bad data chunk\r\n":                                  core.ErrUnavailable,
		"ERROR\r\n":                                                        core.ErrUnavailable,
		"CLIENT_ERROR cannot increment or decrement non-numeric value\r\n": core.ErrNotNumber,
		"ERROR Too many open connections\r\n":                              core.ErrUnavailable,
	} {
		server := memcachetest.StartHostile(t, memcachetest.InTurn(memcachetest.Reply(reply)))
		c := openCache(t, shortTimeoutOptions, server.Addr())
		_, getErr := c.Get(t.Context(), "k")
		_, incrErr := c.Incr(t.Context(), "k", 1)
		setErr, deleteErr := c.Set(t.Context(), "k", nil, 0), c.Delete(t.Context(), "k")
		for _, err := range []error{getErr, incrErr, setErr, deleteErr} {
			wantErr(t, err, want)
			if !strings.Contains(err.Error(), strings.TrimSpace(reply)) ||
				!strings.Contains(err.Error(), server.Addr()) {
				t.Errorf("error is %v, want the reply %q and the address in it", err, reply)
			}
		}
	}
}

func TestIncrOfTextIsErrNotNumberAndKeepsTheValue(t *testing.T) {
	c := openCache(t, longTimeoutOptions, memcachetest.Start(t, nil).Addr())
	set(t, c, "k", "text")
	_, err := c.Incr(t.Context(), "k", 1)
	wantErr(t, err, core.ErrNotNumber)
	wantValue(t, c, "k", "text")
}

func TestInvalidKeyFailsAloneAndIsNotSent(t *testing.T) {
	server := memcachetest.Start(t, nil)
	opts := *longTimeoutOptions
	opts.Keys = encoding.String // which changes no key
	b := openBackend(t, &opts, server.Addr())
	c, err := core.New(b, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	set(t, c, "good", "v")
	injection := "k 0 0 1\r\nx\r\nflush_all"
	for _, key := range []string{injection, "a b", strings.Repeat("k", 251)} {
		wantErr(t, c.Set(t.Context(), key, []byte("v"), 0), core.ErrInvalidKey)
		_, err := c.Get(t.Context(), key)
		wantErr(t, err, core.ErrInvalidKey)
		values, err := c.GetMulti(t.Context(), []string{key, "good", "absent"})
		var multi *core.MultiError
		if !errors.As(err, &multi) || len(multi.Errors) != 1 ||
			!errors.Is(multi.Errors[key], core.ErrInvalidKey) || string(values["good"]) != "v" {
			t.Errorf("GetMulti = %q, %v; want the value of good, and an error for %q",
				values, err, key)
		}
	}
	noKey := core.Item{Value: []byte("flush_all\r\n")}
	wantErr(t, b.Store(t.Context(), core.Set, noKey), core.ErrInvalidKey)
	wantValue(t, c, "good", "v")
}

// concurrently calls do in n goroutines, and waits for them.
func concurrently(n int, do func()) {
	var wg sync.WaitGroup
	for range n {
		wg.Go(do)
	}
	wg.Wait()
}

func TestAsSetsTheClient(t *testing.T) {
	c := openCache(t, longTimeoutOptions, memcachetest.Start(t, nil).Addr())
	set(t, c, "k", "v")
	var client *gomemcache.Client
	if !c.As(&client) {
		t.Fatal("As returned false")
	}
	if item, err := client.Get("k"); err != nil || string(item.Value) != "v" {
		t.Errorf("Get = %v, %v; want v", item, err)
	}
}

// openBackend returns a Backend over the servers at addrs.
func openBackend(t testing.TB, opts *memcachepure.Options, addrs ...string) *memcachepure.Backend {
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
