//go:build !race

package memcachepure_test

const raceEnabled = false
