// Package conformance is a test suite for the contract of package core. Any backend can run
// it:
//
//	func TestConformance(t *testing.T) {
//		conformance.Run(t, conformance.Config{
//			New: func(t testing.TB) core.Backend { return mydriver.New(nil) },
//		})
//	}
//
// Each case has an ID, for go test -run, and a rule, which is the sentence of the contract
// that it checks. A failure prints both. Most cases run in three views: on a Cache without a
// prefix, on a Cache with a prefix, and on a Cache that is a namespace of a Client.
//
// A backend may decline the optional interfaces of package core. The suite finds out which
// ones the backend implements: these must work, and the log lists the others as declined.
// The methods of core.Backend cannot be declined.
//
// Some cases record a history of mixed verbs and check that it is linearizable. If a verb
// in a history returns an unexpected error, it may or may not have taken effect: the suite
// accepts both. In all other cases an unexpected error is a failure.
//
// Run the suite with -race, too. Some cases need the race detector to find a backend that
// keeps or shares memory against the rules.
package conformance
