//go:build race

package memcachepure_test

// raceEnabled: the race detector allocates.
const raceEnabled = true
