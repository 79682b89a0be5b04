//go:build !unix

package memcachetest

import "os"

// There is no memcached for this system, so that these are never sent.
var pauseSignal, resumeSignal = os.Kill, os.Kill

// wasKilled reports whether Process.Kill ended a process, as far as this system shows it.
func wasKilled(state *os.ProcessState) bool { return !state.Success() }
