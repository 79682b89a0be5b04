// Package lockout locks abusers out: terms of use that counters in a cache enforce, so
// that a fleet agrees.
//
//	locker, err := lockout.New(cache, lockout.Terms[Request]{
//		"by_ip": {
//			Key:   func(r Request) string { return "by_ip:" + r.IP },
//			Count: 20, Period: time.Minute, Duration: 15 * time.Minute,
//		},
//	}, nil)
//	signIn, err := locker.Define("sign in", lockout.Terms[Request]{"by_ip": {Count: 5}})
//
//	if err := signIn.Forbid(ctx, r); err != nil {
//		return err // errors.Is(err, lockout.ErrLocked)
//	}
//	ok, err := signIn.Guard(ctx, r, checkPassword)
//
// A [Counter] says by what it counts, and how many there may be in a period, which begins
// with the first. The one that reaches the count sets a lock for a duration. Of any number
// that come at once exactly one does, and calls Alert; the lock is there before the
// counter is gone.
//
// # What the verbs promise
//
// [Lockout.Guard] and [Lockout.Quota] count when it is done: of those that are past
// [Lockout.Forbid] when the lock is set, none is stopped. [Lockout.Take] counts first: of
// any number that come at once as many as the count pass.
//
// # Keys
//
// Keys are those of wheezy.caching, so that programs in both languages share counters and
// locks: c:sign_in:by_ip:192.0.2.1, and lock:c:sign_in:by_ip:192.0.2.1. A lock holds when
// it ends, in seconds since 1970; of one that a Python program has set, that is not known.
//
// # When the cache fails
//
// By default nobody is locked out, and Options.OnError is told. With Options.FailClosed
// the error is the caller's.
package lockout
