package dependency_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/dependency"
	"github.com/cachewire/cachewire/encoding"
	"github.com/cachewire/cachewire/memory"
	"github.com/cachewire/cachewire/null"
)

type order struct {
	ID    int
	Total float64
}

func TestAnInvalidatedTagMakesItemsStale(t *testing.T) {
	for name, c := range caches(t) {
		t.Run(name, func(t *testing.T) {
			ctx := t.Context()
			orders := must(dependency.NewTagged(c, encoding.JSON[order](), nil))
			at, err := orders.Versions(ctx, "order:1", "customer:7")
			wantErr(t, err, nil)
			other, err := orders.Versions(ctx, "customer:7")
			wantErr(t, err, nil)
			wantErr(t, orders.Set(ctx, "page", order{1, 2.5}, 0, at), nil)
			err = orders.SetMulti(ctx, map[string]order{"total": {1, 3}, "sum": {1, 4}}, 0, at)
			wantErr(t, err, nil)
			wantErr(t, orders.Set(ctx, "customer", order{7, 0}, 0, other), nil)
			wantErr(t, orders.Set(ctx, "plain", order{9, 9}, 0, dependency.Versions{}), nil)
			if got, err := orders.Get(ctx, "page"); got != (order{1, 2.5}) || err != nil {
				t.Errorf("Get = %v, %v", got, err)
			}
			keys := []string{"page", "total", "sum", "customer", "plain", "absent"}
			got, err := orders.GetMulti(ctx, keys)
			if len(got) != 5 || got["total"] != (order{1, 3}) || err != nil {
				t.Errorf("GetMulti = %v, %v", got, err)
			}
			wantErr(t, orders.Invalidate(ctx, "order:1", "no such tag"), nil)
			if got, err := orders.Get(ctx, "page"); got != (order{}) || err != core.ErrMiss {
				t.Errorf("a stale item is %v, %v", got, err)
			}
			got, err = orders.GetMulti(ctx, keys)
			if len(got) != 2 || err != nil ||
				got["customer"] != (order{7, 0}) || got["plain"] != (order{9, 9}) {
				t.Errorf("GetMulti = %v, %v; want the items without the tag", got, err)
			}
			wantErr(t, orders.Invalidate(ctx, "customer:7"), nil)
			if got, err := orders.GetMulti(ctx, keys); len(got) != 1 || err != nil {
				t.Errorf("GetMulti = %v, %v; want the item without tags", got, err)
			}
		})
	}
}

// The versions may be in another cache than the items.
func TestSeveralTaggedShareTheirTags(t *testing.T) {
	tags := must(dependency.NewTags(cacheOf(t, must(memory.New(nil))), nil))
	items := cacheOf(t, must(memory.New(nil)))
	texts := must(dependency.NewTagged(items, encoding.Text(), tags))
	orders := must(dependency.NewTagged(items, encoding.JSON[order](), tags))
	ctx := t.Context()
	at, err := tags.Versions(ctx, "tag")
	wantErr(t, err, nil)
	wantErr(t, texts.Set(ctx, "text", "text", 0, at), nil)
	wantErr(t, orders.Set(ctx, "order", order{1, 2}, 0, at), nil)
	if _, err := texts.Get(ctx, "text"); err != nil || exists(t, items, "~cw:tag:tag") {
		t.Errorf("Get: %v; want no error, and no version in the cache of the items", err)
	}
	wantErr(t, tags.Invalidate(ctx, "tag"), nil)
	_, err = texts.Get(ctx, "text")
	wantErr(t, err, core.ErrMiss)
	_, err = orders.Get(ctx, "order")
	wantErr(t, err, core.ErrMiss)
}

func TestAValueIsStaleIfItsTagWasInvalidatedWhileItWasMade(t *testing.T) {
	c := cacheOf(t, must(memory.New(nil)))
	texts := must(dependency.NewTagged(c, encoding.Text(), nil))
	ctx := t.Context()
	at, err := texts.Versions(ctx, "tag")
	wantErr(t, err, nil)
	wantErr(t, texts.Invalidate(ctx, "tag"), nil)
	wantErr(t, texts.Set(ctx, "k", "made before", 0, at), nil)
	_, err = texts.Get(ctx, "k")
	wantErr(t, err, core.ErrMiss)
}

