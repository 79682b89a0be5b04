//go:build !long

package memory

const longEnabled = false
