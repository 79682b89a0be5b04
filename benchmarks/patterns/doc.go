// Package patterns compares package patterns with others that load a value once.
package patterns
