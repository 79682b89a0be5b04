//go:build race

package memcachepooled_test

// raceEnabled: the race detector allocates.
const raceEnabled = true
