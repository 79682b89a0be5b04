package core_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cachewire/cachewire/core"
)

// The verb and the other hooks go on, and the first panic is logged.
func TestVerbsGoOnIfAHookPanics(t *testing.T) {
	var out bytes.Buffer
	before := slog.Default()
	slog.SetDefault(slog.New(slog.NewTextHandler(&out, nil)))
	defer slog.SetDefault(before)
	for _, method := range []string{"before", "after", "count"} {
		out.Reset()
		var calls atomic.Int64
		var bad, good core.Hook
		good = &recorder{after: func(context.Context, *core.Op) { calls.Add(1) }}
		switch method {
		case "before":
			bad = &recorder{before: func(context.Context, *core.Op) context.Context {
				panic("boom " + method)
			}}
		case "after":
			bad = &recorder{after: func(context.Context, *core.Op) { panic("boom " + method) }}
		case "count":
			bad = countFunc(func() { panic("boom " + method) })
			good = countFunc(func() { calls.Add(1) })
		}
		opts := &core.Options{Name: "local", Hooks: []core.Hook{good, bad, good}}
		c := open(t, newBackend(), opts)
		put(t, c, "k", "v")
		for range 3 {
			if v, err := c.Get(t.Context(), "k"); string(v) != "v" || err != nil {
				t.Errorf("Get = %q, %v; want v", v, err)
			}
			_, err := c.Get(t.Context(), "absent")
			wantErr(t, err, core.ErrMiss)
		}
		if calls.Load() != 14 {
			t.Errorf("the other hooks were called %d times, want 14", calls.Load())
		}
		text := out.String()
		if strings.Count(text, "boom "+method) != 1 {
			t.Errorf("the log is %s, want the panic once", text)
		}
		source := fmt.Sprintf("hook=%T cache=local verb=Set", bad)
		for _, want := range []string{source, "hook_panic_test.go"} {
			if !strings.Contains(text, want) {
				t.Errorf("the log is %s, want it to contain %s", text, want)
			}
		}
	}
}

// Two hooks panic, one in Before and one in After. The hooks after them are called as well.
func TestEachHookThatPanicsIsLoggedOnce(t *testing.T) {
	var out bytes.Buffer
	before := slog.Default()
	slog.SetDefault(slog.New(slog.NewTextHandler(&out, nil)))
	defer slog.SetDefault(before)
	first := hookFuncs{
		before: func(context.Context, *core.Op) context.Context { panic("first") },
		after:  func(context.Context, *core.Op) {},
	}
	second := &recorder{after: func(context.Context, *core.Op) { panic("second") }}
	third := &recorder{}
	c := open(t, newBackend(), &core.Options{
		Hooks: []core.Hook{noopHook{}, first, second, third},
	})
	for range 2 {
		put(t, c, "k", "v")
	}
	if len(third.beforeOps) != 2 || len(second.beforeOps) != 2 || len(third.afterOps) != 2 {
		t.Errorf("Before of the next hooks was called %d and %d times, After %d times; "+
			"want 2 each", len(second.beforeOps), len(third.beforeOps), len(third.afterOps))
	}
	text := out.String()
	for _, want := range []string{"hook=core_test.hookFuncs", "hook=*core_test.recorder"} {
		if strings.Count(text, want) != 1 {
			t.Errorf("the log is %s, want %s once", text, want)
		}
	}
}

func TestVerbsGoOnIfTheLogHandlerPanics(t *testing.T) {
	before := slog.Default()
	opts := &slog.HandlerOptions{Level: slog.LevelDebug}
	handler := &panickingHandler{Handler: slog.NewTextHandler(io.Discard, opts)}
	slog.SetDefault(slog.New(handler))
	defer slog.SetDefault(before)
	bad := &recorder{after: func(context.Context, *core.Op) { panic("boom") }}
	c := open(t, newBackend(), &core.Options{Hooks: []core.Hook{bad}})
	put(t, c, "k", "v")
	wantValue(t, c, "k", "v")
	if handler.calls != 1 {
		t.Errorf("the handler was called %d times, want once", handler.calls)
	}
}

// A panickingHandler is a slog.Handler whose Handle panics.
type panickingHandler struct {
	slog.Handler
	calls int
}

func (p *panickingHandler) Handle(context.Context, slog.Record) error {
	p.calls++
	panic("boom")
}

// A countFunc is a CountHook that is a function.
type countFunc func()

func (countFunc) After(context.Context, *core.Op) {}

func (f countFunc) Count(string, string, int, int, time.Duration, error) { f() }
