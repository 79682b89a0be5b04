package cacheprom_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/encoding"
	"github.com/cachewire/cachewire/memory"
	cacheprom "github.com/cachewire/cachewire/observe/prometheus"
	"github.com/cachewire/cachewire/patterns"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
)

var (
	_ core.BeforeHook      = (*cacheprom.Metrics)(nil)
	_ prometheus.Collector = (*cacheprom.Metrics)(nil)
	_ patterns.Observer    = (*cacheprom.Metrics)(nil)
)

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func newCache(t testing.TB, b core.Backend, name string, hooks ...core.Hook) *core.Cache {
	t.Helper()
	if b == nil {
		b = must(memory.New(nil))
	}
	c, err := core.New(b, &core.Options{Name: name, Hooks: hooks})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// newMetrics returns a Metrics that is registered.
func newMetrics(t testing.TB) (*cacheprom.Metrics, *prometheus.Registry) {
	t.Helper()
	m, registry := cacheprom.New(), prometheus.NewPedanticRegistry()
	if err := registry.Register(m); err != nil {
		t.Fatal(err)
	}
	return m, registry
}

// gather returns the value of each metric by its name and labels, as in `name{a="b",c="d"}`.
// The value of a histogram is its count, and beside it there is name_sum.
func gather(t testing.TB, registry *prometheus.Registry) map[string]float64 {
	t.Helper()
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	values := map[string]float64{}
	for _, family := range families {
		for _, m := range family.GetMetric() {
			var labels []string
			for _, l := range m.GetLabel() {
				labels = append(labels, fmt.Sprintf("%s=%q", l.GetName(), l.GetValue()))
			}
			set := "{" + strings.Join(labels, ",") + "}"
			name := family.GetName()
			if h := m.GetHistogram(); h != nil {
				values[name+set] = float64(h.GetSampleCount())
				values[name+"_sum"+set] = h.GetSampleSum()
				continue
			}
			values[name+set] = m.GetGauge().GetValue() + m.GetCounter().GetValue()
		}
	}
	return values
}

func wantValues(t *testing.T, got, want map[string]float64) {
	t.Helper()
	for name, value := range want {
		if v, ok := got[name]; !ok || v != value {
			t.Errorf("%s is %v (present: %v), want %v", name, v, ok, value)
		}
	}
	if t.Failed() {
		t.Logf("%v", got)
	}
}

// A faulty is a backend with methods that fail.
type faulty struct {
	*memory.Backend
	err   error
	stats core.Stats
}

func (f *faulty) Get(ctx context.Context, key string) ([]byte, error) {
	if f.err != nil {
		return nil, f.err
	}
	return f.Backend.Get(ctx, key)
}

func (f *faulty) Stats(context.Context) (core.Stats, error) { return f.stats, f.err }

func TestVerbsAreCountedByCacheDriverAndOutcome(t *testing.T) {
	m, registry := newMetrics(t)
	b := &faulty{Backend: must(memory.New(nil))}
	c := newCache(t, b, "users", m)
	if err := m.Add(c); err != nil {
		t.Fatal(err)
	}
	ctx := t.Context()
	tenant := must(c.WithPrefix("tenant:"))
	_, _ = c.Get(ctx, "k")
	_ = c.Set(ctx, "k", []byte("v"), 0)
	_, _ = c.Get(ctx, "k")
	_, _ = c.Get(ctx, "k")
	_, _ = tenant.Get(ctx, "k")
	_ = c.CompareAndSwap(ctx, core.Item{Key: "k", Token: new(int)})
	b.err = fmt.Errorf("%w: %w", core.ErrUnavailable, io.EOF)
	_, _ = c.Get(ctx, "k")
	b.err = nil
	name := func(verb, outcome string) string {
		return fmt.Sprintf("{cache=%q,driver=%q,outcome=%q,verb=%q}",
			"users", "cacheprom_test", outcome, verb)
	}
	const duration = "cachewire_verb_duration_seconds"
	got := gather(t, registry)
	wantValues(t, got, map[string]float64{
		duration + name("Get", "hit"):                 2,
		duration + name("Get", "miss"):                2, // one with the prefix
		duration + name("Set", "stored"):              1,
		duration + name("CompareAndSwap", "conflict"): 1,
		duration + name("Get", "unavailable"):         1,
	})
	if sum := got[duration+"_sum"+name("Get", "hit")]; sum <= 0 || sum > 10 {
		t.Errorf("two hits took %v seconds", sum)
	}
}

// A hookFunc is a hook that is called with After.
type hookFunc func()

func (f hookFunc) After(context.Context, *core.Op) { f() }

func TestVerbsOnManyKeysCountKeysAndBytes(t *testing.T) {
	m, registry := newMetrics(t)
	var during map[string]float64
	spy := hookFunc(func() {
		if during == nil {
			during = map[string]float64{} // before gather, which calls Stats of the cache
			during = gather(t, registry)
		}
	})
	c := newCache(t, nil, "users", m, spy)
	if err := m.Add(c); err != nil {
		t.Fatal(err)
	}
	ctx := t.Context()
	_ = c.SetMulti(ctx, map[string][]byte{"a": []byte("12345"), "b": []byte("678")}, 0)
	_, _ = c.GetMulti(ctx, []string{"a", "b", "x"})
	_ = c.DeleteMulti(ctx, []string{"a", "x"})
	const inFlight = `cachewire_multi_keys_in_flight{cache="users",driver="memory",verb="SetMulti"}`
	wantValues(t, during, map[string]float64{inFlight: 2})
	keys := func(result, verb string) string {
		return fmt.Sprintf("cachewire_multi_keys_total{cache=%q,driver=%q,result=%q,verb=%q}",
			"users", "memory", result, verb)
	}
	bytes := func(direction, verb string) string {
		return fmt.Sprintf("cachewire_multi_bytes_total{cache=%q,direction=%q,driver=%q,verb=%q}",
			"users", direction, "memory", verb)
	}
	wantValues(t, gather(t, registry), map[string]float64{
		keys("given", "SetMulti"):    2,
		keys("hit", "GetMulti"):      2,
		keys("miss", "GetMulti"):     1,
		keys("given", "DeleteMulti"): 2,
		bytes("written", "SetMulti"): 8,
		bytes("read", "GetMulti"):    8,
		inFlight:                     0,
	})
}

// If a cache is added while a verb runs, the keys in flight still return to zero.
func TestKeysInFlightReturnToZeroIfTheCacheIsAddedMeanwhile(t *testing.T) {
	m, registry := newMetrics(t)
	var c *core.Cache
	c = newCache(t, nil, "users", m, hookFunc(func() { _ = m.Add(c) }))
	_ = c.SetMulti(t.Context(), map[string][]byte{"a": nil}, 0)
	for name, value := range gather(t, registry) {
		if strings.HasPrefix(name, "cachewire_multi_keys_in_flight") && value != 0 {
			t.Errorf("%s is %v, want 0", name, value)
		}
	}
}

func TestStatsAreReadAtEachScrape(t *testing.T) {
	m, registry := newMetrics(t)
	b := &faulty{Backend: must(memory.New(nil)), stats: core.Stats{
		Items: 1, Bytes: 2, Hits: 3, Misses: 4, Evictions: 5, Expirations: 6,
		Pool: core.PoolStats{
			Total: 9, Idle: 7, Acquired: 2, Waits: 10, WaitTime: 1500 * time.Millisecond,
			Destroyed: 11,
		},
		Near: core.NearStats{
			Items: 12, Bytes: 13, Hits: 14, FarHits: 15, Drops: 16, HasBus: true, BusUp: true,
			BusLost: 17,
		},
	}}
	c := newCache(t, b, "users", m)
	down := newCache(t, &faulty{must(memory.New(nil)), core.ErrUnavailable, core.Stats{}}, "down")
	for _, c := range []*core.Cache{c, down} {
		if err := m.Add(c); err != nil {
			t.Fatal(err)
		}
	}
	const of = `{cache="users",driver="cacheprom_test"}`
	const pool = `{cache="users",driver="cacheprom_test",state=%q}`
	got := gather(t, registry)
	wantValues(t, got, map[string]float64{
		"cachewire_backend_up" + of:                                  1,
		"cachewire_backend_items" + of:                               1,
		"cachewire_backend_bytes" + of:                               2,
		"cachewire_backend_hits_total" + of:                          3,
		"cachewire_backend_misses_total" + of:                        4,
		"cachewire_backend_evictions_total" + of:                     5,
		"cachewire_backend_expirations_total" + of:                   6,
		"cachewire_pool_waits_total" + of:                            10,
		"cachewire_pool_wait_seconds_total" + of:                     1.5,
		"cachewire_pool_closed_total" + of:                           11,
		"cachewire_near_items" + of:                                  12,
		"cachewire_near_bytes" + of:                                  13,
		"cachewire_near_hits_total" + of:                             14,
		"cachewire_near_far_hits_total" + of:                         15,
		"cachewire_near_drops_total" + of:                            16,
		"cachewire_near_bus_up" + of:                                 1,
		"cachewire_near_bus_lost_total" + of:                         17,
		"cachewire_pool_clients" + fmt.Sprintf(pool, "idle"):         7,
		"cachewire_pool_clients" + fmt.Sprintf(pool, "used"):         2,
		`cachewire_backend_up{cache="down",driver="cacheprom_test"}`: 0,
	})
	for name := range got {
		if strings.Contains(name, `"down"`) && !strings.HasPrefix(name, "cachewire_backend_up") {
			t.Errorf("a cache that is down has %s", name)
		}
	}
	b.stats.Near = core.NearStats{Items: 1} // copies without a bus
	got = gather(t, registry)
	if _, ok := got["cachewire_near_bus_up"+of]; ok || got["cachewire_near_items"+of] != 1 {
		t.Errorf("a cache without a bus has %v copies, and the state of a bus: %v, want 1, false",
			got["cachewire_near_items"+of], ok)
	}
	b.stats.Near.Items = 0
	if _, ok := gather(t, registry)["cachewire_near_items"+of]; ok {
		t.Error("a cache without copies has cachewire_near_items")
	}
	m.Remove(c)
	for name := range gather(t, registry) {
		if strings.Contains(name, `"users"`) {
			t.Errorf("a cache that was removed has %s", name)
		}
	}
}

func TestPatternsReportWhatTheyServeAndLoad(t *testing.T) {
	m, registry := newMetrics(t)
	c := newCache(t, nil, "users", m)
	if err := m.Add(c); err != nil {
		t.Fatal(err)
	}
	cached := must(patterns.New(must(core.NewTyped(c, encoding.Text())),
		&patterns.Options[string]{Observer: m}))
	defer cached.Close()
	get := func(key string, err error) {
		_, _ = cached.GetOrSet(t.Context(), key, func(context.Context) (string, error) {
			return "v", err
		})
	}
	get("k", nil)
	get("k", nil)
	get("broken", io.EOF)
	name := func(metric, outcome string) string {
		return fmt.Sprintf("%s{cache=%q,driver=%q,outcome=%q}", metric, "users", "memory", outcome)
	}
	wantValues(t, gather(t, registry), map[string]float64{
		name("cachewire_served_keys_total", "loaded"):     1,
		name("cachewire_served_keys_total", "hit"):        1,
		name("cachewire_served_keys_total", "load_error"): 1,
		name("cachewire_load_duration_seconds", "ok"):     1,
		name("cachewire_load_duration_seconds", "error"):  1,
	})
	m.Served("users", "hit", -1) // a counter would panic
}

func TestMetricsRefuseNilAndASecondCacheWithTheName(t *testing.T) {
	m, registry := newMetrics(t)
	one, two := newCache(t, nil, "users"), newCache(t, nil, "users")
	if err := m.Add(one); err != nil {
		t.Fatal(err)
	}
	for _, err := range []error{m.Add(nil), m.Add(one), m.Add(two)} {
		if !errors.Is(err, core.ErrConfig) {
			t.Errorf("error is %v, want ErrConfig", err)
		}
	}
	m.Remove(nil)
	m.Remove(one)
	if err := m.Add(two); err != nil {
		t.Error(err)
	}
	if err := registry.Register(m); !errors.As(err, new(prometheus.AlreadyRegisteredError)) {
		t.Errorf("a second registration is %v", err)
	}
}

func TestAThousandCachesAndMoreNamesHaveABoundedNumberOfSeries(t *testing.T) {
	m, registry := newMetrics(t)
	root := newCache(t, nil, "root", m)
	if err := m.Add(root); err != nil {
		t.Fatal(err)
	}
	for i := range 1000 {
		c := newCache(t, nil, fmt.Sprint("cache", i), m)
		if err := m.Add(c); err != nil {
			t.Fatal(err)
		}
		tenant := must(root.WithPrefix(fmt.Sprint("tenant", i, ":")))
		for _, c := range []*core.Cache{c, tenant} {
			_, _ = c.Get(t.Context(), fmt.Sprint("key", i))
		}
	}
	gets := 0
	for name := range gather(t, registry) {
		if strings.HasPrefix(name, "cachewire_verb_duration_seconds{") &&
			strings.Contains(name, `verb="Get"`) {
			gets++
		}
		if strings.Contains(name, "tenant") || strings.Contains(name, "key1") {
			t.Fatalf("there is a series %s", name)
		}
	}
	if gets != 1001 {
		t.Errorf("%d series of Get, want 1001", gets)
	}
}

func TestTheMetricsAreNamedAsPrometheusAdvises(t *testing.T) {
	m, registry := newMetrics(t)
	c := newCache(t, nil, "users", m)
	if err := m.Add(c); err != nil {
		t.Fatal(err)
	}
	_ = c.SetMulti(t.Context(), map[string][]byte{"a": []byte("1")}, 0)
	m.Served("users", "hit", 1)
	m.Loaded("users", 1, time.Second, nil)
	problems, err := testutil.GatherAndLint(registry)
	if err != nil || len(problems) != 0 {
		t.Errorf("lint: %v, %v", problems, err)
	}
}

func TestARaceOfVerbsAndScrapes(t *testing.T) {
	m, registry := newMetrics(t)
	c := newCache(t, nil, "users", m)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for i := range 200 {
			_, _ = c.Get(context.Background(), "k")
			_, _ = c.GetMulti(context.Background(), []string{"k"})
			m.Served("users", patterns.Hit, i)
		}
	}()
	for range 20 {
		_ = m.Add(c)
		gather(t, registry)
		m.Remove(c)
	}
	<-done
}

