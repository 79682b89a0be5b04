package memcachemeta_test

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/memcache/memcachetest"
)

// greet returns a handler of a server that says hello as memcached does, and then calls the
// first step with the first request, and so on. Requests are counted over all connections. The
// last step is also called with all further requests.
func greet(steps ...memcachetest.Step) func(c *memcachetest.Conn) {
	var mu sync.Mutex
	next := 0
	return func(c *memcachetest.Conn) {
		for {
			request, err := c.Request()
			if err != nil {
				return
			}
			if hello(c, request) {
				continue
			}
			mu.Lock()
			step := steps[min(next, len(steps)-1)]
			next++
			mu.Unlock()
			step(c, request)
		}
	}
}

// hello replies to a request of the driver's hello. Ping also sends mn.
func hello(c *memcachetest.Conn, request string) bool {
	switch request {
	case "version\r\n":
		c.Write([]byte("VERSION 1.6.18\r\n"))
	case "mn\r\n":
		c.Write([]byte("MN\r\n"))
	case "stats settings\r\n":
		c.Write([]byte("STAT maxbytes 67108864\r\nSTAT item_size_max 1048576\r\nEND\r\n"))
	default:
		return false
	}
	return true
}

var opaquePattern = regexp.MustCompile(` (O\d+)`)

// opaqueOf returns the opaque of a request with its O.
func opaqueOf(request string) string {
	if m := opaquePattern.FindStringSubmatch(request); m != nil {
		return m[1]
	}
	return "O0"
}

// reply returns a Step that sends text, in which each %O is the opaque of the request, and each %W
// one that is not.
func reply(text string) memcachetest.Step {
	return func(c *memcachetest.Conn, request string) {
		opaque := opaqueOf(request)
		c.Write([]byte(strings.NewReplacer("%O", opaque, "%W", opaque+"9").Replace(text)))
	}
}

// replyAndClose is reply, and then closes the connection.
func replyAndClose(text string) memcachetest.Step {
	return func(c *memcachetest.Conn, request string) {
		reply(text)(c, request)
		c.Close()
	}
}

