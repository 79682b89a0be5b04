package dependency

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"time"

	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/encoding"
)

// TaggedOptions are the settings of a Tagged.
type TaggedOptions struct {
	// Prefix is put before the name of a tag, which makes the key of its version; ""
	// is "tag:".
	Prefix string

	// TTL is the time to live of a version. When it is over, all items with the tag
	// are stale. 0 is the default of the cache.
	TTL time.Duration
}

// A Tagged is a cache of T whose items carry tags. To invalidate a tag makes all
// items that carry it stale, in all processes, at the cost of one Incr.
//
// A tag has a version, kept under a key of its own. An item is stored together with
// the versions of its tags, in the envelope of package encoding, and one whose
// versions are no longer the present ones is a miss. So is one of whose tags a
// version is not there, as it was evicted; a new version is never one that was.
//
// Versions are read before a value is made, and given to Set when it has been made.
// If a tag was invalidated in between, the value is stale as soon as it is stored.
//
// An item without tags is stored as a core.Typed with the same codec stores it. Many
// goroutines may use a Tagged at once.
type Tagged[T any] struct {
	cache *core.Cache
	items *core.Typed[encoding.Enveloped[T]]
	opts  TaggedOptions
}

// NewTagged answers a Tagged of values that codec encodes, in cache. A nil opts is
// the zero TaggedOptions. On a cache that cannot keep facts beside a value the verbs
// are errors.ErrUnsupported.
func NewTagged[T any](cache *core.Cache, codec core.Codec[T], opts *TaggedOptions) *Tagged[T] {
	t := &Tagged[T]{cache: cache, items: core.NewTyped(cache, encoding.Envelope(codec, cache.Traits()))}
	if opts != nil {
		t.opts = *opts
	}
	if t.opts.Prefix == "" {
		t.opts.Prefix = "tag:"
	}
	if t.opts.TTL == 0 {
		t.opts.TTL = core.DefaultTTL
	}
	return t
}

// Versions are those of some tags at one moment. The zero value is of none.
type Versions struct{ facts encoding.Facts }

// Versions answers the versions of tags, for Set. It takes one call of the cache, or
// two or three where a tag has no version yet.
func (t *Tagged[T]) Versions(ctx context.Context, tags ...string) (Versions, error) {
	var v Versions
	if len(tags) == 0 {
		return v, nil
	}
	keys := make([]string, len(tags))
	for i, tag := range tags {
		if tag == "" {
			return v, fmt.Errorf("%w: a tag is empty", core.ErrInvalidKey)
		}
		keys[i] = t.opts.Prefix + tag
	}
	numbers, err := t.versions(ctx, keys)
	if err != nil {
		return v, err
	}
	if len(numbers) < len(keys) {
		if err := t.begin(ctx, keys, numbers); err != nil {
			return v, err
		}
	}
	for i, tag := range tags {
		v.facts.AddTag(tag, numbers[keys[i]])
	}
	return v, nil
}

// versions answers the versions under keys that are there. What is not a number is
// as good as none.
func (t *Tagged[T]) versions(ctx context.Context, keys []string) (map[string]uint64, error) {
	values, err := t.cache.GetMulti(ctx, keys)
	if err != nil {
		return nil, err
	}
	numbers := make(map[string]uint64, len(values))
	for key, value := range values {
		if numbers[key], err = core.ParseCount(value); err != nil {
			return nil, fmt.Errorf("the version %q: %w", key, err)
		}
	}
	return numbers, nil
}

