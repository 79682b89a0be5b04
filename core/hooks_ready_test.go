package core_test

import (
	"bytes"
	"context"
	"encoding/json"
	"expvar"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cachewire/cachewire/core"
)

var (
	_ expvar.Var = (*core.HitRatio)(nil)
	_ expvar.Var = (*core.Timing)(nil)
)

func TestHitRatioIsExact(t *testing.T) {
	ratio := new(core.HitRatio)
	var all sync.WaitGroup
	for i := range 2 {
		c := open(t, newBackend(), &core.Options{Name: fmt.Sprint("cache", i), Hooks: []core.Hook{ratio}})
		put(t, c, "there", "v")
		for range 8 {
			all.Go(func() {
				for n := range 500 {
					_, _ = c.Get(context.Background(), "there")
					_, _ = c.Exists(context.Background(), "absent")
					_, _ = c.GetMulti(context.Background(), []string{"there", "absent", "absent2"})
					if n%50 == 0 {
						ratio.Snapshot()
					}
				}
			})
		}
	}
	all.Wait()
	got := ratio.Snapshot()
	for i := range 2 {
		c := got[fmt.Sprint("cache", i)]
		want := map[string]core.Ratio{
			"Get":      {Hits: 4000, Ratio: 1},
			"Exists":   {Misses: 4000},
			"GetMulti": {Hits: 4000, Misses: 8000, Ratio: 1.0 / 3},
		}
		if !maps.Equal(c.Verbs, want) || c.Ratio != (core.Ratio{Hits: 8000, Misses: 12000, Ratio: 0.4}) {
			t.Errorf("cache %d: %+v", i, c)
		}
	}
	if len(got) != 2 {
		t.Errorf("figures of %d caches", len(got))
	}
	var read map[string]struct {
		Hits  uint64
		Verbs map[string]struct{ Misses uint64 }
	}
	if err := json.Unmarshal([]byte(ratio.String()), &read); err != nil || read["cache1"].Hits != 8000 || read["cache1"].Verbs["Exists"].Misses != 4000 {
		t.Errorf("%s, %v", ratio, err)
	}
	if text := new(core.HitRatio).String(); text != "{}" {
		t.Error(text)
	}
}

// Quantiles are within a sixteenth of those of all durations, sorted.
func TestTimingTellsQuantiles(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	timing := new(core.Timing)
	var all []time.Duration
	var sum time.Duration
	for range 10_000 {
		d := time.Duration(r.Int64N(1 << (1 + r.IntN(40))))
		all, sum = append(all, d), sum+d
		timing.After(context.Background(), &core.Op{Verb: "Get", Duration: d})
	}
	slices.Sort(all)
	got := timing.Snapshot()[""]["Get"]
	if got.Count != 10_000 || got.Min != all[0] || got.Max != all[9_999] || got.Mean != sum/10_000 {
		t.Errorf("%+v, want %v to %v, %v in the middle", got, all[0], all[9_999], sum/10_000)
	}
	for rank, d := range map[int]time.Duration{5000: got.P50, 9000: got.P90, 9900: got.P99, 9990: got.P999} {
		if exact := all[rank-1]; d < exact-exact/16-1 || d > exact+exact/16+1 {
			t.Errorf("of 10000, %v is the %dth; want about %v", d, rank, exact)
		}
	}
}

