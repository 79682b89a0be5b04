package oncelog_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/slogtest"
	"testing/synctest"
	"time"

	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/memcache"
	memcachepure "github.com/cachewire/cachewire/memcache-pure"
	"github.com/cachewire/cachewire/memcache/memcachetest"
	"github.com/cachewire/cachewire/memory"
	"github.com/cachewire/cachewire/null"
	"github.com/cachewire/cachewire/patterns/oncelog"
)

// memoryCache returns a new cache in memory.
func memoryCache(t testing.TB, hooks ...core.Hook) *core.Cache {
	t.Helper()
	return cacheOf(t, must(memory.New(nil)), hooks...)
}

// memcachedCache returns a cache on the memcached at addr.
func memcachedCache(t testing.TB, addr string, opts *memcachepure.Options) *core.Cache {
	t.Helper()
	b, err := memcachepure.New([]memcache.Server{{Addr: addr}}, opts)
	if err != nil {
		t.Fatal(err)
	}
	return cacheOf(t, b)
}

// newLogger returns a logger that logs to l through a Handler.
func newLogger(l *logBuffer, c *core.Cache, opts *oncelog.Options) *slog.Logger {
	return slog.New(must(oncelog.New(l.handler(), c, opts)))
}

// cacheOf returns a cache on b, which is closed at the end of the test.
func cacheOf(t testing.TB, b core.Backend, hooks ...core.Hook) *core.Cache {
	t.Helper()
	c, err := core.New(b, &core.Options{Hooks: hooks})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// A logBuffer keeps what is logged, as text without times.
type logBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer // guarded by mu
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *logBuffer) handler() slog.Handler {
	withoutTime := func(groups []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey && len(groups) == 0 {
			return slog.Attr{}
		}
		return a
	}
	return slog.NewTextHandler(l, &slog.HandlerOptions{ReplaceAttr: withoutTime})
}

// want fails the test unless exactly lines were logged. It then empties the buffer.
func (l *logBuffer) want(t *testing.T, lines ...string) {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	got := strings.TrimSuffix(l.buf.String(), "\n")
	if wanted := strings.Join(lines, "\n"); got != wanted {
		t.Errorf("logged\n%s\nwant\n%s", got, wanted)
	}
	l.buf.Reset()
}

// The test runs the suite testing/slogtest.
func TestHandlerKeepsTheRulesOfSlog(t *testing.T) {
	var buf bytes.Buffer
	slogtest.Run(t, func(t *testing.T) slog.Handler {
		buf.Reset()
		return must(oncelog.New(slog.NewJSONHandler(&buf, nil), memoryCache(t), nil))
	}, func(t *testing.T) map[string]any {
		var got map[string]any
		if err := json.Unmarshal(buf.Bytes(), &got); err != nil {
			t.Fatal(err)
		}
		return got
	})
}

func TestARecordPassesOnceInAPeriod(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l logBuffer
		logger := newLogger(&l, memoryCache(t), nil)
		for range 100 {
			logger.Error("down", "db", 1)
			logger.Error("down", "db", 2)
		}
		logger.Info("other")
		logger.Debug("not enabled")
		l.want(t, "level=ERROR msg=down db=1", "level=INFO msg=other")
		time.Sleep(59 * time.Second)
		logger.Error("down")
		l.want(t)
		time.Sleep(2 * time.Second)
		logger.Error("down", "db", 3)
		l.want(t, "level=ERROR msg=down db=3 dropped=200")
		time.Sleep(2 * time.Minute)
		logger.Error("down")
		l.want(t, "level=ERROR msg=down")
	})
}

