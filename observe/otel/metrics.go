package cacheotel

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/observe"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
)

const scope = "github.com/cachewire/cachewire/observe/otel"

// The attributes that the semantic conventions do not have.
const (
	cacheNameKey = attribute.Key("cachewire.cache.name")
	outcomeKey   = attribute.Key("cachewire.outcome")
	resultKey    = attribute.Key("cachewire.result")
	directionKey = attribute.Key("cachewire.direction")
)

// buckets are the bounds of the histograms, in seconds: those that the conventions advise for
// databases, and below them those that a cache in memory needs.
var buckets = []float64{
	1e-7, 1e-6, 1e-5, 1e-4, 5e-4, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10,
}

// Metrics is a core.Hook and a patterns.Observer that records metrics. Any number of caches may
// share one; a process needs one for each MeterProvider.
type Metrics struct {
	caches *observe.Caches[figures]
	stats  stats

	duration metric.Float64Histogram
	keys     metric.Int64Counter
	inFlight metric.Int64UpDownCounter
	bytes    metric.Int64Counter
	served   metric.Int64Counter
	load     metric.Float64Histogram
}

// figures are the sets of attributes of a cache, made when they are first needed.
type figures struct {
	base   []attribute.KeyValue
	all    attribute.Set // base
	verbs  [observe.NumVerbs][observe.NumOutcomes]atomic.Pointer[[]metric.RecordOption]
	multis [observe.NumVerbs]atomic.Pointer[multi]
	served [observe.NumServed]atomic.Pointer[[]metric.AddOption]
	loaded [observe.NumOutcomes]atomic.Pointer[[]metric.RecordOption]
}

// A multi has the options for the metrics of a verb on many keys.
type multi struct{ plain, hit, miss, given, read, written []metric.AddOption }

// NewMetrics returns a Metrics of provider, or of the global MeterProvider if that is nil. The
// error is that of the provider.
func NewMetrics(provider metric.MeterProvider) (*Metrics, error) {
	if provider == nil {
		provider = otel.GetMeterProvider()
	}
	meter := provider.Meter(scope, metric.WithSchemaURL(semconv.SchemaURL))
	m := &Metrics{caches: observe.NewCaches(newFigures)}
	var errs [7]error
	m.duration, errs[0] = meter.Float64Histogram("db.client.operation.duration",
		metric.WithUnit("s"), metric.WithDescription("Duration of database client operations."),
		metric.WithExplicitBucketBoundaries(buckets...))
	m.keys, errs[1] = meter.Int64Counter("cachewire.multi.keys",
		metric.WithUnit("{key}"), metric.WithDescription("Keys of verbs on many keys."))
	m.inFlight, errs[2] = meter.Int64UpDownCounter("cachewire.multi.keys.in_flight",
		metric.WithUnit("{key}"), metric.WithDescription("Keys of running verbs on many keys."))
	m.bytes, errs[3] = meter.Int64Counter("cachewire.multi.bytes",
		metric.WithUnit("By"), metric.WithDescription("Values of verbs on many keys."))
	m.served, errs[4] = meter.Int64Counter("cachewire.served.keys",
		metric.WithUnit("{key}"), metric.WithDescription("Keys that patterns served."))
	m.load, errs[5] = meter.Float64Histogram("cachewire.load.duration",
		metric.WithUnit("s"), metric.WithDescription("Duration of the loaders of patterns."),
		metric.WithExplicitBucketBoundaries(buckets...))
	errs[6] = m.stats.register(meter, m.caches)
	if err := errors.Join(errs[:]...); err != nil {
		return nil, err
	}
	return m, nil
}

func newFigures(name, driver string) *figures {
	f := &figures{base: []attribute.KeyValue{systemOf(driver), cacheNameKey.String(name)}}
	f.all = attribute.NewSet(f.base...)
	return f
}

// systemOf returns the attribute db.system.name for a driver.
func systemOf(driver string) attribute.KeyValue {
	switch driver {
	case "memcachepure", "memcachepooled", "memcachemeta":
		return semconv.DBSystemNameMemcached
	case "":
		return semconv.DBSystemNameKey.String("other")
	}
	return semconv.DBSystemNameKey.String(driver)
}

// Add adds a cache, under its name. Without it, the verbs of the cache are counted, but its
// driver is not known and its Stats are not read. The error is core.ErrConfig: c is nil, or a
// cache with its name was added.
//
// A Cache that WithPrefix returned counts as the one that it was made from, unless it is added
// as well.
func (m *Metrics) Add(c *core.Cache) error { return m.caches.Add(c) }

// Remove removes a cache, so that its Stats are no longer read, and another cache with its name
// may be added. It does nothing if c was not added.
func (m *Metrics) Remove(c *core.Cache) { m.caches.Remove(c) }

// Close ends the reading of Stats. The hook may be called afterwards.
func (m *Metrics) Close() error { return m.stats.registration.Unregister() }

