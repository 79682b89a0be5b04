package dependency_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/dependency"
	"github.com/cachewire/cachewire/encoding"
	"github.com/cachewire/cachewire/memory"
)

// isFresh reports whether a value that is stored with v is fresh.
func isFresh(t *testing.T, tags *dependency.Tags, v dependency.Versions) bool {
	t.Helper()
	fresh, err := tags.Fresh(t.Context(), v.Facts())
	wantErr(t, err, nil)
	return fresh[0]
}

// unchanged returns what Tags.Unchanged reports for at.
func unchanged(t *testing.T, tags *dependency.Tags, at dependency.Versions) bool {
	t.Helper()
	all, err := tags.Unchanged(t.Context(), at)
	wantErr(t, err, nil)
	return all[0]
}

// late returns the Versions for one value with further tags.
func late(
	t *testing.T, tags *dependency.Tags, at dependency.Versions, names ...string,
) dependency.Versions {
	t.Helper()
	all, err := tags.Late(t.Context(), at, names)
	wantErr(t, err, nil)
	return all[0]
}

// A tag that is known late is stale if it was invalidated since Watch, even if no program knew
// the tag then.
func TestALateTagHasTheVersionOfTheTimeOfWatch(t *testing.T) {
	for name, c := range caches(t) {
		t.Run(name, func(t *testing.T) {
			ctx := t.Context()
			// In the cache of another process the same tags have the same keys.
			tags, remote := must(dependency.NewTags(c, nil)), must(dependency.NewTags(c, nil))
			at, err := tags.Watch(ctx, "early")
			wantErr(t, err, nil)
			known := late(t, tags, at, "known", "more")
			if !isFresh(t, tags, known) || !unchanged(t, tags, at) {
				t.Error("nothing was invalidated, and the tags are stale")
			}
			wantErr(t, remote.Invalidate(ctx, "known", "unheard of"), nil)
			for _, tag := range []string{"known", "unheard of"} {
				if isFresh(t, tags, late(t, tags, at, tag)) {
					t.Errorf("%q was invalidated since Watch, and is fresh", tag)
				}
			}
			if isFresh(t, tags, known) || unchanged(t, tags, at) {
				t.Error("a tag was invalidated, and what was begun before is not changed")
			}
			again, err := tags.Watch(ctx, "early")
			wantErr(t, err, nil)
			v := late(t, tags, again, "known", "unheard of")
			if !isFresh(t, tags, v) {
				t.Error("the tags were invalidated before Watch, and are stale")
			}
			wantErr(t, remote.Invalidate(ctx, "early"), nil)
			if isFresh(t, tags, v) || isFresh(t, tags, again) {
				t.Error("the early tag was invalidated, and the value is fresh")
			}
		})
	}
}

// Without Watch it is not known whether a late tag was invalidated.
func TestALateTagIsStaleWithoutWatch(t *testing.T) {
	tags := must(dependency.NewTags(cacheOf(t, must(memory.New(nil))), nil))
	at, err := tags.Versions(t.Context(), "early")
	wantErr(t, err, nil)
	if isFresh(t, tags, late(t, tags, at, "late")) {
		t.Error("a late tag is fresh without Watch")
	}
	if !isFresh(t, tags, late(t, tags, at)) {
		t.Error("without late tags the value is stale")
	}
	if !unchanged(t, tags, at) || !unchanged(t, tags, dependency.Versions{}) {
		t.Error("nothing was invalidated, and Unchanged returns false")
	}
}

// Each of several values gets its own tags.
func TestLateTagsOfManyValuesTakeTwoCalls(t *testing.T) {
	var counter callCounter
	c := cacheOf(t, must(memory.New(nil)), &counter)
	tags := must(dependency.NewTags(c, nil))
	at, err := tags.Watch(t.Context(), "all")
	wantErr(t, err, nil)
	sets := [][]string{{"a", "b"}, nil, {"b", "c"}}
	var many []dependency.Versions
	for _, want := range []int64{3, 2} { // the first time, the versions are added
		n := counter.callsOf(func() { many, err = tags.Late(t.Context(), at, sets...) })
		if n != want || len(many) != 3 || err != nil {
			t.Errorf("Late takes %d calls and returns %d Versions, %v; want %d and 3",
				n, len(many), err, want)
		}
	}
	for i, v := range many {
		var names []string
		facts := v.Facts()
		for name := range facts.Tags() {
			names = append(names, string(name))
		}
		if want := fmt.Sprint(append([]string{"all"}, sets[i]...)); fmt.Sprint(names) != want {
			t.Errorf("value %d has the tags %v, want %s", i, names, want)
		}
		if !isFresh(t, tags, v) {
			t.Errorf("value %d is stale", i)
		}
	}
	n := counter.callsOf(func() { _, err = tags.Late(t.Context(), at, nil, nil) })
	if n != 0 || err != nil {
		t.Errorf("Late without tags takes %d calls, %v", n, err)
	}
	n = counter.callsOf(func() { _, err = tags.Unchanged(t.Context(), at, many[0]) })
	if n != 1 || err != nil {
		t.Errorf("Unchanged takes %d calls, %v; want 1", n, err)
	}
	_, err = tags.Late(t.Context(), at, []string{"a", ""})
	wantErr(t, err, core.ErrInvalidKey)
}

