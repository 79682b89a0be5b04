package core_test

import (
	"context"
	"testing"
	"time"

	"github.com/cachewire/cachewire/core"
)

// An allocCase is a call of a verb whose allocations are counted.
type allocCase struct {
	name string
	call func(ctx context.Context, c *core.Cache) error
}

var (
	// longKey is longer than 32 bytes, so that a concatenation with it cannot use the
	// buffer for short strings on the stack.
	longKey     = "a key that is longer than the 32 bytes of that buffer"
	smallValue  = []byte("value")
	longKeyItem = core.Item{Key: longKey, Value: smallValue, Token: new(int)}
)

var allocCases = []allocCase{
	{"Get", func(ctx context.Context, c *core.Cache) error {
		_, err := c.Get(ctx, longKey)
		return err
	}},
	{"GetItem", func(ctx context.Context, c *core.Cache) error {
		_, err := c.GetItem(ctx, longKey)
		return err
	}},
	{"Exists", func(ctx context.Context, c *core.Cache) error {
		_, err := c.Exists(ctx, longKey)
		return err
	}},
	{"TTL", func(ctx context.Context, c *core.Cache) error {
		_, err := c.TTL(ctx, longKey)
		return err
	}},
	{"Count", func(ctx context.Context, c *core.Cache) error {
		_, err := c.Count(ctx, longKey)
		return err
	}},
	{"Set", func(ctx context.Context, c *core.Cache) error {
		return c.Set(ctx, longKey, smallValue, time.Minute)
	}},
	{"Add", func(ctx context.Context, c *core.Cache) error {
		return c.Add(ctx, longKey, smallValue, 0)
	}},
	{"Replace", func(ctx context.Context, c *core.Cache) error {
		return c.Replace(ctx, longKey, smallValue, core.Forever)
	}},
	{"CompareAndSwap", func(ctx context.Context, c *core.Cache) error {
		return c.CompareAndSwap(ctx, longKeyItem)
	}},
	{"CompareAndDelete", func(ctx context.Context, c *core.Cache) error {
		return c.CompareAndDelete(ctx, longKeyItem)
	}},
	{"Store", func(ctx context.Context, c *core.Cache) error {
		return c.Store(ctx, core.Add, longKeyItem)
	}},
	{"Delete", func(ctx context.Context, c *core.Cache) error {
		return c.Delete(ctx, longKey)
	}},
	{"Touch", func(ctx context.Context, c *core.Cache) error {
		return c.Touch(ctx, longKey, time.Hour)
	}},
	{"Incr", func(ctx context.Context, c *core.Cache) error {
		_, err := c.Incr(ctx, longKey, 1)
		return err
	}},
	{"Decr", func(ctx context.Context, c *core.Cache) error {
		_, err := c.Decr(ctx, longKey, 1)
		return err
	}},
	{"IncrFrom", func(ctx context.Context, c *core.Cache) error {
		_, err := c.IncrFrom(ctx, longKey, 1, 0, 0)
		return err
	}},
}

// wantAllocs fails the test if call allocates more than want times, or returns another error
// than target.
func wantAllocs(t *testing.T, want float64, target error, call func() error) {
	t.Helper()
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	var err error
	if got := testing.AllocsPerRun(200, func() { err = call() }); got > want {
		t.Errorf("the call allocates %v times, want at most %v", got, want)
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
		"one hook":    {Hooks: []core.Hook{noopHook{}}},
		"no Before":   {Hooks: []core.Hook{hitCounter{new(int)}}},
		"counting":    {Hooks: []core.Hook{noopCountHook{}, noopCountHook{}}},
		"three hooks": {Hooks: []core.Hook{noopHook{}, noopHook{}, noopHook{}}},
	} {
		for _, test := range allocCases {
			t.Run(name+" "+test.name, func(t *testing.T) {
				c := open(t, hitBackend(), opts)
				wantAllocs(t, 0, nil, func() error { return test.call(ctx, c) })
			})
		}
	}
}

func TestMissAllocatesNothing(t *testing.T) {
	ctx := context.Background()
	c := open(t, missBackend(), nil)
	for _, test := range allocCases {
		want := error(core.ErrMiss)
		switch test.name {
		case "Exists":
			want = nil
		case "IncrFrom":
			continue // it adds the counter
		}
		t.Run(test.name, func(t *testing.T) {
			wantAllocs(t, 0, want, func() error { return test.call(ctx, c) })
		})
	}
}