// with returns base with more attributes as a set.
func (f *figures) with(more ...attribute.KeyValue) attribute.Set {
	return attribute.NewSet(append(more, f.base...)...)
}

func (f *figures) recordOptions(v observe.Verb, o observe.Outcome) []metric.RecordOption {
	slot := &f.verbs[v][o]
	if options := slot.Load(); options != nil {
		return *options
	}
	more := []attribute.KeyValue{
		semconv.DBOperationName(v.String()), outcomeKey.String(o.String()),
	}
	if o.IsError() {
		more = append(more, semconv.ErrorTypeKey.String(o.String()))
	}
	options := []metric.RecordOption{metric.WithAttributeSet(f.with(more...))}
	slot.Store(&options)
	return options
}

func (f *figures) multi(v observe.Verb) *multi {
	if m := f.multis[v].Load(); m != nil {
		return m
	}
	options := func(more ...attribute.KeyValue) []metric.AddOption {
		set := f.with(append(more, semconv.DBOperationName(v.String()))...)
		return []metric.AddOption{metric.WithAttributeSet(set)}
	}
	m := &multi{
		plain:   options(),
		hit:     options(resultKey.String("hit")),
		miss:    options(resultKey.String("miss")),
		given:   options(resultKey.String("given")),
		read:    options(directionKey.String("read")),
		written: options(directionKey.String("written")),
	}
	f.multis[v].Store(m)
	return m
}

// A flight is the context of a running verb on many keys. It keeps what Before has counted, as
// another cache may be added before After.
type flight struct {
	context.Context
	metrics *Metrics // the key of the context's value
	op      *core.Op
	multi   *multi
}

func (f *flight) Value(key any) any {
	if key == f.metrics {
		return f
	}
	return f.Context.Value(key)
}

// Before counts the keys of a verb on many keys as in flight; see core.BeforeHook.
func (m *Metrics) Before(ctx context.Context, op *core.Op) context.Context {
	if len(op.Keys) == 0 {
		return nil
	}
	f := &flight{ctx, m, op, m.caches.Of(op.Cache).multi(observe.VerbOf(op.Verb))}
	m.inFlight.Add(ctx, int64(len(op.Keys)), f.multi.plain...)
	return f
}

// After records a verb; see core.Hook.
func (m *Metrics) After(ctx context.Context, op *core.Op) {
	f, v := m.caches.Of(op.Cache), observe.VerbOf(op.Verb)
	o := observe.OutcomeOf(op.Verb, op.Hits, op.Misses, op.Err)
	m.duration.Record(ctx, op.Duration.Seconds(), f.recordOptions(v, o)...)
	if len(op.Keys) == 0 {
		return
	}
	if flight, ok := ctx.Value(m).(*flight); ok && flight.op == op {
		m.inFlight.Add(ctx, -int64(len(op.Keys)), flight.multi.plain...)
	}
	multi, written := f.multi(v), true
	if op.Verb == "GetMulti" || op.Verb == "GetItems" {
		written = false
	}
	add := func(counter metric.Int64Counter, n int, options []metric.AddOption) {
		if n > 0 {
			counter.Add(ctx, int64(n), options...)
		}
	}
	if written {
		add(m.keys, len(op.Keys), multi.given)
		add(m.bytes, op.Bytes, multi.written)
		return
	}
	add(m.keys, op.Hits, multi.hit)
	add(m.keys, op.Misses, multi.miss)
	add(m.bytes, op.Bytes, multi.read)
}

// Served records keys that a pattern served; see patterns.Observer.
func (m *Metrics) Served(cache, outcome string, keys int) {
	if keys > 0 {
		options := m.caches.Of(cache).servedOptions(observe.ServedOf(outcome))
		m.served.Add(context.Background(), int64(keys), options...)
	}
}

func (f *figures) servedOptions(s observe.Served) []metric.AddOption {
	slot := &f.served[s]
	if options := slot.Load(); options != nil {
		return *options
	}
	options := []metric.AddOption{metric.WithAttributeSet(f.with(outcomeKey.String(s.String())))}
	slot.Store(&options)
	return options
}

// Loaded records a call of a loader; see patterns.Observer.
func (m *Metrics) Loaded(cache string, _ int, took time.Duration, err error) {
	o := observe.OK
	if err != nil {
		o = observe.OutcomeOf("", 0, 0, err)
	}
	options := m.caches.Of(cache).loadedOptions(o, err != nil)
	m.load.Record(context.Background(), took.Seconds(), options...)
}

func (f *figures) loadedOptions(o observe.Outcome, failed bool) []metric.RecordOption {
	slot := &f.loaded[o]
	if options := slot.Load(); options != nil {
		return *options
	}
	set := f.all
	if failed {
		set = f.with(semconv.ErrorTypeKey.String(o.String()))
	}
	options := []metric.RecordOption{metric.WithAttributeSet(set)}
	slot.Store(&options)
	return options
}
