//go:build race

package redis_test

// raceEnabled: the race detector allocates.
const raceEnabled = true
