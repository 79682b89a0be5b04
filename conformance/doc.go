// Package conformance is the contract of package core as a test suite, which any backend
// can run:
//
//	func TestConformance(t *testing.T) {
//		conformance.Run(t, conformance.Config{
//			New: func(t testing.TB) core.Backend { return mydriver.New(nil) },
//		})
//	}
//
// Each case has an ID, for go test -run, and a rule, the sentence of the contract that it
// checks. A failure prints both. Every case runs three times: on a Cache of the backend, on
// a Cache with a prefix, and on a Cache that is a namespace of a Client.
//
// A backend may decline the optional interfaces of package core. The suite finds out which
// ones the backend implements: these must work, and the log lists the others as declined.
// The methods of core.Backend cannot be declined.
//
// Some cases record a history of mixed verbs and check that it is linearizable. In a
// history, a verb that returns an unexpected error may or may not have taken effect, and
// both are correct. In all other cases an unexpected error is a failure.
//
// Run the suite with -race, too. Some cases let the race detector find a backend that keeps
// or shares memory which it must not keep or share.
package conformance
