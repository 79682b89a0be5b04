// Package redistest starts a real redis-server for a test, and makes it fail.
//
//	func TestDeadServerIsNotAMiss(t *testing.T) {
//		server := redistest.Start(t, nil)
//		cache := open(t, server.Addr())
//		server.Kill()
//		if _, err := cache.Get(t.Context(), "key"); !errors.Is(err, core.ErrUnavailable) {
//			t.Errorf("Get: error is %v", err)
//		}
//	}
//
// Start starts one server, with or without a password, TLS or a replica. StartCluster starts a
// cluster, and StartSentinel a primary, a replica and a sentinel that watches them. A Server can
// be stopped, killed, paused and restarted. Server.Do sends it a command. NeedPython finds a
// Python for scripts that use a client in Python.
//
// Every server ends with its test, and has no fixed address, so that tests may run in parallel.
// If a program that a test needs is not installed, the test is skipped. If the environment
// variable CI is set, the test fails instead.
//
// Methods may be called from any goroutine and any subtest until the test ends. If a method has
// an error, the test that was passed to Start fails, but continues.
package redistest
