// Package memcached compares the memcached drivers with the clients that they are built on.
// The benchmarks use a real server, on loopback and behind a proxy with a longer round trip:
//
//	go test -bench . -count 5 ./benchmarks/memcached
package memcached
