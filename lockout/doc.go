// Package lockout limits how often something is done, and locks abusers out. Its counters
// and locks are in a cache, so that all servers of a fleet share them.
//
// A limiter is a cache, a rate and Allow:
//
//	rate := lockout.Rate{Count: 100, Period: time.Minute}
//	limiter, err := lockout.NewLimiter(cache, "api", rate, nil)
//	…
//	err = limiter.Allow(ctx, key) // errors.Is(err, lockout.ErrLocked)
//
// As a handler for net/http, which limits each address:
//
//	handler, err := limiter.Handler(lockout.Address{}.Of, next, nil)
//
// A lockout has rules. Each rule has a key under which it counts, a [Rate], and a Lock, which
// is how long it locks out a caller that uses up the Rate:
//
//	signIn, err := lockout.New(cache, "sign_in", []lockout.Rule[Attempt]{
//		{Name: "by_account_address",
//			Key:  func(a Attempt) string { return a.Account + " " + a.Address },
//			Rate: lockout.Rate{Count: 5, Period: 10 * time.Minute}, Lock: 15 * time.Minute},
//		{Name: "by_address", Key: func(a Attempt) string { return a.Address },
//			Rate: lockout.Rate{Count: 30, Period: 10 * time.Minute}, Lock: time.Hour, Keep: true},
//	}, &lockout.Options[Attempt]{Alert: alert})
//	…
//	ok, err := signIn.Guard(ctx, attempt, checkPassword)
//
// # What the verbs promise
//
//	Allow, Handler  count every caller for whom there is room
//	Guard           counts a caller that fails, and resets the counters after a success
//	Quota           counts a caller that succeeds
//	Check           counts nothing
//	Add             counts a caller, whether or not there is room
//
// [Lockout.Allow], [Lockout.Guard] and [Lockout.Quota] count first. However many callers
// there are at once, in however many processes, as many pass as Rate says. Guard and Quota
// remove a caller that turns out not to count. A program that uses Check and Add counts
// afterwards: callers that passed Check before the lock was set are not stopped.
//
// The caller that uses up the Rate of a rule with locks sets the lock. If many callers do so
// at once, exactly one of them sets it and calls Alert. The lock is set before the counter is
// deleted. A rule without locks refuses as long as it has no room.
//
// All this also holds on a cache that compares values (Traits.ByValue), because the next
// state depends only on the value that was read.
//
// # Algorithms, and what they cost
//
// With a rate of 100 a minute, the values of [Algorithm] differ as follows:
//
//	                 when there is room              most within a minute
//	FixedWindow      for 100, at every full minute   200, at the end of one minute and the
//	                                                 start of the next
//	SlidingWindow    as the counts of the minute     200, if 100 came at the end of the
//	                 before fade                     minute before
//	TokenBucket      for one more every 0.6 s        199, 100 of them at once; Burst
//	                                                 changes that number
//
// All of them use the clocks of the machines. If the clocks of two machines differ by more
// than a period, each machine may allow as many in a window as both should. A token bucket
// then refuses on the machine whose clock is behind. It does so until the other machine has
// not used the bucket for as long as the bucket takes to fill, and two seconds more.
//
// The next table has the round trips to the cache if no other caller uses the same counter at
// the same time. A counter that was full when this process last used it is read first, so
// that a refusal takes one round trip.
//
//	                              FixedWindow        SlidingWindow      TokenBucket
//	Allow, Guard, Quota           1, at first 2      1, at first 2      2
//	the same, with locks          2                  2                  2
//	the same, refused             1, at first 2      1, at first 2      1
//	Check, Reset, Status          1                  1                  1
//	Add                           1, at first 2      1, at first 2      2
//	Add to a full counter         2                  2                  2
//
// If there are several rules, each takes one round trip. A FixedWindow without locks takes
// two at first. If a rule needs to read first, there is one more round trip for all rules.
// Setting a lock takes two round trips, or four with MaxLock, and one more in Guard and
// Quota. The removal of a caller takes one for each rule, or two if it is a TokenBucket.
// After a success, Guard makes one call for all rules without Keep. A TokenBucket compares
// and swaps. Each time another caller is faster, that costs two more round trips, but only
// one goroutine of a process tries again at a time.
//
// # What makes a counter vanish
//
// All this holds only while the cache keeps what is stored.
//
//	the cache cannot be reached      callers pass, and OnError is called; FailClosed refuses
//	the cache keeps nothing          the same; OnError is called once a minute at most
//	a counter cannot be read         it is deleted, and OnError is called; FailClosed refuses
//	                                 this caller, otherwise it is the first of a new count
//	the count of the window before   it counts for nothing
//	cannot be read
//	a lock cannot be read            it is a lock, whatever its value
//	the number of locks in a row     it starts again, and OnError is called
//	cannot be read
//	the cache evicts one of them,    as if it had never been stored: the count starts from
//	or the server is restarted       zero, the lock has ended
//	the cache keeps no item for      New returns core.ErrConfig
//	as long as a rule needs
//
// A lockout cannot know that a counter was evicted: an evicted counter looks like one that
// was never stored. A client that requests many pages can flood a bounded cache that also
// stores pages. A client that guesses from many addresses can flood the small cache of a
// lockout. So give a lockout a cache of its own, with room for all keys that can come within
// a Period. That is one more URL in the program, or one more line in its file for
// core/config:
//
//	cache, err := core.Open(ctx, "memory://?max_items=1000000", nil)
//
// An item takes about 200 bytes in package memory. A key has one or two items in a window or
// a bucket, and one or two more for a lock.
//
// # Keys
//
// The key of a lock is lock:c:sign_in:by_ip:192.0.2.1. It is the same as in wheezy.caching, a
// library for Python, if a function there returns the name of the rule, a colon and the key.
// So programs in both languages share locks. The value is the time at which the lock ends, in
// seconds since 1970. A lock that a Python program has set does not say when it ends.
// Counters are not shared.
//
// The keys of counters begin with f:, s: or b: for the Algorithm, and those of the number of
// locks in a row with row:. A change of Algorithm or Period starts new counters. Rule.Key may
// return any string; a string of more than 1,024 bytes is hashed.
package lockout
