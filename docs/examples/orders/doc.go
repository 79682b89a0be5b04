// Package orders caches the fragments of an order's page and drops all of them when the
// order changes. One example uses wires, the other one tags. The page docs/dependencies.md
// walks through them.
package orders
