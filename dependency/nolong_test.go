//go:build !long

package dependency_test

const longEnabled = false
