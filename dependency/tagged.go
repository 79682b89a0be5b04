package dependency

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/encoding"
)

// A Tagged is a cache of T whose items carry [Tags]. An item that is stale is a miss.
//
// Read the Versions before you make a value, and give them to Set when you have made it. If a
// tag was invalidated in between, the value is stale as soon as it is stored.
//
// An item without tags is stored as a core.Typed with the same codec stores it. A key must
// not begin with "~cw:", as the keys of versions do. Many goroutines may use a Tagged at once.
type Tagged[T any] struct {
	*Tags
	items *core.Typed[encoding.Enveloped[T]]
}

// NewTagged returns a Tagged of values that codec encodes, in cache. The versions are in the
// cache of tags, which may be another one. If tags is nil, it is NewTags(cache, nil).
// NewTagged returns core.ErrConfig if cache or codec is nil, or if the backend lacks what
// codec needs; see core.NewTyped.
func NewTagged[T any](
	cache *core.Cache, codec core.Codec[T], tags *Tags,
) (*Tagged[T], error) {
	if tags == nil {
		var err error
		if tags, err = NewTags(cache, nil); err != nil {
			return nil, err
		}
	}
	if err := checkArgs(cache, "", 0); err != nil {
		return nil, err
	}
	items, err := core.NewTyped(cache, encoding.Envelope(codec, cache.Traits()))
	if err != nil {
		return nil, err
	}
	return &Tagged[T]{tags, items}, nil
}

// reserved is the beginning of the keys that packages of this module choose themselves.
const reserved = "~cw:"

func checkKey(key string) error {
	if strings.HasPrefix(key, reserved) {
		return fmt.Errorf("%w: %.100q begins with %q, as the keys of versions do",
			core.ErrInvalidKey, key, reserved)
	}
	return nil
}

// Set stores v under key with the tags in at, which were read before v was made.
func (t *Tagged[T]) Set(
	ctx context.Context, key string, v T, ttl time.Duration, at Versions,
) error {
	if err := checkKey(key); err != nil {
		return err
	}
	return t.items.Set(ctx, key, encoding.Enveloped[T]{Value: v, Facts: at.facts}, ttl)
}

// SetMulti is Set for several values, all with the tags in at.
func (t *Tagged[T]) SetMulti(
	ctx context.Context, values map[string]T, ttl time.Duration, at Versions,
) error {
	failed := core.MultiError{Verb: "SetMulti", Driver: "dependency", Total: len(values)}
	enveloped := make(map[string]encoding.Enveloped[T], len(values))
	for key, v := range values {
		if err := checkKey(key); err != nil {
			failed.Add(key, err)
			continue
		}
		enveloped[key] = encoding.Enveloped[T]{Value: v, Facts: at.facts}
	}
	err := t.items.SetMulti(ctx, enveloped, ttl)
	if failed.Errors == nil {
		return err
	}
	for key := range enveloped {
		failed.Add(key, errorFor(key, err))
	}
	return failed.Err()
}

// Get returns the value under key. It returns core.ErrMiss if the key is absent, if the item
// is stale, or if package patterns has stored the absence of a value. Get takes one
// call of the cache, and another one for an item with tags.
func (t *Tagged[T]) Get(ctx context.Context, key string) (T, error) {
	var zero T
	item, err := t.items.Get(ctx, key)
	if err != nil {
		return zero, err
	}
	fresh, err := t.Fresh(ctx, item.Facts)
	switch {
	case err != nil:
		return zero, err
	case !fresh[0] || item.Facts.NotFound:
		return zero, core.ErrMiss
	}
	return item.Value, nil
}

// GetMulti returns the values of the keys that are present and not stale. It takes two calls
// of the cache at most. If it returns an error, it also returns the values that it could
// read. A value is left out if the versions of its tags could not be read.
func (t *Tagged[T]) GetMulti(ctx context.Context, keys []string) (map[string]T, error) {
	items, err := t.items.GetMulti(ctx, keys)
	values := make(map[string]T, len(items))
	found := make([]string, 0, len(items))
	facts := make([]encoding.Facts, 0, len(items))
	for key, item := range items {
		found, facts = append(found, key), append(facts, item.Facts)
	}
	fresh, freshErr := t.Fresh(ctx, facts...)
	for i, key := range found {
		if fresh[i] && !facts[i].NotFound {
			values[key] = items[key].Value
		}
	}
	return values, errors.Join(err, freshErr)
}
