package main_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/encoding"
	"github.com/cachewire/cachewire/encoding/msgpack"
	"github.com/cachewire/cachewire/encoding/zstd"
	"github.com/cachewire/cachewire/redis/redistest"
)

func TestVerbsDoWhatTheContractSays(t *testing.T) {
	eachServer(t, func(t *testing.T, c tool) {
		c.want(1, "", "get", "k")
		c.want(1, "", "replace", "k", "v")
		c.want(0, "", "set", "k", "v")
		c.want(0, "v", "get", "k")
		c.want(1, "", "add", "k", "w")
		c.want(0, "", "replace", "k", "w")
		c.want(0, "w", "get", "k")
		c.want(0, "", "touch", "k", "-ttl", "1h")
		c.want(0, "", "del", "k")
		c.want(1, "", "del", "k")
		c.want(1, "", "touch", "k")
		c.want(1, "", "incr", "n")
		c.want(0, "15\n", "incr", "n", "5", "-from", "10")
		c.want(0, "16\n", "incr", "n")
		c.want(0, "0\n", "decr", "n", "20")
		c.want(0, "", "add", "a", "-file", "main.go")
		source, err := os.ReadFile("main.go")
		if err != nil {
			t.Fatal(err)
		}
		c.want(0, string(source), "get", "a")
		c.want(0, "", "flush", "-yes")
		c.want(1, "", "get", "a")
	})
}

func TestAValueIsReadFromStandardInputAsItIs(t *testing.T) {
	eachServer(t, func(t *testing.T, c tool) {
		binary := "\x00\xff\n\r\ttext\n"
		c.reading(binary).want(0, "", "set", "k")
		c.want(0, binary, "get", "k")
		c.want(0, `{"key":"k","found":true,"kind":"bytes","base64":"AP8KDQl0ZXh0Cg=="}`+"\n",
			"get", "k", "-json")
		c.reading("").want(0, "", "set", "empty")
		c.want(0, "", "get", "empty")
	})
}

func TestManyKeysComeInTheirOrderAndAMissSetsTheStatus(t *testing.T) {
	eachServer(t, func(t *testing.T, c tool) {
		c.want(0, "", "set", "a", "1")
		c.want(0, "", "set", "b", "line\nbreak")
		c.want(0, "b\t\"line\\nbreak\"\na\t1\n", "get", "b", "a")
		c.want(1, "a\t1\n", "get", "a", "none")
		c.want(1, `{"key":"none","found":false}`+"\n"+
			`{"key":"a","found":true,"kind":"bytes","value":"1"}`+"\n",
			"get", "none", "a", "--json")
		c.want(1, `{"key":"a","result":"deleted"}`+"\n"+`{"key":"x","result":"absent"}`+"\n",
			"del", "-json", "a", "x")
	})
}

func TestArgumentsAfterTwoHyphensAreNoFlags(t *testing.T) {
	c := tool{t: t}.with(redisURL(t))
	c.want(0, "", "set", "-ttl", "1h", "--", "-k", "-json")
	c.want(0, "-json", "get", "--", "-k")
}

func TestTTLOnRedis(t *testing.T) {
	c := tool{t: t}.with(redisURL(t))
	c.want(0, "", "set", "k", "v")
	c.want(0, "", "set", "short", "v", "-ttl", "1h")
	c.want(1, "k\tforever\n", "ttl", "k", "none")
	r := c.run("ttl", "short")
	left, err := time.ParseDuration(strings.TrimSpace(strings.TrimPrefix(r.stdout, "short\t")))
	if err != nil || left > time.Hour+time.Millisecond || left < 58*time.Minute {
		t.Errorf("ttl: %q, want about an hour", r.stdout)
	}
	c.want(0, "", "touch", "short", "-ttl", "forever")
	c.want(0, `{"key":"short","found":true,"ttl":"forever"}`+"\n", "ttl", "short", "-json")
	c.wantError(2, "time to live", "set", "k", "v", "-ttl", "-5s")
	c.wantError(2, "time to live", "touch", "k", "-ttl", "soon")
}

func TestTTLOnMemcachedIsUnsupported(t *testing.T) {
	c := tool{t: t}.with(memcachedURL(t))
	c.want(0, "", "set", "k", "v")
	c.wantError(3, "unsupported", "ttl", "k")
	c.wantError(3, "cannot list its keys", "keys")
}

func TestKeysAreThoseOfThePrefix(t *testing.T) {
	url := redisURL(t)
	c := tool{t: t}.with(url)
	c.want(0, "", "keys")
	c.want(0, "", "set", "app:user:1", "v")
	c.want(0, "", "set", "app:line\n", "v")
	c.want(0, "", "set", "other", "v")
	c.want(0, "app:user:1\n", "keys", "app:u")
	c = c.with(url + "?prefix=app:")
	c.want(0, "user:1\n", "keys", "user")
	c.want(0, "\"line\\n\"\n", "keys", "l")
	c.want(0, `{"key":"line\n"}`+"\n", "keys", "l", "-json")
	c.want(0, "", "flush", "-yes")
	c.want(0, "other\n", "keys", url)
}

