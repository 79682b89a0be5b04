// Package patterns compares package patterns with other packages that load a value once for
// many callers.
package patterns
