//go:build race

package main_test

import "os"

func init() {
	buildFlags = []string{"-race"}
	os.Setenv("GORACE", "atexit_sleep_ms=0") // else each run of the tool takes a second more
}
