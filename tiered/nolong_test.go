//go:build !long

package tiered_test

const longEnabled = false
