// Package observe has what the modules beside it share: the outcomes by which they count verbs,
// and the set of the caches that they show. Programs use those modules:
//
//   - observe/otel: metrics and traces of OpenTelemetry
//   - observe/prometheus: metrics of Prometheus
//   - observe/page: a live page
//
// A core.Hook that shall count by the same outcomes, on another system, is built on this
// package in the same way.
package observe