func TestFlushWithoutYesNeedsATerminal(t *testing.T) {
	eachServer(t, func(t *testing.T, c tool) {
		c.want(0, "", "set", "k", "v")
		c.reading("y\n").wantError(2, "-yes", "flush")
		c.want(0, "v", "get", "k")
	})
}

// cacheAt opens the cache in CACHE_URL of c.
func (c tool) cache() *core.Cache {
	c.t.Helper()
	cache, err := core.Open(c.t.Context(), strings.TrimPrefix(c.env[0], "CACHE_URL="), nil)
	if err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(func() { cache.Close() })
	return cache
}

// store stores v by the codec.
func store[T any](c tool, codec core.Codec[T], key string, v T) {
	c.t.Helper()
	typed, err := core.NewTyped(c.cache(), codec)
	if err != nil {
		c.t.Fatal(err)
	}
	if err := typed.Set(c.t.Context(), key, v, 0); err != nil {
		c.t.Fatal(err)
	}
}

func TestGetReadsWhatTheCodecsStore(t *testing.T) {
	eachServer(t, func(t *testing.T, c tool) {
		long := strings.Repeat("long ", 1000)
		store(c, encoding.Text(), "text", "häuser")
		store(c, encoding.Int[int](), "int", -7)
		store(c, encoding.JSON[map[string]int](), "json", map[string]int{"a": 1})
		store[any](c, msgpack.Codec[any](), "msgpack", map[string]any{"n": 5, "b": []byte{1}})
		store(c, encoding.Compress(encoding.Text(), nil), "zlib", long)
		store(c, encoding.Compress(encoding.Text(),
			&encoding.CompressOptions{With: zstd.New()}), "zstd", long)
		enveloped := encoding.Envelope(encoding.Text(), core.Traits{})
		store(c, enveloped, "envelope", encoding.Enveloped[string]{Value: "inside",
			Facts: encoding.Facts{Fresh: time.Unix(1e9, 0)}})
		store(c, encoding.Gob[[]int](), "gob", []int{1})

		c.want(0, "häuser", "get", "text")
		c.want(0, "-7", "get", "int")
		c.want(0, `{"a":1}`, "get", "json", "-as", "json")
		c.want(0, `{"b":"AQ==","n":5}`, "get", "msgpack")
		c.want(0, long, "get", "zlib")
		c.want(0, long, "get", "zstd")
		c.want(0, "inside", "get", "envelope")
		c.wantError(3, "a gob can only be read", "get", "gob")
		c.wantError(3, "not UTF-8", "get", "gob", "-as", "text")
		c.wantError(3, "as int", "get", "text", "-as", "int")
		c.want(0, `{"key":"msgpack","found":true,"kind":"msgpack","value":{"b":"AQ==","n":5}}`+"\n",
			"get", "msgpack", "-json")
		if r := c.run("get", "zlib", "-as", "raw"); len(r.stdout) >= len(long) || r.status != 0 {
			t.Errorf("-as raw: %d bytes, want less than %d", len(r.stdout), len(long))
		}
		c.wantError(2, "-as", "get", "text", "-as", "yaml")
	})
}

func TestSetStoresWhatTheCodecsRead(t *testing.T) {
	eachServer(t, func(t *testing.T, c tool) {
		c.want(0, "", "set", "text", "häuser", "-as", "text")
		c.want(0, "", "set", "int", "42", "-as", "int")
		c.want(0, "", "set", "json", `{"a": 1}`, "-as", "json")
		c.want(0, "", "set", "msgpack", `{"a": [18446744073709551615, 1.5, null]}`,
			"-as", "msgpack")
		c.wantError(2, "JSON", "set", "json", `{"a": 1}{`, "-as", "json")
		c.wantError(2, "integer", "set", "int", "x", "-as", "int")
		c.wantError(2, "UTF-8", "set", "text", "\xff", "-as", "text")

		text, err := core.NewTyped(c.cache(), encoding.Text())
		if err != nil {
			t.Fatal(err)
		}
		if v, err := text.Get(t.Context(), "text"); v != "häuser" || err != nil {
			t.Errorf("text: %q, %v", v, err)
		}
		item, err := c.cache().GetItem(t.Context(), "int")
		if string(item.Value) != "42" || item.Flags != core.FlagInt || err != nil {
			t.Errorf("int: %q with the flags %d, %v", item.Value, item.Flags, err)
		}
		c.want(0, `{"a":[18446744073709551615,1.5,null]}`, "get", "msgpack")
		item, err = c.cache().GetItem(t.Context(), "msgpack")
		if item.Flags != encoding.FlagMsgPack {
			t.Errorf("msgpack: flags %d, %v", item.Flags, err)
		}
	})
}