// invalidReplies cannot be replies to mg with v, f and c.
var invalidReplies = []string{
	"", "\n", "\r\n", "\r", " ", " \r\n", "\x00", "\x00\xff\x81\r\n", "garbage\r\n",
	"V\r\n", "VA\r\n", "VA \r\n", "VA", "VA 5", "VA 5\n", "VA 5\r\n", "VA 5 \r\n",
	"VA 5 f0 c7 %O\nhello\r\n", "VA 5 f0 c7 %O\r\nhel", "VA 5 f0 c7 %O\r\nhello",
	"VA 5 f0 c7 %O\r\nhello\n", "VA 5 f0 c7 %O\r\nhello\r", "VA 5 f0 c7 %O\r\nhello!!\r\n",
	"VA 5 f0 c7 %O\r\nhell\r\n", "VA 4 f0 c7 %O\r\nhello\r\n", "VA 0 f0 c7 %O\r\nhello\r\n",
	"VA -1 f0 c7 %O\r\n\r\n", "VA +5 f0 c7 %O\r\nhello\r\n", "VA 0x5 f0 c7 %O\r\nhello\r\n",
	"VA five f0 c7 %O\r\nhello\r\n", "VA 5.0 f0 c7 %O\r\nhello\r\n",
	"VA 1073741824 f0 c7 %O\r\nhello", "VA 1073741825 f0 c7 %O\r\nhello\r\n",
	"VA 4294967295 f0 c7 %O\r\nhello\r\n", "VA 4294967301 f0 c7 %O\r\nhello\r\n",
	"VA 9223372036854775807 f0 c7 %O\r\nhello\r\n", "VA 18446744073709551615 f0 c7 %O\r\nhello\r\n",
	"VA 18446744073709551621 f0 c7 %O\r\nhello\r\n",
	"VA 99999999999999999999999999 f0 c7 %O\r\nhello\r\n",
	"VA 5 c7 %O\r\nhello\r\n", "VA 5 f0 %O\r\nhello\r\n", "VA 5 f0 c7\r\nhello\r\n",
	"VA 5 f c7 %O\r\nhello\r\n", "VA 5 f0 c %O\r\nhello\r\n", "VA 5 f0 c7 O\r\nhello\r\n",
	"VA 5 f-1 c7 %O\r\nhello\r\n", "VA 5 f4294967296 c7 %O\r\nhello\r\n",
	"VA 5 f0 c18446744073709551616 %O\r\nhello\r\n", "VA 5 f0 c-7 %O\r\nhello\r\n",
	"VA 5 f0 c7 %W\r\nhello\r\n", "VA 5 f0 c7 O4294967296\r\nhello\r\n",
	"VA 5 f0 c7 O18446744073709551615\r\nhello\r\n", "VA 5 f0 c7 Oabc\r\nhello\r\n",
	"VA 5 f0 f1 c7 %O\r\nhello\r\n", "VA 5 f0 c7 c8 %O\r\nhello\r\n",
	"VA 5 f0 c7 %O %W\r\nhello\r\n", "VA 5 f0 c7 t-2 %O\r\nhello\r\n",
	"VALUE k 0 5 7\r\nhello\r\nEND\r\n", "VALUE k 0 5\r\nhello\r\nEND\r\n",
	"EN", "EN\n", "EN\r\n", "EN %W\r\n", "EN O\r\n", "en %O\r\n", "END\r\n",
	"HD %O\r\n", "NF %O\r\n", "NS %O\r\n", "EX %O\r\n", "MN\r\n", "OK\r\n", "STORED\r\n",
	"DELETED\r\n", "12\r\n", "STAT a b\r\nEND\r\n", "VERSION 1.6.18\r\n",
	"ERROR\n", "ERRORS\r\n", "CLIENT_ERROR \n", "SERVER_ERRORout of memory\r\n",
	strings.Repeat("x", 100_000), "VA " + strings.Repeat("5", 100_000),
	"VA 5 " + strings.Repeat("x", 3000) + "\r\nhello\r\n",
	"EN " + strings.Repeat("x ", 3000) + "%O\r\n",
}

// Every kind of invalid reply is an error of all verbs that read it, and no verb panics, returns a
// value, or allocates what the reply claims.
func TestInvalidReplyIsErrUnavailable(t *testing.T) {
	if len(invalidReplies) < 60 {
		t.Fatalf("%d kinds of replies, want 60 or more", len(invalidReplies))
	}
	for _, text := range invalidReplies {
		t.Run(fmt.Sprintf("%.40q", text), func(t *testing.T) {
			t.Parallel()
			server := memcachetest.StartHostile(t, greet(replyAndClose(text)))
			c := openCache(t, longTimeoutOptions, server.Addr())
			ctx := t.Context()
			item, err := c.GetItem(ctx, "k")
			wantErr(t, err, core.ErrUnavailable)
			if item.Value != nil || errors.Is(err, core.ErrMiss) {
				t.Errorf("GetItem = %q, %v; want no value and no miss", item.Value, err)
			}
			// Some of the replies are right for other verbs. None may panic.
			c.Get(ctx, "k")
			c.GetMulti(ctx, []string{"k", "l", "m"})
			c.SetMulti(ctx, map[string][]byte{"k": nil, "l": nil}, 0)
			c.TTL(ctx, "k")
			c.Add(ctx, "k", nil, 0)
			c.Incr(ctx, "k", 1)
			c.Touch(ctx, "k", 0)
			c.Delete(ctx, "k")
			c.Flush(ctx)
		})
	}
}

