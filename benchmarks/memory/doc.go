// Package memory compares the memory backend with other caches that are in the memory of a
// process, and with bare maps.
package memory
