package patterns_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/encoding"
	"github.com/cachewire/cachewire/patterns"
)

// Each caller of a load may write to the value that it got. The race detector fails the test
// if two callers share it.
func TestEachCallerOfALoadGetsAValueOfItsOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		type user struct {
			Name string
			Tags map[string]int
		}
		typed := must(core.NewTyped(memoryCache(t), encoding.JSON[*user]()))
		cached := must(patterns.New(typed, &patterns.Options[*user]{TTL: time.Hour, FailSafe: 1}))
		defer cached.Close()
		load := func(context.Context) (*user, error) {
			time.Sleep(time.Second)
			return &user{"Ann", map[string]int{"a": 1}}, nil
		}
		loadMulti := func(ctx context.Context, keys []string) (map[string]*user, error) {
			u, err := load(ctx)
			return map[string]*user{keys[0]: u}, err
		}
		type getter func(key string) (*user, error)
		getters := map[string]getter{
			"GetOrSet": func(key string) (*user, error) {
				return cached.GetOrSet(t.Context(), key, load)
			},
			"GetOrCreate": func(key string) (*user, error) {
				return cached.GetOrCreate(t.Context(), key, load)
			},
			"GetOrSetMulti": func(key string) (*user, error) {
				all, err := cached.GetOrSetMulti(t.Context(), []string{key}, loadMulti)
				return all[key], err
			},
			"a caller that cannot leave": func(key string) (*user, error) {
				return cached.GetOrSet(context.Background(), key, load)
			},
		}
		for name, get := range getters {
			var all sync.WaitGroup
			var pointers sync.Map
			for i := range 10 {
				all.Go(func() {
					u, err := get(name)
					if err != nil || u.Name != "Ann" || len(u.Tags) != 1 || u.Tags["a"] != 1 {
						t.Errorf("%s: got %+v, %v", name, u, err)
						return
					}
					if _, shared := pointers.LoadOrStore(u, true); shared {
						t.Errorf("%s: two callers have the same value", name)
					}
					u.Name = fmt.Sprint("caller ", i)
					u.Tags["b"] = i
				})
			}
			all.Wait()
		}
	})
}

// A countingCodec counts how often it encodes and decodes.
type countingCodec[T any] struct {
	core.Codec[T]
	encoded, decoded *atomic.Int64
}

func (c countingCodec[T]) Append(dst []byte, v T) ([]byte, uint32, error) {
	c.encoded.Add(1)
	return c.Codec.Append(dst, v)
}

func (c countingCodec[T]) Decode(data []byte, flags uint32) (T, error) {
	c.decoded.Add(1)
	return c.Codec.Decode(data, flags)
}

// loadTogether lets 10 callers share a load of v, and returns what they got.
func loadTogether[T any](t *testing.T, cached *patterns.Cached[T], v T) []T {
	t.Helper()
	got := make([]T, 10)
	synctest.Test(t, func(t *testing.T) {
		var all sync.WaitGroup
		for i := range got {
			all.Go(func() {
				var err error
				got[i], err = cached.GetOrSet(t.Context(), "k", func(context.Context) (T, error) {
					time.Sleep(time.Second)
					return v, nil
				})
				wantErr(t, err, nil)
			})
		}
		all.Wait()
	})
	return got
}

// Values are copied only if callers could harm each other.
func TestValuesThatNoCallerCanChangeAreShared(t *testing.T) {
	type plain struct {
		Name string
		At   [2]int
	}
	type deep struct{ Names []string }
	count := func() (encoded, decoded *atomic.Int64) { return new(atomic.Int64), new(atomic.Int64) }

	encoded, decoded := count()
	plains := countingCodec[plain]{encoding.JSON[plain](), encoded, decoded}
	cached := must(patterns.New(must(core.NewTyped(memoryCache(t), plains)), nil))
	for _, v := range loadTogether(t, cached, plain{Name: "Ann"}) {
		if v.Name != "Ann" {
			t.Errorf("got %+v, want Ann", v)
		}
	}
	if e, d := encoded.Load(), decoded.Load(); e != 1 || d != 0 {
		t.Errorf("encoded %d times and decoded %d times, want once, to store it", e, d)
	}

	encoded, decoded = count()
	deeps := countingCodec[deep]{encoding.JSON[deep](), encoded, decoded}
	cachedDeeps := must(patterns.New(must(core.NewTyped(memoryCache(t), deeps)), nil))
	for _, v := range loadTogether(t, cachedDeeps, deep{[]string{"Ann"}}) {
		if len(v.Names) != 1 {
			t.Errorf("got %+v, want Ann", v)
		}
	}
	if e, d := encoded.Load(), decoded.Load(); e != 2 || d != 9 {
		t.Errorf("encoded %d times and decoded %d times, want 2 and 9", e, d)
	}
	for range 3 { // a caller alone costs no copy
		load := func(context.Context) (deep, error) { return deep{[]string{"Bob"}}, nil }
		_, err := cachedDeeps.GetOrSet(t.Context(), "alone", load)
		wantErr(t, err, nil)
		wantErr(t, cachedDeeps.Delete(t.Context(), "alone"), nil)
	}
	if e, d := encoded.Load(), decoded.Load(); e != 5 || d != 9 {
		t.Errorf("encoded %d times and decoded %d times, want 5 and 9", e, d)
	}

	shared := must(core.NewTyped(memoryCache(t), core.Shared[*deep]()))
	cachedShared := must(patterns.New(shared, nil))
	ann := &deep{[]string{"Ann"}}
	for _, v := range loadTogether(t, cachedShared, ann) {
		if v != ann {
			t.Errorf("with core.Shared, got %p, want %p", v, ann)
		}
	}
}

// A value that cannot be encoded, so that it cannot be stored either, is shared.
func TestAValueThatCannotBeEncodedIsShared(t *testing.T) {
	cached := must(patterns.New(must(core.NewTyped(memoryCache(t), encoding.JSON[any]())), nil))
	v := make(chan int)
	for _, got := range loadTogether(t, cached, any(v)) {
		if got != any(v) {
			t.Errorf("got %v, want %v", got, v)
		}
	}
}