// A length is not believed.
func TestReplyAllocatesNoMoreThanArrives(t *testing.T) {
	server := memcachetest.StartHostile(t,
		greet(replyAndClose("VA 1073741824 f0 c7 %O\r\n"+strings.Repeat("x", 100_000))))
	c := openCache(t, longTimeoutOptions, server.Addr())
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err := c.Get(t.Context(), "k")
	runtime.ReadMemStats(&after)
	wantErr(t, err, core.ErrUnavailable)
	if n := after.TotalAlloc - before.TotalAlloc; n > 4<<20 {
		t.Errorf("two replies of 100 kB, whose lengths are 1 GiB, allocated %d KiB", n>>10)
	}
}

// While replies to one key are invalid in all ways, readers of other keys get their own values or
// an error.
func TestInvalidReplyIsNeverTakenForAnother(t *testing.T) {
	keyPattern := regexp.MustCompile(`^mg (\S+) v (f c )?O`)
	var mu sync.Mutex
	next := 0
	server := memcachetest.StartHostile(t, greet(func(c *memcachetest.Conn, request string) {
		m := keyPattern.FindStringSubmatch(request)
		if m == nil {
			c.Close()
			return
		}
		if m[1] != "bad" {
			fmt.Fprintf(c, "VA %d f0 c7 %s\r\n%s\r\n", len(m[1]), opaqueOf(request), m[1])
			return
		}
		mu.Lock()
		text := invalidReplies[next%len(invalidReplies)]
		next++
		mu.Unlock()
		reply(text)(c, request)
		if !strings.HasSuffix(text, "\r\n") {
			c.Close()
		}
	}))
	c := openCache(t, longTimeoutOptions, server.Addr())
	var good int
	var readers sync.WaitGroup
	done := make(chan struct{})
	for w := range 8 {
		readers.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-done:
					return
				default:
				}
				key := fmt.Sprint("key-", w, "-", i)
				got, err := c.Get(context.Background(), key)
				switch {
				case err == nil && string(got) == key:
					mu.Lock()
					good++
					mu.Unlock()
				case err == nil || !errors.Is(err, core.ErrUnavailable):
					t.Errorf("Get(%s) = %q, %v", key, got, err)
				}
			}
		})
	}
	for range len(invalidReplies) {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		if item, err := c.GetItem(ctx, "bad"); err == nil || errors.Is(err, core.ErrMiss) {
			t.Errorf("GetItem(bad) = %q, %v; want an error", item.Value, err)
		}
		cancel()
	}
	eventually(t, "values are read", func() bool {
		mu.Lock()
		defer mu.Unlock()
		return good > 100
	})
	close(done)
	readers.Wait()
}