func TestCASStoresWhatACommandMakesOfTheValue(t *testing.T) {
	eachServer(t, func(t *testing.T, c tool) {
		c.want(1, "", "cas", "k", "-ttl", "1h", "--", "tr", "a-z", "A-Z")
		c.want(0, "", "set", "k", "hello", "-as", "text")
		c.want(0, "", "cas", "k", "-ttl", "1h", "--", "tr", "a-z", "A-Z")
		c.want(0, "HELLO", "get", "k")
		item, err := c.cache().GetItem(t.Context(), "k")
		if err != nil || item.Flags != core.FlagText {
			t.Errorf("flags %d, %v; want those of text", item.Flags, err)
		}
		c.wantError(3, "nothing is stored", "cas", "k", "-ttl", "1h", "--", "false")
		c.want(0, "HELLO", "get", "k")
		c.want(0, `{"key":"k","result":"unchanged"}`+"\n",
			"cas", "k", "-ttl", "1h", "-json", "--", "cat")
	})
}

func TestCASKeepsTheFlagsOfAKindThatTheUserNames(t *testing.T) {
	c := tool{t: t}.with(redisURL(t))
	codec := encoding.AsBytes(msgpack.Codec[any]())
	store[any](c, codec, "k", map[string]any{"n": "old"})
	c.want(0, "", "cas", "k", "-as", "msgpack", "--", "sed", "s/old/new/")
	c.want(0, `{"n":"new"}`, "get", "k", "-as", "msgpack")
	if item, err := c.cache().GetItem(t.Context(), "k"); err != nil || item.Flags != 0 {
		t.Errorf("flags %d, %v; want the 0 of before", item.Flags, err)
	}
}

func TestCASDetectsAChangeMeanwhile(t *testing.T) {
	eachServer(t, func(t *testing.T, c tool) {
		c.want(0, "", "set", "k", "old")
		r := c.run("cas", "k", "-ttl", "1h", "--", "sh", "-c", binary+" set k other; echo mine")
		if r.status != 1 || !strings.Contains(r.stderr, "changed") {
			t.Errorf("exit status %d, %q; want 1 and changed", r.status, r.stderr)
		}
		c.want(0, "other", "get", "k")
	})
}

func TestCASRunsTheEditorAndKeepsTheTTL(t *testing.T) {
	editor := filepath.Join(t.TempDir(), "editor")
	script := "#!/bin/sh\nprintf ' and more' >> \"$1\"\n"
	if err := os.WriteFile(editor, []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	c := tool{t: t}.with(redisURL(t), "EDITOR="+editor)
	c.want(0, "", "set", "k", "text", "-ttl", "1h")
	c.want(0, "", "cas", "k")
	c.want(0, "text and more", "get", "k")
	if ttl, err := c.cache().TTL(t.Context(), "k"); ttl > time.Hour || ttl < 50*time.Minute {
		t.Errorf("TTL after cas: %v, %v; want about an hour", ttl, err)
	}
	c.with(c.env[0][len("CACHE_URL="):]).wantError(2, "editor", "cas", "k")
}

func TestCASOnMemcachedNeedsATTL(t *testing.T) {
	c := tool{t: t}.with(memcachedURL(t))
	c.want(0, "", "set", "k", "v")
	c.wantError(2, "give -ttl", "cas", "k", "--", "cat")
}

func TestStatsPingAndDrivers(t *testing.T) {
	eachServer(t, func(t *testing.T, c tool) {
		c.want(0, "", "set", "k", "v")
		c.want(0, "v", "get", "k")
		r := c.run("stats", "-json")
		if !strings.Contains(r.stdout, `"items":1`) || r.status != 0 {
			t.Errorf("stats: %+v", r)
		}
		if r := c.run("stats"); !strings.HasPrefix(r.stdout, "items        1\n") {
			t.Errorf("stats: %+v", r)
		}
		r = c.run("ping")
		if took, err := time.ParseDuration(strings.TrimSpace(r.stdout)); err != nil || took <= 0 {
			t.Errorf("ping: %+v", r)
		}
	})
	c := tool{t: t}
	c.want(0, "memcache\nmemcache+meta\nmemcache+pooled\nmemory\nnull\n"+
		"redis\nrediss\ntiered\nvalkey\nvalkeys\n", "drivers")
}

func TestADeadServerIsAFailure(t *testing.T) {
	server := redistest.Start(t, nil)
	c := tool{t: t}.with("redis://" + server.Addr() + "?timeout=200ms")
	server.Kill()
	c.wantError(3, "unavailable", "get", "k")
	c.wantError(3, "unavailable", "set", "k", "v")
	c.wantError(3, "unavailable", "ping")
}
