//go:build long

package memcachepure_test

// longEnabled is true under make long: then the proofs that take long run whole.
const longEnabled = true