func TestAnItemIsStaleIfAVersionIsLost(t *testing.T) {
	c := cacheOf(t, must(memory.New(nil)))
	tags := must(dependency.NewTags(c, &dependency.TagOptions{Prefix: "v:"}))
	texts := must(dependency.NewTagged(c, encoding.Text(), tags))
	ctx := t.Context()
	for range 3 {
		at, err := texts.Versions(ctx, "tag")
		wantErr(t, err, nil)
		wantErr(t, texts.Set(ctx, "k", "text", 0, at), nil)
		if _, err := texts.Get(ctx, "k"); err != nil {
			t.Errorf("Get: %v", err)
		}
		wantErr(t, c.Delete(ctx, "v:tag"), nil)
		_, err = texts.Get(ctx, "k")
		wantErr(t, err, core.ErrMiss)
		_, err = texts.Versions(ctx, "tag") // makes a new one
		wantErr(t, err, nil)
		_, err = texts.Get(ctx, "k")
		wantErr(t, err, core.ErrMiss)
	}
}

// A version that is not a number counts as absent, and is replaced by a new one.
func TestAnItemIsStaleIfAVersionIsNotANumber(t *testing.T) {
	c := cacheOf(t, must(memory.New(nil)))
	texts := must(dependency.NewTagged(c, encoding.Text(), nil))
	ctx := t.Context()
	for _, key := range []string{"junk", "good"} {
		at, err := texts.Versions(ctx, key)
		wantErr(t, err, nil)
		wantErr(t, texts.Set(ctx, key, "text", 0, at), nil)
	}
	wantErr(t, c.Set(ctx, "~cw:tag:junk", []byte("text"), 0), nil)
	_, err := texts.Get(ctx, "junk")
	wantErr(t, err, core.ErrMiss)
	got, err := texts.GetMulti(ctx, []string{"junk", "good"})
	if len(got) != 1 || got["good"] != "text" || err != nil {
		t.Errorf("GetMulti = %v, %v", got, err)
	}
	wantErr(t, texts.Invalidate(ctx, "junk"), nil)
	at, err := texts.Versions(ctx, "junk", "good", "junk")
	wantErr(t, err, nil)
	wantErr(t, texts.Set(ctx, "junk", "text", 0, at), nil)
	if _, err := texts.Get(ctx, "junk"); err != nil {
		t.Errorf("Get: %v", err)
	}
	wantErr(t, texts.Invalidate(ctx, ""), core.ErrInvalidKey)
}

// Each call of the cache fails once.
func TestTaggedReturnsAFaultInAnyCall(t *testing.T) {
	for failAt := range 8 {
		b := &faultyBackend{Backend: must(memory.New(nil)), failAt: failAt + 1}
		texts := must(dependency.NewTagged(cacheOf(t, b), encoding.Text(), nil))
		ctx := t.Context()
		at, err := texts.Versions(ctx, "a", "b") // two reads and two stores
		if (err == nil) != (failAt >= 4) {
			t.Errorf("call %d fails, Versions: %v", failAt+1, err)
		}
		if err != nil {
			continue
		}
		err = texts.Set(ctx, "k", "v", 0, at)
		if failAt == 4 {
			wantErr(t, err, core.ErrUnavailable)
			continue
		}
		wantErr(t, err, nil)
		if _, err = texts.Get(ctx, "k"); err == nil || err == core.ErrMiss {
			t.Errorf("call %d fails, Get: %v", failAt+1, err)
		}
	}
}

