//go:build long

package memcachepooled_test

// longEnabled is true under make long: then the proofs that take long run whole.
const longEnabled = true
