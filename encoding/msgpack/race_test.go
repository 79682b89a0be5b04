//go:build race

package msgpack_test

// raceEnabled: the race detector allocates, and drops part of what is put into a
// sync.Pool.
const raceEnabled = true
