package memcachepure_test

import (
	"strings"
	"testing"

	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/encoding"
	"github.com/cachewire/cachewire/memcache/memcachetest"
)

// pythonClients is the beginning of a script: both Python clients, by the letter with which
// their keys begin.
const pythonClients = `
import sys, json, memcache, pylibmc
addr = sys.argv[1]
clients = {"m": memcache.Client([addr]), "l": pylibmc.Client([addr], binary=False)}
long = "grüße " * 1000
`

// Flags of the Python clients that package core does not use.
const flagPickle, flagLong = 1, 4

// The test covers every kind of value that the Python clients write, with its flags.
func TestGoReadsValuesOfPython(t *testing.T) {
	python := memcachetest.NeedPython(t, "memcache", "pylibmc")
	server := memcachetest.Start(t, nil)
	python.Run(t, pythonClients+`
for name, c in clients.items():
    assert c.set(name + "int", 42) and c.set(name + "negative", -7)
    assert c.set(name + "huge", 2**63 - 1)
    assert c.set(name + "str", "grüße") and c.set(name + "empty", "")
    assert c.set(name + "bytes", b"\x00\xff\r\n")
    assert c.set(name + "true", True)
    assert c.set(name + "float", 1.5) and c.set(name + "dict", {"a": 1})
    assert c.set(name + "none", None)
    assert c.set(name + "packedstr", long, min_compress_len=100)
    assert c.set(name + "packedbytes", long.encode(), min_compress_len=100)
    assert c.set(name + "json", json.dumps({"Name": "Ann", "Age": 40}))
    assert c.set(name + "count", 100) and c.decr(name + "count", 1) == 99
    assert c.set(name + "packeddict", {"a": long}, min_compress_len=100)
`, server.Addr())

	c := openCache(t, longTimeoutOptions, server.Addr())
	long := strings.Repeat("grüße ", 1000)
	type user struct {
		Name string
		Age  int
	}
	for _, client := range []struct {
		name, prefix string
		intFlag      uint32
		trueFlag     uint32
	}{
		{"python-memcached", "m", core.FlagInt, flagPickle},
		{"pylibmc", "l", flagLong, core.FlagInt},
	} {
		t.Run(client.name, func(t *testing.T) {
			c, err := c.WithPrefix(client.prefix)
			if err != nil {
				t.Fatal(err)
			}
			wantRead(t, c, encoding.Int[int64](), "int", 42, client.intFlag)
			wantRead(t, c, encoding.Int[int64](), "negative", -7, client.intFlag)
			wantRead(t, c, encoding.Int[int64](), "huge", 1<<63-1, client.intFlag)
			wantRead(t, c, encoding.Int[int64](), "count", 99, client.intFlag)
			wantRead(t, c, encoding.Text(), "str", "grüße", core.FlagText)
			wantRead(t, c, encoding.Text(), "empty", "", core.FlagText)
			wantRead(t, c, encoding.Text(), "packedstr", long, core.FlagText|core.FlagZlib)
			compressed := encoding.Compress(encoding.Text(), nil)
			wantRead(t, c, compressed, "packedstr", long, core.FlagText|core.FlagZlib)
			wantRead(t, c, encoding.JSON[user](), "json", user{"Ann", 40}, core.FlagText)
			for key, want := range map[string]string{"bytes": "\x00\xff\r\n", "packedbytes": long} {
				got, err := must(core.NewTyped(c, encoding.Bytes())).Get(t.Context(), key)
				if string(got) != want || err != nil {
					t.Errorf("%s is %.20q, %v; want %.20q", key, got, err, want)
				}
			}
			if client.trueFlag == core.FlagInt {
				wantRead(t, c, encoding.Int[int](), "true", 1, core.FlagInt)
			} else {
				wantPickle(t, c, "true", flagPickle)
			}
			for _, key := range []string{"float", "dict", "none"} {
				wantPickle(t, c, key, flagPickle)
			}
			wantPickle(t, c, "packeddict", flagPickle|core.FlagZlib)
		})
	}
}

