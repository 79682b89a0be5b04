//go:build !long

package memcachepooled_test

const longEnabled = false
