//go:build !race

package memcachemeta_test

const raceEnabled = false
