//go:build long

package tiered_test

// longEnabled is true with the build tag long. Then the tests that take long run whole.
const longEnabled = true
