package memcachetest_test

import (
	"errors"
	"os"
	"strconv"
	"testing"
)

// find answers the process with a pid, which may be none.
func find(t *testing.T, pid string) *os.Process {
	t.Helper()
	n, err := strconv.Atoi(pid)
	if err != nil {
		t.Fatalf("%q is no pid", pid)
	}
	p, err := os.FindProcess(n)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// runs tells whether there is a process pid.
func runs(t *testing.T, pid string) bool {
	t.Helper()
	return !errors.Is(find(t, pid).Signal(noSignal), os.ErrProcessDone)
}