func TestTimingMeasuresVerbs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, timing := newBackend(), new(core.Timing)
		c := open(t, b, &core.Options{Name: "local", Hooks: []core.Hook{timing}})
		b.before = func(_ context.Context, verb, key string) error {
			if verb == "Get" {
				time.Sleep(time.Duration(len(key)) * time.Millisecond)
			}
			return nil
		}
		for n := 1; n <= 4; n++ {
			_, _ = c.Get(t.Context(), strings.Repeat("k", n))
		}
		_ = c.Set(t.Context(), "k", nil, 0)
		got := timing.Snapshot()
		get := got["local"]["Get"]
		if len(got) != 1 || len(got["local"]) != 2 || get.Count != 4 || get.Min != time.Millisecond || get.Max != 4*time.Millisecond ||
			get.Mean != 2500*time.Microsecond || get.P999 < 15*time.Millisecond/4 || got["local"]["Set"].Count != 1 || got["local"]["Set"].Max != 0 {
			t.Errorf("%+v", got)
		}
		var read map[string]map[string]map[string]int64
		if err := json.Unmarshal([]byte(timing.String()), &read); err != nil || read["local"]["Get"]["max"] != 4_000_000 {
			t.Errorf("%s, %v", timing, err)
		}
	})
}

// Least and most are exact also when all come at once, and odd durations harm nobody.
func TestTimingOfManyAtOnce(t *testing.T) {
	timing := new(core.Timing)
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			r := rand.New(rand.NewPCG(1, uint64(i)))
			for _, n := range r.Perm(1000) {
				timing.After(context.Background(), &core.Op{Verb: "Get", Duration: time.Duration(1 + i*1000 + n)})
			}
		})
	}
	all.Wait()
	if got := timing.Snapshot()[""]["Get"]; got.Count != 8000 || got.Min != 1 || got.Max != 8000 || got.Mean != 4000 {
		t.Errorf("%+v", got)
	}
	for edge := time.Duration(1); edge > 0 && edge < 1<<61; edge = edge*9/8 + 1 { // each bucket's own error
		for _, d := range []time.Duration{edge, edge + edge/17} {
			one := new(core.Timing)
			for _, also := range []time.Duration{0, d, d, d, 1 << 62} {
				one.After(context.Background(), &core.Op{Verb: "Get", Duration: also})
			}
			if got := one.Snapshot()[""]["Get"].P50; got < d-d/16-1 || got > d+d/16+1 {
				t.Errorf("%v is told as %v", d, got)
			}
		}
	}
	timing.After(context.Background(), &core.Op{Verb: "Delete", Duration: -1})
	timing.After(context.Background(), &core.Op{Verb: "Add", Duration: 1000})
	if got := timing.Snapshot()[""]; got["Delete"].Max != 0 || got["Add"].P50 != 1000 || got["Add"].P999 != 1000 {
		t.Errorf("%+v", got)
	}
	for _, d := range []time.Duration{-1, 0, 7, 8, 9, 15, 16, 1<<63 - 1} {
		timing.After(context.Background(), &core.Op{Verb: "Set", Duration: d})
	}
	if got := timing.Snapshot()[""]["Set"]; got.Count != 8 || got.Min != 0 || got.Max != 1<<63-1 {
		t.Errorf("%+v", got)
	}
}

func TestSlowReportsWhatTookLonger(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBackend()
		b.before = func(_ context.Context, verb, key string) error {
			if verb != "Close" {
				time.Sleep(time.Duration(len(key)) * time.Millisecond)
			}
			return nil
		}
		var slow []string
		c := open(t, b, &core.Options{Hooks: []core.Hook{&core.Slow{Threshold: 2 * time.Millisecond, Report: func(_ context.Context, op *core.Op) {
			slow = append(slow, op.Verb+" "+op.Keys[0]+" "+op.Duration.String())
		}}}})
		for _, key := range []string{"k", "kk", "kkk"} {
			_, _ = c.Get(t.Context(), key)
		}
		if want := []string{"Get kkk 3ms"}; !slices.Equal(slow, want) {
			t.Errorf("%q, want %q", slow, want)
		}
	})
}

