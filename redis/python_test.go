package redis_test

import (
	"strings"
	"testing"
	"time"

	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/encoding"
	"github.com/cachewire/cachewire/redis/redistest"
)

// Aiocache has the commands that pycached and aiocache send: the key is the namespace, a colon
// and the key, and a serializer makes the value.
const aiocache = `
import sys, json, pickle, redis
r = redis.Redis(host=sys.argv[1].split(":")[0], port=int(sys.argv[1].split(":")[1]))
def key(k): return "main:" + k
def json_set(k, v, px=None): return r.set(key(k), json.dumps(v), px=px)
def str_set(k, v): return r.set(key(k), str(v))
def json_get(k): return json.loads(r.get(key(k)))
`

type user struct {
	Name string
	Age  int
}

func TestGoAndPythonShareValuesInPlainMode(t *testing.T) {
	t.Parallel()
	python := redistest.NeedPython(t, "redis")
	server := redistest.Start(t, nil)
	python.Run(t, aiocache+`
json_set("user", {"Name": "Ann", "Age": 40}, px=600000)
json_set("quoted", "grüße")
str_set("text", "grüße")
str_set("number", 41)
r.set(key("bytes"), b"\x00\xff\r\n")
r.set(key("pickle"), pickle.dumps({"a": 1}))
r.incrby(key("count"), 100)
r.hset(key("hash"), "field", "value")
`, server.Addr())

	opts := patient(server.Addr())
	opts.Plain = true
	c := must(openCache(t, opts).WithPrefix("main:"))
	ctx := t.Context()
	reads(t, c, encoding.JSON[user](), "user", user{"Ann", 40})
	reads(t, c, encoding.JSON[string](), "quoted", "grüße")
	reads(t, c, encoding.Text(), "text", "grüße")
	reads(t, c, encoding.Int[int](), "number", 41)
	wantValue(t, c, "bytes", "\x00\xff\r\n")
	_, err := must(core.NewTyped(c, encoding.JSON[any]())).Get(ctx, "pickle")
	wantErr(t, "Get of a pickle", err, core.ErrCodec)
	_, err = c.Get(ctx, "hash")
	wantErr(t, "Get of a hash", err, core.ErrCodec)
	if ttl, err := c.TTL(ctx, "user"); ttl < 9*time.Minute || ttl > 10*time.Minute || err != nil {
		t.Errorf("TTL: %v, %v", ttl, err)
	}
	if n, err := c.Incr(ctx, "count", 1); n != 101 || err != nil {
		t.Errorf("Incr: %d, %v", n, err)
	}

	writes(t, c, encoding.JSON[user](), "user", user{"Bob", 41})
	writes(t, c, encoding.Text(), "text", "hello")
	writes(t, c, encoding.Int[int](), "number", 7)
	wantErr(t, "Set", c.Set(ctx, "bytes", []byte{0, 255}, 0), nil)
	if _, err := c.IncrFrom(ctx, "from", 1, 1, time.Minute); err != nil {
		t.Error(err)
	}
	got := python.Run(t, aiocache+`
print(json_get("user"), r.get(key("text")).decode(), int(r.get(key("number"))), r.get(key("bytes")),
    r.incrby(key("count"), 1), r.incrby(key("from"), 1), 0 < r.pttl(key("from")) <= 60001)
`, server.Addr())
	want := `{'Name': 'Bob', 'Age': 41} hello 7 b'\x00\xff' 102 3 True`
	if strings.TrimSpace(got) != want {
		t.Errorf("Python reads\n%swant\n%s", got, want)
	}
}

// In the default mode Go reads what Python wrote, but not the other way round.
func TestGoReadsWhatPythonWroteInTheDefaultMode(t *testing.T) {
	t.Parallel()
	python := redistest.NeedPython(t, "redis")
	server := redistest.Start(t, nil)
	c := must(openCache(t, patient(server.Addr())).WithPrefix("main:"))
	writes(t, c, encoding.Text(), "go", "text")
	got := python.Run(t, aiocache+`
json_set("user", {"Name": "Ann", "Age": 40})
print(r.get(key("go"))[:3], r.get(key("go"))[15:])
`, server.Addr())
	if want := `b'\xf8cr' b'text'`; strings.TrimSpace(got) != want {
		t.Errorf("Python reads %s, want %s", got, want)
	}
	reads(t, c, encoding.JSON[user](), "user", user{"Ann", 40})
}

func reads[T comparable](t *testing.T, c *core.Cache, codec core.Codec[T], key string, want T) {
	t.Helper()
	if got, err := must(core.NewTyped(c, codec)).Get(t.Context(), key); got != want || err != nil {
		t.Errorf("%s is %v, %v; want %v", key, got, err, want)
	}
}

func writes[T any](t *testing.T, c *core.Cache, codec core.Codec[T], key string, v T) {
	t.Helper()
	wantErr(t, "Set "+key, must(core.NewTyped(c, codec)).Set(t.Context(), key, v, 0), nil)
}
