package cacheprom

import (
	"context"
	"time"

	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/observe"
	"github.com/prometheus/client_golang/prometheus"
)

// statsTimeout is how long a scrape waits for the Stats of all caches.
const statsTimeout = time.Second

func newDesc(name, help string, more ...string) *prometheus.Desc {
	labels := append([]string{"cache", "driver"}, more...)
	return prometheus.NewDesc("cachewire_"+name, help, labels, nil)
}

var (
	up          = newDesc("backend_up", "1 if the backend returned its figures, else 0.")
	poolClients = newDesc("pool_clients", "Clients of the pool.", "state")
)

// A figure is a metric that is made of Stats.
type figure struct {
	desc  *prometheus.Desc
	kind  prometheus.ValueType
	value func(s *core.Stats) float64
}

// backendFigures are the figures of every backend that has Stats.
var backendFigures = []figure{
	{newDesc("backend_items", "Items in the backend."), prometheus.GaugeValue,
		func(s *core.Stats) float64 { return float64(s.Items) }},
	{newDesc("backend_bytes", "Memory that the items take."), prometheus.GaugeValue,
		func(s *core.Stats) float64 { return float64(s.Bytes) }},
	{newDesc("backend_hits_total", "Keys that the backend found."), prometheus.CounterValue,
		func(s *core.Stats) float64 { return float64(s.Hits) }},
	{newDesc("backend_misses_total", "Keys that it did not find."), prometheus.CounterValue,
		func(s *core.Stats) float64 { return float64(s.Misses) }},
	{newDesc("backend_evictions_total", "Items removed to make room."), prometheus.CounterValue,
		func(s *core.Stats) float64 { return float64(s.Evictions) }},
	{newDesc("backend_expirations_total", "Items that expired."), prometheus.CounterValue,
		func(s *core.Stats) float64 { return float64(s.Expirations) }},
}

// poolFigures are the figures of a backend with a pool.
var poolFigures = []figure{
	{newDesc("pool_waits_total", "Verbs that waited for a client."), prometheus.CounterValue,
		func(s *core.Stats) float64 { return float64(s.Pool.Waits) }},
	{newDesc("pool_wait_seconds_total", "How long they waited."), prometheus.CounterValue,
		func(s *core.Stats) float64 { return s.Pool.WaitTime.Seconds() }},
	{newDesc("pool_closed_total", "Clients that were closed."), prometheus.CounterValue,
		func(s *core.Stats) float64 { return float64(s.Pool.Destroyed) }},
}

// collectors returns the collectors that m consists of.
func (m *Metrics) collectors() []prometheus.Collector {
	return []prometheus.Collector{m.duration, m.keys, m.inFlight, m.bytes, m.served, m.load}
}

// Describe describes the metrics; see prometheus.Collector.
func (m *Metrics) Describe(ch chan<- *prometheus.Desc) {
	for _, c := range m.collectors() {
		c.Describe(ch)
	}
	ch <- up
	ch <- poolClients
	for _, figures := range [][]figure{backendFigures, poolFigures} {
		for _, f := range figures {
			ch <- f.desc
		}
	}
}

// Collect collects the metrics; see prometheus.Collector. A cache whose Stats are not there
// within a second has only cachewire_backend_up.
func (m *Metrics) Collect(ch chan<- prometheus.Metric) {
	m.collectStats(ch) // first, as the verb Stats counts as well
	for _, c := range m.collectors() {
		c.Collect(ch)
	}
}

func (m *Metrics) collectStats(ch chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), statsTimeout)
	defer cancel()
	entries := m.caches.All()
	caches := make([]*core.Cache, len(entries))
	for i, e := range entries {
		caches[i] = e.Cache
	}
	for i, r := range observe.ReadStats(ctx, caches) {
		f := entries[i].Figures
		send := func(
			desc *prometheus.Desc, kind prometheus.ValueType, value float64, more ...string,
		) {
			labels := append([]string{f.labels["cache"], f.labels["driver"]}, more...)
			ch <- prometheus.MustNewConstMetric(desc, kind, value, labels...)
		}
		switch {
		case r.Down():
			send(up, prometheus.GaugeValue, 0)
			continue
		case !r.Known():
			continue
		}
		send(up, prometheus.GaugeValue, 1)
		for _, f := range backendFigures {
			send(f.desc, f.kind, f.value(&r.Stats))
		}
		if r.Stats.Pool == (core.PoolStats{}) {
			continue // most backends have none
		}
		send(poolClients, prometheus.GaugeValue, float64(r.Stats.Pool.Idle), "idle")
		send(poolClients, prometheus.GaugeValue, float64(r.Stats.Pool.Acquired), "used")
		for _, f := range poolFigures {
			send(f.desc, f.kind, f.value(&r.Stats))
		}
	}
}
