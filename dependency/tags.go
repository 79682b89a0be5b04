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

	// TTL is the time to live of a version. When the version expires, all items with the
	// tag are stale. If 0, it is the default of the cache.
	TTL time.Duration
}

// Tags are names that items carry. To invalidate a tag makes all items that carry it stale,
// in all processes, at the cost of one Incr.
//
// A tag has a version, kept in the cache under a key of its own. An item is stored with the
// versions of its tags, in the envelope of package encoding. It is stale if one of them is
// not the present version of the tag, or if the tag has no version any more, because it was
// evicted. A tag never gets a version again that it had before.
//
// [Tagged] and package patterns check whether items are stale. Many goroutines may use Tags
// at once.
type Tags struct {
	cache *core.Cache
	opts  TagOptions
}

// NewTags returns Tags whose versions are in cache. The cache may compare values (Traits.ByValue),
// because versions are only added and incremented. A nil opts is the zero TagOptions. NewTags
// returns core.ErrConfig if cache is nil or the TTL is negative.
func NewTags(cache *core.Cache, opts *TagOptions) (*Tags, error) {
	t := &Tags{cache: cache}
	if opts != nil {
		t.opts = *opts
	}
	if err := checkArgs(cache, "TagOptions.TTL", t.opts.TTL); err != nil {
		return nil, err
	}
	if t.opts.Prefix == "" {
		t.opts.Prefix = "tag:"
	}
	return t, nil
}

// Versions are the versions of some tags at one moment. The zero value has no tags.
type Versions struct{ facts encoding.Facts }

// Facts returns facts that hold the tags with these versions, and nothing else.
func (v Versions) Facts() encoding.Facts { return v.facts }

// Versions returns the versions of tags. A tag that has none gets one. Versions takes one
// call of the cache, two or three if a tag has no version yet, and four if the version of a
// tag is not a number.
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
	versions, err := t.read(ctx, keys)
	if err != nil {
		return v, err
	}
	if err := t.addMissing(ctx, keys, versions); err != nil {
		return v, err
	}
	for i, tag := range tags {
		v.facts.AddTag(tag, versions[keys[i]])
	}
	return v, nil
}

// Fresh reports for each of facts whether all tags that it holds have their present versions.
// It takes one call of the cache, or none if there are no tags. If it returns an error, the
// facts whose versions could not be read are not fresh.
func (t *Tags) Fresh(ctx context.Context, facts ...encoding.Facts) ([]bool, error) {
	wanted := map[string]bool{}
	for i := range facts {
		for tag := range facts[i].Tags() {
			wanted[t.opts.Prefix+string(tag)] = true
		}
	}
	var versions map[string]uint64
	var err error
	if len(wanted) != 0 {
		versions, err = t.read(ctx, slices.Collect(maps.Keys(wanted)))
	}
	fresh := make([]bool, len(facts))
	for i := range facts {
		fresh[i] = t.isFresh(&facts[i], versions)
	}
	return fresh, err
}

func (t *Tags) isFresh(facts *encoding.Facts, versions map[string]uint64) bool {
	for tag, version := range facts.Tags() {
		if now, ok := versions[t.opts.Prefix+string(tag)]; !ok || now != version {
			return false
		}
	}
	return true
}

// Invalidate makes all items stale that carry any of tags. It takes one call of the cache for
// each tag, tries all of them, and joins the errors.
func (t *Tags) Invalidate(ctx context.Context, tags ...string) error {
	return each(tags, func(_ int, tag string) error {
		if tag == "" {
			return errEmptyTag
		}
		_, err := t.cache.Incr(ctx, t.opts.Prefix+tag, 1)
		// If the tag has no version, all of its items are stale already.
		if err == core.ErrMiss || errors.Is(err, core.ErrNotNumber) {
			return nil
		}
		return err
	})
}

var errEmptyTag = fmt.Errorf("%w: a tag is empty", core.ErrInvalidKey)

// read returns the versions under those of keys that are present. A value that is not a
// number counts as absent. If read returns an error, it also returns the versions that it
// could read.
func (t *Tags) read(ctx context.Context, keys []string) (map[string]uint64, error) {
	values, err := t.cache.GetMulti(ctx, keys)
	versions := make(map[string]uint64, len(values))
	for key, value := range values {
		if n, err := core.ParseCount(value); err == nil {
			versions[key] = n
		}
	}
	return versions, err
}

// addMissing gives a version to those of keys that have none, and adds it to versions.
func (t *Tags) addMissing(ctx context.Context, keys []string, versions map[string]uint64) error {
	var items []core.Item
	var missing []string
	for _, key := range keys {
		if _, ok := versions[key]; !ok {
			// Random, so that it is not a version from before, and far from wrapping around.
			versions[key] = rand.Uint64N(1 << 63)
			missing = append(missing, key)
			items = append(items, core.Item{
				Key:   key,
				Value: strconv.AppendUint(nil, versions[key], 10),
				Flags: core.FlagInt,
				TTL:   t.opts.TTL,
			})
		}
	}
	if len(items) == 0 {
		return nil
	}
	err := t.cache.StoreMulti(ctx, core.Add, items)
	var present []string
	for _, key := range missing {
		switch err := errorFor(key, err); {
		case errors.Is(err, core.ErrExists): // another caller was faster, or it is not a number
			present = append(present, key)
		case err != nil:
			return err
		}
	}
	if len(present) == 0 {
		return nil
	}
	others, err := t.read(ctx, present)
	if err != nil {
		return err
	}
	maps.Copy(versions, others)
	items = slices.DeleteFunc(items, func(item core.Item) bool {
		_, ok := others[item.Key]
		return ok || !slices.Contains(present, item.Key)
	})
	if len(items) == 0 {
		return nil
	}
	return t.cache.StoreMulti(ctx, core.Set, items)
}
