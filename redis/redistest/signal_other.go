//go:build !unix

package redistest

import "os"

// There is no redis-server for these systems, so there is nothing to pause.
var pauseSignal, resumeSignal = os.Kill, os.Kill

// wasKilled reports whether Process.Kill has ended a process, as far as this system says.
func wasKilled(state *os.ProcessState) bool { return !state.Success() }
