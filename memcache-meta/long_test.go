//go:build long

package memcachemeta_test

// longEnabled is true in make long, which runs long tests in full.
const longEnabled = true
