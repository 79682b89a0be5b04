//go:build !long

package patterns_test

const longEnabled = false
