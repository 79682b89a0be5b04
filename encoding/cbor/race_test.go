//go:build race

package cbor_test

// raceEnabled reports whether the race detector is on. It allocates, and drops some of the
// values that are put into a sync.Pool.
const raceEnabled = true
