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
	var wg sync.WaitGroup
	for i := range 2 {
		c := open(t, new(coretest.Backend), &core.Options{
			Name:  fmt.Sprint("cache", i),
			Hooks: []core.Hook{ratio},
		})
		put(t, c, "present", "v")
		for range 8 {
			wg.Go(func() {
				ctx := context.Background()
				for n := range 500 {
					_, _ = c.Get(ctx, "present")
					_, _ = c.Exists(ctx, "absent")
					_, _ = c.GetMulti(ctx, []string{"present", "absent", "absent2"})
					if n%50 == 0 {
						ratio.Snapshot()
					}
				}
			})
		}
	}
	wg.Wait()
	got := ratio.Snapshot()
	for i := range 2 {
		c := got[fmt.Sprint("cache", i)]
		want := map[string]hooks.Ratio{
			"Get":      {Hits: 4000, Ratio: 1},
			"Exists":   {Misses: 4000},
			"GetMulti": {Hits: 4000, Misses: 8000, Ratio: 1.0 / 3},
		}
		wantSum := hooks.Ratio{Hits: 8000, Misses: 12000, Ratio: 0.4}
		if !maps.Equal(c.Lookups.Verbs, want) || c.Lookups.Ratio != wantSum || c.Served != nil {
			t.Errorf("cache %d: %+v, want lookups %+v, in all %+v, and nothing served",
				i, c, want, wantSum)
		}
	}
	if len(got) != 2 {
		t.Errorf("the snapshot has %d caches, want 2", len(got))
	}
	var read map[string]struct {
		Lookups struct {
			Hits  uint64
			Verbs map[string]struct{ Misses uint64 }
		}
	}
	err := json.Unmarshal([]byte(ratio.String()), &read)
	lookups := read["cache1"].Lookups
	if err != nil || lookups.Hits != 8000 || lookups.Verbs["Exists"].Misses != 4000 {
		t.Errorf("String = %s, %v; want 8000 hits and 4000 misses of Exists", ratio, err)
	}
	if text := new(hooks.HitRatio).String(); text != "{}" {
		t.Errorf("String of an empty HitRatio = %s, want {}", text)
	}
}

func TestHitRatioCountsServedSeparatelyFromLookups(t *testing.T) {
	ratio := new(hooks.HitRatio)
	c := open(t, new(coretest.Backend), &core.Options{Name: "users", Hooks: []core.Hook{ratio}})
	put(t, c, "k", "v")
	for range 4 { // the key is present each time, but its value is loaded
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
		t.Errorf("lookups are %+v, want 4 hits and ratio 1", got.Lookups)
	}
	want := map[string]uint64{
		"loaded": 4, "hit": 3, "stale": 2, "negative": 1, "load_error": 1, "waited": 1,
	}
	s := got.Served
	if s == nil || !maps.Equal(s.Outcomes, want) || s.Ratio != 0.5 ||
		s.Loads != 5 || s.LoadErrors != 1 || s.LoadTime != 5*time.Second {
		t.Errorf("served is %+v, want outcomes %v, ratio 0.5, 5 loads, 1 error and 5s", s, want)
	}
	text := ratio.String()
	for _, want := range []string{`"lookups":{"hits":4,`, `"served":{"outcomes":{"hit":3,`} {
		if !strings.Contains(text, want) {
			t.Errorf("String = %s, want it to contain %s", text, want)
		}
	}
}

func TestHitRatioCountsEachPrefixSeparately(t *testing.T) {
	ratio := new(hooks.HitRatio)
	c := open(t, new(coretest.Backend), &core.Options{Hooks: []core.Hook{ratio}})
	for _, prefix := range []string{"users:", "pages:"} {
		prefixed, err := c.WithPrefix(prefix)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = prefixed.Get(t.Context(), "k")
	}
	_, _ = c.Get(t.Context(), "k")
	names := slices.Sorted(maps.Keys(ratio.Snapshot()))
	want := []string{"coretest", "coretest/pages:", "coretest/users:"}
	if !slices.Equal(names, want) {
		t.Errorf("the snapshot has the caches %q, want %q", names, want)
	}
}

// measure calls t.After with a call of verb that took d.
func measure(t *hooks.Timing, verb string, d time.Duration) {
	t.After(context.Background(), &core.Op{Verb: verb, Duration: d})
}