func TestTagsTakeFewCalls(t *testing.T) {
	var counter callCounter
	c := cacheOf(t, must(memory.New(nil)), &counter)
	texts := must(dependency.NewTagged(c, encoding.Text(), nil))
	plain := must(core.NewTyped(c, encoding.Text()))
	ctx := t.Context()
	if _, err := texts.Versions(ctx, "a", "b"); err != nil {
		t.Fatal(err)
	}
	var at dependency.Versions
	for _, step := range []struct {
		what string
		want int64
		do   func() error
	}{
		{"Versions", 1, func() (err error) {
			at, err = texts.Versions(ctx, "a", "b")
			return err
		}},
		{"Versions of no tags", 0, func() error { _, err := texts.Versions(ctx); return err }},
		{"Set", 1, func() error { return texts.Set(ctx, "k", "v", 0, at) }},
		{"Get", 2, func() error { _, err := texts.Get(ctx, "k"); return err }},
		{"GetMulti", 2, func() error {
			_, err := texts.GetMulti(ctx, []string{"k", "l", "m"})
			return err
		}},
		{"Set without tags", 1, func() error {
			return texts.Set(ctx, "l", "v", 0, dependency.Versions{})
		}},
		{"Get without tags", 1, func() error { _, err := texts.Get(ctx, "l"); return err }},
		{"Invalidate", 2, func() error { return texts.Invalidate(ctx, "a") }},
	} {
		if n := counter.callsOf(func() { wantErr(t, step.do(), nil) }); n != step.want {
			t.Errorf("%s takes %d calls, want %d", step.what, n, step.want)
		}
	}
	if got, err := plain.Get(ctx, "l"); got != "v" || err != nil {
		t.Errorf("a Typed reads %q, %v from an item without tags; want v", got, err)
	}
}

func TestTagsRefuseAnEmptyName(t *testing.T) {
	texts := must(dependency.NewTagged(cacheOf(t, must(memory.New(nil))), encoding.Text(), nil))
	_, err := texts.Versions(t.Context(), "tag", "")
	wantErr(t, err, core.ErrInvalidKey)
}

func TestTagsOverNullMiss(t *testing.T) {
	texts := must(dependency.NewTagged(cacheOf(t, null.New()), encoding.Text(), nil))
	ctx := t.Context()
	at, err := texts.Versions(ctx, "tag")
	wantErr(t, err, nil)
	wantErr(t, texts.Set(ctx, "k", "v", 0, at), nil)
	_, err = texts.Get(ctx, "k")
	wantErr(t, err, core.ErrMiss)
	wantErr(t, texts.Invalidate(ctx, "tag"), nil)
}

// Many goroutines read, make and invalidate values at once. After an Invalidate has returned,
// Get does not return a value that was made before it.
func TestGetNeverReturnsAStaleValue(t *testing.T) {
	const rounds = 300
	for name, c := range caches(t) {
		t.Run(name, func(t *testing.T) {
			ctx := context.Background()
			numbers := must(dependency.NewTagged(c, encoding.Int[int64](), nil))
			var source, oldest atomic.Int64 // the present value, and the oldest that Get may return
			var hits atomic.Int64
			var all sync.WaitGroup
			for w := range 8 {
				all.Go(func() {
					for i := range rounds {
						key := fmt.Sprint("k", i%5)
						limit := oldest.Load()
						n, err := numbers.Get(ctx, key)
						switch {
						case err == nil && n < limit:
							t.Errorf("%s is %d, which was invalidated; want %d or more",
								key, n, limit)
						case err == nil:
							hits.Add(1)
						case !errors.Is(err, core.ErrMiss):
							t.Errorf("Get: %v", err)
						default:
							at, err := numbers.Versions(ctx, "tag")
							if err != nil {
								t.Errorf("Versions: %v", err)
							}
							err = numbers.Set(ctx, key, source.Load(), time.Minute, at)
							if err != nil {
								t.Errorf("Set: %v", err)
							}
						}
						if w == 0 && i%4 == 0 {
							now := source.Add(1)
							if err := numbers.Invalidate(ctx, "tag"); err != nil {
								t.Errorf("Invalidate: %v", err)
							}
							oldest.Store(now)
						}
						if w == 1 && i%50 == 0 {
							c.Delete(ctx, "~cw:tag:tag") // as if it were evicted
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
