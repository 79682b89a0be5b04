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

// checkDistinctKeys stores a different value under each of keys. It checks that they can be
// read and deleted, one at a time and in one call.
func (e *env) checkDistinctKeys(keys []string) {
	want := map[string]string{}
	for i, key := range keys {
		if _, twice := want[key]; twice {
			continue
		}
		want[key] = numbered("value ", i)
	}
	distinct := keysOf(want)
	const workers = 16 // one at a time would take long over a network
	e.inParallel(workers, func(w int) {
		for i := w; i < len(distinct); i += workers {
			key := distinct[i]
			e.must("Add "+quote(key), e.cache.Add(e.ctx, key, []byte(want[key]), longTTL))
		}
	})
	e.inParallel(workers, func(w int) {
		for i := w; i < len(distinct); i += workers {
			e.wantValue(distinct[i], want[distinct[i]])
		}
	})
	got, err := e.cache.GetMulti(e.ctx, keys)
	e.want("GetMulti", err, nil)
	e.wantValues("GetMulti", got, want)
	e.want("DeleteMulti", e.cache.DeleteMulti(e.ctx, keys[1:]), nil)
	e.wantValue(keys[0], want[keys[0]])
	e.want("Delete "+quote(keys[0]), e.cache.Delete(e.ctx, keys[0]), nil)
	e.wantMiss(keys[0])
}