func BenchmarkGet(b *testing.B) {
	ctx := context.Background()
	m, _ := newMetrics(b)
	for _, bench := range []struct {
		name  string
		hooks []core.Hook
	}{{"none", nil}, {"metrics", []core.Hook{m}}} {
		b.Run(bench.name, func(b *testing.B) {
			c := newCache(b, nil, "users", bench.hooks...)
			if err := m.Add(c); err != nil {
				b.Fatal(err)
			}
			defer m.Remove(c)
			if err := c.Set(ctx, "k", []byte("v"), 0); err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for b.Loop() {
				_, _ = c.Get(ctx, "k")
			}
		})
	}
}

func TestMetricsAllocateNothing(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	m, _ := newMetrics(t)
	c := newCache(t, nil, "users", m)
	if err := m.Add(c); err != nil {
		t.Fatal(err)
	}
	if err := c.Set(t.Context(), "k", []byte("v"), 0); err != nil {
		t.Fatal(err)
	}
	ctx := context.Background()
	if n := testing.AllocsPerRun(1000, func() { _, _ = c.Get(ctx, "k") }); n != 0 {
		t.Errorf("a hit allocates %v times", n)
	}
	if n := testing.AllocsPerRun(1000, func() { _, _ = c.Get(ctx, "absent") }); n != 0 {
		t.Errorf("a miss allocates %v times", n)
	}
	if n := testing.AllocsPerRun(1000, func() { m.Served("users", "hit", 1) }); n != 0 {
		t.Errorf("Served allocates %v times", n)
	}
}