func TestTimingQuantilesAreWithinOneSixteenth(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	timing := new(hooks.Timing)
	var all []time.Duration
	var sum time.Duration
	for range 10_000 {
		d := time.Duration(r.Int64N(1 << (1 + r.IntN(40))))
		all, sum = append(all, d), sum+d
		measure(timing, "Get", d)
	}
	slices.Sort(all)
	got := timing.Snapshot()[""]["Get"]
	if got.Count != 10_000 || got.Min != all[0] || got.Max != all[9_999] ||
		got.Mean != sum/10_000 {
		t.Errorf("Snapshot = %+v, want durations from %v to %v with mean %v",
			got, all[0], all[9_999], sum/10_000)
	}
	for rank, d := range map[int]time.Duration{
		5000: got.P50, 9000: got.P90, 9900: got.P99, 9990: got.P999,
	} {
		if exact := all[rank-1]; d < exact-exact/16-1 || d > exact+exact/16+1 {
			t.Errorf("duration %d of 10000 is %v, want about %v", rank, d, exact)
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
		if len(got) != 1 || len(got["local"]) != 2 {
			t.Errorf("Snapshot = %+v, want Get and Set of local", got)
		}
		get, set := got["local"]["Get"], got["local"]["Set"]
		if get.Count != 4 || get.Min != time.Millisecond || get.Max != 4*time.Millisecond ||
			get.Mean != 2500*time.Microsecond || get.P999 < 15*time.Millisecond/4 {
			t.Errorf("Get took %+v, want 4 calls of 1ms to 4ms", get)
		}
		if set.Count != 1 || set.Max != 0 {
			t.Errorf("Set took %+v, want 1 call of 0s", set)
		}
		var read map[string]map[string]map[string]int64
		err := json.Unmarshal([]byte(timing.String()), &read)
		if err != nil || read["local"]["Get"]["max"] != 4_000_000 {
			t.Errorf("String = %s, %v; want a maximum of 4000000 for Get", timing, err)
		}
	})
}

func TestTimingByManyGoroutinesIsExact(t *testing.T) {
	timing := new(hooks.Timing)
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			r := rand.New(rand.NewPCG(1, uint64(i)))
			for _, n := range r.Perm(1000) {
				measure(timing, "Get", time.Duration(1+i*1000+n))
			}
		})
	}
	wg.Wait()
	got := timing.Snapshot()[""]["Get"]
	if got.Count != 8000 || got.Min != 1 || got.Max != 8000 || got.Mean != 4000 {
		t.Errorf("Snapshot = %+v, want 8000 calls of 1ns to 8µs with mean 4µs", got)
	}
}

func TestTimingIsAccurateInEveryBucket(t *testing.T) {
	for edge := time.Duration(1); edge > 0 && edge < 1<<61; edge = edge*9/8 + 1 {
		for _, d := range []time.Duration{edge, edge + edge/17} {
			timing := new(hooks.Timing)
			for _, d := range []time.Duration{0, d, d, d, 1 << 62} {
				measure(timing, "Get", d)
			}
			if got := timing.Snapshot()[""]["Get"].P50; got < d-d/16-1 || got > d+d/16+1 {
				t.Errorf("P50 = %v, want about %v", got, d)
			}
		}
	}
}

func TestTimingTakesNegativeAndVeryLongDurations(t *testing.T) {
	timing := new(hooks.Timing)
	measure(timing, "Delete", -1)
	measure(timing, "Add", 1000)
	got := timing.Snapshot()[""]
	if got["Delete"].Max != 0 || got["Add"].P50 != 1000 || got["Add"].P999 != 1000 {
		t.Errorf("Snapshot = %+v, want 0s for Delete and 1µs for Add", got)
	}
	for _, d := range []time.Duration{-1, 0, 7, 8, 9, 15, 16, 1<<63 - 1} {
		measure(timing, "Set", d)
	}
	if got := timing.Snapshot()[""]["Set"]; got.Count != 8 || got.Min != 0 || got.Max != 1<<63-1 {
		t.Errorf("Snapshot = %+v, want 8 calls of 0s to the longest duration", got)
	}
}

func TestSlowReportsVerbsThatTookLongerThanTheThreshold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := new(coretest.Backend)
		b.Before = func(_ context.Context, verb, key string) error {
			if verb != "Close" {
				time.Sleep(time.Duration(len(key)) * time.Millisecond)
			}
			return nil
		}
		var slow []string
		hook := &hooks.Slow{
			Threshold: 2 * time.Millisecond,
			Report: func(_ context.Context, op *core.Op) {
				slow = append(slow, op.Verb+" "+op.Key+" "+op.Duration.String())
			},
		}
		c := open(t, b, &core.Options{Hooks: []core.Hook{hook}})
		for _, key := range []string{"k", "kk", "kkk"} {
			_, _ = c.Get(t.Context(), key)
		}
		if want := []string{"Get kkk 3ms"}; !slices.Equal(slow, want) {
			t.Errorf("Report was called with %q, want %q", slow, want)
		}
	})
}

func TestSlowLogsIfReportIsNil(t *testing.T) {
	var out bytes.Buffer
	before := slog.Default()
	slog.SetDefault(slog.New(slog.NewTextHandler(&out, nil)))
	defer slog.SetDefault(before)
	slow := &hooks.Slow{Threshold: time.Second}
	for key, duration := range map[string]time.Duration{
		"quick": time.Second, "k": 2 * time.Second,
	} {
		slow.After(t.Context(), &core.Op{
			Cache: "local", Verb: "Get", Key: key, Duration: duration,
		})
	}
	text := out.String()
	want := `level=WARN msg="slow cache" cache=local verb=Get duration=2s key=k`
	if strings.Contains(text, "quick") || !strings.Contains(text, want) {
		t.Errorf("the log is %s, want one line that contains %s", text, want)
	}
}

