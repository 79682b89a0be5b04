package cacheotel_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/encoding"
	"github.com/cachewire/cachewire/memory"
	cacheotel "github.com/cachewire/cachewire/observe/otel"
	"github.com/cachewire/cachewire/patterns"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/metric/noop"
)

var (
	_ core.BeforeHook   = (*cacheotel.Metrics)(nil)
	_ core.BeforeHook   = (*cacheotel.Tracing)(nil)
	_ patterns.Observer = (*cacheotel.Metrics)(nil)
)

func TestVerbsAreCountedByCacheDriverAndOutcome(t *testing.T) {
	m, reader := newMetrics(t)
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
	got := collect(t, reader)
	const base = "cachewire.cache.name=users"
	duration := func(verb, outcome, err string) string {
		if err != "" {
			err = ",error.type=" + err
		}
		return "db.client.operation.duration{" + base + ",cachewire.outcome=" + outcome +
			",db.operation.name=" + verb + ",db.system.name=cacheotel_test" + err + "}"
	}
	wantPoints(t, got, map[string]float64{
		duration("Get", "hit", ""):                    2,
		duration("Get", "miss", ""):                   2, // one with the prefix
		duration("Set", "stored", ""):                 1,
		duration("CompareAndSwap", "conflict", ""):    1,
		duration("Get", "unavailable", "unavailable"): 1,
	})
	if p := got[duration("Get", "hit", "")]; p.unit != "s" || p.sum <= 0 || p.sum > 10 {
		t.Errorf("two hits took %v %s", p.sum, p.unit)
	}
}

