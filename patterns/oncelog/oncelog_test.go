package oncelog_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
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

// want fails the test if something else than lines was logged. It then empties the buffer.
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
			logger.With("db", 2).WithGroup("g").Error("down")
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

// Of the records of several handlers that share a cache, one passes.
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
			if ok, err := c.Exists(t.Context(), "once:down"); !ok || err != nil {
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

// All records pass if the cache is down, closed or keeps nothing, or if the context is done.
func TestAllRecordsPassWithoutAWorkingCache(t *testing.T) {
	closed := memoryCache(t)
	closed.Close()
	server := memcachetest.Start(t, nil)
	down := memcachedCache(t, server.Addr(), nil)
	server.Kill()
	done, cancel := context.WithCancel(t.Context())
	cancel()
	for name, tt := range map[string]struct {
		ctx   context.Context
		cache *core.Cache
	}{
		"closed":       {t.Context(), closed},
		"down":         {t.Context(), down},
		"null":         {t.Context(), cacheOf(t, null.New())},
		"done context": {done, memoryCache(t)},
	} {
		t.Run(name, func(t *testing.T) {
			var l logBuffer
			logger := newLogger(&l, tt.cache, nil)
			for range 3 {
				logger.ErrorContext(tt.ctx, "down")
			}
			l.want(t, "level=ERROR msg=down", "level=ERROR msg=down", "level=ERROR msg=down")
		})
	}
}

// A loggingHook is a hook of the cache that logs through the Handler that calls the cache.
type loggingHook struct{ logger *slog.Logger }

func (h *loggingHook) Before(ctx context.Context, _ *core.Op) context.Context { return ctx }

func (h *loggingHook) After(ctx context.Context, op *core.Op) {
	h.logger.InfoContext(ctx, "hook "+op.Verb)
}

func TestAHookMayLog(t *testing.T) {
	var l logBuffer
	var hook loggingHook
	hook.logger = newLogger(&l, memoryCache(t, &hook), nil)
	hook.logger.Error("down")
	l.want(t, `level=INFO msg="hook Add"`, "level=ERROR msg=down")
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
		if err := c.Set(t.Context(), "log:another's", nil, time.Minute); err != nil {
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
		for range 100 {
			logger.Error("mine")
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
	for err, want := range map[error]string{
		noInner: "oncelog: the inner handler is nil",
		noCache: "oncelog: the cache is nil",
		period:  "oncelog: Options.Period is -1s, want 0 (a minute) or more",
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
