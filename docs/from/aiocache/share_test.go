package aiocache

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/encoding"
	"github.com/cachewire/cachewire/encoding/msgpack"
	_ "github.com/cachewire/cachewire/memcache-pure"
	"github.com/cachewire/cachewire/memcache/memcachetest"
	"github.com/cachewire/cachewire/patterns"
	_ "github.com/cachewire/cachewire/redis"
	"github.com/cachewire/cachewire/redis/redistest"
)

type user struct {
	Name string `json:"name"`
}

func open(t *testing.T, url string) *core.Cache {
	t.Helper()
	cache, err := core.Open(t.Context(), url, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cache.Close() })
	return cache
}

func typed[T any](t *testing.T, c *core.Cache, codec core.Codec[T]) *core.Typed[T] {
	t.Helper()
	users, err := core.NewTyped(c, codec)
	if err != nil {
		t.Fatal(err)
	}
	return users
}

// commands has the commands that aiocache and pycached send to Redis for a cache with the
// namespace main.
const commands = `
import sys, json, uuid, redis
host, port = sys.argv[1].split(":")
r = redis.Redis(host=host, port=int(port))

def key(k): return "main:" + k

def cas(k, value, token):
    return r.eval("""if redis.call('get', KEYS[1]) == ARGV[2] then
        return redis.call('set', KEYS[1], ARGV[1]) else return 0 end""", 1, key(k), value, token)

def lock(k, value):
    return r.set(key(k + "-lock"), value, nx=True, ex=60)

def unlock(k, value):
    return r.eval("""if redis.call('get', KEYS[1]) == ARGV[1] then
        return redis.call('del', KEYS[1]) else return 0 end""", 1, key(k + "-lock"), value)
`

func TestBothShareItemsOnRedis(t *testing.T) {
	python := redistest.NeedPython(t, "redis")
	server := redistest.Start(t, nil)
	c := open(t, "redis://"+server.Addr()+"?plain=true&prefix=main:")
	ctx := t.Context()
	python.Run(t, commands+`
r.setex(key("user:7"), 60, json.dumps({"name": "Ann"}))
r.set(key("text"), "grüße")
r.set(key("packed"), bytes([0x81, 0xa4]) + b"Name" + bytes([0xa3]) + b"Ann") # {"Name": "Ann"}
r.incrby(key("views"), 3)
r.incrby(key("below"), -3)
`, server.Addr())
	users := typed(t, c, encoding.JSON[user]())
	if u, err := users.Get(ctx, "user:7"); u != (user{"Ann"}) || err != nil {
		t.Errorf("user:7 is %v, %v", u, err)
	}
	if ttl, err := c.TTL(ctx, "user:7"); ttl <= 50*time.Second || ttl > time.Minute || err != nil {
		t.Errorf("TTL of user:7 is %v, %v", ttl, err)
	}
	if v, err := typed(t, c, encoding.Text()).Get(ctx, "text"); v != "grüße" || err != nil {
		t.Errorf("text is %q, %v", v, err)
	}
	packed := typed(t, c, encoding.AsBytes(msgpack.Codec[user]()))
	if v, err := packed.Get(ctx, "packed"); v.Name != "Ann" || err != nil {
		t.Errorf("packed is %v, %v", v, err)
	}
	if n, err := c.Incr(ctx, "views", 1); n != 4 || err != nil {
		t.Errorf("Incr returned %d, %v", n, err)
	}
	if _, err := c.Incr(ctx, "below", 1); !errors.Is(err, core.ErrNotNumber) {
		t.Errorf("Incr of a negative number: %v", err)
	}
	if err := users.Set(ctx, "user:8", user{"Bob"}, time.Minute); err != nil {
		t.Fatal(err)
	}
	if err := packed.Set(ctx, "packed:8", user{"Bob"}, time.Minute); err != nil {
		t.Fatal(err)
	}
	got := python.Run(t, commands+`
print(json.loads(r.get(key("user:8")))["name"], r.ttl(key("user:8")) > 50,
    r.incrby(key("views"), 1), r.get(key("packed:8")))
`, server.Addr())
	if strings.TrimSpace(got) != `Bob True 5 b'\x81\xa4Name\xa3Bob'` {
		t.Errorf("Python prints %q", got)
	}
}

