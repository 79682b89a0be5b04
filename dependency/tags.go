package dependency

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
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
	// is "~cw:tag:". No key of an item in the same cache may begin with it. The names that
	// begin with "~", and those that would make the key too long, are hashed.
	Prefix string

	// TTL is the time to live of a version. When the version expires, all items with the
	// tag are stale. If 0, it is the default of the cache.
	TTL time.Duration
}

// Tags are names that items carry. If a tag is invalidated, all items that carry it are
// stale, in all processes. That takes two increments.
//
// A tag has a version, kept in the cache under a key of its own. An item is stored with the
// versions of its tags, in the envelope of package encoding. It is stale if one of them is
// not the present version of the tag, or if the tag has no version any more, because it was
// evicted. A tag never gets a version again that it had before.
//
// If the name of a tag is known only after the value is made, use Watch and Late.
//
// [Tagged] and package patterns check whether items are stale. Many goroutines may use Tags
// at once.
type Tags struct {
	cache *core.Cache
	opts  TagOptions
}

// NewTags returns Tags whose versions are in cache. The cache may compare values (Traits.ByValue),
// because versions are only added and incremented. A nil opts is the zero TagOptions. NewTags
// returns core.ErrConfig if cache is nil, the TTL is negative, or the Prefix is so long that no
// version has a key.
func NewTags(cache *core.Cache, opts *TagOptions) (*Tags, error) {
	t := &Tags{cache: cache}
	if opts != nil {
		t.opts = *opts
	}
	if err := checkArgs(cache, "TagOptions.TTL", t.opts.TTL); err != nil {
		return nil, err
	}
	if t.opts.Prefix == "" {
		t.opts.Prefix = "~cw:tag:"
	}
	if n := len(t.opts.Prefix); n > maxPrefixLen {
		return nil, fmt.Errorf(
			"%w: dependency: TagOptions.Prefix is %d bytes long; want at most %d",
			core.ErrConfig, n, maxPrefixLen)
	}
	return t, nil
}

// maxPrefixLen leaves room for the hash of a tag.
const maxPrefixLen = core.MaxKeyLen - len("~") - 2*sha256.Size

// key returns the key of the version of tag. The "~" before a hash distinguishes it from
// names.
func (t *Tags) key(tag string) string {
	if key := t.opts.Prefix + tag; len(key) <= core.MaxKeyLen && tag[0] != '~' {
		return key
	}
	hash := sha256.Sum256([]byte(tag))
	return t.opts.Prefix + "~" + hex.EncodeToString(hash[:])
}

// Versions are the versions of some tags at one moment. The zero value has no tags.
type Versions struct {
	facts encoding.Facts
	marks []uint64 // the versions of all marks, or nil without Watch
}

// Facts returns facts that hold the tags with these versions, and nothing else.
func (v Versions) Facts() encoding.Facts { return v.facts }

// Versions returns the versions of tags. A tag that has none gets one. Versions takes one
// call of the cache, two or three if a tag has no version yet, and four if the version of a
// tag is not a number.
func (t *Tags) Versions(ctx context.Context, tags ...string) (Versions, error) {
	return t.versions(ctx, tags, nil)
}

// versions returns the versions of tags, and of the marks under the keys in marks.
func (t *Tags) versions(ctx context.Context, tags, marks []string) (Versions, error) {
	var v Versions
	if len(tags) == 0 && len(marks) == 0 {
		return v, nil
	}
	keys := make([]string, 0, len(tags)+len(marks))
	for _, tag := range tags {
		if tag == "" {
			return v, errEmptyTag
		}
		keys = append(keys, t.key(tag))
	}
	keys = append(keys, marks...)
	versions, err := t.readOrAdd(ctx, keys)
	if err != nil {
		return v, err
	}
	for i, tag := range tags {
		v.facts.AddTag(tag, versions[keys[i]])
	}
	for _, mark := range marks {
		v.marks = append(v.marks, versions[mark])
	}
	return v, nil
}

// readOrAdd returns the versions under keys. It adds those that are missing.
func (t *Tags) readOrAdd(ctx context.Context, keys []string) (map[string]uint64, error) {
	versions, err := t.read(ctx, keys)
	if err != nil {
		return nil, err
	}
	return versions, t.addMissing(ctx, keys, versions)
}

// Fresh reports for each of facts whether all tags that it holds have their present versions.
// It takes one call of the cache, or none if there are no tags. If it returns an error, the
// facts whose versions could not be read are not fresh.
func (t *Tags) Fresh(ctx context.Context, facts ...encoding.Facts) ([]bool, error) {
	wanted := map[string]bool{}
	for i := range facts {
		for tag := range facts[i].Tags() {
			wanted[t.keyOf(tag)] = true
		}
	}
	versions, err := t.readAll(ctx, wanted)
	fresh := make([]bool, len(facts))
	for i := range facts {
		fresh[i] = t.isFresh(&facts[i], versions)
	}
	return fresh, err
}

// keyOf is key for the name of a tag in facts, which another program may have left empty.
func (t *Tags) keyOf(tag []byte) string {
	if len(tag) == 0 {
		return t.opts.Prefix + "~" // no version has this key
	}
	return t.key(string(tag))
}

func (t *Tags) isFresh(facts *encoding.Facts, versions map[string]uint64) bool {
	for tag, version := range facts.Tags() {
		if now, ok := versions[t.keyOf(tag)]; !ok || now != version {
			return false
		}
	}
	return true
}

// Invalidate makes all items stale that carry any of tags. It takes two calls of the cache
// for each tag, one after the other. It tries all tags, and joins the errors.
func (t *Tags) Invalidate(ctx context.Context, tags ...string) error {
	return each(tags, func(_ int, tag string) error {
		if tag == "" {
			return errEmptyTag
		}
		key := t.key(tag)
		// The mark is first; see Late.
		return errors.Join(t.raise(ctx, t.markOf(key)), t.raise(ctx, key))
	})
}

// raise increments the version under key, if there is one. Without one, all items that need it
// are stale already.
func (t *Tags) raise(ctx context.Context, key string) error {
	_, err := t.cache.Incr(ctx, key, 1)
	if err == core.ErrMiss || errors.Is(err, core.ErrNotNumber) {
		return nil
	}
	return err
}

var errEmptyTag = fmt.Errorf("%w: a tag is empty", core.ErrInvalidKey)

// readAll is read for a set of keys. It makes no call if there are none.
func (t *Tags) readAll(
	ctx context.Context, keys map[string]bool,
) (map[string]uint64, error) {
	if len(keys) == 0 {
		return nil, nil
	}
	return t.read(ctx, slices.Collect(maps.Keys(keys)))
}

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

// addMissing gives a version to the keys that have none, and adds it to versions.
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
