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

// A hook that panics harms neither the verb nor the other hooks, and its panic is logged once.
func TestAHookThatPanicsHarmsNoVerb(t *testing.T) {
	var out bytes.Buffer
	before := slog.Default()
	slog.SetDefault(slog.New(slog.NewTextHandler(&out, nil)))
	defer slog.SetDefault(before)
	for _, where := range []string{"before", "after", "count"} {
		out.Reset()
		var calls atomic.Int64
		var bad, good core.Hook = nil, &recorder{after: func(context.Context, *core.Op) { calls.Add(1) }}
		switch where {
		case "before":
			bad = &recorder{before: func(context.Context, *core.Op) context.Context { panic("boom " + where) }}
		case "after":
			bad = &recorder{after: func(context.Context, *core.Op) { panic("boom " + where) }}
		case "count":
			bad = countFunc(func() { panic("boom " + where) })
			good = countFunc(func() { calls.Add(1) })
		}
		c := open(t, newBackend(), &core.Options{Name: "local", Hooks: []core.Hook{good, bad, good}})
		put(t, c, "k", "v")
		for range 3 {
			if v, err := c.Get(t.Context(), "k"); string(v) != "v" || err != nil {
				t.Errorf("Get = %q, %v", v, err)
			}
			_, err := c.Get(t.Context(), "absent")
			wantErr(t, err, core.ErrMiss)
		}
		if calls.Load() != 14 {
			t.Errorf("the other hooks saw %d verbs, want 14", calls.Load())
		}
		if text := out.String(); strings.Count(text, "boom "+where) != 1 || !strings.Contains(text, fmt.Sprintf("hook=%T cache=local verb=Set", bad)) || !strings.Contains(text, "hook_panic_test.go") {
			t.Errorf("logged %s", text)
		}
	}
}

// The hooks behind one that panics in Before are called as well, and each hook that panics is
// named once.
func TestTheHookThatPanicsIsNamed(t *testing.T) {
	var out bytes.Buffer
	before := slog.Default()
	slog.SetDefault(slog.New(slog.NewTextHandler(&out, nil)))
	defer slog.SetDefault(before)
	first := markHook{before: func(context.Context, *core.Op) context.Context { panic("first") }, after: func(context.Context, *core.Op) {}}
	second := &recorder{after: func(context.Context, *core.Op) { panic("second") }}
	third := &recorder{}
	c := open(t, newBackend(), &core.Options{Hooks: []core.Hook{silent{}, first, second, third}})
	for range 2 {
		put(t, c, "k", "v")
	}
	if len(third.begun) != 2 || len(second.begun) != 2 || len(third.ops) != 2 {
		t.Errorf("the hooks behind it began %d and %d verbs, and ended %d; want 2 each", len(second.begun), len(third.begun), len(third.ops))
	}
	text := out.String()
	for _, want := range []string{"hook=core_test.markHook", "hook=*core_test.recorder"} {
		if strings.Count(text, want) != 1 {
			t.Errorf("logged %s, want %s once", text, want)
		}
	}
}

func TestALogHandlerThatPanicsHarmsNoVerb(t *testing.T) {
	before := slog.Default()
	handler := &panicking{Handler: slog.NewTextHandler(io.Discard, &slog.HandlerOptions{Level: slog.LevelDebug})}
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

type panicking struct {
	slog.Handler
	calls int
}

func (p *panicking) Handle(context.Context, slog.Record) error {
	p.calls++
	panic("boom")
}

// A countFunc is a CountHook that is a function.
type countFunc func()

func (countFunc) After(context.Context, *core.Op) {}

func (f countFunc) Count(string, string, int, int, time.Duration, error) { f() }