// OptimisticLock of Python and the compare verbs of Go notice what the other has changed.
func TestBothNoticeChangesOnRedis(t *testing.T) {
	python := redistest.NeedPython(t, "redis")
	server := redistest.Start(t, nil)
	c := open(t, "redis://"+server.Addr()+"?plain=true&prefix=main:")
	ctx := t.Context()
	if err := c.Set(ctx, "k", []byte("one"), 0); err != nil {
		t.Fatal(err)
	}
	item, err := c.GetItem(ctx, "k")
	if err != nil {
		t.Fatal(err)
	}
	changes := `print(cas("k", "two", "one") != 0, cas("k", "x", "one") != 0)`
	if got := python.Run(t, commands+changes, server.Addr()); got != "True False\n" {
		t.Errorf("Python prints %q", got)
	}
	item.Value = []byte("three")
	if err := c.CompareAndSwap(ctx, item); !errors.Is(err, core.ErrConflict) {
		t.Errorf("CompareAndSwap: %v, want ErrConflict", err)
	}
}

// RedLock of Python and a OnePass exclude each other in both modes of the driver, and each removes
// only its own lock.
func TestBothShareLocksOnRedis(t *testing.T) {
	python := redistest.NeedPython(t, "redis")
	server := redistest.Start(t, nil)
	run := func(program, want string) {
		t.Helper()
		if got := python.Run(t, commands+program, server.Addr()); got != want {
			t.Errorf("Python prints %q, want %q", got, want)
		}
	}
	plain := lockOf(t, "redis://"+server.Addr()+"?plain=true", "plain-lock")
	header := lockOf(t, "redis://"+server.Addr(), "header-lock")
	releasePlain, releaseHeader := plain(nil), header(nil)
	run(`for name in "plain", "header": print(lock(name, "mine"), unlock(name, "mine"))`,
		"None 0\nNone 0\n")
	releasePlain()
	releaseHeader()
	run(`for name in "plain", "header": print(lock(name, "mine"))`, "True\nTrue\n")
	plain(patterns.ErrHeld)
	header(patterns.ErrHeld)
	run(`for name in "plain", "header": print(unlock(name, "mine"))`, "1\n1\n")
	plain(nil)()
	header(nil)()
}

// lockOf returns a function that tries to get the lock with this key, like a program on url. It
// returns a function that releases the lock.
func lockOf(t *testing.T, url, key string) func(want error) (release func()) {
	t.Helper()
	cache := open(t, url)

	pass, err := patterns.NewOnePass(cache, &patterns.OnePassOptions{Prefix: "main:"})

	if err != nil {
		t.Fatal(err)
	}
	return func(want error) func() {
		t.Helper()
		lease, err := pass.Try(t.Context(), key)
		if !errors.Is(err, want) {
			t.Fatalf("Try of %s: %v, want %v", key, err, want)
		}
		return func() {
			if err := lease.Release(t.Context()); err != nil {
				t.Error(err)
			}
		}
	}
}

// Aiocache stores values on memcached with the flags 0, and refuses to read any others. Its keys
// are the namespace and the key, with nothing between them.
func TestBothShareValuesOnMemcached(t *testing.T) {
	python := memcachetest.NeedPython(t, "memcache")
	server := memcachetest.Start(t, nil)
	c := open(t, "memcache://"+server.Addr()+"?prefix=main")
	ctx := t.Context()
	python.Run(t, `
import sys, json, memcache
memcache.Client(sys.argv[1:]).set("mainuser:7", json.dumps({"name": "Ann"}).encode())
`, server.Addr())
	item, err := c.GetItem(ctx, "user:7")
	if item.Flags != core.FlagBytes || err != nil {
		t.Fatalf("Python stored flags %d, %v", item.Flags, err)
	}

	users := typed(t, c, encoding.AsBytes(encoding.JSON[user]()))

	if u, err := users.Get(ctx, "user:7"); u != (user{"Ann"}) || err != nil {
		t.Errorf("user:7 is %v, %v", u, err)
	}
	if err := users.Set(ctx, "bytes", user{"Ann"}, 0); err != nil {
		t.Fatal(err)
	}
	text := typed(t, c, encoding.JSON[user]())
	if err := text.Set(ctx, "text", user{"Ann"}, 0); err != nil {
		t.Fatal(err)
	}
	if _, err := c.IncrFrom(ctx, "count", 1, 0, 0); err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string]uint32{
		"text": core.FlagText, "count": core.FlagInt, "bytes": core.FlagBytes,
	} {
		if item, err := c.GetItem(ctx, key); item.Flags != want || err != nil {
			t.Errorf("%s has the flags %d, %v; want %d", key, item.Flags, err, want)
		}
	}
}
