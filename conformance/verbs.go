package conformance

import (
	"context"
	"errors"

	"github.com/cachewire/cachewire/core"
)

// A verb is one of Cache, on the key k, which holds the counter 1.
type verb struct {
	name string
	call func(ctx context.Context, c *core.Cache) error
}

var counterBytes = map[string][]byte{"k": []byte("2")}

// verbs are all that have a key.
var verbs = []verb{
	{"Get", func(ctx context.Context, c *core.Cache) error { _, err := c.Get(ctx, "k"); return err }},
	{"GetItem", func(ctx context.Context, c *core.Cache) error { _, err := c.GetItem(ctx, "k"); return err }},
	{"GetMulti", func(ctx context.Context, c *core.Cache) error { _, err := c.GetMulti(ctx, []string{"k"}); return err }},
	{"Exists", func(ctx context.Context, c *core.Cache) error { _, err := c.Exists(ctx, "k"); return err }},
	{"Count", func(ctx context.Context, c *core.Cache) error { _, err := c.Count(ctx, "k"); return err }},
	{"Set", func(ctx context.Context, c *core.Cache) error { return c.Set(ctx, "k", []byte("2"), 0) }},
	{"SetMulti", func(ctx context.Context, c *core.Cache) error { return c.SetMulti(ctx, counterBytes, 0) }},
	{"Replace", func(ctx context.Context, c *core.Cache) error { return c.Replace(ctx, "k", []byte("2"), 0) }},
	{"ReplaceMulti", func(ctx context.Context, c *core.Cache) error { return c.ReplaceMulti(ctx, counterBytes, 0) }},
	{"Add", func(ctx context.Context, c *core.Cache) error { return c.Add(ctx, "k", []byte("2"), 0) }},
	{"AddMulti", func(ctx context.Context, c *core.Cache) error { return c.AddMulti(ctx, counterBytes, 0) }},
	{"Store", func(ctx context.Context, c *core.Cache) error {
		return c.Store(ctx, core.Set, core.Item{Key: "k", Value: []byte("2")})
	}},
	{"Incr", func(ctx context.Context, c *core.Cache) error { _, err := c.Incr(ctx, "k", 1); return err }},
	{"Decr", func(ctx context.Context, c *core.Cache) error { _, err := c.Decr(ctx, "k", 1); return err }},
	{"IncrFrom", func(ctx context.Context, c *core.Cache) error { _, err := c.IncrFrom(ctx, "k", 1, 1, 0); return err }},
	{"DecrFrom", func(ctx context.Context, c *core.Cache) error { _, err := c.DecrFrom(ctx, "k", 1, 1, 0); return err }},
	{"Touch", func(ctx context.Context, c *core.Cache) error { return c.Touch(ctx, "k", longTTL) }},
	{"Delete", func(ctx context.Context, c *core.Cache) error { return c.Delete(ctx, "k") }},
	{"DeleteMulti", func(ctx context.Context, c *core.Cache) error { return c.DeleteMulti(ctx, []string{"k"}) }},
}

// keyError answers what a verb's error says of the key k.
func keyError(err error) error {
	var multi *core.MultiError
	if errors.As(err, &multi) {
		return multi.Errors["k"]
	}
	return err
}
