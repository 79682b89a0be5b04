//go:build !long

package memcachepure_test

const longEnabled = false
