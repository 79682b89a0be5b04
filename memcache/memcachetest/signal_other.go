//go:build !unix

package memcachetest

import "os"

// There is no memcached for such a system, and so nothing to pause.
var pauseSignal, resumeSignal = os.Kill, os.Kill

// wasKilled reports whether Process.Kill has ended a process, as far as this system says.
func wasKilled(state *os.ProcessState) bool { return !state.Success() }
