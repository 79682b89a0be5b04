//go:build race

package core_test

// raceEnabled says that the race detector is on. It allocates, and drops some of the values
// that are put into a sync.Pool.
const raceEnabled = true
