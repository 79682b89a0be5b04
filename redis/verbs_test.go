package redis_test

import (
	"context"
	"testing"
	"time"

	"github.com/cachewire/cachewire/core"
)

// verbs are the verbs of a Cache, each on one key.
var verbs = []struct {
	name   string
	writes bool
	call   func(ctx context.Context, c *core.Cache, key string) error
}{
	{"Get", false, func(ctx context.Context, c *core.Cache, key string) error {
		return second(c.Get(ctx, key))
	}},
	{"GetItem", false, func(ctx context.Context, c *core.Cache, key string) error {
		return second(c.GetItem(ctx, key))
	}},
	{"GetMulti", false, func(ctx context.Context, c *core.Cache, key string) error {
		return keyError(second(c.GetMulti(ctx, []string{key, "other"})), key)
	}},
	{"TTL", false, func(ctx context.Context, c *core.Cache, key string) error {
		return second(c.TTL(ctx, key))
	}},
	{"Set", true, func(ctx context.Context, c *core.Cache, key string) error {
		return c.Set(ctx, key, []byte("1"), 0)
	}},
	{"Add", true, func(ctx context.Context, c *core.Cache, key string) error {
		return c.Add(ctx, key+" new", []byte("1"), time.Hour)
	}},
	{"Incr", true, func(ctx context.Context, c *core.Cache, key string) error {
		return second(c.Incr(ctx, key, 1))
	}},
	{"IncrFrom", true, func(ctx context.Context, c *core.Cache, key string) error {
		return second(c.IncrFrom(ctx, key, 1, 1, time.Hour))
	}},
	{"Touch", true, func(ctx context.Context, c *core.Cache, key string) error {
		return c.Touch(ctx, key, time.Hour)
	}},
	{"Touch with 0", true, func(ctx context.Context, c *core.Cache, key string) error {
		return c.Touch(ctx, key, 0)
	}},
	{"SetMulti", true, func(ctx context.Context, c *core.Cache, key string) error {
		values := map[string][]byte{key: []byte("1"), "other": nil}
		return keyError(c.SetMulti(ctx, values, 0), key)
	}},
	{"Delete", true, func(ctx context.Context, c *core.Cache, key string) error {
		return c.Delete(ctx, key)
	}},
	{"DeleteMulti", true, func(ctx context.Context, c *core.Cache, key string) error {
		return keyError(c.DeleteMulti(ctx, []string{key, "other"}), key)
	}},
	{"Ping", false, func(ctx context.Context, c *core.Cache, _ string) error {
		return c.Ping(ctx)
	}},
	{"Stats", false, func(ctx context.Context, c *core.Cache, _ string) error {
		return second(c.Stats(ctx))
	}},
	{"Flush", true, func(ctx context.Context, c *core.Cache, _ string) error {
		return c.Flush(ctx)
	}},
}

// wantAll checks the error of every verb.
func wantAll(t *testing.T, c *core.Cache, what string, target error) {
	t.Helper()
	for _, v := range verbs {
		wantErr(t, v.name+" "+what, v.call(t.Context(), c, "k"), target)
	}
}

// second returns the error of a verb.
func second[T any](_ T, err error) error { return err }
