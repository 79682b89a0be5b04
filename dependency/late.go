package dependency

import (
	"context"
	"hash/crc32"
	"strconv"
)

// Marks are versions that many tags share. An Invalidate raises the mark of a tag before the
// version of the tag itself. So if a mark has not changed since the work on a value began, no
// tag with this mark was invalidated since, even if the program did not know then that the
// value would have the tag.
//
// The order matters: a program that reads a raised version, and then the mark, reads a raised
// mark.

// markCount is how many marks there are. All of them are read when the work on a value
// begins. The fewer there are, the more often an Invalidate of one tag makes another one look
// invalidated.
const markCount = 64

// markKeys returns the keys of all marks.
func (t *Tags) markKeys() []string {
	keys := make([]string, markCount)
	for i := range keys {
		keys[i] = t.markKey(i)
	}
	return keys
}

// markKey returns the key of the mark with this number. No version of a tag has it; see key.
func (t *Tags) markKey(number int) string {
	return t.opts.Prefix + "~" + strconv.Itoa(number)
}

// markOf returns the key of the mark of the tag whose version is under key.
func (t *Tags) markOf(key string) string { return t.markKey(markNumber(key)) }

// markNumber must return the same number in all processes.
func markNumber(key string) int {
	return int(crc32.ChecksumIEEE([]byte(key)) % markCount)
}

// Watch is Versions for a value that may get more tags, by Late, after it is made.
func (t *Tags) Watch(ctx context.Context, tags ...string) (Versions, error) {
	return t.versions(ctx, tags, t.markKeys())
}

// Late adds tags to at, which Watch returned before the values were made. It returns Versions
// for each of several values. Each of them has the tags of at, and the tags in its element of
// tags. The versions are those at the time of Watch: if a tag was invalidated since, the
// value is stale as soon as it is stored. Each tag has one of 64 marks. The value is also
// stale if another tag with the same mark was invalidated since. If at is not from Watch, all
// tags that Late adds count as invalidated.
//
// Late takes two calls of the cache, or none if there are no tags to add, and two or three
// more if a tag has no version yet.
func (t *Tags) Late(ctx context.Context, at Versions, tags ...[]string) ([]Versions, error) {
	all := make([]Versions, len(tags))
	var keys, marks []string
	for i, names := range tags {
		all[i] = at
		for _, tag := range names {
			if tag == "" {
				return nil, errEmptyTag
			}
			key := t.key(tag)
			keys, marks = append(keys, key), append(marks, t.markOf(key))
		}
	}
	if len(keys) == 0 {
		return all, nil
	}
	versions, err := t.readOrAdd(ctx, keys)
	if err != nil {
		return nil, err
	}
	markVersions, err := t.read(ctx, marks)
	if err != nil {
		return nil, err
	}
	for i, names := range tags {
		for _, tag := range names {
			key := t.key(tag)
			mark, ok := markVersions[t.markOf(key)]
			version := versions[key]
			if n := markNumber(key); !ok || at.marks == nil || at.marks[n] != mark {
				version-- // the tag may have had this one; it never has it again
			}
			all[i].facts.AddTag(tag, version)
		}
	}
	return all, nil
}

// Unchanged reports for each of at whether none of its tags was invalidated since. For
// Versions that Watch returned, it reports whether no tag at all was invalidated since. It
// takes one call of the cache, or none if there is nothing to compare. If it returns an
// error, Versions that could not be compared count as changed.
func (t *Tags) Unchanged(ctx context.Context, at ...Versions) ([]bool, error) {
	marks := t.markKeys()
	wanted := map[string]bool{}
	for i := range at {
		for tag := range at[i].facts.Tags() {
			wanted[t.keyOf(tag)] = true
		}
		for n := range at[i].marks {
			wanted[marks[n]] = true
		}
	}
	versions, err := t.readAll(ctx, wanted)
	unchanged := make([]bool, len(at))
	for i := range at {
		unchanged[i] = t.isFresh(&at[i].facts, versions)
		for n, version := range at[i].marks {
			now, ok := versions[marks[n]]
			unchanged[i] = unchanged[i] && ok && now == version
		}
	}
	return unchanged, err
}