var keyCases = []testCase{
	{
		id:   "key-bytes",
		rule: "A key may contain any byte, and different bytes make different keys.",
		run: func(e *env) {
			var keys []string
			for b := range 256 {
				keys = append(keys, string([]byte{byte(b)}), string([]byte{'a', byte(b), 'z'}))
			}
			e.checkDistinctKeys(keys)
		},
	},
	{
		id:   "key-protocol",
		rule: "Spaces, line ends and the words of a protocol are ordinary parts of a key.",
		run: func(e *env) {
			e.set("victim", "v")
			e.checkDistinctKeys([]string{
				" ", "  ", "a b", "a  b", " a b", "a b ", "a\tb", "a\nb", "a\r\nb", "\r\n", "\n",
				"\x00", "a\x00b", "\x7f", "x 0 0 1\r\nv\r\nflush_all", "\r\nflush_all\r\n",
				"delete victim", "x\r\ndelete victim\r\n", "get", "*1\r\n$8\r\nFLUSHALL\r\n",
			})
			e.wantValue("victim", "v")
		},
	},
	{
		id: "key-utf8",
		rule: "Keys are bytes: texts in any script, composed or not, and invalid UTF-8 are " +
			"different keys.",
		run: func(e *env) {
			e.checkDistinctKeys([]string{
				"ключ", "鍵", "🔑", "é", "e\u0301", "\u00a0", "\u2028", "\ufeffk", "k",
				"\ufffd", "\xff", "\xc3", "\xc3\x28", "İ", "i", "I", "ı",
			})
		},
	},
	{
		id: "key-lengths",
		rule: "Keys of 1 to 65,536 bytes work and stay different, including those near " +
			"memcached's limit of 250 bytes.",
		run: func(e *env) {
			var keys []string
			for _, n := range []int{
				1, 2, 200, 249, 250, 251, 252, 255, 256, 1024, 65535, core.MaxKeyLen,
			} {
				keys = append(keys, strings.Repeat("k", n), strings.Repeat(" ", n))
			}
			e.checkDistinctKeys(keys)

			long, err := e.cache.WithPrefix(strings.Repeat("p", core.MaxPrefixLen-len(e.prefix)))
			e.must("WithPrefix", err)
			longest := strings.Repeat("k", core.MaxKeyLen-1)
			for _, last := range []string{"1", "2"} {
				e.must("Add of the longest key", long.Add(e.ctx, longest+last, []byte(last), 0))
			}
			for _, last := range []string{"1", "2"} {
				if got, err := long.Get(e.ctx, longest+last); err != nil || string(got) != last {
					e.errorf("Get of the longest key: %s and error %v, want %q",
						quote(string(got)), err, last)
				}
			}
		},
	},
	{
		id:   "key-collide",
		rule: "Keys that a careless encoding would make equal are different.",
		run: func(e *env) {
			keys := []string{
				"Key", "key", "KEY", "a:b", "a::b", "a/b", "a_b", "a-b", "a+b", "a%b", "a\\b",
				"a.b", "ab", "key1", "key10", "key01", "/", "//", "a/", "a//b",
				"a/b/", "/a/b", "a//",
				"./a", "../a", "a/./b", "a/../b", "a", "b", "a ", "b ", "a/b ", "a\x00",
				"ключ", "КЛЮЧ",
				"é", "É", "e\u0301", "\ufb01", "fi", "K", "\u212a", "\u00c5", "A\u030a", "\u212b",
				"a\xff", "a\xfe", "a\ufffd", "a\xc3", "a\xed\xa0\x80", "a\xf0\x9f",
				"a?b", "a#b", "a&b",
			}
			long := strings.Repeat("long", 100)
			spaced := "a b"
			for _, key := range []string{
				spaced, "my key", long, long + "1", long + "2", "1" + long, "2" + long,
				long[:250], long[:250] + "x",
			} {
				b := []byte(key)
				sha, md, sha2 := sha1.Sum(b), md5.Sum(b), sha256.Sum256(b)
				keys = append(keys, key,
					strings.ReplaceAll(key, " ", "_"),
					strings.ReplaceAll(key, " ", ""),
					url.QueryEscape(key),
					url.PathEscape(key),
					base64.StdEncoding.EncodeToString(b),
					base64.URLEncoding.EncodeToString(b),
					base64.RawURLEncoding.EncodeToString(b),
					hex.EncodeToString(b),
					fmt.Sprintf("%q", key),
					hex.EncodeToString(sha[:]),
					hex.EncodeToString(md[:]),
					hex.EncodeToString(sha2[:]),
					base64.StdEncoding.EncodeToString(sha[:]),
					base64.RawURLEncoding.EncodeToString(sha[:]),
					string(sha[:]),
					string(md[:]))
			}
			e.checkDistinctKeys(keys)
		},
	},
	{
		id:   "key-verbs",
		rule: "Every verb accepts every key.",
		run: func(e *env) {
			for _, key := range []string{
				"a b\r\n", strings.Repeat("x", 251), "\x00", "ключ",
				strings.Repeat("\xff", core.MaxKeyLen),
			} {
				e.want("Replace", e.cache.Replace(e.ctx, key, []byte("v"), 0), core.ErrMiss)
				e.must("Add", e.cache.Add(e.ctx, key, []byte("1"), 0))
				n, err := e.cache.Incr(e.ctx, key, 2)
				e.wantNumber("Incr", n, err, 3)
				n, err = e.cache.Decr(e.ctx, key, 1)
				e.wantNumber("Decr", n, err, 2)
				n, err = e.cache.IncrFrom(e.ctx, key, 1, 0, 0)
				e.wantNumber("IncrFrom", n, err, 3)
				e.must("Touch", e.cache.Touch(e.ctx, key, longTTL))
				item := e.item(key)
				if item.Key != key {
					e.errorf("GetItem: key %s, want %s", quote(item.Key), quote(key))
				}
				e.must("CompareAndSwap", e.cache.CompareAndSwap(e.ctx, withValue(item, "swapped")))
				e.must("Replace", e.cache.Replace(e.ctx, key, []byte("replaced"), 0))
				e.wantValue(key, "replaced")
				e.must("CompareAndDelete", e.cache.CompareAndDelete(e.ctx, e.item(key)))
				e.want("Delete", e.cache.Delete(e.ctx, key), core.ErrMiss)
				e.wantFailures("ReplaceMulti",
					e.cache.ReplaceMulti(e.ctx, map[string][]byte{key: nil}, 0),
					map[string]error{key: core.ErrMiss})
			}
		},
	},
}
