// Package memory compares the memory backend with other caches in process, and with bare
// maps.
package memory
