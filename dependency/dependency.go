package dependency

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/cachewire/cachewire/core"
)

// Options are the settings of a Dependency.
type Options struct {
	// TTL is the time to live of wires. It should not be less than the one of the items that
	// are wired: Delete does not find an item that outlives its wire. If 0, it is the
	// default of the cache.
	TTL time.Duration

	// AnyMaster allows master keys that end in a digit. It is safe only if no master key
	// is the beginning of another one.
	AnyMaster bool
}

// A Dependency wires items of a cache to master keys. All wires are in the cache: any number
// of Dependencies, in any number of processes, work on the same ones. A Dependency only
// remembers which master keys were deleted through it, for DeletedSince and Hold. Many
// goroutines may use it at once.
//
// The verbs take few calls of the cache, each for up to 10,000 keys. Add and AddMulti take 2.
// They take 2 more each time that one of their numbers is taken, which can happen during a
// Delete, or after the counter was lost. Delete takes 3, or 5 if more than 100 keys are
// wired, and some more if keys are wired meanwhile.
type Dependency struct {
	cache   *core.Cache
	opts    Options
	journal journal
}

// New returns a Dependency whose wires are in cache. A nil opts is the zero Options. New
// returns core.ErrConfig if cache is nil, if its Traits say ByValue, or if the TTL is negative.
func New(cache *core.Cache, opts *Options) (*Dependency, error) {
	d := &Dependency{cache: cache, journal: journal{seed: maphash.MakeSeed()}}
	if opts != nil {
		d.opts = *opts
	}
	if err := checkArgs(cache, "Options.TTL", d.opts.TTL); err != nil {
		return nil, err
	}
	if cache.Traits().ByValue {
		// A Delete could not distinguish the counter or wire that it read from a new one with
		// the same value.
		return nil, fmt.Errorf("%w: dependency: the cache compares values (Traits.ByValue), so "+
			"that a Delete during an Add could lose items; want a cache that does not, or Tags",
			core.ErrConfig)
	}
	return d, nil
}

// checkArgs checks the arguments of a constructor. ttl is the value of the field.
func checkArgs(cache *core.Cache, field string, ttl time.Duration) error {
	switch {
	case cache == nil:
		return fmt.Errorf("%w: dependency: the cache is nil; core.Open returns one",
			core.ErrConfig)
	case ttl < 0:
		return fmt.Errorf("%w: dependency: %s is %v; want 0 (the default of the cache) or more",
			core.ErrConfig, field, ttl)
	}
	return nil
}

const (
	// alwaysRead is how many wires are read together with the counter, which says how many
	// there are. Those that exist are used whatever it says.
	alwaysRead = 100

	// maxCount is the highest number that is given out. Delete has to read each of them.
	maxCount = 1_000_000

	// maxDelay is how long after it was drawn a number may be used.
	maxDelay = time.Minute

	// settledAfter is the time after which a number that was drawn is not used any more.
	// It is twice maxDelay, so that a Delete may take as long without doing harm.
	settledAfter = 2 * maxDelay

	// maxClaims is how many missing numbers Delete claims at once.
	maxClaims = 1000

	// maxTries is how often Add draws a number.
	maxTries = 20

	// maxRounds is how often Delete reads the wires that were added meanwhile.
	maxRounds = 3
)

// NextKey returns a new key for a wire, which follows those that were given out. A program
// that stores a wire itself must store it within a minute, with Cache.Add. If that returns
// core.ErrExists, it must take another key. NextKey returns core.ErrMiss if the cache keeps
// nothing.
func (d *Dependency) NextKey(ctx context.Context, master string) (string, error) {
	keys, err := d.NextKeys(ctx, master, 1)
	if err != nil {
		return "", err
	}
	return keys[0], nil
}

// NextKeys is NextKey for n keys. If n is less than 1, it returns none.
func (d *Dependency) NextKeys(ctx context.Context, master string, n int) ([]string, error) {
	if n < 1 {
		return nil, nil
	}
	last, err := d.draw(ctx, master, uint64(n))
	if err != nil {
		return nil, err
	}
	return keysAt(master, numbersFromTo(last-uint64(n)+1, last)), nil
}

