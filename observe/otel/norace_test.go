//go:build !race

package cacheotel_test

const raceEnabled = false
