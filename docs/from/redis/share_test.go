package redis

import (
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/eko/gocache/lib/v4/cache"
	"github.com/eko/gocache/lib/v4/marshaler"
	redisstore "github.com/eko/gocache/store/redis/v4"
	goredis "github.com/go-redis/cache/v9"
	"github.com/redis/go-redis/v9"

	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/encoding"
	"github.com/cachewire/cachewire/encoding/msgpack"
	_ "github.com/cachewire/cachewire/redis"
	"github.com/cachewire/cachewire/redis/redistest"
)

type user struct{ Name string }

func start(t *testing.T) (*redis.Client, *core.Cache) {
	t.Helper()
	server := redistest.Start(t, nil)
	client := redis.NewClient(&redis.Options{Addr: server.Addr()})
	t.Cleanup(func() { client.Close() })
	ours, err := core.Open(t.Context(), "redis://"+server.Addr()+"?plain=true", nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ours.Close() })
	return client, ours
}

func typed[T any](t *testing.T, c *core.Cache, codec core.Codec[T]) *core.Typed[T] {
	t.Helper()
	users, err := core.NewTyped(c, codec)
	if err != nil {
		t.Fatal(err)
	}
	return users
}

func TestGocacheSharesTextInPlainMode(t *testing.T) {
	client, c := start(t)
	ctx := t.Context()
	theirs := cache.New[string](redisstore.NewRedis(client))
	ours := typed(t, c, encoding.JSON[user]())
	if err := theirs.Set(ctx, "user:1", `{"Name":"Ann"}`); err != nil {
		t.Fatal(err)
	}
	if u, err := ours.Get(ctx, "user:1"); u != (user{"Ann"}) || err != nil {
		t.Errorf("cachewire reads %v, %v", u, err)
	}
	if err := ours.Set(ctx, "user:2", user{"Bob"}, time.Minute); err != nil {
		t.Fatal(err)
	}
	text, err := theirs.Get(ctx, "user:2")
	var u user
	if err := errors.Join(err, json.Unmarshal([]byte(text), &u)); u != (user{"Bob"}) || err != nil {
		t.Errorf("gocache reads %q, %v", text, err)
	}
}

func TestTheMarshalerOfGocacheSharesMsgPackInPlainMode(t *testing.T) {
	client, c := start(t)
	ctx := t.Context()
	theirs := marshaler.New(cache.New[any](redisstore.NewRedis(client)))
	ours := typed(t, c, encoding.AsBytes(msgpack.Codec[user]()))
	if err := theirs.Set(ctx, "user:1", user{"Ann"}); err != nil {
		t.Fatal(err)
	}
	if u, err := ours.Get(ctx, "user:1"); u != (user{"Ann"}) || err != nil {
		t.Errorf("cachewire reads %v, %v", u, err)
	}
	if err := ours.Set(ctx, "user:2", user{"Bob"}, time.Minute); err != nil {
		t.Fatal(err)
	}
	var u user
	if _, err := theirs.Get(ctx, "user:2", &u); u != (user{"Bob"}) || err != nil {
		t.Errorf("gocache reads %v, %v", u, err)
	}
}

// Cachewire cannot read the structs of go-redis/cache, which end in a byte of its own.
func TestGoRedisCacheSharesStringsAndBytesInPlainMode(t *testing.T) {
	client, c := start(t)
	ctx := t.Context()
	theirs := goredis.New(&goredis.Options{Redis: client})
	ours := typed(t, c, encoding.Text())
	if err := theirs.Set(&goredis.Item{Key: "text", Value: "hello"}); err != nil {
		t.Fatal(err)
	}
	if v, err := ours.Get(ctx, "text"); v != "hello" || err != nil {
		t.Errorf("cachewire reads %q, %v", v, err)
	}
	if err := ours.Set(ctx, "text", "world", time.Minute); err != nil {
		t.Fatal(err)
	}
	var v string
	if err := theirs.Get(ctx, "text", &v); v != "world" || err != nil {
		t.Errorf("go-redis/cache reads %q, %v", v, err)
	}
	if err := theirs.Set(&goredis.Item{Key: "user", Value: user{"Ann"}}); err != nil {
		t.Fatal(err)
	}
	for name, codec := range map[string]core.Codec[user]{
		"JSON": encoding.JSON[user](), "MsgPack": msgpack.Codec[user](),
	} {
		if u, err := typed(t, c, codec).Get(ctx, "user"); !errors.Is(err, core.ErrCodec) {
			t.Errorf("%s: cachewire reads %v, %v; want ErrCodec", name, u, err)
		}
	}
}

// The facts about the other libraries that the page states.
func TestTheOtherLibrariesBehaveAsThePageSays(t *testing.T) {
	client, _ := start(t)
	ctx := t.Context()
	theirs := goredis.New(&goredis.Options{Redis: client})
	for _, value := range []string{"first", "second"} {
		if err := theirs.Set(&goredis.Item{Key: "once", Value: value, SetNX: true}); err != nil {
			t.Errorf("SetNX: %v, want nil whether or not it stores", err)
		}
	}
	var v string
	if err := theirs.Get(ctx, "once", &v); v != "first" || err != nil {
		t.Errorf("after SetNX twice: %q, %v", v, err)
	}
	if ttl := client.TTL(ctx, "once").Val(); ttl < 59*time.Minute || ttl > time.Hour {
		t.Errorf("TTL 0 of go-redis/cache is %v, want an hour", ttl)
	}
	if err := theirs.Set(&goredis.Item{Key: "negative", Value: "x", TTL: -1}); err != nil {
		t.Error(err)
	}
	if n := client.Exists(ctx, "negative").Val(); n != 0 {
		t.Error("a negative TTL of go-redis/cache is stored in Redis")
	}
	if err := theirs.Delete(ctx, "absent"); err != nil {
		t.Errorf("Delete of an absent key by go-redis/cache: %v", err)
	}

	bytes := cache.New[[]byte](redisstore.NewRedis(client))
	if err := bytes.Set(ctx, "bytes", []byte("value")); err != nil {
		t.Fatal(err)
	}
	if v, err := bytes.Get(ctx, "bytes"); v != nil || err != nil {
		t.Errorf("gocache reads bytes from Redis as %q, %v; the page says nil, nil", v, err)
	}
	if ttl := client.TTL(ctx, "bytes").Val(); ttl != -1 {
		t.Errorf("gocache without an expiration: TTL is %v, want none", ttl)
	}
	if err := bytes.Delete(ctx, "absent"); err != nil {
		t.Errorf("Delete of an absent key by gocache: %v", err)
	}
}
