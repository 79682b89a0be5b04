package conformance

import (
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net/url"
	"strings"

	"github.com/cachewire/cachewire/core"
)

// distinctKeys says that all keys can be stored, each with a value of its own,
// and read back one by one and at once.
func (e *env) distinctKeys(keys []string) {
	want := map[string]string{}
	for i, key := range keys {
		if _, twice := want[key]; twice {
			continue
		}
		want[key] = numbered("value ", i)
	}
	distinct := keysOf(want)
	const workers = 16 // over a network one by one would take long
	e.goAll(workers, func(w int) {
		for i := w; i < len(distinct); i += workers {
			e.must("Add "+show(distinct[i]), e.cache.Add(e.ctx, distinct[i], []byte(want[distinct[i]]), longTTL))
		}
	})
	e.goAll(workers, func(w int) {
		for i := w; i < len(distinct); i += workers {
			e.holds(distinct[i], want[distinct[i]])
		}
	})
	got, err := e.cache.GetMulti(e.ctx, keys)
	e.want("GetMulti", err, nil)
	e.sameValues("GetMulti", got, want)
	e.want("DeleteMulti", e.cache.DeleteMulti(e.ctx, keys[1:]), nil)
	e.holds(keys[0], want[keys[0]])
	e.want("Delete "+show(keys[0]), e.cache.Delete(e.ctx, keys[0]), nil)
	e.lacks(keys[0])
}

var keyCases = []testCase{
	{"key-bytes", "A key may be or hold any byte, and each makes another key.", func(e *env) {
		var keys []string
		for b := range 256 {
			keys = append(keys, string([]byte{byte(b)}), string([]byte{'a', byte(b), 'z'}))
		}
		e.distinctKeys(keys)
	}},
	{"key-protocol", "Spaces, line ends and the words of a protocol in a key are part of the key.", func(e *env) {
		e.set("victim", "v")
		e.distinctKeys([]string{
			" ", "  ", "a b", "a  b", " a b", "a b ", "a\tb", "a\nb", "a\r\nb", "\r\n", "\n", "\x00", "a\x00b", "\x7f",
			"x 0 0 1\r\nv\r\nflush_all", "\r\nflush_all\r\n", "delete victim", "x\r\ndelete victim\r\n", "get", "*1\r\n$8\r\nFLUSHALL\r\n",
		})
		e.holds("victim", "v")
	}},
	{"key-utf8", "Keys are bytes: text in any script, composed or not, and invalid UTF-8 are all apart.", func(e *env) {
		e.distinctKeys([]string{"ключ", "鍵", "🔑", "é", "e\u0301", "\u00a0", "\u2028", "\ufeffk", "k", "\ufffd", "\xff", "\xc3", "\xc3\x28", "İ", "i", "I", "ı"})
	}},
	{"key-lengths", "Keys of 1 to 65,536 bytes work, around memcached's 250 as well, and no two of them meet.", func(e *env) {
		var keys []string
		for _, n := range []int{1, 2, 200, 249, 250, 251, 252, 255, 256, 1024, 65535, core.MaxKeyLen} {
			keys = append(keys, strings.Repeat("k", n), strings.Repeat(" ", n))
		}
		e.distinctKeys(keys)

		long, err := e.cache.WithPrefix(strings.Repeat("p", core.MaxPrefixLen-len(e.prefix)))
		e.must("WithPrefix", err)
		longest := strings.Repeat("k", core.MaxKeyLen-1)
		for _, last := range []string{"1", "2"} {
			e.must("Add of the longest key there is", long.Add(e.ctx, longest+last, []byte(last), 0))
		}
		for _, last := range []string{"1", "2"} {
			if got, err := long.Get(e.ctx, longest+last); err != nil || string(got) != last {
				e.errorf("Get of the longest key there is: %s and error %v, want %q", show(string(got)), err, last)
			}
		}
	}},
	{"key-collide", "Keys that a careless encoding maps to one are apart.", func(e *env) {
		keys := []string{"Key", "key", "KEY", "a:b", "a::b", "a/b", "a_b", "a-b", "a+b", "a%b", "a\\b", "a.b", "ab", "key1", "key10", "key01"}
		long := strings.Repeat("long", 100)
		spaced := "a b"
		for _, key := range []string{spaced, "my key", long, long + "1", long + "2", "1" + long, "2" + long, long[:250], long[:250] + "x"} {
			sha, md, sha2 := sha1.Sum([]byte(key)), md5.Sum([]byte(key)), sha256.Sum256([]byte(key))
			keys = append(keys, key,
				strings.ReplaceAll(key, " ", "_"), strings.ReplaceAll(key, " ", ""), url.QueryEscape(key), url.PathEscape(key),
				base64.StdEncoding.EncodeToString([]byte(key)), base64.URLEncoding.EncodeToString([]byte(key)), base64.RawURLEncoding.EncodeToString([]byte(key)),
				hex.EncodeToString([]byte(key)), fmt.Sprintf("%q", key),
				hex.EncodeToString(sha[:]), hex.EncodeToString(md[:]), hex.EncodeToString(sha2[:]),
				base64.StdEncoding.EncodeToString(sha[:]), base64.RawURLEncoding.EncodeToString(sha[:]), string(sha[:]), string(md[:]))
		}
		e.distinctKeys(keys)
	}},
	{"key-verbs", "Every verb takes every key.", func(e *env) {
		for _, key := range []string{"a b\r\n", strings.Repeat("x", 251), "\x00", "ключ", strings.Repeat("\xff", core.MaxKeyLen)} {
			e.want("Replace", e.cache.Replace(e.ctx, key, []byte("v"), 0), core.ErrMiss)
			e.must("Add", e.cache.Add(e.ctx, key, []byte("1"), 0))
			n, err := e.cache.Incr(e.ctx, key, 2)
			e.moved("Incr", n, err, 3)
			n, err = e.cache.Decr(e.ctx, key, 1)
			e.moved("Decr", n, err, 2)
			n, err = e.cache.IncrFrom(e.ctx, key, 1, 0, 0)
			e.moved("IncrFrom", n, err, 3)
			e.must("Touch", e.cache.Touch(e.ctx, key, longTTL))
			item := e.item(key)
			if item.Key != key {
				e.errorf("GetItem: key %s, want %s", show(item.Key), show(key))
			}
			e.must("CompareAndSwap", e.cache.CompareAndSwap(e.ctx, swap(item, "swapped")))
			e.must("Replace", e.cache.Replace(e.ctx, key, []byte("replaced"), 0))
			e.holds(key, "replaced")
			e.must("CompareAndDelete", e.cache.CompareAndDelete(e.ctx, e.item(key)))
			e.want("Delete", e.cache.Delete(e.ctx, key), core.ErrMiss)
			e.failsFor("ReplaceMulti", e.cache.ReplaceMulti(e.ctx, map[string][]byte{key: nil}, 0), map[string]error{key: core.ErrMiss})
		}
	}},
}
