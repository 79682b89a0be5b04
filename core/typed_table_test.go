package core_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/cachewire/cachewire/core"
)

// jsonCodec is a Codec for JSON, as most programs use.
type jsonCodec[T any] struct{}

func (jsonCodec[T]) Append(dst []byte, v T) ([]byte, uint32, error) {
	data, err := json.Marshal(v)
	return append(dst, data...), core.FlagText, err
}

func (jsonCodec[T]) Decode(data []byte, flags uint32) (T, error) {
	var v T
	if flags != core.FlagText {
		return v, fmt.Errorf("flags are %d, want %d", flags, core.FlagText)
	}
	return v, json.Unmarshal(data, &v)
}

// stringCodec is a Codec of strings that can neither encode unencodable nor decode
// undecodable. With the error, it returns a part of a value.
type stringCodec struct{}

const (
	unencodable = "unencodable"
	undecodable = "undecodable"
)

var (
	errUnencodable = errors.New("cannot be encoded")
	errUndecodable = errors.New("cannot be decoded")
)

func (stringCodec) Append(dst []byte, v string) ([]byte, uint32, error) {
	if v == unencodable {
		return append(dst, "half of it"...), 77, errUnencodable
	}
	return append(dst, v...), core.FlagText, nil
}

func (stringCodec) Decode(data []byte, _ uint32) (string, error) {
	if string(data) == undecodable {
		return "half of it", errUndecodable
	}
	return string(data), nil
}

// A failingCodec is a Codec that fails with err.
type failingCodec[T any] struct{ err error }

func (c failingCodec[T]) Append(dst []byte, _ T) ([]byte, uint32, error) { return dst, 0, c.err }

func (c failingCodec[T]) Decode([]byte, uint32) (T, error) {
	var zero T
	return zero, c.err
}

// A typedVerb is a method of Typed, for tests of rules that apply to every verb.
type typedVerb struct {
	name string
	call func(ctx context.Context, c typedStrings, key, value string, ttl time.Duration) error
}

type typedStrings = *core.Typed[string]

// typedVerbs are all verbs of Typed. The compare verbs have a token that no backend has made.
var typedVerbs = []typedVerb{
	{
		"Get",
		func(ctx context.Context, c typedStrings, key, _ string, _ time.Duration) error {
			_, err := c.Get(ctx, key)
			return err
		},
	},
	{
		"GetItem",
		func(ctx context.Context, c typedStrings, key, _ string, _ time.Duration) error {
			_, err := c.GetItem(ctx, key)
			return err
		},
	},
	{
		"GetMulti",
		func(ctx context.Context, c typedStrings, key, _ string, _ time.Duration) error {
			_, err := c.GetMulti(ctx, []string{key})
			return err
		},
	},
	{
		"Set",
		func(ctx context.Context, c typedStrings, key, value string, ttl time.Duration) error {
			return c.Set(ctx, key, value, ttl)
		},
	},
	{
		"SetMulti",
		func(ctx context.Context, c typedStrings, key, value string, ttl time.Duration) error {
			return c.SetMulti(ctx, map[string]string{key: value}, ttl)
		},
	},
	{
		"Add",
		func(ctx context.Context, c typedStrings, key, value string, ttl time.Duration) error {
			return c.Add(ctx, key, value, ttl)
		},
	},
	{
		"AddMulti",
		func(ctx context.Context, c typedStrings, key, value string, ttl time.Duration) error {
			return c.AddMulti(ctx, map[string]string{key: value}, ttl)
		},
	},
	{
		"Replace",
		func(ctx context.Context, c typedStrings, key, value string, ttl time.Duration) error {
			return c.Replace(ctx, key, value, ttl)
		},
	},
	{
		"ReplaceMulti",
		func(ctx context.Context, c typedStrings, key, value string, ttl time.Duration) error {
			return c.ReplaceMulti(ctx, map[string]string{key: value}, ttl)
		},
	},
	{
		"CompareAndSwap",
		func(ctx context.Context, c typedStrings, key, value string, ttl time.Duration) error {
			return c.CompareAndSwap(ctx, core.TypedItem[string]{
				Key: key, Value: value, TTL: ttl, Token: new(int),
			})
		},
	},
	{
		"CompareAndDelete",
		func(ctx context.Context, c typedStrings, key, _ string, _ time.Duration) error {
			return c.CompareAndDelete(ctx, core.TypedItem[string]{Key: key, Token: new(int)})
		},
	},
	{
		"Delete",
		func(ctx context.Context, c typedStrings, key, _ string, _ time.Duration) error {
			return c.Delete(ctx, key)
		},
	},
	{
		"DeleteMulti",
		func(ctx context.Context, c typedStrings, key, _ string, _ time.Duration) error {
			return c.DeleteMulti(ctx, []string{key})
		},
	},
	{
		"Incr",
		func(ctx context.Context, c typedStrings, key, _ string, _ time.Duration) error {
			_, err := c.Incr(ctx, key, 1)
			return err
		},
	},
	{
		"Decr",
		func(ctx context.Context, c typedStrings, key, _ string, _ time.Duration) error {
			_, err := c.Decr(ctx, key, 1)
			return err
		},
	},
	{
		"IncrFrom",
		func(ctx context.Context, c typedStrings, key, _ string, ttl time.Duration) error {
			_, err := c.IncrFrom(ctx, key, 1, 0, ttl)
			return err
		},
	},
	{
		"DecrFrom",
		func(ctx context.Context, c typedStrings, key, _ string, ttl time.Duration) error {
			_, err := c.DecrFrom(ctx, key, 1, 0, ttl)
			return err
		},
	},
	{
		"Touch",
		func(ctx context.Context, c typedStrings, key, _ string, ttl time.Duration) error {
			return c.Touch(ctx, key, ttl)
		},
	},
	{
		"Exists",
		func(ctx context.Context, c typedStrings, key, _ string, _ time.Duration) error {
			_, err := c.Exists(ctx, key)
			return err
		},
	},
	{
		"TTL",
		func(ctx context.Context, c typedStrings, key, _ string, _ time.Duration) error {
			_, err := c.TTL(ctx, key)
			return err
		},
	},
}

// eachTypedVerb runs test for every verb.
func eachTypedVerb(t *testing.T, test func(t *testing.T, v typedVerb)) {
	t.Helper()
	for _, v := range typedVerbs {
		t.Run(v.name, func(t *testing.T) { test(t, v) })
	}
}

type user struct {
	Name string
	Age  int
}
