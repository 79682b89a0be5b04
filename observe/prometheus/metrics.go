package cacheprom

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/observe"
	"github.com/prometheus/client_golang/prometheus"
)

// buckets are the bounds of the histograms, in seconds: a cache in memory needs those below a
// millisecond.
var buckets = []float64{
	1e-7, 1e-6, 1e-5, 1e-4, 5e-4,
	0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10,
}

// Metrics is a prometheus.Collector, a core.Hook and a patterns.Observer. Any number of caches
// may share one; a process needs one for each registry. Use New to make one.
type Metrics struct {
	caches *observe.Caches[figures]

	duration *prometheus.HistogramVec
	keys     *prometheus.CounterVec
	inFlight *prometheus.GaugeVec
	bytes    *prometheus.CounterVec
	served   *prometheus.CounterVec
	load     *prometheus.HistogramVec
}

// figures are the metrics of a cache, looked up when they are first needed.
type figures struct {
	labels prometheus.Labels // cache and driver
	verbs  [observe.NumVerbs][observe.NumOutcomes]atomic.Pointer[prometheus.Observer]
	served [observe.NumServed]atomic.Pointer[prometheus.Counter]
}

// New returns a Metrics without caches.
func New() *Metrics {
	options := func(name, help string) prometheus.Opts {
		return prometheus.Opts{Namespace: "cachewire", Name: name, Help: help}
	}
	labels := func(more ...string) []string { return append([]string{"cache", "driver"}, more...) }
	histogram := func(name, help string, more ...string) *prometheus.HistogramVec {
		return prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Namespace: "cachewire", Name: name, Help: help, Buckets: buckets,
		}, labels(more...))
	}
	counter := func(name, help string, more ...string) *prometheus.CounterVec {
		opts := prometheus.CounterOpts(options(name, help))
		return prometheus.NewCounterVec(opts, labels(more...))
	}
	return &Metrics{
		caches:   observe.NewCaches(newFigures),
		duration: histogram("verb_duration_seconds", "How long verbs took.", "verb", "outcome"),
		keys:     counter("multi_keys_total", "Keys of verbs on many keys.", "verb", "result"),
		inFlight: prometheus.NewGaugeVec(prometheus.GaugeOpts(options("multi_keys_in_flight",
			"Keys of running verbs on many keys.")), labels("verb")),
		bytes: counter("multi_bytes_total", "Length of the values of verbs on many keys.",
			"verb", "direction"),
		served: counter("served_keys_total", "Keys that patterns served.", "outcome"),
		load:   histogram("load_duration_seconds", "How long loaders of patterns took.", "outcome"),
	}
}

func newFigures(name, driver string) *figures {
	return &figures{labels: prometheus.Labels{"cache": name, "driver": driverLabel(driver)}}
}

// driverLabel returns the value of the label driver, which is not empty.
func driverLabel(driver string) string {
	if driver == "" {
		return "other"
	}
	return driver
}

// with returns the labels of f with more names and values.
func (f *figures) with(more ...string) prometheus.Labels {
	labels := prometheus.Labels{"cache": f.labels["cache"], "driver": f.labels["driver"]}
	for i := 0; i < len(more); i += 2 {
		labels[more[i]] = more[i+1]
	}
	return labels
}

// Add adds a cache, under its name. Without it, the verbs of the cache are counted, but its
// driver is not known and its Stats are not read. The error is core.ErrConfig: c is nil, or a
// cache with its name was added.
//
// A Cache that WithPrefix returned counts as the one that it was made from, unless it is added
// as well.
func (m *Metrics) Add(c *core.Cache) error { return m.caches.Add(c) }

// Remove removes a cache and its metrics. Another cache with its name may be added then. It
// does nothing if c was not added.
func (m *Metrics) Remove(c *core.Cache) {
	f := m.caches.Remove(c)
	if f == nil {
		return
	}
	for _, vec := range []interface {
		DeletePartialMatch(prometheus.Labels) int
	}{m.duration, m.keys, m.inFlight, m.bytes, m.served, m.load} {
		vec.DeletePartialMatch(f.labels)
	}
}

func (m *Metrics) observer(f *figures, v observe.Verb, o observe.Outcome) prometheus.Observer {
	slot := &f.verbs[v][o]
	if observer := slot.Load(); observer != nil {
		return *observer
	}
	observer := m.duration.With(f.with("verb", v.String(), "outcome", o.String()))
	slot.Store(&observer)
	return observer
}

// A flight is the context of a running verb on many keys. It keeps what Before has counted, as
// another cache may be added before After.
type flight struct {
	context.Context
	metrics *Metrics // the key of the context's value
	op      *core.Op
	gauge   prometheus.Gauge
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
	verb := observe.VerbOf(op.Verb).String()
	gauge := m.inFlight.With(m.caches.Of(op.Cache).with("verb", verb))
	gauge.Add(float64(len(op.Keys)))
	return &flight{ctx, m, op, gauge}
}

// After records a verb; see core.Hook.
func (m *Metrics) After(ctx context.Context, op *core.Op) {
	f, v := m.caches.Of(op.Cache), observe.VerbOf(op.Verb)
	o := observe.OutcomeOf(op.Verb, op.Hits, op.Misses, op.Err)
	m.observer(f, v, o).Observe(op.Duration.Seconds())
	if len(op.Keys) == 0 {
		return
	}
	if flight, ok := ctx.Value(m).(*flight); ok && flight.op == op {
		flight.gauge.Sub(float64(len(op.Keys)))
	}
	add := func(vec *prometheus.CounterVec, n int, name, value string) {
		if n > 0 {
			vec.With(f.with("verb", v.String(), name, value)).Add(float64(n))
		}
	}
	if op.Verb == "GetMulti" || op.Verb == "GetItems" {
		add(m.keys, op.Hits, "result", "hit")
		add(m.keys, op.Misses, "result", "miss")
		add(m.bytes, op.Bytes, "direction", "read")
		return
	}
	add(m.keys, len(op.Keys), "result", "given")
	add(m.bytes, op.Bytes, "direction", "written")
}

// Served records keys that a pattern served; see patterns.Observer.
func (m *Metrics) Served(cache, outcome string, keys int) {
	if keys <= 0 {
		return // a counter panics if it shall decrease
	}
	f, s := m.caches.Of(cache), observe.ServedOf(outcome)
	slot := &f.served[s]
	counter := slot.Load()
	if counter == nil {
		c := m.served.With(f.with("outcome", s.String()))
		counter = &c
		slot.Store(counter)
	}
	(*counter).Add(float64(keys))
}

// Loaded records a call of a loader; see patterns.Observer.
func (m *Metrics) Loaded(cache string, _ int, took time.Duration, err error) {
	outcome := "ok"
	if err != nil {
		outcome = "error"
	}
	m.load.With(m.caches.Of(cache).with("outcome", outcome)).Observe(took.Seconds())
}
