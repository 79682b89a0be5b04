// Package conformance is the contract of package core as a suite of tests, for
// any backend to run:
//
//	func TestConformance(t *testing.T) {
//		conformance.Run(t, conformance.Config{
//			New: func(t testing.TB) core.Backend { return mydriver.New(nil) },
//		})
//	}
//
// Each case has an ID, by which go test -run finds it, and the sentence of the
// rule that it checks, which a failure prints. Every case runs three times: on
// the backend as it is, through a Cache with a prefix, and through a namespace
// of a Client.
//
// What a backend may decline, that is the optional interfaces of package core,
// the suite looks for itself. What is there must work; what is not is told in
// the log. The methods of core.Backend cannot be declined.
//
// In the histories of mixed verbs that are checked for linearizability, a verb
// that ended in an unexpected error may or may not have been carried out, and
// both are right; everywhere else such an error is a failure. Add -race to the
// run: some cases give the race detector what it needs to see that a backend
// keeps or shares memory that it must not.
package conformance