// Keys are logged, values never, and nothing where debug is off.
func TestLogHasKeysAndNoValues(t *testing.T) {
	var out bytes.Buffer
	text := func(level slog.Level) *slog.Logger {
		return slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: level, ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			if a.Key == "time" || a.Key == "duration" {
				return slog.Attr{}
			}
			return a
		}}))
	}
	b := newBackend()
	c := open(t, b, &core.Options{Name: "local", Hooks: []core.Hook{&core.Log{Logger: text(slog.LevelDebug)}}})
	put(t, c, "k", "secret")
	_, _ = c.GetMulti(t.Context(), []string{"k", "absent"})
	_, _ = c.Get(t.Context(), "absent")
	many := make([]string, 12)
	for i := range many {
		many[i] = fmt.Sprint(i)
	}
	_ = c.DeleteMulti(t.Context(), many)
	b.before = func(_ context.Context, verb, _ string) error {
		if verb == "Close" {
			return nil
		}
		return io.EOF
	}
	_ = c.Set(t.Context(), "k", []byte("secret"), 0)
	want := `level=DEBUG msg=cache cache=local verb=Set keys=[k]
level=DEBUG msg=cache cache=local verb=GetMulti keys="[k absent]" hits=1 misses=1
level=DEBUG msg=cache cache=local verb=Get keys=[absent] hits=0 misses=1
level=DEBUG msg=cache cache=local verb=DeleteMulti keys="[0 1 2 3 4 5 6 7 8 9]" more_keys=2
level=DEBUG msg=cache cache=local verb=Set keys=[k] err="cachewire: Set \"k\" (core_test): EOF"
`
	if got := out.String(); got != want {
		t.Errorf("logged\n%s, want\n%s", got, want)
	}
	out.Reset()
	quiet := open(t, newBackend(), &core.Options{Hooks: []core.Hook{&core.Log{Logger: text(slog.LevelInfo)}}})
	put(t, quiet, "k", "v")
	if out.Len() != 0 {
		t.Errorf("logged %s", &out)
	}
}

// A hook that panics harms neither the verb nor the other hooks, and is told of once.
func TestAHookThatPanicsHarmsNobody(t *testing.T) {
	var out bytes.Buffer
	before := slog.Default()
	slog.SetDefault(slog.New(slog.NewTextHandler(&out, nil)))
	defer slog.SetDefault(before)
	for _, where := range []string{"before", "after"} {
		out.Reset()
		var calls atomic.Int64
		bad := &recorder{}
		if where == "before" {
			bad.before = func(context.Context, *core.Op) context.Context { panic("boom " + where) }
		} else {
			bad.after = func(context.Context, *core.Op) { panic("boom " + where) }
		}
		good := &recorder{after: func(context.Context, *core.Op) { calls.Add(1) }}
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
			t.Errorf("the other hooks heard of %d verbs, want 14", calls.Load())
		}
		if text := out.String(); strings.Count(text, "boom "+where) != 1 || !strings.Contains(text, "hook=*core_test.recorder cache=local verb=Set") || !strings.Contains(text, "hooks_ready_test.go") {
			t.Errorf("logged %s", text)
		}
	}
}

// Also the hooks behind one that panics in Before are called, whichever it is, and the one
// that panics is named; each is told of once.
func TestWhichHookPanicsIsTold(t *testing.T) {
	var out bytes.Buffer
	before := slog.Default()
	slog.SetDefault(slog.New(slog.NewTextHandler(&out, nil)))
	defer slog.SetDefault(before)
	first := markHook{before: func(context.Context, *core.Op) context.Context { panic("first") }, after: func(context.Context, *core.Op) {}}
	second := &recorder{after: func(context.Context, *core.Op) { panic("second") }}
	third := &recorder{}
	c := open(t, newBackend(), &core.Options{Hooks: []core.Hook{new(core.HitRatio), first, second, third}})
	for range 2 {
		put(t, c, "k", "v")
	}
	if len(third.begun) != 2 || len(second.begun) != 2 || len(third.ops) != 2 {
		t.Errorf("those behind it began %d and %d verbs, and ended %d; want 2 each", len(second.begun), len(third.begun), len(third.ops))
	}
	text := out.String()
	for _, want := range []string{"hook=core_test.markHook", "hook=*core_test.recorder"} {
		if strings.Count(text, want) != 1 {
			t.Errorf("logged %s, want %s once", text, want)
		}
	}
}