// begin gives a version to those of keys that have none, and adds it to numbers.
func (t *Tagged[T]) begin(ctx context.Context, keys []string, numbers map[string]uint64) error {
	var items []core.Item
	var fresh []string
	for _, key := range keys {
		if _, ok := numbers[key]; !ok {
			// Never one that was before, and far from wrapping around.
			numbers[key] = rand.Uint64N(1 << 63)
			fresh = append(fresh, key)
			items = append(items, core.Item{
				Key: key, Value: strconv.AppendUint(nil, numbers[key], 10), Flags: core.FlagInt, TTL: t.opts.TTL,
			})
		}
	}
	err := t.cache.StoreMulti(ctx, core.Add, items)
	var taken []string
	for _, key := range fresh {
		switch err := errorOf(err, key); {
		case errors.Is(err, core.ErrExists): // somebody was faster
			taken = append(taken, key)
		case err != nil:
			return err
		}
	}
	if len(taken) == 0 {
		return nil
	}
	theirs, err := t.versions(ctx, taken)
	if err != nil {
		return err
	}
	for _, key := range taken {
		number, ok := theirs[key]
		if !ok {
			number = rand.Uint64N(1 << 63) // gone again: what is stored with it is stale
		}
		numbers[key] = number
	}
	return nil
}

// Set stores v under key with the tags of at, which were read before v was made.
func (t *Tagged[T]) Set(ctx context.Context, key string, v T, ttl time.Duration, at Versions) error {
	return t.items.Set(ctx, key, encoding.Enveloped[T]{Value: v, Facts: at.facts}, ttl)
}

// SetMulti is Set for several values, all with the tags of at.
func (t *Tagged[T]) SetMulti(ctx context.Context, values map[string]T, ttl time.Duration, at Versions) error {
	enveloped := make(map[string]encoding.Enveloped[T], len(values))
	for key, v := range values {
		enveloped[key] = encoding.Enveloped[T]{Value: v, Facts: at.facts}
	}
	return t.items.SetMulti(ctx, enveloped, ttl)
}

// Get answers the value under key. One that is stale is core.ErrMiss. It takes one
// call of the cache, and for an item with tags another.
func (t *Tagged[T]) Get(ctx context.Context, key string) (T, error) {
	var none T
	item, err := t.items.Get(ctx, key)
	if err != nil {
		return none, err
	}
	fresh, err := t.fresh(ctx, map[string]encoding.Enveloped[T]{key: item})
	if err != nil {
		return none, err
	}
	if v, ok := fresh[key]; ok {
		return v, nil
	}
	return none, core.ErrMiss
}

// GetMulti answers the values of keys that are there and not stale. It takes two
// calls of the cache at most. The map comes beside an error; where that is of the
// versions, it has no items with tags.
func (t *Tagged[T]) GetMulti(ctx context.Context, keys []string) (map[string]T, error) {
	items, err := t.items.GetMulti(ctx, keys)
	fresh, freshErr := t.fresh(ctx, items)
	return fresh, errors.Join(err, freshErr)
}

// fresh answers those of items that are not stale.
func (t *Tagged[T]) fresh(ctx context.Context, items map[string]encoding.Enveloped[T]) (map[string]T, error) {
	values := make(map[string]T, len(items))
	wanted := map[string]bool{}
	for _, item := range items {
		for tag := range item.Facts.Tags() {
			wanted[t.opts.Prefix+string(tag)] = true
		}
	}
	var numbers map[string]uint64
	var err error
	if len(wanted) != 0 {
		keys := make([]string, 0, len(wanted))
		for key := range wanted {
			keys = append(keys, key)
		}
		numbers, err = t.versions(ctx, keys)
	}
	for key, item := range items {
		if !item.Facts.NotFound && t.isFresh(item.Facts, numbers) {
			values[key] = item.Value
		}
	}
	return values, err
}

func (t *Tagged[T]) isFresh(facts encoding.Facts, numbers map[string]uint64) bool {
	for tag, version := range facts.Tags() {
		if now, ok := numbers[t.opts.Prefix+string(tag)]; !ok || now != version {
			return false
		}
	}
	return true
}

// Invalidate makes all items stale that carry any of tags. It takes one call of the
// cache for each, tries all, and joins the errors.
func (t *Tagged[T]) Invalidate(ctx context.Context, tags ...string) error {
	var errs []error
	for _, tag := range tags {
		// A tag without a version has no item that is not stale.
		if _, err := t.cache.Incr(ctx, t.opts.Prefix+tag, 1); err != core.ErrMiss {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}