// What is wrong in a reply to other verbs.
func TestInvalidRepliesOfOtherVerbs(t *testing.T) {
	for _, tt := range []struct {
		verb, reply string
		call        func(c *core.Cache) error
	}{
		{"TTL", "HD %O\r\n", ttlOf}, {"TTL", "HD t %O\r\n", ttlOf}, {"TTL", "HD tx %O\r\n", ttlOf},
		{"TTL", "HD t4294967296 %O\r\n", ttlOf}, {"TTL", "VA 1 t5 %O\r\nx\r\n", ttlOf},
		{"Incr", "VA 0 %O\r\n\r\n", incr}, {"Incr", "VA 1 %O\r\nx\r\n", incr},
		{"Incr", "VA 2 %O\r\n-1\r\n", incr}, {"Incr", "HD %O\r\n", incr},
		{"Incr", "VA 20 %O\r\n18446744073709551616\r\n", incr}, {"Incr", "EN %O\r\n", incr},
		{"Set", "VA 1 %O\r\nx\r\n", setOne}, {"Set", "EN %O\r\n", setOne},
		{"Set", "HD %W\r\n", setOne}, {"Set", "HD\r\n", setOne}, {"Set", "STORED\r\n", setOne},
		{"GetMulti", "END\r\nEND\r\n", getThree}, {"GetMulti", "END\r\nEN %W\r\n", getThree},
		{"GetMulti", "VALUE other 0 1 7\r\nx\r\nEND\r\n", getThree},
		{"GetMulti", "VALUE b 0 1 7\r\nx\r\nVALUE a 0 1 7\r\nx\r\nEND\r\n", getThree},
		{"GetMulti", "VALUE a 0 1 7\r\nx\r\nVALUE a 0 1 7\r\nx\r\nEND\r\n", getThree},
		{"GetMulti", "VALUE a 0 1 7 8\r\nx\r\nEND\r\n", getThree},
		{"GetMulti", "VALUE a 0 1\r\nx\r\nEND\r\n", getThree},
		{"GetMulti", "VALUE a 4294967296 1 7\r\nx\r\nEND\r\n", getThree},
		{"GetMulti", "VALUE a 0 1073741825 7\r\nx\r\nEND\r\n", getThree},
		{"GetMulti", "VALUE  0 1 7\r\nx\r\nEND\r\n", getThree},
		{"GetMulti", "VALUE c 0 1 7\r\nx\r\nEND\r\n", getThree}, // c is asked for by mg
		{"GetMulti", "VA 1 f0 c7 O0\r\nx\r\n", getThree},
		{"Flush", "HD\r\n", func(c *core.Cache) error { return c.Flush(context.Background()) }},
	} {
		t.Run(fmt.Sprintf("%s %.40q", tt.verb, tt.reply), func(t *testing.T) {
			server := memcachetest.StartHostile(t, greet(replyAndClose(tt.reply)))
			c := openCache(t, longTimeoutOptions, server.Addr())
			wantErr(t, tt.call(c), core.ErrUnavailable)
		})
	}
}

func ttlOf(c *core.Cache) error  { _, err := c.TTL(context.Background(), "k"); return err }
func incr(c *core.Cache) error   { _, err := c.Incr(context.Background(), "k", 1); return err }
func setOne(c *core.Cache) error { return c.Set(context.Background(), "k", []byte("v"), 0) }

func getThree(c *core.Cache) error {
	_, err := c.GetMulti(context.Background(), []string{"a", "b", "c"})
	var multi *core.MultiError
	if errors.As(err, &multi) && len(multi.Errors) == 3 {
		return multi.Errors["a"]
	}
	return fmt.Errorf("the error is not about three keys: %w", errors.ErrUnsupported)
}

func TestErrorContainsTheReplyOfTheServer(t *testing.T) {
	for text, want := range map[string]error{
		"SERVER_ERROR out of memory storing object\r\n":                    core.ErrUnavailable,
		"SERVER_ERROR object too large for cache\r\n":                      core.ErrTooLarge,
		"CLIENT_ERROR bad data chunk\r\n":                                  core.ErrUnavailable,
		"ERROR\r\n":                                                        core.ErrUnavailable,
		"CLIENT_ERROR cannot increment or decrement non-numeric value\r\n": core.ErrNotNumber,
	} {
		server := memcachetest.StartHostile(t, greet(reply(text)))
		c := openCache(t, shortTimeoutOptions, server.Addr())
		_, getErr := c.Get(t.Context(), "k")
		setErr, deleteErr := c.Set(t.Context(), "k", nil, 0), c.Delete(t.Context(), "k")
		for _, err := range []error{getErr, setErr, deleteErr, c.Touch(t.Context(), "k", 0)} {
			wantErr(t, err, want)
			if err == nil || !strings.Contains(err.Error(), strings.TrimSpace(text)) ||
				!strings.Contains(err.Error(), server.Addr()) {
				t.Errorf("error is %v, want the reply %q and the address in it", err, text)
			}
		}
		if n := server.Dialled(); n != 1 {
			t.Errorf("%q: %d connections, want that an error line ends none", text, n)
		}
	}
}

