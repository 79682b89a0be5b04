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

func cacheOf(t testing.TB, b core.Backend, hooks ...core.Hook) *core.Cache {
	t.Helper()
	c, err := core.New(b, &core.Options{Hooks: hooks})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// A logged keeps what is logged, as text without times.
type logged struct {
	mu  sync.Mutex
	buf bytes.Buffer // guarded by mu
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *logged) handler() slog.Handler {
	return slog.NewTextHandler(l, &slog.HandlerOptions{ReplaceAttr: func(groups []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey && len(groups) == 0 {
			return slog.Attr{}
		}
		return a
	}})
}

// want checks what was logged, and forgets it.
func (l *logged) want(t *testing.T, lines ...string) {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	got := strings.TrimSuffix(l.buf.String(), "\n")
	if wanted := strings.Join(lines, "\n"); got != wanted {
		t.Errorf("logged\n%s\nwant\n%s", got, wanted)
	}
	l.buf.Reset()
}

// The rules of slog's handlers.
func TestHandler(t *testing.T) {
	var buf bytes.Buffer
	slogtest.Run(t, func(t *testing.T) slog.Handler {
		buf.Reset()
		return must(oncelog.New(slog.NewJSONHandler(&buf, nil), cacheOf(t, must(memory.New(nil))), nil))
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
		var l logged
		logger := slog.New(must(oncelog.New(l.handler(), cacheOf(t, must(memory.New(nil))), nil)))
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

// Of a fleet's records one passes.
func TestARecordPassesOnceInAFleet(t *testing.T) {
	server := memcachetest.Start(t, nil)
	b, err := memcachepure.New([]memcache.Server{{Addr: server.Addr()}}, &memcachepure.Options{Options: memcache.Options{Timeout: 30 * time.Second}})
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]*core.Cache{"memory": cacheOf(t, must(memory.New(nil))), "memcached": cacheOf(t, b)} {
		t.Run(name, func(t *testing.T) {
			var l logged
			var all sync.WaitGroup
			for range 4 {
				logger := slog.New(must(oncelog.New(l.handler(), c, &oncelog.Options{Period: time.Hour, Prefix: "once:"})))
				for range 50 {
					all.Go(func() { logger.Error("down") })
				}
			}
			all.Wait()
			// It may tell of some that it overtook.
			if got := l.buf.String(); !strings.HasPrefix(got, "level=ERROR msg=down") || strings.Count(got, "\n") != 1 {
				t.Errorf("logged\n%s", got)
			}
			if ok, err := c.Exists(t.Context(), "once:down"); !ok || err != nil {
				t.Errorf("the key is not there, %v", err)
			}
		})
	}
}

// What another process has logged is dropped here, and counted.
func TestWhatAnotherLoggedIsDropped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := cacheOf(t, must(memory.New(nil)))
		var here, there logged
		slog.New(must(oncelog.New(there.handler(), c, nil))).Error("down")
		logger := slog.New(must(oncelog.New(here.handler(), c, nil)))
		for range 70 {
			logger.Error("down")
			time.Sleep(time.Second)
		}
		there.want(t, "level=ERROR msg=down")
		here.want(t, "level=ERROR msg=down dropped=60")
	})
}

func TestKeys(t *testing.T) {
	var l logged
	byAttr := func(_ context.Context, r slog.Record) string {
		key := ""
		r.Attrs(func(a slog.Attr) bool { key = a.Value.String(); return false })
		return key
	}
	logger := slog.New(must(oncelog.New(l.handler(), cacheOf(t, must(memory.New(nil))), &oncelog.Options{Key: byAttr})))
	for range 2 {
		logger.Error("a", "k", "x")
		logger.Error("b", "k", "x")
		logger.Error("c", "k", "y")
		logger.Error("no key")
	}
	l.want(t, "level=ERROR msg=a k=x", "level=ERROR msg=c k=y", `level=ERROR msg="no key"`, `level=ERROR msg="no key"`)
}

