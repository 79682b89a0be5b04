// Package cacheprom has the metrics of caches for Prometheus: a core.Hook that is a
// prometheus.Collector as well. It is registered once, for all caches of the process.
//
//	metrics := cacheprom.New()
//	prometheus.MustRegister(metrics)
//	cache, err := core.Open(ctx, url, &core.Options{
//		Name:  "users",
//		Hooks: []core.Hook{metrics},
//	})
//	…
//	err = metrics.Add(cache) // for its driver, its memory and its pool
//
// All metrics have the labels cache, which is Options.Name of the cache, and driver, such as
// "memory"; that is "other" if the cache was not added. Keys are never labels.
//
//	metric                                     labels
//	cachewire_verb_duration_seconds            verb, outcome
//	cachewire_multi_keys_total                 verb, result: hit, miss, given
//	cachewire_multi_keys_in_flight             verb
//	cachewire_multi_bytes_total                verb, direction: read, written
//	cachewire_served_keys_total                outcome, as in package patterns
//	cachewire_load_duration_seconds            outcome: ok, error
//	cachewire_backend_up                       0 if Stats returned an error
//	cachewire_backend_items
//	cachewire_backend_bytes
//	cachewire_backend_hits_total
//	cachewire_backend_misses_total
//	cachewire_backend_evictions_total
//	cachewire_backend_expirations_total
//	cachewire_pool_clients                     state: idle, used
//	cachewire_pool_waits_total
//	cachewire_pool_wait_seconds_total
//	cachewire_pool_closed_total
//
// The durations are histograms; their counts are those of the verbs. The outcome of a verb is
// that of package observe: hit, miss, stored, conflict, unavailable and so on. The figures of
// backends and pools are what Stats of the caches return. They are read at each scrape, within
// a second, and are those of the whole backend: caches that share one have the same.
//
// Constant labels are added by prometheus.WrapRegistererWith. A dashboard for Grafana is in
// docs/grafana.json.
package cacheprom
