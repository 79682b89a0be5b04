package core_test

import (
	"context"
	"testing"
	"time"

	"github.com/cachewire/cachewire/core"
)

// A costed is one verb that has a budget of allocations.
type costed struct {
	name string
	call func(ctx context.Context, c *core.Cache) error
}

var (
	costKey   = "a key that is longer than the 32 bytes which a stack keeps"
	costValue = []byte("value")
	costItem  = core.Item{Key: costKey, Value: costValue, Token: new(int)}
)

var costedVerbs = []costed{
	{"Get", func(ctx context.Context, c *core.Cache) error { _, err := c.Get(ctx, costKey); return err }},
	{"GetItem", func(ctx context.Context, c *core.Cache) error { _, err := c.GetItem(ctx, costKey); return err }},
	{"Exists", func(ctx context.Context, c *core.Cache) error { _, err := c.Exists(ctx, costKey); return err }},
	{"TTL", func(ctx context.Context, c *core.Cache) error { _, err := c.TTL(ctx, costKey); return err }},
	{"Count", func(ctx context.Context, c *core.Cache) error { _, err := c.Count(ctx, costKey); return err }},
	{"Set", func(ctx context.Context, c *core.Cache) error { return c.Set(ctx, costKey, costValue, time.Minute) }},
	{"Add", func(ctx context.Context, c *core.Cache) error { return c.Add(ctx, costKey, costValue, 0) }},
	{"Replace", func(ctx context.Context, c *core.Cache) error {
		return c.Replace(ctx, costKey, costValue, core.Forever)
	}},
	{"CompareAndSwap", func(ctx context.Context, c *core.Cache) error { return c.CompareAndSwap(ctx, costItem) }},
	{"CompareAndDelete", func(ctx context.Context, c *core.Cache) error { return c.CompareAndDelete(ctx, costItem) }},
	{"Store", func(ctx context.Context, c *core.Cache) error { return c.Store(ctx, core.Add, costItem) }},
	{"Delete", func(ctx context.Context, c *core.Cache) error { return c.Delete(ctx, costKey) }},
	{"Touch", func(ctx context.Context, c *core.Cache) error { return c.Touch(ctx, costKey, time.Hour) }},
	{"Incr", func(ctx context.Context, c *core.Cache) error { _, err := c.Incr(ctx, costKey, 1); return err }},
	{"Decr", func(ctx context.Context, c *core.Cache) error { _, err := c.Decr(ctx, costKey, 1); return err }},
	{"IncrFrom", func(ctx context.Context, c *core.Cache) error {
		_, err := c.IncrFrom(ctx, costKey, 1, 0, 0)
		return err
	}},
}

// wantAllocs fails if call allocates more than want times, or answers another
// error than target.
func wantAllocs(t *testing.T, want float64, target error, call func() error) {
	t.Helper()
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	var err error
	if got := testing.AllocsPerRun(200, func() { err = call() }); got > want {
		t.Errorf("%v allocations, want at most %v", got, want)
	}
	if err != target {
		t.Errorf("error is %v, want %v", err, target)
	}
}

func TestCacheAllocatesNothing(t *testing.T) {
	ctx := context.Background()
	for name, opts := range map[string]*core.Options{
		"bare":        nil,
		"default":     {DefaultTTL: time.Minute},
		"one hook":    {Hooks: []core.Hook{silent{}}},
		"no Before":   {Hooks: []core.Hook{hitCounter{new(int)}}},
		"counting":    {Hooks: []core.Hook{silentCount{}, silentCount{}}},
		"three hooks": {Hooks: []core.Hook{silent{}, silent{}, silent{}}},
	} {
		for _, v := range costedVerbs {
			t.Run(name+" "+v.name, func(t *testing.T) {
				c := open(t, hit(), opts)
				wantAllocs(t, 0, nil, func() error { return v.call(ctx, c) })
			})
		}
	}
}

