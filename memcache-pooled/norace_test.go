//go:build !race

package memcachepooled_test

const raceEnabled = false
