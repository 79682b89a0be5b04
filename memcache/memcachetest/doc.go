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
// RunFaults runs a driver through many tests of this kind. They are built from these parts,
// which a driver can use as well:
//
//   - Start and StartN start memcached. A Server can be stopped, killed, paused and
//     restarted, and sent commands that show what it holds.
//   - StartProxy starts a proxy between a client and a server, which delays bytes, delivers
//     them slowly or cuts the connection.
//   - StartHostile starts a server that replies as the test says, even as no memcached would.
//   - NeedPython finds Python for the clients of Python, to test that they and a driver read
//     each other's items.
//
// Everything that they start ends with the test. No address is fixed, so that tests may run
// in parallel. If a program that a test needs is not installed, the test is skipped; if the
// environment variable CI is set, it fails instead.
//
// Methods may be called from any goroutine and any subtest until the test ends. A method
// that fails reports the error to the test that was passed to Start, and returns; the test
// goes on.
package memcachetest
