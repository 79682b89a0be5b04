package dependency

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"time"

	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/encoding"
)

// TagOptions are the settings of Tags.
type TagOptions struct {
	// Prefix is put before the name of a tag to make the key of its version. If "", it
	// is "tag:".
	Prefix string

	// TTL is the time to live of a version. When it is over, all items with the tag
	// are stale. If 0, it is the default of the cache.
	TTL time.Duration
}

// Tags are names that items carry. To invalidate a tag makes all items that carry it
// stale, in all processes, at the cost of one Incr.
//
// A tag has a version, kept in the cache under a key of its own. An item is stored
// together with the versions of its tags, in the envelope of package encoding, and one
// whose versions are no longer the present ones is stale. So is one of whose tags a
// version is not there, as it was evicted; a new version is never one that was.
//
// [Tagged] and package patterns look to that. Many goroutines may use Tags at once.
type Tags struct {
	cache *core.Cache
	opts  TagOptions
}

// NewTags returns Tags whose versions are in cache. A nil opts is the zero TagOptions. The
// error is core.ErrConfig: cache is nil, or the TTL is negative.
func NewTags(cache *core.Cache, opts *TagOptions) (*Tags, error) {
	t := &Tags{cache: cache}
	if opts != nil {
		t.opts = *opts
	}
	if err := check(cache, "TagOptions.TTL", t.opts.TTL); err != nil {
		return nil, err
	}
	if t.opts.Prefix == "" {
		t.opts.Prefix = "tag:"
	}
	return t, nil
}

// Versions are those of some tags at one moment. The zero value is of none.
type Versions struct{ facts encoding.Facts }

// Facts answers facts that hold the tags in these versions, and nothing else.
func (v Versions) Facts() encoding.Facts { return v.facts }

// Versions answers the versions of tags. It takes one call of the cache, or two or
// three where a tag has no version yet.
func (t *Tags) Versions(ctx context.Context, tags ...string) (Versions, error) {
	var v Versions
	if len(tags) == 0 {
		return v, nil
	}
	keys := make([]string, len(tags))
	for i, tag := range tags {
		if tag == "" {
			return v, errEmptyTag
		}
		keys[i] = t.opts.Prefix + tag
	}
	numbers, err := t.versions(ctx, keys)
	if err != nil {
		return v, err
	}
	if err := t.begin(ctx, keys, numbers); err != nil {
		return v, err
	}
	for i, tag := range tags {
		v.facts.AddTag(tag, numbers[keys[i]])
	}
	return v, nil
}

// Fresh answers for each of facts whether all tags that it holds are in their present
// versions. It takes one call of the cache, or none if there are no tags.
func (t *Tags) Fresh(ctx context.Context, facts ...encoding.Facts) ([]bool, error) {
	wanted := map[string]bool{}
	for i := range facts {
		for tag := range facts[i].Tags() {
			wanted[t.opts.Prefix+string(tag)] = true
		}
	}
	var numbers map[string]uint64
	var err error
	if len(wanted) != 0 {
		numbers, err = t.versions(ctx, slices.Collect(maps.Keys(wanted)))
	}
	fresh := make([]bool, len(facts))
	for i := range facts {
		fresh[i] = t.isFresh(&facts[i], numbers)
	}
	return fresh, err
}

func (t *Tags) isFresh(facts *encoding.Facts, numbers map[string]uint64) bool {
	for tag, version := range facts.Tags() {
		if now, ok := numbers[t.opts.Prefix+string(tag)]; !ok || now != version {
			return false
		}
	}
	return true
}

// Invalidate makes all items stale that carry any of tags. It takes one call of the
// cache for each, tries all, and joins the errors.
func (t *Tags) Invalidate(ctx context.Context, tags ...string) error {
	return each(tags, func(_ int, tag string) error {
		if tag == "" {
			return errEmptyTag
		}
		_, err := t.cache.Incr(ctx, t.opts.Prefix+tag, 1)
		// A tag without a version has no item that is not stale.
		if err == core.ErrMiss || errors.Is(err, core.ErrNotNumber) {
			return nil
		}
		return err
	})
}

var errEmptyTag = fmt.Errorf("%w: a tag is empty", core.ErrInvalidKey)

// versions answers the versions under keys that are there. What is not a number is
// as good as none. The versions that it could read come beside an error.
func (t *Tags) versions(ctx context.Context, keys []string) (map[string]uint64, error) {
	values, err := t.cache.GetMulti(ctx, keys)
	numbers := make(map[string]uint64, len(values))
	for key, value := range values {
		if n, err := core.ParseCount(value); err == nil {
			numbers[key] = n
		}
	}
	return numbers, err
}

// begin gives a version to those of keys that have none, and adds it to numbers.
func (t *Tags) begin(ctx context.Context, keys []string, numbers map[string]uint64) error {
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
	if len(items) == 0 {
		return nil
	}
	err := t.cache.StoreMulti(ctx, core.Add, items)
	var taken []string
	for _, key := range fresh {
		switch err := errorOf(err, key); {
		case errors.Is(err, core.ErrExists): // somebody was faster, or it is not a number
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
	maps.Copy(numbers, theirs)
	items = slices.DeleteFunc(items, func(item core.Item) bool {
		_, ok := theirs[item.Key]
		return ok || !slices.Contains(taken, item.Key)
	})
	if len(items) == 0 {
		return nil
	}
	return t.cache.StoreMulti(ctx, core.Set, items)
}
