// Package redistest starts the real redis-server for a test, and breaks it.
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
// be stopped, killed, paused and restarted, and can be sent commands. NeedPython runs the client
// of Python.
//
// Everything ends with the test, and nothing has a fixed address, so that tests may run side by
// side. A test is skipped if a program that it needs is not installed; where the environment
// has CI set, it fails.
//
// Methods may be called from any goroutine and any subtest until the test ends. An error in
// them fails the test that was given to Start, which continues.
package redistest
