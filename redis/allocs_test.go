package redis_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/redis/rueidis"

	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/redis/redistest"
)

// The budgets of a verb are the allocations beyond those of rueidis for the same command, with a
// context that is never done and with one that can be cancelled. They include the value or its
// copy, unless rueidis makes it.
func TestVerbsAllocateLittleMoreThanRueidis(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	server := redistest.Start(t, nil)
	c := openCache(t, patient(server.Addr()))
	bare := clientOf(t, server.Addr())
	background := context.Background()
	value := []byte("value")
	set(t, c, "key", "value")
	set(t, c, "count", "1")
	keys, values, sets := []string{}, map[string][]byte{}, []core.Item{}
	for i := range 100 {
		keys = append(keys, fmt.Sprint("k", i))
		values[keys[i]] = value
		sets = append(sets, core.Item{Key: keys[i], Value: value})
	}
	wantErr(t, "SetMulti", c.SetMulti(background, values, 0), nil)
	server.Do("SET", "bare count", "1")
	do := func(cmd rueidis.Completed) {
		wantErr(t, "rueidis", bare.Do(background, cmd).Error(), nil)
	}
	for _, verb := range []struct {
		name  string
		bare  func()
		ours  func(ctx context.Context) error
		extra float64
	}{
		{"Get", func() { do(bare.B().Get().Key("key").Build()) },
			func(ctx context.Context) error { return second(c.Get(ctx, "key")) }, 0},
		{"GetItem", func() { do(bare.B().Get().Key("key").Build()) },
			func(ctx context.Context) error { return second(c.GetItem(ctx, "key")) }, 0},
		{"Set", func() { do(bare.B().Set().Key("key").Value("value").Build()) },
			func(ctx context.Context) error { return c.Set(ctx, "key", value, 0) }, 1},
		{"Set for an hour",
			func() { do(bare.B().Set().Key("key").Value("value").Px(time.Hour).Build()) },
			func(ctx context.Context) error { return c.Set(ctx, "key", value, time.Hour) }, 1},
		{"Touch", func() { do(bare.B().Pexpire().Key("key").Milliseconds(3600000).Build()) },
			func(ctx context.Context) error { return c.Touch(ctx, "key", time.Hour) }, 0},
		{"Delete", func() { do(bare.B().Unlink().Key("absent").Build()) },
			func(ctx context.Context) error { _ = c.Delete(ctx, "absent"); return nil }, 0},
		// The stamp.
		{"Incr", func() { do(bare.B().Incrby().Key("bare count").Increment(1).Build()) },
			func(ctx context.Context) error { return second(c.Incr(ctx, "count", 1)) }, 1},
	} {
		cancellable, cancel := context.WithCancel(background)
		defer cancel()
		wantErr(t, verb.name, verb.ours(cancellable), nil)
		budget := testing.AllocsPerRun(200, verb.bare) + verb.extra
		never := testing.AllocsPerRun(200,
			func() { wantErr(t, verb.name, verb.ours(background), nil) })
		can := testing.AllocsPerRun(200,
			func() { wantErr(t, verb.name, verb.ours(cancellable), nil) })
		t.Logf("%s: %v and %v allocations, budget %v", verb.name, never, can, budget)
		if never > budget || can > budget {
			t.Errorf("%s: %v allocations, with a cancellable context %v; want at most %v",
				verb.name, never, can, budget)
		}
	}
	// Per key of a multi verb.
	for _, verb := range []struct {
		name string
		ours func() error
		most float64
	}{
		{"GetItems", func() error { return second(c.GetItems(background, keys)) }, 2},
		{"StoreMulti", func() error { return c.StoreMulti(background, core.Set, sets) }, 2},
		{"DeleteMulti", func() error { return c.DeleteMulti(background, keys) }, 0.3},
	} {
		n := testing.AllocsPerRun(50, func() { wantErr(t, verb.name, verb.ours(), nil) }) / 100
		t.Logf("%s: %.2f allocations a key, want at most %v", verb.name, n, verb.most)
		if n > verb.most {
			t.Errorf("%s: %.2f allocations a key, want at most %v", verb.name, n, verb.most)
		}
	}
}