// draw draws n numbers: it adds n to the counter of master, and returns the last number.
func (d *Dependency) draw(ctx context.Context, master string, n uint64) (uint64, error) {
	if err := d.checkMaster(master); err != nil {
		return 0, err
	}
	last, err := d.cache.IncrFrom(ctx, master, n, 0, core.Forever)
	if err == nil && (last < n || last > maxCount) {
		return 0, fmt.Errorf("%w: %q counts more than %d wires; Delete lets it begin again",
			core.ErrNotNumber, master, maxCount)
	}
	return last, err
}

// late reports whether maxDelay has passed since a time. It uses two clocks: one that may
// stand still while the machine sleeps, and one that may be set.
func late(since time.Time) bool {
	return max(time.Since(since), time.Since(since.Round(0))) >= maxDelay
}

// maxMasterLen leaves room for a number in the key of a wire.
const maxMasterLen = core.MaxKeyLen - 20

func (d *Dependency) checkMaster(master string) error {
	switch {
	case master == "":
		return fmt.Errorf("%w: the master key is empty", core.ErrInvalidKey)
	case len(master) > maxMasterLen:
		return fmt.Errorf("%w: a master key of %d bytes; want at most %d, because a number "+
			"follows it", core.ErrInvalidKey, len(master), maxMasterLen)
	}
	if last := master[len(master)-1]; '0' <= last && last <= '9' && !d.opts.AnyMaster {
		return fmt.Errorf("%w: the master key %.100q ends in a digit, so that its wires could be "+
			"those of another master key; end it in a delimiter, as %.100q",
			core.ErrInvalidKey, master, master+":")
	}
	return nil
}

// numbersFromTo returns the numbers from first to last.
func numbersFromTo(first, last uint64) []uint64 {
	numbers := make([]uint64, 0, last-first+1)
	for n := first; n <= last; n++ {
		numbers = append(numbers, n)
	}
	return numbers
}

// keysAt returns the keys of the wires with numbers.
func keysAt(master string, numbers []uint64) []string {
	keys := make([]string, len(numbers))
	for i, n := range numbers {
		keys[i] = keyAt(master, n)
	}
	return keys
}

func keyAt(master string, number uint64) string {
	return master + strconv.FormatUint(number, 10)
}

// Add wires key to master.
func (d *Dependency) Add(ctx context.Context, master, key string) error {
	return d.AddMulti(ctx, master, []string{key})
}

// AddMulti wires keys to master. A key that is already wired is wired again, under a new
// number. If some keys could not be wired, AddMulti returns a *core.MultiError with those.
// After any other error, none of them is wired. AddMulti returns core.ErrInvalidKey for a key
// that is master followed by digits, because a wire of master would replace its item.
func (d *Dependency) AddMulti(ctx context.Context, master string, keys []string) error {
	for _, key := range keys {
		switch {
		case !isKey(key):
			return fmt.Errorf("%w: a key of %d bytes cannot be wired; want 1 to %d",
				core.ErrInvalidKey, len(key), core.MaxKeyLen)
		case isWire(master, key):
			return fmt.Errorf("%w: %.100q is the key of a wire of %.100q; want another key",
				core.ErrInvalidKey, key, master)
		}
	}
	failed := core.MultiError{Verb: "AddMulti", Driver: "dependency", Total: len(keys)}
	skip := uint64(0)
	for try := range maxTries {
		if len(keys) == 0 {
			return failed.Err()
		}
		n := uint64(len(keys))
		drawn := time.Now()
		last, err := d.draw(ctx, master, skip+n)
		switch {
		case err == core.ErrMiss:
			return nil // the cache keeps nothing, so that there is nothing to delete
		case err != nil && try == 0:
			return err
		case err != nil:
			for _, key := range keys {
				failed.Add(key, err)
			}
			return failed.Err()
		}
		wires := keysAt(master, numbersFromTo(last-n+1, last))
		var failedNow core.MultiError
		unwired := d.wire(ctx, wires, keys, &failedNow)
		if late(drawn) {
			// A Delete may have treated the numbers as settled, and would not find these
			// wires. So all keys are wired again, including those that failed. The old wires
			// are deleted, because they would hide that their numbers have been drawn again.
			if err := d.unwire(ctx, wires, keys); err != nil {
				for i, key := range keys {
					failed.Add(key, cmp.Or(errorFor(wires[i], err), errTooLate))
				}
				return failed.Err()
			}
			continue
		}
		for key, err := range failedNow.Errors {
			failed.Add(key, err)
		}
		keys = unwired
		// If numbers are taken again, the counter was lost, and the numbers of old wires are
		// given out a second time. The counter skips them, so that it covers them as well.
		if try > 0 {
			skip = max(16, 2*skip)
		}
	}
	for _, key := range keys {
		failed.Add(key, fmt.Errorf("%w: not wired to %q in %d tries, because its number was taken "+
			"or the cache was slow", core.ErrConflict, master, maxTries))
	}
	return failed.Err()
}