// One of the records of several handlers that share a cache passes.
func TestARecordPassesOnceInAllProcesses(t *testing.T) {
	server := memcachetest.Start(t, nil)
	opts := &memcachepure.Options{Options: memcache.Options{Timeout: 30 * time.Second}}
	for name, c := range map[string]*core.Cache{
		"memory":    memoryCache(t),
		"memcached": memcachedCache(t, server.Addr(), opts),
	} {
		t.Run(name, func(t *testing.T) {
			var l logBuffer
			var all sync.WaitGroup
			for range 4 {
				logger := newLogger(&l, c, &oncelog.Options{Period: time.Hour, Prefix: "once:"})
				for range 50 {
					all.Go(func() { logger.Error("down") })
				}
			}
			all.Wait()
			// The record may have the attribute dropped, for records that overtook it.
			got := l.buf.String()
			if !strings.HasPrefix(got, "level=ERROR msg=down") || strings.Count(got, "\n") != 1 {
				t.Errorf("logged\n%s\nwant one line", got)
			}
			if ok, err := c.Exists(t.Context(), "once:ERROR::down"); !ok || err != nil {
				t.Errorf("the key is not in the cache, %v", err)
			}
		})
	}
}

// A record that another process has logged is dropped here, and counted.
func TestARecordThatAnotherProcessLoggedIsDropped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := memoryCache(t)
		var local, remote logBuffer
		newLogger(&remote, c, nil).Error("down")
		logger := newLogger(&local, c, nil)
		for range 70 {
			logger.Error("down")
			time.Sleep(time.Second)
		}
		remote.want(t, "level=ERROR msg=down")
		local.want(t, "level=ERROR msg=down dropped=60")
	})
}

func TestKeyDecidesWhichRecordsAreRepetitions(t *testing.T) {
	var l logBuffer
	byAttr := func(_ context.Context, r slog.Record) string {
		key := ""
		r.Attrs(func(a slog.Attr) bool {
			key = a.Value.String()
			return false
		})
		return key
	}
	logger := newLogger(&l, memoryCache(t), &oncelog.Options{Key: byAttr})
	for range 2 {
		logger.Error("a", "k", "x")
		logger.Error("b", "k", "x")
		logger.Error("c", "k", "y")
		logger.Error("no key")
	}
	l.want(t,
		"level=ERROR msg=a k=x",
		"level=ERROR msg=c k=y",
		`level=ERROR msg="no key"`,
		`level=ERROR msg="no key"`)
}

// A failingBackend fails or hangs in every store.
type failingBackend struct {
	core.Backend
	hangs bool
}

func (b failingBackend) Store(ctx context.Context, _ core.Mode, _ core.Item) error {
	if b.hangs {
		<-ctx.Done()
		return ctx.Err()
	}
	return core.ErrUnavailable
}

// If the cache is down, closed, hangs or keeps nothing, a record passes once in this process.
func TestRepetitionsAreDroppedWithoutAWorkingCache(t *testing.T) {
	for name, newCache := range map[string]func(t *testing.T) *core.Cache{
		"closed": func(t *testing.T) *core.Cache {
			closed := memoryCache(t)
			closed.Close()
			return closed
		},
		"down": func(t *testing.T) *core.Cache {
			return cacheOf(t, failingBackend{must(memory.New(nil)), false})
		},
		"hangs": func(t *testing.T) *core.Cache {
			return cacheOf(t, failingBackend{must(memory.New(nil)), true})
		},
		"null": func(t *testing.T) *core.Cache { return cacheOf(t, null.New()) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var l logBuffer
				logger := newLogger(&l, newCache(t), nil)
				start := time.Now()
				for range 10_000 {
					logger.Error("down")
				}
				l.want(t, "level=ERROR msg=down")
				if took := time.Since(start); took > time.Second {
					t.Errorf("it took %v, want a second at most", took)
				}
				time.Sleep(time.Minute)
				logger.Error("down")
				l.want(t, "level=ERROR msg=down dropped=9999")
			})
		})
	}
	server := memcachetest.Start(t, nil)
	down := memcachedCache(t, server.Addr(), nil)
	server.Kill()
	var l logBuffer
	logger := newLogger(&l, down, nil)
	for range 100 {
		logger.Error("down")
	}
	l.want(t, "level=ERROR msg=down")
}

