// Package orders caches the fragments of an order's page, so that all of them drop
// when the order changes: once by wires, and once by tags. docs/dependencies.md walks
// through it.
package orders
