package dependency

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/cachewire/cachewire/core"
)

// Options are the settings of a Dependency.
type Options struct {
	// TTL is the time to live of wires. It should not be less than that of the items
	// which are wired: an item that outlives its wire is not found. If 0, it is the
	// default of the cache.
	TTL time.Duration

	// AnyMaster allows master keys that end in a digit, for those who know that
	// none of theirs is the beginning of another.
	AnyMaster bool
}

// A Dependency wires items of a cache to master keys. It has no state of its own:
// any number of them, in any number of processes, work on the same wires. Many
// goroutines may use it at once.
//
// The verbs take few calls of the cache, however many keys there are: Add and
// AddMulti 2, and 2 more for each time that a number which they drew was taken, as
// it can be beside a Delete, or where the counter was lost; Delete 3, or 5 where more
// than 100 keys are wired, and some more if keys are being added to those meanwhile.
type Dependency struct {
	cache *core.Cache
	opts  Options
}

// New returns a Dependency whose wires are in cache. A nil opts is the zero Options. The
// error is core.ErrConfig: cache is nil, or the TTL is negative.
func New(cache *core.Cache, opts *Options) (*Dependency, error) {
	d := &Dependency{cache: cache}
	if opts != nil {
		d.opts = *opts
	}
	if err := check(cache, "Options.TTL", d.opts.TTL); err != nil {
		return nil, err
	}
	return d, nil
}

// check checks the arguments of a constructor.
func check(cache *core.Cache, field string, ttl time.Duration) error {
	switch {
	case cache == nil:
		return fmt.Errorf("%w: dependency: the cache is nil; core.Open returns one", core.ErrConfig)
	case ttl < 0:
		return fmt.Errorf("%w: dependency: %s is %v, want 0 (the default of the cache) or more", core.ErrConfig, field, ttl)
	}
	return nil
}

const (
	// probe is how many wires are asked for together with the counter, which tells
	// how many there are. The first of them are taken whatever it tells.
	probe = 100

	// maxCount is the highest number that is given out. Each has to be asked for.
	maxCount = 1_000_000

	// maxWiring is how long a number is good that was given out.
	maxWiring = time.Minute

	// settledAfter is after how long a number is not wired any more that was given
	// out. It is twice maxWiring, so that a Delete that takes as long does no harm.
	settledAfter = 2 * maxWiring

	// maxClaims is how many missing numbers Delete claims at once.
	maxClaims = 1000

	// maxTries is how often Add draws a number.
	maxTries = 20

	// maxRounds is how often Delete looks for what was wired meanwhile.
	maxRounds = 3
)

// NextKey answers a new key for a wire: the one after those that were given out. Who
// makes a wire by hand stores it within a minute, with Add, and takes another key where
// that is core.ErrExists. In a cache that keeps nothing there is none: core.ErrMiss.
func (d *Dependency) NextKey(ctx context.Context, master string) (string, error) {
	keys, err := d.NextKeys(ctx, master, 1)
	if err != nil {
		return "", err
	}
	return keys[0], nil
}

// NextKeys answers n new keys for wires. With n below 1 it answers none.
func (d *Dependency) NextKeys(ctx context.Context, master string, n int) ([]string, error) {
	if n < 1 {
		return nil, nil
	}
	last, err := d.draw(ctx, master, uint64(n))
	if err != nil {
		return nil, err
	}
	return keysAt(master, numbersOf(last-uint64(n)+1, last)), nil
}

// draw moves the counter of master by n, and answers where it stands.
func (d *Dependency) draw(ctx context.Context, master string, n uint64) (uint64, error) {
	if err := d.check(master); err != nil {
		return 0, err
	}
	last, err := d.cache.IncrFrom(ctx, master, n, 0, core.Forever)
	if err == nil && (last < n || last > maxCount) {
		return 0, fmt.Errorf("%w: %q counts more than %d wires; Delete begins anew", core.ErrNotNumber, master, maxCount)
	}
	return last, err
}

// late tells whether maxWiring is over since then, by a clock that may stand still
// while the machine sleeps or by one that may be set.
func late(then time.Time) bool {
	return max(time.Since(then), time.Since(then.Round(0))) >= maxWiring
}

// maxMasterLen leaves room for a number.
const maxMasterLen = core.MaxKeyLen - 20

func (d *Dependency) check(master string) error {
	switch {
	case master == "":
		return fmt.Errorf("%w: the master key is empty", core.ErrInvalidKey)
	case len(master) > maxMasterLen:
		return fmt.Errorf("%w: a master key of %d bytes, want at most %d, as numbers stand behind it", core.ErrInvalidKey, len(master), maxMasterLen)
	}
	if last := master[len(master)-1]; '0' <= last && last <= '9' && !d.opts.AnyMaster {
		return fmt.Errorf("%w: the master key %.100q ends in a digit, and followed by a number it can be another's; end it in a delimiter, as %.100q",
			core.ErrInvalidKey, master, master+":")
	}
	return nil
}