func TestMissAllocatesNothing(t *testing.T) {
	ctx := context.Background()
	c := open(t, miss(), nil)
	for _, v := range costedVerbs {
		want := error(core.ErrMiss)
		switch v.name {
		case "Exists":
			want = nil
		case "IncrFrom":
			continue // which adds the counter
		}
		t.Run(v.name, func(t *testing.T) {
			wantAllocs(t, 0, want, func() error { return v.call(ctx, c) })
		})
	}
}

func TestCancellableContextCostsNothing(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	c := open(t, hit(), nil)
	for _, v := range costedVerbs {
		t.Run(v.name, func(t *testing.T) {
			wantAllocs(t, 0, nil, func() error { return v.call(ctx, c) })
		})
	}
}

func TestPrefixCostsOneAllocation(t *testing.T) {
	ctx := context.Background()
	c := view(t, open(t, hit(), nil), "prefix:")
	for _, v := range costedVerbs {
		t.Run(v.name, func(t *testing.T) {
			wantAllocs(t, 1, nil, func() error { return v.call(ctx, c) })
		})
	}
}

func TestKeylessVerbsAllocateNothing(t *testing.T) {
	ctx := context.Background()
	c := open(t, hit(), nil)
	wantAllocs(t, 0, nil, func() error { return c.Ping(ctx) })
	wantAllocs(t, 0, nil, func() error { return c.Flush(ctx) })
}

func TestTypedAllocatesNothing(t *testing.T) {
	ctx := context.Background()
	for name, opts := range map[string]*core.Options{"bare": nil, "hook": {Hooks: []core.Hook{silent{}}}} {
		c := must(core.NewTyped(open(t, hit(), opts), numbers{}))
		item := core.TypedItem[uint64]{Key: costKey, Value: 1 << 60, Token: new(int)}
		for verb, call := range map[string]func() error{
			"Get":            func() error { _, err := c.Get(ctx, costKey); return err },
			"GetItem":        func() error { _, err := c.GetItem(ctx, costKey); return err },
			"Set":            func() error { return c.Set(ctx, costKey, 1<<60, time.Minute) },
			"Add":            func() error { return c.Add(ctx, costKey, 1<<60, 0) },
			"Replace":        func() error { return c.Replace(ctx, costKey, 1<<60, 0) },
			"CompareAndSwap": func() error { return c.CompareAndSwap(ctx, item) },
		} {
			t.Run(name+" "+verb, func(t *testing.T) { wantAllocs(t, 0, nil, call) })
		}
	}
}

func TestSharedHitAllocatesNothing(t *testing.T) {
	ctx := context.Background()
	c := must(core.NewTyped(open(t, &sharedNoop{noop: hit(), value: &user{"Ann", 40}}, nil), core.Shared[*user]()))
	wantAllocs(t, 0, nil, func() error { _, err := c.Get(ctx, costKey); return err })
	u := &user{"Bob", 30}
	wantAllocs(t, 0, nil, func() error { return c.Set(ctx, costKey, u, 0) })
}

type sharedNoop struct {
	*noop
	value any
}

func (s *sharedNoop) GetShared(context.Context, string) (value, token any, err error) {
	return s.value, nil, nil
}

func (s *sharedNoop) StoreShared(context.Context, core.Mode, core.Item, any) error { return nil }

// Beside the map and the slice of items there is nothing to pay for a key.
func TestGetMultiAllocationsDoNotGrowPerKey(t *testing.T) {
	ctx := context.Background()
	allocs := func(n int) float64 {
		keys, _ := manyKeys(n)
		c := open(t, multiNoop{hit(), make([]core.Item, n), keys}, nil)
		return testing.AllocsPerRun(20, func() { _, _ = c.GetMulti(ctx, keys) })
	}
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	if few, many := allocs(100), allocs(1000); many > few+50 {
		t.Errorf("100 keys take %v allocations, 1000 take %v", few, many)
	}
}

type multiNoop struct {
	*noop
	items []core.Item
	keys  []string
}

func (m multiNoop) GetItems(context.Context, []string) ([]core.Item, error) {
	for i, key := range m.keys {
		m.items[i] = core.Item{Key: key, Value: costValue}
	}
	return m.items, nil
}
