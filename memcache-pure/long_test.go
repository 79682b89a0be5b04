//go:build long

package memcachepure_test

// longEnabled is true in make long, which runs long tests in full.
const longEnabled = true
