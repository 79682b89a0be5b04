// Package memcached measures the memcached drivers beside the clients that they
// are built on, against the real server, near and far. It has benchmarks only:
//
//	go test -bench . -count 5 ./benchmarks/memcached
package memcached
