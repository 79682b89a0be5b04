package conformance

import (
	"context"
	"errors"

	"github.com/cachewire/cachewire/core"
)

// A verb is a method of Cache that takes a key. The compare verbs also take token, the token
// of an item.
type verb struct {
	name string
	call func(ctx context.Context, c *core.Cache, key string, token any) error
}

// valuesFor returns the argument of a multi verb that stores under key.
func valuesFor(key string) map[string][]byte { return map[string][]byte{key: []byte("2")} }

// errKeyLeftOut means that the key is present, but a read of many keys returned neither its
// value nor its error.
var errKeyLeftOut = errors.New("the key is left out without an error")

// verbs are all verbs that take a key.
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
			return errKeyLeftOut
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
	{"SetMulti", func(ctx context.Context, c *core.Cache, key string, _ any) error {
		return c.SetMulti(ctx, valuesFor(key), 0)
	}},
	{"Replace", func(ctx context.Context, c *core.Cache, key string, _ any) error {
		return c.Replace(ctx, key, []byte("2"), 0)
	}},
	{"ReplaceMulti", func(ctx context.Context, c *core.Cache, key string, _ any) error {
		return c.ReplaceMulti(ctx, valuesFor(key), 0)
	}},
	{"Add", func(ctx context.Context, c *core.Cache, key string, _ any) error {
		return c.Add(ctx, key, []byte("2"), 0)
	}},
	{"AddMulti", func(ctx context.Context, c *core.Cache, key string, _ any) error {
		return c.AddMulti(ctx, valuesFor(key), 0)
	}},
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
	{"Touch", func(ctx context.Context, c *core.Cache, key string, _ any) error {
		return c.Touch(ctx, key, longTTL)
	}},
	{"Delete", func(ctx context.Context, c *core.Cache, key string, _ any) error {
		return c.Delete(ctx, key)
	}},
	{"DeleteMulti", func(ctx context.Context, c *core.Cache, key string, _ any) error {
		return c.DeleteMulti(ctx, []string{key})
	}},
}

// keyError returns the error for key in err, the error of a verb.
func keyError(err error, key string) error {
	var multi *core.MultiError
	if errors.As(err, &multi) {
		return multi.Errors[key]
	}
	return err
}