// A cache that is down, closed, or keeps nothing lets everything pass; so does a context
// that is done.
func TestWithoutACacheEverythingPasses(t *testing.T) {
	closed := cacheOf(t, must(memory.New(nil)))
	closed.Close()
	server := memcachetest.Start(t, nil)
	b, err := memcachepure.New([]memcache.Server{{Addr: server.Addr()}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	down := cacheOf(t, b)
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
		"done context": {done, cacheOf(t, must(memory.New(nil)))},
	} {
		t.Run(name, func(t *testing.T) {
			var l logged
			logger := slog.New(must(oncelog.New(l.handler(), tt.cache, nil)))
			for range 3 {
				logger.ErrorContext(tt.ctx, "down")
			}
			l.want(t, "level=ERROR msg=down", "level=ERROR msg=down", "level=ERROR msg=down")
		})
	}
}

// A hook of the cache may log by the Handler that asks the cache.
type logs struct{ logger *slog.Logger }

func (h *logs) Before(ctx context.Context, _ *core.Op) context.Context { return ctx }

func (h *logs) After(ctx context.Context, op *core.Op) { h.logger.InfoContext(ctx, "hook "+op.Verb) }

func TestAHookMayLog(t *testing.T) {
	var l logged
	var hook logs
	hook.logger = slog.New(must(oncelog.New(l.handler(), cacheOf(t, must(memory.New(nil)), &hook), nil)))
	hook.logger.Error("down")
	l.want(t, `level=INFO msg="hook Add"`, "level=ERROR msg=down")
}

// What is remembered is bounded.
func TestManyKeys(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l logged
		logger := slog.New(must(oncelog.New(l.handler(), cacheOf(t, must(memory.New(nil))), nil)))
		for i := range 25_000 {
			logger.Error(fmt.Sprint("error ", i))
			if i%5000 == 0 {
				time.Sleep(30 * time.Second)
			}
		}
		if n := strings.Count(l.buf.String(), "\n"); n != 25_000 {
			t.Errorf("%d of 25000 passed", n)
		}
		l.buf.Reset()
		logger.Error("error 24999")
		l.want(t)
	})
}

// A counter counts the calls of a cache's verbs.
type counter struct{ calls atomic.Int64 }

func (c *counter) Before(ctx context.Context, _ *core.Op) context.Context {
	c.calls.Add(1)
	return ctx
}
func (c *counter) After(context.Context, *core.Op) {}

// The cache is asked rarely: not about what has passed here, seldom about what another
// has logged, and not while it is down.
func TestTheCacheIsAskedRarely(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l logged
		var calls counter
		b := must(memory.New(nil))
		c := cacheOf(t, b, &calls)
		logger := slog.New(must(oncelog.New(l.handler(), c, nil)))
		if err := c.Set(t.Context(), "log:another's", nil, time.Minute); err != nil {
			t.Fatal(err)
		}
		calls.calls.Store(0)
		for range 59 {
			logger.Error("mine")
			logger.Error("another's")
			time.Sleep(time.Second)
		}
		if n := calls.calls.Load(); n != 11 { // once about mine, each 6 seconds about the other
			t.Errorf("the cache was asked %d times", n)
		}
		c.Close()
		time.Sleep(2 * time.Minute)
		calls.calls.Store(0)
		for range 100 {
			logger.Error("mine")
			time.Sleep(100 * time.Millisecond)
		}
		if n := calls.calls.Load(); n != 10 { // once a second
			t.Errorf("the cache that fails was asked %d times", n)
		}
	})
}

func TestNewRefusesWrongArguments(t *testing.T) {
	c := cacheOf(t, must(memory.New(nil)))
	inner := slog.NewTextHandler(io.Discard, nil)
	_, noInner := oncelog.New(nil, c, nil)
	_, noCache := oncelog.New(inner, nil, nil)
	_, period := oncelog.New(inner, c, &oncelog.Options{Period: -time.Second})
	for err, want := range map[error]string{
		noInner: "oncelog: the inner handler is nil",
		noCache: "oncelog: the cache is nil",
		period:  "oncelog: Options.Period is -1s, want 0 (a minute) or more",
	} {
		if !errors.Is(err, core.ErrConfig) || !strings.HasPrefix(err.Error(), "cachewire: invalid configuration: "+want) {
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
