// Package readme holds the example that README.md begins with, so that it is
// compiled and run, and the test that the two are the same.
package readme
