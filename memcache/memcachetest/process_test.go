package memcachetest_test

import (
	"errors"
	"os"
	"strconv"
	"testing"
)

// findProcess returns the process pid, which may have ended.
func findProcess(t *testing.T, pid string) *os.Process {
	t.Helper()
	n, err := strconv.Atoi(pid)
	if err != nil {
		t.Fatalf("%q is not a pid", pid)
	}
	p, err := os.FindProcess(n)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// isRunning reports whether the process pid exists.
func isRunning(t *testing.T, pid string) bool {
	t.Helper()
	return !errors.Is(findProcess(t, pid).Signal(noSignal), os.ErrProcessDone)
}