// A handler of slog that panics as well does not harm the verb either.
func TestAHandlerThatPanicsHarmsNobody(t *testing.T) {
	before := slog.Default()
	handler := &panicking{Handler: slog.NewTextHandler(io.Discard, &slog.HandlerOptions{Level: slog.LevelDebug})}
	slog.SetDefault(slog.New(handler))
	defer slog.SetDefault(before)
	c := open(t, newBackend(), &core.Options{Hooks: []core.Hook{&core.Log{}}}) // to slog.Default
	put(t, c, "k", "v")
	wantValue(t, c, "k", "v")
	if handler.calls != 3 { // of Set, of the panic that it ended in, and of Get
		t.Errorf("the handler was called %d times, want 3", handler.calls)
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

// A hook that holds one of those that are ready has a Before of its own.
func TestAHookMayHoldAReadyOne(t *testing.T) {
	hook := &holder{Timing: new(core.Timing)}
	c := open(t, newBackend(), &core.Options{Hooks: []core.Hook{hook}})
	put(t, c, "k", "v")
	if hook.begun != 1 || hook.Snapshot()[""]["Set"].Count != 1 {
		t.Errorf("%d begun, %+v", hook.begun, hook.Snapshot())
	}
}

type holder struct {
	*core.Timing
	begun int
}

func (h *holder) Before(ctx context.Context, _ *core.Op) context.Context { h.begun++; return ctx }

// Errors that have part of a value in them are logged without it.
func TestLogHasNoValueOfAnError(t *testing.T) {
	handler := &recordKeeper{}
	log := &core.Log{Logger: slog.New(handler)}
	secret := fmt.Errorf("parsing hunter2: %w", core.ErrCodec)
	for _, err := range []error{secret, fmt.Errorf("hunter2: %w", core.ErrNotNumber), &core.MultiError{Errors: map[string]error{"k": secret}, Total: 1}} {
		keys := []string{"k"}
		log.After(context.Background(), &core.Op{Verb: "Get", Keys: keys, Err: err})
		keys[0] = "changed" // as the next verb does
	}
	for _, r := range handler.records {
		var text bytes.Buffer
		slog.NewTextHandler(&text, nil).Handle(context.Background(), r)
		if strings.Contains(text.String(), "hunter2") || !strings.Contains(text.String(), "keys=[k]") || !strings.Contains(text.String(), "err=") && !strings.Contains(text.String(), "failed=1") {
			t.Errorf("logged %s", &text)
		}
	}
	if len(handler.records) != 3 {
		t.Errorf("%d lines", len(handler.records))
	}
}

// A recordKeeper is a slog.Handler that keeps records.
type recordKeeper struct{ records []slog.Record }

func (*recordKeeper) Enabled(context.Context, slog.Level) bool { return true }
func (k *recordKeeper) Handle(_ context.Context, r slog.Record) error {
	k.records = append(k.records, r)
	return nil
}
func (k *recordKeeper) WithAttrs([]slog.Attr) slog.Handler { return k }
func (k *recordKeeper) WithGroup(string) slog.Handler      { return k }

func TestReadyHooksAllocateNothing(t *testing.T) {
	for _, v := range costedVerbs {
		t.Run(v.name, func(t *testing.T) {
			if raceEnabled {
				t.Skip("the race detector allocates")
			}
			bare := open(t, hit(), nil)
			hooked := open(t, hit(), &core.Options{Name: "local", Hooks: []core.Hook{new(core.HitRatio), new(core.Timing), &core.Slow{Threshold: time.Hour}, &core.Log{}}})
			allocs := func(c *core.Cache) float64 {
				return testing.AllocsPerRun(200, func() { wantErr(t, v.call(context.Background(), c), nil) })
			}
			if with, without := allocs(hooked), allocs(bare); with > without {
				t.Errorf("%v allocations, and %v without hooks", with, without)
			}
		})
	}
}