// The Handler calls the cache for a record even if the context of the record is done.
func TestARecordPassesOnceWhateverItsContext(t *testing.T) {
	c := memoryCache(t)
	done, cancel := context.WithCancel(t.Context())
	cancel()
	var local, remote logBuffer
	newLogger(&remote, c, nil).ErrorContext(done, "down")
	newLogger(&local, c, nil).ErrorContext(done, "down")
	remote.want(t, "level=ERROR msg=down")
	local.want(t)
}

// Records of other levels, and of loggers with other attributes or groups, are not
// repetitions.
func TestRepetitionsHaveTheSameLevelAndLogger(t *testing.T) {
	var l logBuffer
	logger := newLogger(&l, memoryCache(t), nil)
	for range 2 {
		logger.Info("payment", "id", 1)
		logger.Error("payment", "id", 2)
		logger.With("shop", 1).Error("payment")
		logger.With("shop", 2).Error("payment")
		logger.With("shop", 2).With().WithGroup("").Error("payment") // as the last one
		logger.WithGroup("g").Error("payment", "id", 3)
		logger.WithGroup("g").With("shop", 1).Error("payment")
		logger.With("shop", 1).WithGroup("g").Error("payment")
		logger.With("shop", 1, "g", 2).Error("payment")
		logger.With("shop", `1","g"="2`).Error("payment")
	}
	l.want(t,
		"level=INFO msg=payment id=1",
		"level=ERROR msg=payment id=2",
		"level=ERROR msg=payment shop=1",
		"level=ERROR msg=payment shop=2",
		"level=ERROR msg=payment g.id=3",
		"level=ERROR msg=payment g.shop=1",
		"level=ERROR msg=payment shop=1", // in a group that is empty
		"level=ERROR msg=payment shop=1 g=2",
		`level=ERROR msg=payment shop="1\",\"g\"=\"2"`)
}

// The Handler also calls the cache for a message that is longer than a key. The cache does
// not fail because of it.
func TestALongMessageIsLoggedOnceInAllProcesses(t *testing.T) {
	c := memoryCache(t)
	long := strings.Repeat("m", core.MaxKeyLen)
	var local, remote logBuffer
	for _, message := range []string{long, long + "n"} {
		newLogger(&remote, c, nil).Error(message)
		remote.want(t, "level=ERROR msg="+message)
		logger := newLogger(&local, c, nil)
		newLogger(&remote, c, nil).Error("short " + message[len(long):])
		logger.Error(message)
		logger.Error("short " + message[len(long):])
		local.want(t)
		remote.buf.Reset()
	}
}

// A loggingHook is a hook of the cache that logs through Handlers that call the cache.
type loggingHook struct {
	loggers     []*slog.Logger
	withContext bool
	calls       int
}

func (h *loggingHook) Before(ctx context.Context, op *core.Op) context.Context {
	h.log(ctx, "before "+op.Verb)
	return ctx
}

func (h *loggingHook) After(ctx context.Context, op *core.Op) { h.log(ctx, "after "+op.Verb) }

func (h *loggingHook) log(ctx context.Context, text string) {
	if h.calls++; h.calls > 1000 {
		panic("the hook is called without end")
	}
	if !h.withContext {
		ctx = context.Background()
	}
	for _, logger := range h.loggers {
		logger.InfoContext(ctx, text, "n", h.calls)
		logger.InfoContext(ctx, fmt.Sprint(text, h.calls)) // another message each time
	}
}

// A hook of the cache may log through the Handler, with its context or without.
func TestAHookMayLog(t *testing.T) {
	for _, withContext := range []bool{true, false} {
		hook := &loggingHook{withContext: withContext}
		var l logBuffer
		c := memoryCache(t, hook)
		for range 2 { // two Handlers that log to the same place
			hook.loggers = append(hook.loggers, newLogger(&l, c, nil))
		}
		for range 10 {
			hook.loggers[0].Error("down")
		}
		l.want(t,
			`level=INFO msg="before Add" n=1`, `level=INFO msg="before Add1"`,
			`level=INFO msg="before Add" n=1`, `level=INFO msg="before Add1"`,
			`level=INFO msg="after Add" n=2`, `level=INFO msg="after Add2"`,
			`level=INFO msg="after Add" n=2`, `level=INFO msg="after Add2"`,
			"level=ERROR msg=down")
	}
}

