package patterns

import (
	"context"

	"github.com/cachewire/cachewire/dependency"
	"github.com/cachewire/cachewire/encoding"
)

// An origin is what was true before a loader was called. If a name of the value was
// invalidated since, it is not true any more. A caller that finds this must not get the
// value, because the value may be older than the invalidation. The value must not be stored
// either.
type origin struct {
	names    []string
	versions dependency.Versions // of names, if they are tags
	moment   dependency.Moment   // of Options.Dependency
}

var errNoNames = configErrorf(
	"there are names, but Options have neither Dependency nor Tags; want one of them")

// newOrigin returns the origin of values with names. If it returns an error, the values must not
// be stored: without its tags a value would never be stale.
func (c *Cached[T]) newOrigin(ctx context.Context, names []string) (origin, error) {
	o := origin{names: names}
	var err error
	switch {
	case c.opts.Tags != nil && c.opts.NamesOf != nil:
		o.versions, err = c.opts.Tags.Watch(ctx, names...)
	case c.opts.Tags != nil && len(names) != 0:
		o.versions, err = c.opts.Tags.Versions(ctx, names...)
	case c.opts.Dependency != nil:
		o.moment = c.opts.Dependency.Now()
	case len(names) != 0 && c.opts.Tags == nil:
		err = errNoNames
	}
	return o, err
}

// outdated returns the flights of keys that a caller must not join, because a name of their
// values was invalidated since their loader was called. If the values may have more names
// than those, any invalidation counts. If the versions of tags cannot be read, no flight is
// outdated: while the cache fails, callers share a load.
func (c *Cached[T]) outdated(ctx context.Context, keys ...string) []*flight[T] {
	d, tags := c.opts.Dependency, c.opts.Tags
	if d == nil && tags == nil {
		return nil
	}
	flights, origins := c.flights.begun(keys...)
	if len(flights) == 0 {
		return nil
	}
	var outdated []*flight[T]
	if d != nil {
		for i, o := range origins {
			if d.DeletedSince(o.moment, o.names...) ||
				c.opts.NamesOf != nil && d.Now() != o.moment {
				outdated = append(outdated, flights[i])
			}
		}
		return outdated
	}
	versions := make([]dependency.Versions, len(origins))
	for i, o := range origins {
		versions[i] = o.versions
	}
	unchanged, err := tags.Unchanged(ctx, versions...)
	if err != nil {
		return nil
	}
	for i, fl := range flights {
		if !unchanged[i] {
			outdated = append(outdated, fl)
		}
	}
	return outdated
}

// namesOf returns all names of v: names and those of Options.NamesOf.
func (c *Cached[T]) namesOf(key string, v T, names []string) []string {
	if c.opts.NamesOf == nil {
		return names
	}
	if more := c.opts.NamesOf(key, v); len(more) != 0 {
		return append(names[:len(names):len(names)], more...)
	}
	return names
}

// factsAt returns facts with the tags of values that have more names than o has. Each element
// of all has all names of one value. Without Options.Tags the facts are empty.
func (c *Cached[T]) factsAt(
	ctx context.Context, o origin, all [][]string,
) ([]encoding.Facts, error) {
	facts := make([]encoding.Facts, len(all))
	if c.opts.Tags == nil {
		return facts, nil
	}
	more := make([][]string, len(all))
	for i, names := range all {
		more[i] = names[len(o.names):]
	}
	versions, err := c.opts.Tags.Late(ctx, o.versions, more...)
	if err != nil {
		return nil, err
	}
	for i := range versions {
		facts[i] = versions[i].Facts()
	}
	return facts, nil
}

// factsNow returns facts with the present versions of the tags of values, each with its names.
func (c *Cached[T]) factsNow(ctx context.Context, all ...[]string) ([]encoding.Facts, error) {
	facts := make([]encoding.Facts, len(all))
	var union []string
	for _, names := range all {
		union = append(union, names...)
	}
	if len(union) == 0 {
		return facts, nil
	}
	if c.opts.Tags == nil {
		if c.opts.Dependency == nil {
			return nil, errNoNames
		}
		return facts, nil
	}
	versions, err := c.opts.Tags.Versions(ctx, union...)
	if err != nil {
		return nil, err
	}
	read := versions.Facts()
	version := make(map[string]uint64, len(union))
	for tag, n := range read.Tags() {
		version[string(tag)] = n
	}
	for i, names := range all {
		for _, tag := range names {
			facts[i].AddTag(tag, version[tag])
		}
	}
	return facts, nil
}
