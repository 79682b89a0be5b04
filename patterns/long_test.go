//go:build long

package patterns_test

// longEnabled is true with the build tag long. The tests that take long then run in full.
const longEnabled = true
