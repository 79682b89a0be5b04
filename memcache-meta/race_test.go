//go:build race

package memcachemeta_test

// raceEnabled: the race detector allocates.
const raceEnabled = true
