// Package strangers tests the conformance suite in the way that users of cachewire use it.
// Drivers for two independent libraries, otter and bbolt, pass the suite. A driver that was
// written carelessly fails. The package has only tests. It is a separate module, so that no
// other module requires these libraries.
package strangers
