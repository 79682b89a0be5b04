// Package memcachetest starts the real memcached for a test, and breaks it.
//
//	func TestDeadServerIsNotAMiss(t *testing.T) {
//		server := memcachetest.Start(t, nil)
//		cache := open(t, server.Addr())
//		server.Kill()
//		if _, err := cache.Get(t.Context(), "key"); !errors.Is(err, core.ErrUnavailable) {
//			t.Errorf("Get: error is %v", err)
//		}
//	}
//
// RunFaults does all that such a test would, to a driver. There are four means:
//
//   - Start and StartN start memcached. A Server can be stopped, killed, paused
//     and restarted, and asked what it holds.
//   - StartProxy stands between a client and a server: a distance, a slow line, a
//     line that is cut.
//   - StartHostile is a server that answers what a test tells it to, such as what
//     no memcached would.
//   - NeedPython runs the clients of Python, whose items a driver has to read and
//     which have to read a driver's.
//
// All that they start ends with the test, and none of it has a fixed address, so
// that tests may run side by side. A test is skipped if the program that it needs
// is not installed; where the environment has CI set, it fails.
//
// Methods may be called from any goroutine and any subtest until the test ends.
// What goes wrong in them fails the test that was given to Start, which goes on.
package memcachetest
