// Package memory is the cache in this process.
package memory
