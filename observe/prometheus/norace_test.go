//go:build !race

package cacheprom_test

const raceEnabled = false
