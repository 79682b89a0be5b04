// Package cacheotel has hooks of core.Cache for OpenTelemetry: [Metrics] and [Tracing]. It uses
// the API of OpenTelemetry; the program chooses the SDK and its exporters.
//
//	metrics, err := cacheotel.NewMetrics(nil) // of the global MeterProvider
//	…
//	tracing, err := cacheotel.NewTracing(nil, nil)
//	…
//	cache, err := core.Open(ctx, url, &core.Options{
//		Name:  "users",
//		Hooks: []core.Hook{metrics, tracing},
//	})
//	…
//	err = metrics.Add(cache) // for its driver, its memory and its pool
//
// # Names
//
// Names are those of the semantic conventions, version 1.43.0, where these have one: the
// metrics db.client.operation.duration and db.client.connection.count, and the attributes
// db.system.name, db.operation.name, db.operation.batch.size, error.type and those of pools.
// The conventions have nothing for caches yet, so the others begin with cachewire.
//
// All metrics have the attributes cachewire.cache.name, which is Options.Name of the cache, and
// db.system.name: "memcached", "redis", or the driver as it is, such as "memory"; it is
// "other" if the cache was not added. Keys are never attributes of metrics.
//
//	metric                          unit      attributes
//	db.client.operation.duration    s         db.operation.name, cachewire.outcome, error.type
//	cachewire.multi.keys            {key}     db.operation.name, cachewire.result: hit, miss, given
//	cachewire.multi.keys.in_flight  {key}     db.operation.name
//	cachewire.multi.bytes           By        db.operation.name, cachewire.direction: read, written
//	cachewire.served.keys           {key}     cachewire.outcome, as in package patterns
//	cachewire.load.duration         s         error.type
//	cachewire.backend.up            1         0 if Stats returned an error
//	cachewire.backend.items         {item}
//	cachewire.backend.bytes         By
//	cachewire.backend.hits          {key}
//	cachewire.backend.misses        {key}
//	cachewire.backend.evictions     {item}
//	cachewire.backend.expirations   {item}
//	db.client.connection.count      {connection}  db.client.connection.pool.name, .state
//	cachewire.pool.waits            {wait}
//	cachewire.pool.wait_time        s
//	cachewire.pool.closed           {connection}
//
// Outcomes are those of package observe. The error.type of a verb is its outcome, if that is an
// error. The figures from cachewire.backend.up on are what Stats of the caches return. They
// are read when the metrics are collected, within a second, and are those of the whole
// backend: caches that share one have the same.
package cacheotel
