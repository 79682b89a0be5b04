//go:build !long

package redis_test

const longEnabled = false