func TestCancellableContextAllocatesNothing(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	c := open(t, hitBackend(), nil)
	for _, test := range allocCases {
		t.Run(test.name, func(t *testing.T) {
			wantAllocs(t, 0, nil, func() error { return test.call(ctx, c) })
		})
	}
}

func TestPrefixAllocatesOnce(t *testing.T) {
	ctx := context.Background()
	c := withPrefix(t, open(t, hitBackend(), nil), "prefix:")
	for _, test := range allocCases {
		t.Run(test.name, func(t *testing.T) {
			wantAllocs(t, 1, nil, func() error { return test.call(ctx, c) })
		})
	}
}

func TestKeylessVerbsAllocateNothing(t *testing.T) {
	ctx := context.Background()
	c := open(t, hitBackend(), nil)
	wantAllocs(t, 0, nil, func() error { return c.Ping(ctx) })
	wantAllocs(t, 0, nil, func() error { return c.Flush(ctx) })
}

func TestTypedAllocatesNothing(t *testing.T) {
	ctx := context.Background()
	for name, opts := range map[string]*core.Options{
		"bare": nil,
		"hook": {Hooks: []core.Hook{noopHook{}}},
	} {
		c := must(core.NewTyped(open(t, hitBackend(), opts), uintCodec{}))
		item := core.TypedItem[uint64]{Key: longKey, Value: 1 << 60, Token: new(int)}
		for verb, call := range map[string]func() error{
			"Get":            func() error { _, err := c.Get(ctx, longKey); return err },
			"GetItem":        func() error { _, err := c.GetItem(ctx, longKey); return err },
			"Set":            func() error { return c.Set(ctx, longKey, 1<<60, time.Minute) },
			"Add":            func() error { return c.Add(ctx, longKey, 1<<60, 0) },
			"Replace":        func() error { return c.Replace(ctx, longKey, 1<<60, 0) },
			"CompareAndSwap": func() error { return c.CompareAndSwap(ctx, item) },
		} {
			t.Run(name+" "+verb, func(t *testing.T) { wantAllocs(t, 0, nil, call) })
		}
	}
}

func TestSharedHitAllocatesNothing(t *testing.T) {
	ctx := context.Background()
	raw := open(t, &sharedNoop{noop: hitBackend(), value: &user{"Ann", 40}}, nil)
	c := must(core.NewTyped(raw, core.Shared[*user]()))
	wantAllocs(t, 0, nil, func() error { _, err := c.Get(ctx, longKey); return err })
	u := &user{"Bob", 30}
	wantAllocs(t, 0, nil, func() error { return c.Set(ctx, longKey, u, 0) })
}

// A sharedNoop is a noop that is a SharedStorer.
type sharedNoop struct {
	*noop
	value any
}

func (s *sharedNoop) GetShared(context.Context, string) (value, token any, err error) {
	return s.value, nil, nil
}

func (s *sharedNoop) StoreShared(context.Context, core.Mode, core.Item, any) error { return nil }

// GetMulti allocates a map and slices, but nothing for each key.
func TestGetMultiAllocationsDoNotGrowPerKey(t *testing.T) {
	ctx := context.Background()
	allocs := func(n int) float64 {
		keys, _ := manyKeys(n)
		c := open(t, multiNoop{hitBackend(), make([]core.Item, n), keys}, nil)
		return testing.AllocsPerRun(20, func() { _, _ = c.GetMulti(ctx, keys) })
	}
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	if for100, for1000 := allocs(100), allocs(1000); for1000 > for100+50 {
		t.Errorf("GetMulti allocates %v times for 100 keys and %v times for 1000, "+
			"want at most 50 more", for100, for1000)
	}
}

// A multiNoop is a noop that is a MultiGetter.
type multiNoop struct {
	*noop
	items []core.Item
	keys  []string
}

func (m multiNoop) GetItems(context.Context, []string) ([]core.Item, error) {
	for i, key := range m.keys {
		m.items[i] = core.Item{Key: key, Value: smallValue}
	}
	return m.items, nil
}
