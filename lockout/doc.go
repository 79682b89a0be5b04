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
// A lockout has rules, each with a key under which it counts, a [Rate], and how long it
// locks out the callers that use it up:
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
// [Lockout.Allow], [Lockout.Guard] and [Lockout.Quota] count first: of any number of
// concurrent callers, in any number of processes, as many pass as Rate says. Guard and Quota
// remove a caller that turns out not to count. With Check and Add a program counts
// afterwards: callers that passed Check before the lock was set are not stopped.
//
// The one that uses up the Rate of a rule with locks sets the lock. If many do so at once,
// exactly one of them sets it and calls Alert. The lock is set before the counter is
// deleted. A rule without locks refuses as long as it has no room.
//
// It also holds on a cache that compares values (Traits.ByValue), because what is stored next
// depends on nothing but the value that was read.
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
// than a period, each of them may allow as many in a window as both should; a token bucket
// then refuses on the machine that is behind, until the other has not used it for as long as
// it takes to fill, and two seconds more.
//
// The next table has the round trips to the cache, if no other caller uses the same counter
// at the same time. A counter that was full when this process last used it is read before it
// is used, so that a refusal takes one round trip.
//
//	                              FixedWindow        SlidingWindow      TokenBucket
//	Allow, Guard, Quota           1, at first 2      1, at first 2      2
//	the same, with locks          2                  2                  2
//	the same, refused             1, at first 2      1, at first 2      1
//	Check, Reset, Status          1                  1                  1
//	Add                           1, at first 2      1, at first 2      2
//	Add to a full counter         2                  2                  2
//
// Of several rules, each takes one round trip, or two at first if it is a FixedWindow
// without locks. If one of them needs to read first, one more reads for all. Setting a lock
// takes two, or four with MaxLock, and in Guard and Quota yet another one. To remove a
// caller takes one for each rule, and two if it is a TokenBucket; after a success, Guard
// makes one call for all rules without Keep. A TokenBucket compares and swaps: each time
// another caller is faster, that costs two more round trips, but in one process only one
// goroutine at a time tries again.
//
// # What makes a counter vanish
//
// All this holds only while the cache keeps what is stored.
//
//	the cache cannot be reached      callers pass, and OnError is called; FailClosed refuses
//	the cache keeps nothing          the same; OnError is called once a minute at most
//	a counter cannot be read         it is deleted, and OnError is called; FailClosed refuses
//	                                 this caller, otherwise it is the first of a new count
//	that of the window before        it counts for nothing
//	cannot be read
//	a lock cannot be read            it is a lock, whatever it is
//	the number of locks in a row     it starts again, and OnError is called
//	cannot be read
//	the cache evicts one of them     as if it had never been there: the count starts from zero,
//	or the server was restarted      the lock has ended
//	the cache keeps no item for      New returns core.ErrConfig
//	as long as a rule needs
//
// A counter that was evicted cannot be told from one that never was. A client that asks for
// many pages can flood a bounded cache in which pages are stored, and one that guesses from
// many addresses can flood a small cache of a lockout. So give a lockout a cache of its own,
// which is one more URL in the program, or one more line in its file for core/config, with
// room for all keys that can come within a Period:
//
//	cache, err := core.Open(ctx, "memory://?max_items=1000000", nil)
//
// An item takes about 200 bytes in package memory. There are one or two for each key in a
// window or a bucket, and one or two more for a lock.
//
// # Keys
//
// The key of a lock is that of wheezy.caching, a library for Python, if a function there
// returns the name of the rule, a colon and the key: lock:c:sign_in:by_ip:192.0.2.1. Programs
// in both languages share locks. The value is the time at which the lock ends, in seconds
// since 1970. A lock that a Python program has set does not say when it ends. Counters are
// not shared.
//
// The keys of counters begin with f:, s: or b: for the Algorithm, and those of the number of
// locks in a row with row:. A change of Algorithm or Period starts new counters. Rule.Key may
// return any string; a string of more than 1,024 bytes is hashed.
package lockout
