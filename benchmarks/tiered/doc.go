// Package tiered compares a tier with its halves, with go-redis/cache in front of Redis and with
// the client-side caching of rueidis. The benchmarks use a real server on loopback:
//
//	go test -bench . -count 5 ./benchmarks/tiered
package tiered
