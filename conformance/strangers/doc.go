// Package strangers tests the conformance suite as users of cachewire meet it: with drivers
// for libraries that know nothing of cachewire, otter and bbolt, which pass, and with a driver
// that was written carelessly, which fails. It is a module of its own, so that no other module
// requires these libraries, and it has nothing but tests.
package strangers