// Log logs nothing if the debug level is disabled.
func TestLogHasKeysAndNoValues(t *testing.T) {
	var out bytes.Buffer
	newLogger := func(level slog.Level) *slog.Logger {
		return slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{
			Level: level,
			ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
				if a.Key == "time" || a.Key == "duration" {
					return slog.Attr{}
				}
				return a
			},
		}))
	}
	b := new(coretest.Backend)
	c := open(t, b, &core.Options{
		Name:  "local",
		Hooks: []core.Hook{&hooks.Log{Logger: newLogger(slog.LevelDebug)}},
	})
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
		t.Errorf("the log is\n%s, want\n%s", got, want)
	}
	out.Reset()
	c = open(t, new(coretest.Backend), &core.Options{
		Hooks: []core.Hook{&hooks.Log{Logger: newLogger(slog.LevelInfo)}},
	})
	put(t, c, "k", "v")
	if out.Len() != 0 {
		t.Errorf("without the debug level the log is %s, want nothing", &out)
	}
}

// Timing is a CountHook, but the methods of the hook that embeds it are called.
func TestHookMayEmbedTiming(t *testing.T) {
	hook := &timingWithBefore{Timing: new(hooks.Timing)}
	c := open(t, new(coretest.Backend), &core.Options{Name: "local", Hooks: []core.Hook{hook}})
	put(t, c, "k", "v")
	if hook.before != 1 || hook.after != 1 || hook.Snapshot()["local"]["Set"].Count != 1 {
		t.Errorf("Before was called %d times, After %d times; the figures are %+v",
			hook.before, hook.after, hook.Snapshot())
	}
}

// A timingWithBefore is a Timing that counts the calls of its methods.
type timingWithBefore struct {
	*hooks.Timing
	before, after int
}

func (h *timingWithBefore) Before(ctx context.Context, _ *core.Op) context.Context {
	h.before++
	return ctx
}

func (h *timingWithBefore) After(ctx context.Context, op *core.Op) {
	h.after++
	h.Timing.After(ctx, op)
}

// The text of these errors contains part of a value.
func TestLogHasNoValueOfAnError(t *testing.T) {
	handler := &recordHandler{}
	log := &hooks.Log{Logger: slog.New(handler)}
	secret := fmt.Errorf("parsing hunter2: %w", core.ErrCodec)
	for _, err := range []error{
		secret,
		fmt.Errorf("hunter2: %w", core.ErrNotNumber),
		&core.MultiError{Errors: map[string]error{"k": secret}, Total: 1},
	} {
		keys := []string{"k"}
		log.After(context.Background(), &core.Op{Verb: "GetMulti", Keys: keys, Err: err})
		keys[0] = "changed" // as the caller of the verb may do
	}
	for _, r := range handler.records {
		var out bytes.Buffer
		slog.NewTextHandler(&out, nil).Handle(context.Background(), r)
		text := out.String()
		if strings.Contains(text, "hunter2") || !strings.Contains(text, "keys=[k]") ||
			!strings.Contains(text, "err=") && !strings.Contains(text, "failed=1") {
			t.Errorf("the log is %s, want the key and the error without hunter2", text)
		}
	}
	if len(handler.records) != 3 {
		t.Errorf("the log has %d records, want 3", len(handler.records))
	}
}

// A recordHandler is a slog.Handler that keeps all records.
type recordHandler struct{ records []slog.Record }

func (*recordHandler) Enabled(context.Context, slog.Level) bool { return true }
func (k *recordHandler) Handle(_ context.Context, r slog.Record) error {
	k.records = append(k.records, r)
	return nil
}
func (k *recordHandler) WithAttrs([]slog.Attr) slog.Handler { return k }
func (k *recordHandler) WithGroup(string) slog.Handler      { return k }

func TestHooksAllocateNothing(t *testing.T) {
	ops := []*core.Op{
		{Cache: "local", Verb: "Get", Key: "k", Hits: 1, Duration: time.Second},
		{Cache: "local", Verb: "Set", Key: "k", Duration: time.Second},
	}
	for _, hook := range []core.Hook{
		new(hooks.HitRatio), new(hooks.Timing), &hooks.Slow{Threshold: time.Hour}, &hooks.Log{},
	} {
		allocs := testing.AllocsPerRun(200, func() {
			for _, op := range ops {
				hook.After(context.Background(), op)
			}
		})
		if allocs != 0 {
			t.Errorf("%T allocates %v times, want 0", hook, allocs)
		}
	}
}
