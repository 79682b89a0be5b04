package core_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/cachewire/cachewire/core"
)

// A verb is a method of Cache, for tests of rules that apply to every verb.
type verb struct {
	name string
	kind kind
	ttl  bool // takes a time to live
	call func(ctx context.Context, c *core.Cache, key string, ttl time.Duration) error
}

type kind int

const (
	keyless kind = iota // takes no key
	single              // takes one key
	multi               // takes many keys
)

// verbs are all verbs of Cache. The compare verbs have a token that no backend has made.
var verbs = []verb{
	{
		name: "Get", kind: single,
		call: func(ctx context.Context, c *core.Cache, key string, _ time.Duration) error {
			_, err := c.Get(ctx, key)
			return err
		},
	},
	{
		name: "GetItem", kind: single,
		call: func(ctx context.Context, c *core.Cache, key string, _ time.Duration) error {
			_, err := c.GetItem(ctx, key)
			return err
		},
	},
	{
		name: "GetMulti", kind: multi,
		call: func(ctx context.Context, c *core.Cache, key string, _ time.Duration) error {
			_, err := c.GetMulti(ctx, []string{key})
			return err
		},
	},
	{
		name: "GetItems", kind: multi,
		call: func(ctx context.Context, c *core.Cache, key string, _ time.Duration) error {
			_, err := c.GetItems(ctx, []string{key})
			return err
		},
	},
	{
		name: "Exists", kind: single,
		call: func(ctx context.Context, c *core.Cache, key string, _ time.Duration) error {
			_, err := c.Exists(ctx, key)
			return err
		},
	},
	{
		name: "TTL", kind: single,
		call: func(ctx context.Context, c *core.Cache, key string, _ time.Duration) error {
			_, err := c.TTL(ctx, key)
			return err
		},
	},
	{
		name: "Count", kind: single,
		call: func(ctx context.Context, c *core.Cache, key string, _ time.Duration) error {
			_, err := c.Count(ctx, key)
			return err
		},
	},
	{
		name: "Set", kind: single, ttl: true,
		call: func(ctx context.Context, c *core.Cache, key string, ttl time.Duration) error {
			return c.Set(ctx, key, []byte("1"), ttl)
		},
	},
	{
		name: "SetMulti", kind: multi, ttl: true,
		call: func(ctx context.Context, c *core.Cache, key string, ttl time.Duration) error {
			return c.SetMulti(ctx, map[string][]byte{key: []byte("1")}, ttl)
		},
	},
	{
		name: "Add", kind: single, ttl: true,
		call: func(ctx context.Context, c *core.Cache, key string, ttl time.Duration) error {
			return c.Add(ctx, key, []byte("1"), ttl)
		},
	},
	{
		name: "AddMulti", kind: multi, ttl: true,
		call: func(ctx context.Context, c *core.Cache, key string, ttl time.Duration) error {
			return c.AddMulti(ctx, map[string][]byte{key: []byte("1")}, ttl)
		},
	},
	{
		name: "Replace", kind: single, ttl: true,
		call: func(ctx context.Context, c *core.Cache, key string, ttl time.Duration) error {
			return c.Replace(ctx, key, []byte("1"), ttl)
		},
	},
	{
		name: "ReplaceMulti", kind: multi, ttl: true,
		call: func(ctx context.Context, c *core.Cache, key string, ttl time.Duration) error {
			return c.ReplaceMulti(ctx, map[string][]byte{key: []byte("1")}, ttl)
		},
	},
	{
		name: "CompareAndSwap", kind: single, ttl: true,
		call: func(ctx context.Context, c *core.Cache, key string, ttl time.Duration) error {
			item := core.Item{Key: key, Value: []byte("1"), TTL: ttl, Token: new(int)}
			return c.CompareAndSwap(ctx, item)
		},
	},
	{
		name: "CompareAndDelete", kind: single,
		call: func(ctx context.Context, c *core.Cache, key string, _ time.Duration) error {
			return c.CompareAndDelete(ctx, core.Item{Key: key, Token: new(int)})
		},
	},
	{
		name: "Store", kind: single, ttl: true,
		call: func(ctx context.Context, c *core.Cache, key string, ttl time.Duration) error {
			return c.Store(ctx, core.Set, core.Item{Key: key, Value: []byte("1"), TTL: ttl})
		},
	},
	{
		name: "StoreMulti", kind: multi, ttl: true,
		call: func(ctx context.Context, c *core.Cache, key string, ttl time.Duration) error {
			items := []core.Item{{Key: key, Value: []byte("1"), TTL: ttl}}
			return c.StoreMulti(ctx, core.Set, items)
		},
	},
	{
		name: "Delete", kind: single,
		call: func(ctx context.Context, c *core.Cache, key string, _ time.Duration) error {
			return c.Delete(ctx, key)
		},
	},
	{
		name: "DeleteMulti", kind: multi,
		call: func(ctx context.Context, c *core.Cache, key string, _ time.Duration) error {
			return c.DeleteMulti(ctx, []string{key})
		},
	},
	{
		name: "Touch", kind: single, ttl: true,
		call: func(ctx context.Context, c *core.Cache, key string, ttl time.Duration) error {
			return c.Touch(ctx, key, ttl)
		},
	},
	{
		name: "Incr", kind: single,
		call: func(ctx context.Context, c *core.Cache, key string, _ time.Duration) error {
			_, err := c.Incr(ctx, key, 1)
			return err
		},
	},
	{
		name: "Decr", kind: single,
		call: func(ctx context.Context, c *core.Cache, key string, _ time.Duration) error {
			_, err := c.Decr(ctx, key, 1)
			return err
		},
	},
	{
		name: "IncrFrom", kind: single, ttl: true,
		call: func(ctx context.Context, c *core.Cache, key string, ttl time.Duration) error {
			_, err := c.IncrFrom(ctx, key, 1, 0, ttl)
			return err
		},
	},
	{
		name: "DecrFrom", kind: single, ttl: true,
		call: func(ctx context.Context, c *core.Cache, key string, ttl time.Duration) error {
			_, err := c.DecrFrom(ctx, key, 1, 0, ttl)
			return err
		},
	},
	{
		name: "Flush",
		call: func(ctx context.Context, c *core.Cache, _ string, _ time.Duration) error {
			return c.Flush(ctx)
		},
	},
	{
		name: "Ping",
		call: func(ctx context.Context, c *core.Cache, _ string, _ time.Duration) error {
			return c.Ping(ctx)
		},
	},
	{
		name: "Stats",
		call: func(ctx context.Context, c *core.Cache, _ string, _ time.Duration) error {
			_, err := c.Stats(ctx)
			return err
		},
	},
}

// eachVerb runs test for every verb for which filter returns true, or for all verbs if filter
// is nil.
func eachVerb(t *testing.T, filter func(verb) bool, test func(t *testing.T, v verb)) {
	t.Helper()
	for _, v := range verbs {
		if filter == nil || filter(v) {
			t.Run(v.name, func(t *testing.T) { test(t, v) })
		}
	}
}

func (v verb) takesKeys() bool { return v.kind != keyless }
func (v verb) takesTTL() bool  { return v.ttl }
func (v verb) isMulti() bool   { return v.kind == multi }

// fromVerbs returns IncrFrom and DecrFrom of c by name.
func fromVerbs(c *core.Cache) map[string]fromVerb {
	return map[string]fromVerb{"IncrFrom": c.IncrFrom, "DecrFrom": c.DecrFrom}
}

type fromVerb func(
	ctx context.Context, key string, delta, initial uint64, ttl time.Duration,
) (uint64, error)

// keyError returns the error of key in err, which v returned: the key's own error if v is a
// multi verb, and err otherwise.
func (v verb) keyError(key string, err error) error {
	var m *core.MultiError
	if v.kind == multi && errors.As(err, &m) {
		return m.Errors[key]
	}
	return err
}