func TestVerbsOnManyKeysCountKeysAndBytes(t *testing.T) {
	m, reader := newMetrics(t)
	var during map[string]point
	looked := false
	spy := hookFunc(func() {
		if !looked {
			looked = true // before collect, which calls Stats of the cache
			during = collect(t, reader)
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
	const base = "cachewire.cache.name=users"
	const system = "db.system.name=memory"
	wantPoints(t, during, map[string]float64{
		"cachewire.multi.keys.in_flight{" + base + ",db.operation.name=SetMulti," + system + "}": 2,
	})
	name := func(metric, attribute, verb string) string {
		return fmt.Sprintf("%s{%s,%s,db.operation.name=%s,%s}",
			metric, base, attribute, verb, system)
	}
	wantPoints(t, collect(t, reader), map[string]float64{
		name("cachewire.multi.keys", "cachewire.result=given", "SetMulti"):                       2,
		name("cachewire.multi.keys", "cachewire.result=hit", "GetMulti"):                         2,
		name("cachewire.multi.keys", "cachewire.result=miss", "GetMulti"):                        1,
		name("cachewire.multi.keys", "cachewire.result=given", "DeleteMulti"):                    2,
		name("cachewire.multi.bytes", "cachewire.direction=written", "SetMulti"):                 8,
		name("cachewire.multi.bytes", "cachewire.direction=read", "GetMulti"):                    8,
		"cachewire.multi.keys.in_flight{" + base + ",db.operation.name=SetMulti," + system + "}": 0,
	})
}

// A hookFunc is a hook that is called with After.
type hookFunc func()

func (f hookFunc) After(context.Context, *core.Op) { f() }

// If a cache is added while a verb runs, the keys in flight still return to zero.
func TestKeysInFlightReturnToZeroIfTheCacheIsAddedMeanwhile(t *testing.T) {
	m, reader := newMetrics(t)
	var c *core.Cache
	c = newCache(t, nil, "users", m, hookFunc(func() { _ = m.Add(c) }))
	_ = c.SetMulti(t.Context(), map[string][]byte{"a": nil}, 0)
	for name, p := range collect(t, reader) {
		if strings.HasPrefix(name, "cachewire.multi.keys.in_flight") && p.value != 0 {
			t.Errorf("%s is %v, want 0", name, p.value)
		}
	}
}

func TestStatsAreReadWhenMetricsAreCollected(t *testing.T) {
	m, reader := newMetrics(t)
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
	const of = "{cachewire.cache.name=users,db.system.name=cacheotel_test}"
	const pool = "{cachewire.cache.name=users,db.client.connection.pool.name=users," +
		"db.client.connection.state=%s,db.system.name=cacheotel_test}"
	got := collect(t, reader)
	wantPoints(t, got, map[string]float64{
		"cachewire.backend.up" + of:                              1,
		"cachewire.backend.items" + of:                           1,
		"cachewire.backend.bytes" + of:                           2,
		"cachewire.backend.hits" + of:                            3,
		"cachewire.backend.misses" + of:                          4,
		"cachewire.backend.evictions" + of:                       5,
		"cachewire.backend.expirations" + of:                     6,
		"cachewire.pool.waits" + of:                              10,
		"cachewire.pool.wait_time" + of:                          1.5,
		"cachewire.pool.closed" + of:                             11,
		"cachewire.near.items" + of:                              12,
		"cachewire.near.bytes" + of:                              13,
		"cachewire.near.hits" + of:                               14,
		"cachewire.near.far_hits" + of:                           15,
		"cachewire.near.drops" + of:                              16,
		"cachewire.near.bus.up" + of:                             1,
		"cachewire.near.bus.lost" + of:                           17,
		"db.client.connection.count" + fmt.Sprintf(pool, "idle"): 7,
		"db.client.connection.count" + fmt.Sprintf(pool, "used"): 2,
		"cachewire.backend.up{cachewire.cache.name=down,db.system.name=cacheotel_test}": 0,
	})
	for name := range got {
		if strings.Contains(name, "=down") && !strings.HasPrefix(name, "cachewire.backend.up") {
			t.Errorf("a cache that is down has %s", name)
		}
	}
	b.stats.Near = core.NearStats{Items: 1} // copies without a bus
	got = collect(t, reader)
	if _, ok := got["cachewire.near.bus.up"+of]; ok || got["cachewire.near.items"+of].value != 1 {
		t.Errorf("a cache without a bus has %v copies, and the state of a bus: %v, want 1, false",
			got["cachewire.near.items"+of].value, ok)
	}
	b.stats.Near.Items = 0
	if _, ok := collect(t, reader)["cachewire.near.items"+of]; ok {
		t.Error("a cache without copies has cachewire.near.items")
	}
	m.Remove(c)
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	if got := collect(t, reader); got["cachewire.backend.up"+of].unit != "" {
		t.Error("Stats are read after Close")
	}
}

func TestPatternsReportWhatTheyServeAndLoad(t *testing.T) {
	m, reader := newMetrics(t)
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
	const of = "{cachewire.cache.name=users,%sdb.system.name=memory%s}"
	outcome := func(o string) string {
		return "cachewire.served.keys" + fmt.Sprintf(of, "cachewire.outcome="+o+",", "")
	}
	wantPoints(t, collect(t, reader), map[string]float64{
		outcome("loaded"):     1,
		outcome("hit"):        1,
		outcome("load_error"): 1,
		"cachewire.load.duration" + fmt.Sprintf(of, "", ""):                  1,
		"cachewire.load.duration" + fmt.Sprintf(of, "", ",error.type=error"): 1,
	})
}

func TestMetricsRefuseNilAndASecondCacheWithTheName(t *testing.T) {
	m, _ := newMetrics(t)
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
}

// A failingProvider is a MeterProvider without histograms.
type failingProvider struct{ noop.MeterProvider }

type failingMeter struct{ noop.Meter }

func (failingProvider) Meter(string, ...metric.MeterOption) metric.Meter { return failingMeter{} }

func (failingMeter) Float64Histogram(
	string, ...metric.Float64HistogramOption,
) (metric.Float64Histogram, error) {
	return nil, io.EOF
}

func TestNewMetricsReturnsTheErrorOfTheProvider(t *testing.T) {
	if m, err := cacheotel.NewMetrics(failingProvider{}); m != nil || !errors.Is(err, io.EOF) {
		t.Errorf("NewMetrics = %v, %v; want EOF", m, err)
	}
	m, err := cacheotel.NewMetrics(nil) // the global provider, which does nothing yet
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Close(); err != nil {
		t.Error(err)
	}
}

// The number of series does not grow with the keys or the names.
func TestAThousandCachesAndMoreNamesHaveABoundedNumberOfSeries(t *testing.T) {
	m, reader := newMetrics(t)
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
	var names []string
	for name := range collect(t, reader) {
		if strings.HasPrefix(name, "db.client.operation.duration") &&
			strings.Contains(name, "=Get,") {
			names = append(names, name)
		}
		if strings.Contains(name, "tenant") || strings.Contains(name, "key1") {
			t.Fatalf("there is a series %s", name)
		}
	}
	slices.Sort(names)
	if len(names) != 1001 {
		t.Errorf("%d series of Get, want 1001", len(names))
	}
}

func TestARaceOfVerbsAndCollections(t *testing.T) {
	m, reader := newMetrics(t)
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
		collect(t, reader)
		m.Remove(c)
	}
	<-done
}