// Messages that are logged once leave nothing behind.
func TestAHandlerDoesNotGrow(t *testing.T) {
	const n = 200_000
	synctest.Test(t, func(t *testing.T) {
		c := cacheOf(t, null.New())
		logger := slog.New(must(oncelog.New(slog.NewTextHandler(io.Discard, nil), c, nil)))
		use := func(n int) {
			for i := range n {
				logger.Error(fmt.Sprint("error ", i))
			}
			time.Sleep(time.Hour)
		}
		use(1000)
		before := heap()
		use(n)
		if grown := int64(heap()) - int64(before); grown > 100_000 {
			t.Errorf("%d messages leave %d bytes behind", n, grown)
		}
		runtime.KeepAlive(logger)
	})
}

// heap returns how many bytes are in use after a garbage collection.
func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

func TestTheNumberOfRememberedKeysIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l logBuffer
		logger := newLogger(&l, memoryCache(t), nil)
		for i := range 25_000 {
			logger.Error(fmt.Sprint("error ", i))
			if i%5000 == 0 {
				time.Sleep(30 * time.Second)
			}
		}
		if n := strings.Count(l.buf.String(), "\n"); n != 25_000 {
			t.Errorf("%d records passed, want 25000", n)
		}
		l.buf.Reset()
		logger.Error("error 24999")
		l.want(t)
	})
}

// A counter is a hook that counts the calls of a cache.
type counter struct{ calls atomic.Int64 }

func (c *counter) Before(ctx context.Context, _ *core.Op) context.Context {
	c.calls.Add(1)
	return ctx
}
func (c *counter) After(context.Context, *core.Op) {}

// The cache is not called for records that have passed here, rarely for records that another
// process has logged, and rarely while it fails.
func TestTheCacheIsCalledRarely(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l logBuffer
		var calls counter
		b := must(memory.New(nil))
		c := cacheOf(t, b, &calls)
		logger := newLogger(&l, c, nil)
		if err := c.Set(t.Context(), "~cw:log:ERROR::another's", nil, time.Minute); err != nil {
			t.Fatal(err)
		}
		calls.calls.Store(0)
		for range 59 {
			logger.Error("mine")
			logger.Error("another's")
			time.Sleep(time.Second)
		}
		if n := calls.calls.Load(); n != 11 { // once for mine, every 6 seconds for the other
			t.Errorf("the cache was called %d times, want 11", n)
		}
		c.Close()
		time.Sleep(2 * time.Minute)
		calls.calls.Store(0)
		for i := range 100 {
			logger.Error(fmt.Sprint("mine ", i))
			time.Sleep(100 * time.Millisecond)
		}
		if n := calls.calls.Load(); n != 10 { // once a second
			t.Errorf("the cache that fails was called %d times, want 10", n)
		}
	})
}

func TestNewRefusesWrongArguments(t *testing.T) {
	c := memoryCache(t)
	inner := slog.NewTextHandler(io.Discard, nil)
	_, noInner := oncelog.New(nil, c, nil)
	_, noCache := oncelog.New(inner, nil, nil)
	_, period := oncelog.New(inner, c, &oncelog.Options{Period: -time.Second})
	long := strings.Repeat("p", core.MaxKeyLen)
	_, prefix := oncelog.New(inner, c, &oncelog.Options{Prefix: long})
	for err, want := range map[error]string{
		noInner: "oncelog: the inner handler is nil",
		noCache: "oncelog: the cache is nil",
		prefix:  "oncelog: Options.Prefix is 65536 bytes long; want at most 65465",
		period:  "oncelog: Options.Period is -1s; want 0 (a minute) or more",
	} {
		want = "cachewire: invalid configuration: " + want
		if !errors.Is(err, core.ErrConfig) || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("error is %v, want %s", err, want)
		}
	}
}

// must returns v, and panics if there is an error.
func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}
