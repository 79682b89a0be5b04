//go:build !long

package lockout_test

const longEnabled = false
