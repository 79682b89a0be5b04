//go:build !unix

package memcachetest

import "os"

// There is no memcached for such a system, and so nothing to pause.
var pauseSignal, resumeSignal = os.Kill, os.Kill
