package cacheotel

import (
	"context"
	"errors"
	"time"

	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/observe"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
)

// statsTimeout is how long a collection waits for the Stats of all caches.
const statsTimeout = time.Second

// stats are the instruments that show Stats.
type stats struct {
	registration metric.Registration

	up                                   metric.Int64ObservableGauge
	items, bytes, connections            metric.Int64ObservableUpDownCounter
	hits, misses, evictions, expirations metric.Int64ObservableCounter
	poolWaits, poolClosed                metric.Int64ObservableCounter
	poolWaitTime                         metric.Float64ObservableCounter
}

// register makes the instruments and a callback that reads the Stats of caches.
func (s *stats) register(meter metric.Meter, caches *observe.Caches[figures]) error {
	var errs []error
	gauge := func(name, unit, what string) metric.Int64ObservableUpDownCounter {
		i, err := meter.Int64ObservableUpDownCounter(name, metric.WithUnit(unit),
			metric.WithDescription(what))
		errs = append(errs, err)
		return i
	}
	counter := func(name, unit, what string) metric.Int64ObservableCounter {
		i, err := meter.Int64ObservableCounter(name, metric.WithUnit(unit),
			metric.WithDescription(what))
		errs = append(errs, err)
		return i
	}
	var err error
	s.up, err = meter.Int64ObservableGauge("cachewire.backend.up", metric.WithUnit("1"),
		metric.WithDescription("1 if the backend returned its figures, else 0."))
	errs = append(errs, err)
	s.items = gauge("cachewire.backend.items", "{item}", "Items in the backend.")
	s.bytes = gauge("cachewire.backend.bytes", "By", "Memory that the items take.")
	s.hits = counter("cachewire.backend.hits", "{key}", "Keys that the backend found.")
	s.misses = counter("cachewire.backend.misses", "{key}", "Keys that it did not find.")
	s.evictions = counter("cachewire.backend.evictions", "{item}", "Items removed to make room.")
	s.expirations = counter("cachewire.backend.expirations", "{item}", "Items that expired.")
	s.connections = gauge("db.client.connection.count", "{connection}",
		"The number of connections that are currently in state described by the state attribute.")
	s.poolWaits = counter("cachewire.pool.waits", "{wait}", "Verbs that waited for a client.")
	s.poolClosed = counter("cachewire.pool.closed", "{connection}", "Clients that were closed.")
	s.poolWaitTime, err = meter.Float64ObservableCounter("cachewire.pool.wait_time",
		metric.WithUnit("s"), metric.WithDescription("How long verbs waited for a client."))
	if err := errors.Join(append(errs, err)...); err != nil {
		return err
	}
	s.registration, err = meter.RegisterCallback(
		func(ctx context.Context, o metric.Observer) error {
			s.observe(ctx, o, caches.All())
			return nil
		},
		s.up, s.items, s.bytes, s.hits, s.misses, s.evictions, s.expirations, s.connections,
		s.poolWaits, s.poolClosed, s.poolWaitTime)
	return err
}

// observe reports the Stats of all caches. A cache that does not return them has only up.
func (s *stats) observe(ctx context.Context, o metric.Observer, entries []*observe.Entry[figures]) {
	ctx, cancel := context.WithTimeout(ctx, statsTimeout)
	defer cancel()
	caches := make([]*core.Cache, len(entries))
	for i, e := range entries {
		caches[i] = e.Cache
	}
	for i, r := range observe.ReadStats(ctx, caches) {
		f := entries[i].Figures
		attributes := metric.WithAttributeSet(f.all)
		switch {
		case r.Down():
			o.ObserveInt64(s.up, 0, attributes)
			continue
		case !r.Known():
			continue
		}
		o.ObserveInt64(s.up, 1, attributes)
		o.ObserveInt64(s.items, int64(r.Stats.Items), attributes)
		o.ObserveInt64(s.bytes, int64(r.Stats.Bytes), attributes)
		o.ObserveInt64(s.hits, int64(r.Stats.Hits), attributes)
		o.ObserveInt64(s.misses, int64(r.Stats.Misses), attributes)
		o.ObserveInt64(s.evictions, int64(r.Stats.Evictions), attributes)
		o.ObserveInt64(s.expirations, int64(r.Stats.Expirations), attributes)
		pool := r.Stats.Pool
		if pool == (core.PoolStats{}) {
			continue // most backends have none
		}
		in := func(state attribute.KeyValue) metric.MeasurementOption {
			return metric.WithAttributeSet(f.with(
				semconv.DBClientConnectionPoolName(entries[i].Name), state))
		}
		o.ObserveInt64(s.connections, int64(pool.Idle), in(semconv.DBClientConnectionStateIdle))
		o.ObserveInt64(s.connections, int64(pool.Acquired), in(semconv.DBClientConnectionStateUsed))
		o.ObserveInt64(s.poolWaits, int64(pool.Waits), attributes)
		o.ObserveInt64(s.poolClosed, int64(pool.Destroyed), attributes)
		o.ObserveFloat64(s.poolWaitTime, pool.WaitTime.Seconds(), attributes)
	}
}