var errTooLate = fmt.Errorf("%w: not wired, because the cache was slow", core.ErrConflict)

// unwire deletes wires that wire has made. It leaves a wire that does not hold its key in
// keys.
func (d *Dependency) unwire(ctx context.Context, wires, keys []string) error {
	items, err := d.getItems(ctx, wires)
	if err != nil {
		return err
	}
	var made []core.Item
	for i, wire := range wires {
		if item, ok := items[wire]; ok && string(item.Value) == keys[i] {
			made = append(made, item)
		}
	}
	_, err = d.remove(ctx, made)
	return err
}

// isWire reports whether key is the master key followed by digits.
func isWire(master, key string) bool {
	number, ok := strings.CutPrefix(key, master)
	return ok && number != "" && strings.Trim(number, "0123456789") == ""
}

func isKey(key string) bool { return 0 < len(key) && len(key) <= core.MaxKeyLen }

// wire stores keys under wires. It returns the keys whose wire is taken, and adds those that
// could not be wired to failed.
func (d *Dependency) wire(
	ctx context.Context, wires, keys []string, failed *core.MultiError,
) (unwired []string) {
	items := make([]core.Item, len(keys))
	for i, key := range keys {
		items[i] = d.item(wires[i], key, d.opts.TTL)
	}
	err := d.storeMulti(ctx, core.Add, items)
	if err == nil {
		return nil
	}
	for i, key := range keys {
		switch err := errorFor(items[i].Key, err); {
		case errors.Is(err, core.ErrExists):
			unwired = append(unwired, key)
		case err != nil:
			failed.Add(key, err)
		}
	}
	return unwired
}

func (d *Dependency) item(wire, key string, ttl time.Duration) core.Item {
	return core.Item{Key: wire, Value: []byte(key), Flags: core.FlagText, TTL: ttl}
}

// errorFor returns the error for key in err, the error of a multi verb.
func errorFor(key string, err error) error {
	var multi *core.MultiError
	if errors.As(err, &multi) {
		return multi.Errors[key]
	}
	return err
}

// Keys returns the keys that are wired to master, each once, sorted. Items of some of them
// may have been deleted, by a Delete during which other keys were wired.
func (d *Dependency) Keys(ctx context.Context, master string) ([]string, error) {
	return d.MultiKeys(ctx, []string{master})
}

// MultiKeys returns the keys that are wired to any of masters, each once, sorted. If it
// returns an error, it also returns the keys that it could read.
func (d *Dependency) MultiKeys(ctx context.Context, masters []string) ([]string, error) {
	found := make([][]string, len(masters))
	err := each(masters, func(i int, master string) error {
		var s wireSet
		wires, err := d.read(ctx, master, &s)
		found[i] = keysOf(wires)
		return err
	})
	all := slices.Concat(found...)
	slices.Sort(all)
	return slices.Compact(all), err
}
