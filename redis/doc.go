// Package redis is a driver for Redis and Valkey.
package redis
