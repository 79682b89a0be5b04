// Package codectest is the contract of [core.Codec] as a test suite, which any codec can run:
//
//	func TestCodec(t *testing.T) {
//		codectest.Run(t, codectest.Config[User]{
//			New:    func() core.Codec[User] { return NewUserCodec() },
//			Values: []User{{Name: "Ann", Age: 40}, {Name: "Bob", Tags: []string{"a", "b"}}},
//		})
//	}
//
// Each rule has an ID, for go test -run, and a sentence. A failure prints both. The suite
// makes more values from the samples: it sets each exported field to zero, nil and empty
// values. So give it samples in which every field that matters has a value.
//
// Run the suite with -race, too. Some rules let the race detector find a codec that keeps or
// shares memory which it must not keep or share.
package codectest
