package hooks_test

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
	"testing"
	"testing/synctest"
	"time"

	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/core/hooks"
	"github.com/cachewire/cachewire/core/internal/coretest"
)

var (
	_ expvar.Var = (*hooks.HitRatio)(nil)
	_ expvar.Var = (*hooks.Timing)(nil)
)

func open(t *testing.T, b core.Backend, opts *core.Options) *core.Cache {
	t.Helper()
	c, err := core.New(b, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func put(t *testing.T, c *core.Cache, key, value string) {
	t.Helper()
	if err := c.Set(t.Context(), key, []byte(value), 0); err != nil {
		t.Fatal(err)
	}
}

func TestHitRatioCountsLookupsExactly(t *testing.T) {
	ratio := new(hooks.HitRatio)
	var all sync.WaitGroup
	for i := range 2 {
		c := open(t, new(coretest.Backend), &core.Options{Name: fmt.Sprint("cache", i), Hooks: []core.Hook{ratio}})
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
		want := map[string]hooks.Ratio{
			"Get":      {Hits: 4000, Ratio: 1},
			"Exists":   {Misses: 4000},
			"GetMulti": {Hits: 4000, Misses: 8000, Ratio: 1.0 / 3},
		}
		if !maps.Equal(c.Lookups.Verbs, want) || c.Lookups.Ratio != (hooks.Ratio{Hits: 8000, Misses: 12000, Ratio: 0.4}) || c.Served != nil {
			t.Errorf("cache %d: %+v", i, c)
		}
	}
	if len(got) != 2 {
		t.Errorf("figures of %d caches", len(got))
	}
	var read map[string]struct {
		Lookups struct {
			Hits  uint64
			Verbs map[string]struct{ Misses uint64 }
		}
	}
	if err := json.Unmarshal([]byte(ratio.String()), &read); err != nil || read["cache1"].Lookups.Hits != 8000 || read["cache1"].Lookups.Verbs["Exists"].Misses != 4000 {
		t.Errorf("%s, %v", ratio, err)
	}
	if text := new(hooks.HitRatio).String(); text != "{}" {
		t.Error(text)
	}
}

func TestHitRatioKeepsServedApartFromLookups(t *testing.T) {
	ratio := new(hooks.HitRatio)
	c := open(t, new(coretest.Backend), &core.Options{Name: "users", Hooks: []core.Hook{ratio}})
	put(t, c, "k", "v")
	for range 4 { // present in the cache each time, but loaded all the same
		_, _ = c.Get(t.Context(), "k")
		ratio.Served("users", "loaded", 1)
		ratio.Loaded("users", 1, time.Second, nil)
	}
	ratio.Served("users", "hit", 3)
	ratio.Served("users", "stale", 2)
	ratio.Served("users", "negative", 1)
	ratio.Served("users", "load_error", 1)
	ratio.Served("users", "waited", 1)
	ratio.Served("users", "hit", 0)
	ratio.Loaded("users", 1, time.Second, io.EOF)
	got := ratio.Snapshot()["users"]
	if got.Lookups.Ratio.Ratio != 1 || got.Lookups.Hits != 4 {
		t.Errorf("lookups are %+v", got.Lookups)
	}
	want := map[string]uint64{"loaded": 4, "hit": 3, "stale": 2, "negative": 1, "load_error": 1, "waited": 1}
	s := got.Served
	if s == nil || !maps.Equal(s.Outcomes, want) || s.Ratio != 0.5 || s.Loads != 5 || s.LoadErrors != 1 || s.LoadTime != 5*time.Second {
		t.Errorf("served are %+v", s)
	}
	if text := ratio.String(); !strings.Contains(text, `"lookups":{"hits":4,`) || !strings.Contains(text, `"served":{"outcomes":{"hit":3,`) {
		t.Error(text)
	}
}

// Two prefixes over one backend have figures of their own.
func TestHitRatioTellsPrefixesApart(t *testing.T) {
	ratio := new(hooks.HitRatio)
	c := open(t, new(coretest.Backend), &core.Options{Hooks: []core.Hook{ratio}})
	for _, prefix := range []string{"users:", "pages:"} {
		view, err := c.WithPrefix(prefix)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = view.Get(t.Context(), "k")
	}
	_, _ = c.Get(t.Context(), "k")
	names := slices.Sorted(maps.Keys(ratio.Snapshot()))
	if want := []string{"coretest", "coretest/pages:", "coretest/users:"}; !slices.Equal(names, want) {
		t.Errorf("figures of %q, want %q", names, want)
	}
}

// Quantiles are within a sixteenth of those of all durations, sorted.
func TestTimingHasQuantiles(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	timing := new(hooks.Timing)
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
		b, timing := new(coretest.Backend), new(hooks.Timing)
		c := open(t, b, &core.Options{Name: "local", Hooks: []core.Hook{timing}})
		b.Before = func(_ context.Context, verb, key string) error {
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
	timing := new(hooks.Timing)
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
			one := new(hooks.Timing)
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
		b := new(coretest.Backend)
		b.Before = func(_ context.Context, verb, key string) error {
			if verb != "Close" {
				time.Sleep(time.Duration(len(key)) * time.Millisecond)
			}
			return nil
		}
		var slow []string
		c := open(t, b, &core.Options{Hooks: []core.Hook{&hooks.Slow{Threshold: 2 * time.Millisecond, Report: func(_ context.Context, op *core.Op) {
			slow = append(slow, op.Verb+" "+op.Key+" "+op.Duration.String())
		}}}})
		for _, key := range []string{"k", "kk", "kkk"} {
			_, _ = c.Get(t.Context(), key)
		}
		if want := []string{"Get kkk 3ms"}; !slices.Equal(slow, want) {
			t.Errorf("%q, want %q", slow, want)
		}
	})
}

func TestSlowLogsWithoutReport(t *testing.T) {
	var out bytes.Buffer
	before := slog.Default()
	slog.SetDefault(slog.New(slog.NewTextHandler(&out, nil)))
	defer slog.SetDefault(before)
	slow := &hooks.Slow{Threshold: time.Second}
	slow.After(t.Context(), &core.Op{Cache: "local", Verb: "Get", Key: "quick", Duration: time.Second})
	slow.After(t.Context(), &core.Op{Cache: "local", Verb: "Get", Key: "k", Duration: 2 * time.Second})
	if text := out.String(); strings.Contains(text, "quick") || !strings.Contains(text, `level=WARN msg="slow cache" cache=local verb=Get duration=2s key=k`) {
		t.Errorf("logged %s", text)
	}
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
	b := new(coretest.Backend)
	c := open(t, b, &core.Options{Name: "local", Hooks: []core.Hook{&hooks.Log{Logger: text(slog.LevelDebug)}}})
	put(t, c, "k", "secret")
	_, _ = c.GetMulti(t.Context(), []string{"k", "absent"})
	_, _ = c.Get(t.Context(), "absent")
	many := make([]string, 12)
	for i := range many {
		many[i] = fmt.Sprint(i)
	}
	_ = c.DeleteMulti(t.Context(), many)
	b.Before = func(_ context.Context, verb, _ string) error {
		if verb == "Close" {
			return nil
		}
		return io.EOF
	}
	_ = c.Set(t.Context(), "k", []byte("secret"), 0)
	want := `level=DEBUG msg=cache cache=local verb=Set key=k
level=DEBUG msg=cache cache=local verb=GetMulti keys="[k absent]" hits=1 misses=1
level=DEBUG msg=cache cache=local verb=Get key=absent hits=0 misses=1
level=DEBUG msg=cache cache=local verb=DeleteMulti keys="[0 1 2 3 4 5 6 7 8 9]" more_keys=2
level=DEBUG msg=cache cache=local verb=Set key=k err="cachewire: Set \"k\" (coretest): EOF"
`
	if got := out.String(); got != want {
		t.Errorf("logged\n%s, want\n%s", got, want)
	}
	out.Reset()
	quiet := open(t, new(coretest.Backend), &core.Options{Hooks: []core.Hook{&hooks.Log{Logger: text(slog.LevelInfo)}}})
	put(t, quiet, "k", "v")
	if out.Len() != 0 {
		t.Errorf("logged %s", &out)
	}
}

// A hook that embeds one of these is called with its own methods.
func TestAHookMayEmbedOne(t *testing.T) {
	hook := &embedding{Timing: new(hooks.Timing)}
	c := open(t, new(coretest.Backend), &core.Options{Name: "local", Hooks: []core.Hook{hook}})
	put(t, c, "k", "v")
	if hook.begun != 1 || hook.ended != 1 || hook.Snapshot()["local"]["Set"].Count != 1 {
		t.Errorf("%d begun, %d ended, %+v", hook.begun, hook.ended, hook.Snapshot())
	}
}

type embedding struct {
	*hooks.Timing
	begun, ended int
}

func (h *embedding) Before(ctx context.Context, _ *core.Op) context.Context { h.begun++; return ctx }

func (h *embedding) After(ctx context.Context, op *core.Op) {
	h.ended++
	h.Timing.After(ctx, op)
}

// Errors that have part of a value in them are logged without it.
func TestLogHasNoValueOfAnError(t *testing.T) {
	handler := &recordKeeper{}
	log := &hooks.Log{Logger: slog.New(handler)}
	secret := fmt.Errorf("parsing hunter2: %w", core.ErrCodec)
	for _, err := range []error{secret, fmt.Errorf("hunter2: %w", core.ErrNotNumber), &core.MultiError{Errors: map[string]error{"k": secret}, Total: 1}} {
		keys := []string{"k"}
		log.After(context.Background(), &core.Op{Verb: "GetMulti", Keys: keys, Err: err})
		keys[0] = "changed" // as the caller of the verb may do
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

func TestHooksAllocateNothing(t *testing.T) {
	ops := []*core.Op{
		{Cache: "local", Verb: "Get", Key: "k", Hits: 1, Duration: time.Second},
		{Cache: "local", Verb: "Set", Key: "k", Duration: time.Second},
	}
	for _, hook := range []core.Hook{new(hooks.HitRatio), new(hooks.Timing), &hooks.Slow{Threshold: time.Hour}, &hooks.Log{}} {
		allocs := testing.AllocsPerRun(200, func() {
			for _, op := range ops {
				hook.After(context.Background(), op)
			}
		})
		if allocs != 0 {
			t.Errorf("%T allocates %v times", hook, allocs)
		}
	}
}
