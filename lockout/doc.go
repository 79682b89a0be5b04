// Package lockout locks abusers out, and limits how often things are done: terms of use that
// counters in a cache enforce, so that a fleet agrees.
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
// A [Counter] says by what it counts, and how many there may be in a period. The one that
// reaches the count sets a lock for a duration. Of any number that come at once exactly one
// does, and calls Alert; the lock is there before the counter is gone. A Counter without a
// duration sets no lock, and refuses for as long as it has no room.
//
// # What the verbs promise
//
// [Lockout.Guard] and [Lockout.Quota] count when it is done, failures or successes: of those
// that are past [Lockout.Forbid] when the lock is set, none is stopped. [Lockout.Take] and
// [Lockout.Allow] count first: of any number that come at once, in any number of processes,
// as many as the count pass. Take gives back a success; Allow, and [Handler] for net/http,
// count whatever comes of it.
//
// All of it holds as far as the cache keeps what it is given. One that evicts counters, or is
// restarted, forgets.
//
// # Algorithms, and what they cost
//
// Of a hundred in a minute, by [Algorithm]:
//
//	                 there is room                   most in a minute          goes by
//	FixedWindow      for 100, a minute after the     199, at the end of one    the cache's clock
//	                 first                           and the begin of another
//	SlidingWindow    as those of the minute before   200, where 100 came at    the machines' clocks
//	                 fade                            the end of a minute
//	TokenBucket      for one each 0.6 s              199, of which 100 at once the machines' clocks
//
// Round trips to the cache, where nobody else counts the same at the same time; a lock that
// is set takes two more, with MaxDuration four, and in Take another one:
//
//	                                   FixedWindow             SlidingWindow, TokenBucket
//	Forbid, Reset, Status              1, of all counters      1, of all counters
//	Incr                               1 each, the first 2     2 each
//	Allow, Take, without a duration    1 each, the first 2     1, and 1 each, the first 2
//	Allow, Take, with one              1, and as above         the same
//	Allow, refused                     1                       1
//	Take, refused                      1; without a duration 2 1
//
// The result of Guard and Quota is an Incr or a Reset, and so is a success of Take; what it
// gives back is one call for each counter in a FixedWindow, and two in the others. It takes
// one more to tell from when a FixedWindow without a duration has room, of a cache that
// knows. SlidingWindow and TokenBucket compare and swap: each rival who was faster costs two
// round trips more. Of one process only one tries again at a time.
//
// # Keys
//
// Keys are those of wheezy.caching, so that programs in both languages share counters of a
// FixedWindow, and locks: c:sign_in:by_ip:192.0.2.1, and lock:c:sign_in:by_ip:192.0.2.1. A
// lock holds when it ends, in seconds since 1970; of one that a Python program has set, that
// is not known. The other algorithms have keys that begin with window: and bucket:, and the
// number of locks in a row has one with row:. What Counter.Key answers may be any string;
// one of more than 1,024 bytes is hashed.
//
// # When the cache fails
//
// By default nobody is locked out: a cache that is down shuts out no user, and stops no
// abuser. With Options.FailClosed the error is the caller's. Options.OnError is told either
// way. A caller whose context is done gets its error, and is not let in.
package lockout
