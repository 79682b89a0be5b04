package core_test

import (
	"context"
	"net/url"
	"testing"

	"github.com/cachewire/cachewire/core"
)

func TestDriverAndURLSayWhereACacheCameFrom(t *testing.T) {
	var r core.Registry
	r.Register("mem", driverFunc(func(context.Context, *url.URL) (core.Backend, error) {
		return newBackend(), nil
	}))
	opened, err := r.Open(t.Context(),
		"mem://user:S3CRET@host:1?size=2&prefix=a:&token=S3CRET", nil)
	wantErr(t, err, nil)
	defer opened.Close()
	prefixed := must(opened.WithPrefix("b:"))
	for _, c := range []*core.Cache{opened, prefixed} {
		if got, want := c.URL(), "mem://xxxxx@host:1?size=2&prefix=a:&token=xxxxx"; got != want {
			t.Errorf("%s: URL = %q, want %q", c.Name(), got, want)
		}
		if got, want := c.Driver(), "core_test"; got != want {
			t.Errorf("%s: Driver = %q, want %q", c.Name(), got, want)
		}
	}
	if got := open(t, newBackend(), nil).URL(); got != "" {
		t.Errorf("URL of a Cache by New = %q, want none", got)
	}
}

// A hook gets the length of the values of verbs on many keys, as they are stored.
func TestOpHasTheBytesOfManyValues(t *testing.T) {
	var ops []core.Op
	hook := &recorder{after: func(_ context.Context, op *core.Op) { ops = append(ops, *op) }}
	c := open(t, newBackend(), &core.Options{Hooks: []core.Hook{hook}})
	typed := must(core.NewTyped(c, stringCodec{}))
	ctx := t.Context()
	_ = c.SetMulti(ctx, map[string][]byte{"a": []byte("12345"), "b": []byte("678")}, 0)
	_ = c.StoreMulti(ctx, core.Set, []core.Item{{Key: "c", Value: []byte("90")}, {Key: ""}})
	_ = typed.SetMulti(ctx, map[string]string{"d": "1234", "e": "5"}, 0)
	_, _ = c.GetMulti(ctx, []string{"a", "c", "absent", "a"})
	_, _ = c.GetItems(ctx, []string{"b"})
	_, _ = typed.GetMulti(ctx, []string{"d", "e"})
	_ = c.DeleteMulti(ctx, []string{"a"})
	_, _ = c.Get(ctx, "b")
	want := []int{8, 2, 5, 7, 3, 5, 0, 0}
	if len(ops) != len(want) {
		t.Fatalf("the hook got %d ops, want %d", len(ops), len(want))
	}
	for i, op := range ops {
		if op.Bytes != want[i] {
			t.Errorf("verb %d, %s: Bytes = %d, want %d", i, op.Verb, op.Bytes, want[i])
		}
	}
}
