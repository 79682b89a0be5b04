package conformance

import (
	"context"
	"errors"

	"github.com/cachewire/cachewire/core"
)

// A verb is one of Cache on a key, with the token of an item that was there.
type verb struct {
	name string
	call func(ctx context.Context, c *core.Cache, key string, token any) error
}

func two(key string) map[string][]byte { return map[string][]byte{key: []byte("2")} }

// errNoAnswer is what a GetMulti that is cut off must not tell: that there is
// neither the key nor an error.
var errNoAnswer = errors.New("GetMulti left the key out without an error")

// verbs are all that have a key.
var verbs = []verb{
	{"Get", func(ctx context.Context, c *core.Cache, key string, _ any) error {
		_, err := c.Get(ctx, key)
		return err
	}},
	{"GetItem", func(ctx context.Context, c *core.Cache, key string, _ any) error {
		_, err := c.GetItem(ctx, key)
		return err
	}},
	{"GetMulti", func(ctx context.Context, c *core.Cache, key string, _ any) error {
		got, err := c.GetMulti(ctx, []string{key})
		if _, ok := got[key]; !ok && err == nil {
			return errNoAnswer
		}
		return err
	}},
	{"Exists", func(ctx context.Context, c *core.Cache, key string, _ any) error {
		_, err := c.Exists(ctx, key)
		return err
	}},
	{"Count", func(ctx context.Context, c *core.Cache, key string, _ any) error {
		_, err := c.Count(ctx, key)
		return err
	}},
	{"Set", func(ctx context.Context, c *core.Cache, key string, _ any) error {
		return c.Set(ctx, key, []byte("2"), 0)
	}},
	{"SetMulti", func(ctx context.Context, c *core.Cache, key string, _ any) error { return c.SetMulti(ctx, two(key), 0) }},
	{"Replace", func(ctx context.Context, c *core.Cache, key string, _ any) error {
		return c.Replace(ctx, key, []byte("2"), 0)
	}},
	{"ReplaceMulti", func(ctx context.Context, c *core.Cache, key string, _ any) error {
		return c.ReplaceMulti(ctx, two(key), 0)
	}},
	{"Add", func(ctx context.Context, c *core.Cache, key string, _ any) error {
		return c.Add(ctx, key, []byte("2"), 0)
	}},
	{"AddMulti", func(ctx context.Context, c *core.Cache, key string, _ any) error { return c.AddMulti(ctx, two(key), 0) }},
	{"Store", func(ctx context.Context, c *core.Cache, key string, _ any) error {
		return c.Store(ctx, core.Set, core.Item{Key: key, Value: []byte("2")})
	}},
	{"CompareAndSwap", func(ctx context.Context, c *core.Cache, key string, token any) error {
		return c.CompareAndSwap(ctx, core.Item{Key: key, Value: []byte("2"), Token: token})
	}},
	{"CompareAndDelete", func(ctx context.Context, c *core.Cache, key string, token any) error {
		return c.CompareAndDelete(ctx, core.Item{Key: key, Token: token})
	}},
	{"Incr", func(ctx context.Context, c *core.Cache, key string, _ any) error {
		_, err := c.Incr(ctx, key, 1)
		return err
	}},
	{"Decr", func(ctx context.Context, c *core.Cache, key string, _ any) error {
		_, err := c.Decr(ctx, key, 1)
		return err
	}},
	{"IncrFrom", func(ctx context.Context, c *core.Cache, key string, _ any) error {
		_, err := c.IncrFrom(ctx, key, 1, 1, 0)
		return err
	}},
	{"DecrFrom", func(ctx context.Context, c *core.Cache, key string, _ any) error {
		_, err := c.DecrFrom(ctx, key, 1, 1, 0)
		return err
	}},
	{"Touch", func(ctx context.Context, c *core.Cache, key string, _ any) error { return c.Touch(ctx, key, longTTL) }},
	{"Delete", func(ctx context.Context, c *core.Cache, key string, _ any) error { return c.Delete(ctx, key) }},
	{"DeleteMulti", func(ctx context.Context, c *core.Cache, key string, _ any) error {
		return c.DeleteMulti(ctx, []string{key})
	}},
}

// keyError answers what a verb's error says of key.
func keyError(err error, key string) error {
	var multi *core.MultiError
	if errors.As(err, &multi) {
		return multi.Errors[key]
	}
	return err
}