// Many goroutines make values whose tag is known only late, and invalidate the tag. After an
// Invalidate has returned, no value that was made before it is fresh.
func TestALateTagIsNeverFreshIfTheValueIsOld(t *testing.T) {
	for name, c := range caches(t) {
		t.Run(name, func(t *testing.T) {
			ctx := context.Background()
			numbers := must(dependency.NewTagged(c, encoding.Int[int64](), nil))
			var source, oldest, hits atomic.Int64
			var all sync.WaitGroup
			for w := range 8 {
				all.Go(func() {
					for i := range 300 {
						limit := oldest.Load()
						n, err := numbers.Get(ctx, "k")
						switch {
						case err == nil && n < limit:
							t.Errorf("the value is %d; want %d or more", n, limit)
						case err == nil:
							hits.Add(1)
						default:
							at, err := numbers.Watch(ctx)
							n := source.Load()
							wantErr(t, err, nil)
							with, err := numbers.Late(ctx, at, []string{"tag"})
							wantErr(t, err, nil)
							wantErr(t, numbers.Set(ctx, "k", n, 0, with[0]), nil)
						}
						if w == 0 && i%4 == 0 {
							now := source.Add(1)
							wantErr(t, numbers.Invalidate(ctx, "tag"), nil)
							oldest.Store(now)
						}
					}
				})
			}
			all.Wait()
			if hits.Load() < 10 {
				t.Errorf("%d hits, which are too few to test anything", hits.Load())
			}
		})
	}
}

// A callHook is a hook that calls next once, after the first call of the cache.
type callHook struct{ next func() }

func (h *callHook) After(context.Context, *core.Op) {
	if next := h.next; next != nil {
		h.next = nil
		next()
	}
}

// Between the two calls of Late there may be an Invalidate, and the other way round.
func TestLateAndInvalidateMayMeet(t *testing.T) {
	for _, outer := range []string{"Late", "Invalidate"} {
		var hook callHook
		c := cacheOf(t, must(memory.New(nil)), &hook)
		tags := must(dependency.NewTags(c, nil))
		ctx := t.Context()
		at, err := tags.Watch(ctx, "tag")
		wantErr(t, err, nil)
		at, err = tags.Watch(ctx) // the version of the tag exists, and is not known
		wantErr(t, err, nil)
		var v dependency.Versions
		makeLate := func() { v = late(t, tags, at, "tag") }
		invalidate := func() { wantErr(t, tags.Invalidate(ctx, "tag"), nil) }
		if outer == "Late" {
			hook.next = invalidate
			makeLate()
		} else {
			hook.next = makeLate
			invalidate()
		}
		if isFresh(t, tags, v) {
			t.Errorf("%s is outside: the value was made before the Invalidate, and is fresh", outer)
		}
	}
}

// Names of tags that are long, or look like the keys of marks, work like others.
func TestAnyNameOfATagHasAKeyOfItsOwn(t *testing.T) {
	c := cacheOf(t, must(memory.New(nil)))
	texts := must(dependency.NewTagged(c, encoding.Text(), nil))
	ctx := t.Context()
	long := strings.Repeat("t", core.MaxKeyLen-8)
	all := []string{"7", "~7", "~", "~~", long, long + "t", long + "tt", "\x00", "~cw:tag:7"}
	for _, tag := range all {
		at, err := texts.Watch(ctx, tag)
		wantErr(t, err, nil)
		wantErr(t, texts.Set(ctx, "item "+tag[len(tag)-1:]+fmt.Sprint(len(tag)), "v", 0, at), nil)
	}
	keys := 0
	for key, err := range must(keysOf(c)).Keys(ctx, "~cw:tag:") {
		wantErr(t, err, nil)
		if len(key) > core.MaxKeyLen {
			t.Errorf("a key has %d bytes", len(key))
		}
		keys++
	}
	if want := len(all) + 64; keys != want {
		t.Errorf("there are %d versions, want %d of the tags and of 64 marks", keys, want)
	}
	for i, tag := range all {
		wantErr(t, texts.Invalidate(ctx, tag), nil)
		fresh := 0
		for _, tag := range all {
			_, err := texts.Get(ctx, "item "+tag[len(tag)-1:]+fmt.Sprint(len(tag)))
			if err == nil {
				fresh++
			}
		}
		if fresh != len(all)-i-1 {
			t.Errorf("%d of %d tags were invalidated, and %d items are fresh", i+1, len(all), fresh)
		}
	}
}

// keysOf returns the lister of the keys of c.
func keysOf(c *core.Cache) (core.KeyLister, error) {
	var lister core.KeyLister
	if !c.As(&lister) {
		return nil, core.ErrConfig
	}
	return lister, nil
}

// The keys of versions are reserved.
func TestATaggedRefusesTheKeysOfVersions(t *testing.T) {
	c := cacheOf(t, must(memory.New(nil)))
	texts := must(dependency.NewTagged(c, encoding.Text(), nil))
	ctx := t.Context()
	at, err := texts.Versions(ctx, "tag")
	wantErr(t, err, nil)
	wantErr(t, texts.Set(ctx, "~cw:tag:tag", "7", 0, at), core.ErrInvalidKey)
	err = texts.SetMulti(ctx, map[string]string{"~cw:tag:tag": "7", "k": "v", "": "v"}, 0, at)
	var multi *core.MultiError
	if !errors.As(err, &multi) || len(multi.Errors) != 2 || multi.Total != 3 {
		t.Errorf("SetMulti: %v, want errors for 2 of 3 keys", err)
	}
	got, err := texts.Get(ctx, "k")
	if got != "v" || err != nil {
		t.Errorf("Get = %q, %v; want v, whose tag has not changed", got, err)
	}
}