// numbersOf answers the numbers from first to last.
func numbersOf(first, last uint64) []uint64 {
	numbers := make([]uint64, 0, last-first+1)
	for n := first; n <= last; n++ {
		numbers = append(numbers, n)
	}
	return numbers
}

// keysAt answers the keys of the wires with numbers.
func keysAt(master string, numbers []uint64) []string {
	keys := make([]string, len(numbers))
	for i, n := range numbers {
		keys[i] = keyAt(master, n)
	}
	return keys
}

func keyAt(master string, number uint64) string { return master + strconv.FormatUint(number, 10) }

// Add wires key to master.
func (d *Dependency) Add(ctx context.Context, master, key string) error {
	return d.AddMulti(ctx, master, []string{key})
}

// AddMulti wires keys to master; one that is wired already takes another number. The
// error is nil, a *core.MultiError that has those which could not be wired, or another
// one, and then none was wired.
func (d *Dependency) AddMulti(ctx context.Context, master string, keys []string) error {
	for _, key := range keys {
		if !isKey(key) {
			return fmt.Errorf("%w: a key of %d bytes cannot be wired, want 1 to %d", core.ErrInvalidKey, len(key), core.MaxKeyLen)
		}
	}
	failed := core.MultiError{Verb: "AddMulti", Driver: "dependency", Total: len(keys)}
	jump := uint64(0)
	for try := range maxTries {
		if len(keys) == 0 {
			return failed.Err()
		}
		n := uint64(len(keys))
		drawn := time.Now()
		last, err := d.draw(ctx, master, jump+n)
		switch {
		case err == core.ErrMiss:
			return nil // nothing is kept in this cache, so that there is nothing to be dropped
		case err != nil && try == 0:
			return err
		case err != nil:
			for _, key := range keys {
				failed.Add(key, err)
			}
			return failed.Err()
		}
		first := last - n + 1
		taken := d.wire(ctx, master, first, keys, &failed)
		if late(drawn) {
			// A Delete may have taken the numbers for settled. All are wired again, and
			// those that stand where nobody looks for them must not be in the way.
			if err := d.unwire(ctx, master, first, keys); err != nil {
				return err
			}
			continue
		}
		keys = taken
		// The counter was lost, and the numbers of old wires are given out again. A jump
		// leaves them behind, so that the counter covers them, too.
		if try > 0 {
			jump = max(16, 2*jump)
		}
	}
	for _, key := range keys {
		failed.Add(key, fmt.Errorf("%w: the numbers of %q are taken by others again and again", core.ErrConflict, master))
	}
	return failed.Err()
}

// unwire takes those wires of keys away again that wire has made.
func (d *Dependency) unwire(ctx context.Context, master string, first uint64, keys []string) error {
	numbers := numbersOf(first, first+uint64(len(keys))-1)
	items, err := d.cache.GetItems(ctx, keysAt(master, numbers))
	if err != nil {
		return err
	}
	var ours []core.Item
	for i, wire := range keysAt(master, numbers) {
		if item, ok := items[wire]; ok && string(item.Value) == keys[i] {
			ours = append(ours, item)
		}
	}
	_, err = d.remove(ctx, ours)
	return err
}

func isKey(key string) bool { return 0 < len(key) && len(key) <= core.MaxKeyLen }

// wire wires keys by the numbers from first on, and answers those whose number was
// taken.
func (d *Dependency) wire(ctx context.Context, master string, first uint64, keys []string, failed *core.MultiError) (taken []string) {
	items := make([]core.Item, len(keys))
	for i, key := range keys {
		items[i] = d.item(keyAt(master, first+uint64(i)), key, d.opts.TTL)
	}
	err := d.storeMulti(ctx, core.Add, items)
	if err == nil {
		return nil
	}
	for i, key := range keys {
		switch err := errorOf(err, items[i].Key); {
		case errors.Is(err, core.ErrExists):
			taken = append(taken, key)
		case err != nil:
			failed.Add(key, err)
		}
	}
	return taken
}

func (d *Dependency) item(wire, key string, ttl time.Duration) core.Item {
	return core.Item{Key: wire, Value: []byte(key), Flags: core.FlagText, TTL: ttl}
}

// errorOf answers the error of key in that of a multi verb.
func errorOf(err error, key string) error {
	var multi *core.MultiError
	if errors.As(err, &multi) {
		return multi.Errors[key]
	}
	return err
}

// Keys answers the keys that are wired to master, each once, sorted. Among them may
// be some that a Delete has dropped beside which others were wired.
func (d *Dependency) Keys(ctx context.Context, master string) ([]string, error) {
	return d.MultiKeys(ctx, []string{master})
}

// MultiKeys answers the keys that are wired to any of masters, each once, sorted.
// Beside an error it answers those that it could read.
func (d *Dependency) MultiKeys(ctx context.Context, masters []string) ([]string, error) {
	found := make([][]string, len(masters))
	err := each(masters, func(i int, master string) error {
		var g group
		wires, err := d.read(ctx, master, &g)
		found[i] = keysOf(wires)
		return err
	})
	all := slices.Concat(found...)
	slices.Sort(all)
	return slices.Compact(all), err
}
