//go:build long

package lockout_test

// longEnabled is true under make long: then the proofs that take long run whole.
const longEnabled = true
