// Package redis compares the driver for Redis with the client that it is built on, with
// go-redis, with go-redis/cache and with gocache. The benchmarks use a real server on loopback:
//
//	go test -bench . -count 5 ./benchmarks/redis
package redis