// A server that is not a memcached of the right age is refused with an error that says what is
// needed.
func TestServerWithoutMetaCommandsIsRefused(t *testing.T) {
	for _, tt := range []struct {
		name, version, mn, settings, want string
	}{
		{"old", "VERSION 1.5.6", "ERROR", "END", "memcached 1.6.13 or later"},
		{"old syntax", "VERSION 1.6.9", "MN", "END", "memcached 1.6.13 or later"},
		{"distribution", "VERSION 1.4.15-rhel", "MN", "END", "memcached 1.6.13 or later"},
		{"proxy", "VERSION mcrouter 1.0", "ERROR", "END", "does not have the meta commands"},
		{"no version", "ERROR", "MN", "END", `"ERROR" to version`},
		{"full", "ERROR Too many open connections", "", "", "Too many open connections"},
		{"settings", "VERSION 1.6.18", "MN", "garbage", "stats settings"},
		{"size", "VERSION 1.6.18", "MN", "STAT item_size_max -1", "item_size_max"},
		{"modern", "VERSION 1.7.0", "MN", "END", ""},
		{"suffix", "VERSION 1.6.18-ubuntu1", "MN", "END", ""},
		{"managed", "VERSION serverless", "MN", "CLIENT_ERROR not supported", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			replies := map[string]string{
				"version\r\n": tt.version, "mn\r\n": tt.mn, "stats settings\r\n": tt.settings,
			}
			server := memcachetest.StartHostile(t, func(c *memcachetest.Conn) {
				for {
					request, err := c.Request()
					if err != nil {
						return
					}
					if text, found := replies[request]; found {
						fmt.Fprintf(c, "%s\r\n", text)
					} else {
						reply("HD %O\r\n")(c, request)
					}
				}
			})
			c := openCache(t, longTimeoutOptions, server.Addr())
			err := c.Set(t.Context(), "k", nil, 0)
			if tt.want == "" {
				wantErr(t, err, nil)
				return
			}
			if !errors.Is(err, core.ErrUnavailable) || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error is %v, want ErrUnavailable with %q", err, tt.want)
			}
		})
	}
}

func TestOnlyReadsAreSentAgain(t *testing.T) {
	for _, cutReply := range []string{"", "VA 5 f0 c7 %O\r\nhel"} {
		server := memcachetest.StartHostile(t, greet(
			replyAndClose(cutReply), reply("VA 5 f0 c7 %O\r\nhello\r\n"), replyAndClose(cutReply),
		))
		c := openCache(t, longTimeoutOptions, server.Addr())
		wantValue(t, c, "k", "hello")
		sent := func(command string) (n int) {
			for _, request := range server.Requests() {
				if strings.HasPrefix(request, command) {
					n++
				}
			}
			return n
		}
		for verb, do := range map[string]struct {
			command string
			times   int
			call    func() error
		}{
			"Get": {"mg ", 2, func() error { _, err := c.Get(t.Context(), "k"); return err }},
			"TTL": {"mg ", 2, func() error { _, err := c.TTL(t.Context(), "k"); return err }},
			"GetMulti": {"gets ", 2, func() error {
				_, err := c.GetMulti(t.Context(), []string{"k", "l"})
				return err
			}},
			"Touch":  {"mg ", 1, func() error { return c.Touch(t.Context(), "k", 0) }},
			"Set":    {"ms ", 1, func() error { return c.Set(t.Context(), "k", nil, 0) }},
			"Delete": {"md ", 1, func() error { return c.Delete(t.Context(), "k") }},
			"Flush":  {"flush_all", 1, func() error { return c.Flush(t.Context()) }},
			"Incr": {"ma ", 1, func() error {
				_, err := c.Incr(t.Context(), "k", 1)
				return err
			}},
		} {
			before := sent(do.command)
			if err := do.call(); err == nil {
				t.Errorf("%s succeeded over a connection that was closed", verb)
			}
			if n := sent(do.command) - before; n != do.times {
				t.Errorf("%s was sent %d times, want %d", verb, n, do.times)
			}
		}
	}
}
