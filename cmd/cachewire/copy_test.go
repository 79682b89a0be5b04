package main_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/redis/redistest"
)

// fill stores n items with flags, half of them for an hour.
func fill(t *testing.T, cache *core.Cache, n int) {
	t.Helper()
	var items []core.Item
	for i := range n {
		key := fmt.Sprintf("key %d\n", i)
		item := core.Item{Key: key, Value: fmt.Append(nil, i), Flags: uint32(i)}
		if i%2 == 1 {
			item.TTL = time.Hour
		}
		items = append(items, item)
	}
	if err := cache.StoreMulti(t.Context(), core.Set, items); err != nil {
		t.Fatal(err)
	}
}

const copyTitle = "copied  present  gone  skipped  failed\n"

func TestCopyKeepsValuesFlagsAndTimesToLive(t *testing.T) {
	from, to := tool{t: t}.with(redisURL(t)), tool{t: t}.with(redisURL(t))
	const n = 200
	fill(t, from.cache(), n)
	c := from
	c.want(0, copyTitle+"200     0        0     0        0\n", "copy", "-", to.url())
	target := to.cache()
	for i := range n {
		key := fmt.Sprintf("key %d\n", i)
		item, err := target.GetItem(t.Context(), key)
		if err != nil || string(item.Value) != fmt.Sprint(i) || item.Flags != uint32(i) {
			t.Fatalf("%q: %q with flags %d, %v", key, item.Value, item.Flags, err)
		}
		ttl, err := target.TTL(t.Context(), key)
		switch {
		case err != nil:
			t.Fatal(err)
		case i%2 == 0 && ttl != core.Forever:
			t.Errorf("%q lives for %v, want no end", key, ttl)
		case i%2 == 1 && (ttl > time.Hour || ttl < 55*time.Minute):
			t.Errorf("%q lives for %v, want about an hour", key, ttl)
		}
	}
}

func (c tool) url() string { return strings.TrimPrefix(c.env[0], "CACHE_URL=") }

func TestCopyNeverOverwritesUnlessTold(t *testing.T) {
	from := tool{t: t}.with(redisURL(t))
	to := tool{t: t}.with(memcachedURL(t))
	from.want(0, "", "set", "a", "new")
	from.want(0, "", "set", "b", "new")
	to.want(0, "", "set", "a", "old")
	from.want(0, `{"copied":1,"failed":0,"gone":0,"present":1,"skipped":0}`+"\n",
		"copy", "-", to.url(), "-json")
	to.want(0, "a\told\nb\tnew\n", "get", "a", "b")
	from.want(0, copyTitle+"2       0        0     0        0\n",
		"copy", "-", to.url(), "-overwrite")
	to.want(0, "new", "get", "a")
}

func TestCopyOfAPrefixBetweenPrefixes(t *testing.T) {
	t.Parallel()
	from, to := tool{t: t}.with(redisURL(t)), tool{t: t}.with(redisURL(t))
	from.want(0, "", "set", "app:user:1", "v")
	from.want(0, "", "set", "app:page", "v")
	from.want(0, "", "set", "user:2", "v")
	from.want(0, copyTitle+"1       0        0     0        0\n",
		"copy", from.url()+"?prefix=app:", to.url()+"?prefix=new:", "user:")
	to.want(0, "new:user:1\n", "keys")
}

func TestCopyGoesOnAfterItsJournal(t *testing.T) {
	from, to := tool{t: t}.with(redisURL(t)), tool{t: t}.with(redisURL(t))
	journal := filepath.Join(t.TempDir(), "journal")
	for i := range 3 {
		from.want(0, "", "set", fmt.Sprintf("k%d\xff", i), "v")
	}
	from.want(0, copyTitle+"3       0        0     0        0\n",
		"copy", "-", to.url(), "-journal", journal)
	// An interrupted copy has copied fewer keys, and may have written a part of a line.
	text, err := os.ReadFile(journal)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.SplitAfter(string(text), "\n")
	part := lines[0] + lines[1] + lines[2][:3]
	if err := os.WriteFile(journal, []byte(part), 0o600); err != nil {
		t.Fatal(err)
	}
	to.want(0, "", "flush", "-yes")
	from.want(0, copyTitle+"2       0        0     1        0\n",
		"copy", "-", to.url(), "-journal", journal)
	from.want(0, copyTitle+"0       0        0     3        0\n",
		"copy", "-", to.url(), "-journal", journal)
	from.wantCopyError(2, "not about this copy", to.url(), "-", "-journal", journal)
}

// wantCopyError runs copy with args and checks the error.
func (c tool) wantCopyError(status int, text string, args ...string) {
	c.t.Helper()
	if r := c.run(append([]string{"copy"}, args...)...); r.status != status ||
		!strings.Contains(r.stderr, text) {
		c.t.Errorf("copy %q: %+v; want exit status %d and %q", args, r, status, text)
	}
}

func TestCopyReportsKeysThatFailAndCopiesTheOthers(t *testing.T) {
	from := tool{t: t}.with(redisURL(t))
	to := tool{t: t}.with(redisURL(t) + "?max_value=1024")
	from.reading(strings.Repeat("x", 2000)).want(0, "", "set", "large")
	from.want(0, "", "set", "small", "v")
	from.wantCopyError(3, "large: value too large", "-", to.url())
	to.want(0, "small\n", "keys")
}

func TestCopyStopsIfACacheCannotBeReached(t *testing.T) {
	from, dead := tool{t: t}.with(redisURL(t)), redistest.Start(t, nil)
	from.want(0, "", "set", "k", "v")
	dead.Kill()
	to := "redis://" + dead.Addr() + "?timeout=200ms"
	from.wantCopyError(3, "goes on", "-", to)
	from.wantCopyError(3, "unavailable", to, "-")
}

func TestCopyRefusesWhatItCannotDo(t *testing.T) {
	c := tool{t: t}
	c.wantCopyError(3, "cannot list its keys", memcachedURL(t), "memory://")
	c.wantCopyError(2, "two URLs", "memory://")
	c.wantCopyError(2, "not a URL", "memory://", "k")
	c.wantCopyError(2, "time to live", "memory://", "memory://", "-ttl", "0s")
}
