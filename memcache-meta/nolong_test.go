//go:build !long

package memcachemeta_test

const longEnabled = false
