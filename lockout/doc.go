// Package lockout locks abusers out, and limits how often something is done. Its counters
// and locks are in a cache, so that all servers of a fleet share them.
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
// A [Counter] has a key under which it counts, and a limit for each period. The caller that
// reaches the limit sets a lock, which lasts for a duration. If many callers reach it at
// once, exactly one of them sets the lock and calls Alert. The lock is set before the
// counter is deleted. A Counter without a duration sets no lock: it refuses while it has no
// room.
//
// # What the verbs promise
//
// [Lockout.Guard] counts failures, and [Lockout.Quota] counts successes, when they have
// happened. Neither stops a caller that passed [Lockout.Forbid] before the lock was set.
//
// [Lockout.Take] and [Lockout.Allow] count first. Of any number of concurrent callers, in
// any number of processes, as many pass as Counter.Count says. Take removes a success from
// the counters again. Allow, and [Handler] for net/http, count every caller that passes.
//
// It also holds on a cache that compares values (Traits.ByValue), because what is stored next
// depends on nothing but the value that was read.
//
// All this holds only while the cache keeps what is stored. A cache that evicts counters, or
// is restarted, forgets them.
//
// # Algorithms, and what they cost
//
// With a limit of 100 a minute, the values of [Algorithm] differ as follows:
//
//	                 when there is room              most within a minute      clock
//	FixedWindow      for 100, one minute after the   199, at the end of one    the cache's
//	                 first was counted               window and the start of
//	                                                 the next
//	SlidingWindow    as the counts of the minute     200, if 100 came at the   the machines'
//	                 before fade                     end of the minute before
//	TokenBucket      for one more every 0.6 s        199, 100 of them at once  the machines'
//
// The next table has the round trips to the cache, if no other caller uses the same counter
// at the same time. Setting a lock takes two more, or four with MaxDuration, and in Take yet
// another one.
//
//	                                     FixedWindow             SlidingWindow, TokenBucket
//	Forbid, Reset, Status                1 for all counters      1 for all counters
//	Incr                                 1 each, at first 2      2 each
//	Allow, Take, without a duration      1 each, at first 2      1, and 1 each, at first 2
//	Allow, Take, with a duration         1, and as above         the same
//	Allow that refuses                   1                       1
//	Take that refuses                    1; 2 if no duration     1
//
// Guard, Quota and a successful Take end with an Incr or a Reset. To remove a count, Take
// makes one call for each counter in a FixedWindow, and two for the others. Finding out when
// a FixedWindow without a duration has room takes one more call, if the cache can report it.
// SlidingWindow and TokenBucket compare and swap: each time another caller is faster, that
// costs two more round trips. In one process, only one goroutine at a time retries.
//
// # Keys
//
// The keys are those of wheezy.caching, a library for Python. Programs in both languages
// share the counters of a FixedWindow and the locks: c:sign_in:by_ip:192.0.2.1, and
// lock:c:sign_in:by_ip:192.0.2.1. The value of a lock is the time at which it ends, in
// seconds since 1970. A lock that a Python program has set does not say when it ends.
//
// The keys of the other algorithms begin with window: and bucket:, and the key of the number
// of locks in a row begins with row:. Counter.Key may return any string; a string of more
// than 1,024 bytes is hashed.
//
// # When the cache fails
//
// By default, callers pass if the cache fails: a cache that is down shuts out no user, and
// stops no abuser. With Options.FailClosed, the verbs return the error instead.
// Options.OnError is called in both cases. A caller whose context is done gets the error of
// the context, and does not pass.
package lockout
