package core

import (
	"context"
	"time"
)

// A Bus tells programs that keep copies of the items of a cache which items have changed. Package
// tiered uses it. A Bus may be used by many goroutines at once.
//
// A Bus need not be reliable, but it must know when it may have lost something.
type Bus interface {
	// Publish tells all other subscribers that keys have changed, or everything if keys is
	// nil. It is called after the change. It does not wait for the subscribers. If it returns
	// an error, it is called again with the same keys. A Bus that learns of changes from the
	// cache itself does nothing. It keeps no reference to keys.
	Publish(ctx context.Context, keys []string) error

	// Subscribe calls f with Notices, one call at a time, until ctx is done or the Bus is
	// closed, and then returns. It does not return because of an error: it goes on trying. It
	// is called at most once.
	//
	// Until the first Notice with Synced, the subscriber trusts nothing. A Notice has Lost set
	// whenever others may have been lost, because of an interrupted connection, a full buffer
	// or a message that cannot be read, and whenever the Bus could not connect. While the Bus
	// works, there is a Notice with Synced at least once a second. Changes that were published
	// through this Bus are left out if it can tell them from others.
	Subscribe(ctx context.Context, f func(Notice))

	// Close releases the resources of the Bus. It is called once, after Subscribe has
	// returned.
	Close() error
}

// A Notice is what a Bus tells a subscriber.
type Notice struct {
	Keys  []string              // these keys have changed
	Match func(key string) bool // if not nil, so have all keys for which it returns true
	All   bool                  // every key may have changed

	// Lost, if not nil, is why changes may have been missed: every key may have changed, and
	// until a later Notice has Synced, more changes may be missed.
	Lost error

	// Synced, if not zero, says that the Bus works: the Notices of all changes that were
	// published before this time have been given. It is a time that time.Now has returned in
	// this process. After Lost, it says nothing about changes before the Bus worked again.
	Synced time.Time
}

// A BusOpener is a backend that has a Bus for its items.
type BusOpener interface {
	// OpenBus returns a new Bus of this kind, which the caller closes before the backend. The
	// kinds are words that the driver documents. It returns ErrConfig if there is no such
	// kind, and lists the kinds.
	OpenBus(kind string) (Bus, error)
}