// wantRead checks that codec reads want under key, and that the item has flags.
func wantRead[T comparable](
	t *testing.T, c *core.Cache, codec core.Codec[T], key string, want T, flags uint32,
) {
	t.Helper()
	if got, err := must(core.NewTyped(c, codec)).Get(t.Context(), key); got != want || err != nil {
		t.Errorf("%s is %.40v, %v; want %.40v", key, got, err, want)
	}
	if item, err := c.GetItem(t.Context(), key); item.Flags != flags || err != nil {
		t.Errorf("%s has flags %d, %v; want %d", key, item.Flags, err, flags)
	}
}

// wantPickle checks that the item under key has flags, and that reading it as JSON returns an
// error that names pickle.
func wantPickle(t *testing.T, c *core.Cache, key string, flags uint32) {
	t.Helper()
	if item, err := c.GetItem(t.Context(), key); item.Flags != flags || err != nil {
		t.Errorf("%s has flags %d, %v; want %d", key, item.Flags, err, flags)
	}
	_, err := must(core.NewTyped(c, encoding.JSON[any]())).Get(t.Context(), key)
	wantErr(t, err, core.ErrCodec)
	if !strings.Contains(err.Error(), "pickle") {
		t.Errorf("%s: error is %v, want one with pickle", key, err)
	}
}

func TestPythonReadsValuesOfGo(t *testing.T) {
	python := memcachetest.NeedPython(t, "memcache", "pylibmc")
	server := memcachetest.Start(t, nil)
	c := openCache(t, longTimeoutOptions, server.Addr())
	ctx := t.Context()
	store(t, c, encoding.Int[int64](), "int", -42)
	store(t, c, encoding.Int[uint64](), "big", 1<<63)
	store(t, c, encoding.Text(), "str", "grüße")
	long := strings.Repeat("grüße ", 1000)
	store(t, c, encoding.Text(), "packed", long)
	store(t, c, encoding.Compress(encoding.Text(), nil), "packedstr", long)
	store(t, c, encoding.Compress(encoding.Bytes(), nil), "packedbytes", []byte(long))
	store(t, c, encoding.Bytes(), "bytes", []byte("\x00\xff\r\n"))
	byJSON := encoding.JSON[map[string]int]()
	store(t, c, byJSON, "json", map[string]int{"a": 1})
	store(t, c, encoding.AsBytes(byJSON), "asbytes", map[string]int{"a": 1})
	set(t, c, "raw", "raw bytes")
	if _, err := c.IncrFrom(ctx, "count", 5, 94, 0); err != nil {
		t.Fatal(err)
	}
	const want = "-42 9223372036854775808 'grüße' True True True b'\\x00\\xff\\r\\n' {'a': 1} " +
		"b'{\"a\":1}' b'raw bytes' 99 98\n"
	got := python.Run(t, pythonClients+`
for c in clients.values():
    print(c.get("int"), c.get("big"), repr(c.get("str")),
        c.get("packed") == long, c.get("packedstr") == long,
        c.get("packedbytes") == long.encode(), c.get("bytes"), json.loads(c.get("json")),
        c.get("asbytes"), c.get("raw"), c.get("count"), c.decr("count", 1))
    c.incr("count", 1)
`, server.Addr())
	if got != want+want {
		t.Errorf("Python printed\n%swant\n%s", got, want+want)
	}
	wantRead(t, c, encoding.Int[int](), "count", 99, core.FlagInt)
}

// Gob stands for all codecs with flags that Python does not know.
func TestPythonDoesNotMistakeValuesWithOurFlags(t *testing.T) {
	python := memcachetest.NeedPython(t, "memcache", "pylibmc")
	server := memcachetest.Start(t, nil)
	c := openCache(t, longTimeoutOptions, server.Addr())
	store(t, c, encoding.Gob[int](), "gob", 53)
	got := python.Run(t, pythonClients+`
for name, c in clients.items():
    try:
        print(name, type(c.get("gob")).__name__)
    except ValueError:
        print(name, "ValueError")
`, server.Addr())
	if want := "m ValueError\nl bytes\n"; got != want {
		t.Errorf("Python printed %q, want %q", got, want)
	}
}

func store[T any](t *testing.T, c *core.Cache, codec core.Codec[T], key string, v T) {
	t.Helper()
	if err := must(core.NewTyped(c, codec)).Set(t.Context(), key, v, 0); err != nil {
		t.Fatal(err)
	}
}

// must returns v, and panics if there is an error.
func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}
