package memcachemeta_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/memcache/memcachetest"
)

// memcached would delete the old item if it were sent a new one that is too large, even by an Add.
func TestValueThatDoesNotFitLeavesTheOldOne(t *testing.T) {
	server := memcachetest.Start(t, nil)
	c := openCache(t, longTimeoutOptions, server.Addr())
	ctx := t.Context()
	set(t, c, "k", "old")
	item, err := c.GetItem(ctx, "k")
	wantErr(t, err, nil)
	item.Value = make([]byte, 2<<20)
	large := map[string][]byte{"k": item.Value, "small": []byte("s")}
	wantErr(t, c.Set(ctx, "k", item.Value, 0), core.ErrTooLarge)
	wantErr(t, c.Add(ctx, "k", item.Value, 0), core.ErrTooLarge)
	wantErr(t, c.Replace(ctx, "k", item.Value, 0), core.ErrTooLarge)
	wantErr(t, c.CompareAndSwap(ctx, item), core.ErrTooLarge)
	var multi *core.MultiError
	err = c.SetMulti(ctx, large, 0)
	if !errors.As(err, &multi) || len(multi.Errors) != 1 ||
		!errors.Is(multi.Errors["k"], core.ErrTooLarge) {
		t.Errorf("SetMulti: error is %v, want ErrTooLarge for k alone", err)
	}
	wantValue(t, c, "k", "old")
	wantValue(t, c, "small", "s")
}

// The longest value that the server stores is stored, and one byte more is not sent.
func TestLongestValueIsThatOfTheServer(t *testing.T) {
	for _, args := range [][]string{nil, {"-I", "8m", "-m", "64"}} {
		server := memcachetest.Start(t, &memcachetest.Options{Args: args})
		c := openCache(t, longTimeoutOptions, server.Addr())
		limit := 1 << 20
		if args != nil {
			limit = 8 << 20
		}
		for _, flags := range []uint32{0, core.FlagText} {
			low, high := 0, limit // the longest that fits is in [low, high)
			for high-low > 1 {
				n := (low + high) / 2
				item := core.Item{Key: "k", Value: make([]byte, n), Flags: flags}
				switch err := c.Store(t.Context(), core.Set, item); {
				case err == nil:
					low = n
				case errors.Is(err, core.ErrTooLarge):
					high = n
				default:
					t.Fatal(err)
				}
			}
			item := fmt.Sprintf("ms k %d F%d\r\n%s", high, flags, strings.Repeat("x", high))
			if got := server.Do(item); !strings.HasPrefix(got, "SERVER_ERROR object too large") {
				t.Errorf("a value of %d bytes was refused, but the server says %q", high, got)
			}
		}
	}
}

func TestLongValuesAreRead(t *testing.T) {
	server := memcachetest.Start(t, &memcachetest.Options{Args: []string{"-I", "8m", "-m", "64"}})
	c := openCache(t, longTimeoutOptions, server.Addr())
	var earlier, copied []byte // a value, which must not change when the next one is read
	for _, n := range []int{
		16<<10 - 40, 16 << 10, 64<<10 - 3, 64<<10 - 2, 64<<10 - 1, 64 << 10, 128<<10 - 2,
		128<<10 - 1, 1<<20 - 1, 1<<20 + 1, 7 << 20,
	} {
		want := strings.Repeat(fmt.Sprintf("%016d", n), n/16+1)[:n]
		set(t, c, "long", want)
		set(t, c, "short", "s")
		wantValue(t, c, "long", want)
		values, err := c.GetMulti(t.Context(), []string{"short", "long", "absent"})
		if len(values) != 2 || string(values["long"]) != want ||
			string(values["short"]) != "s" || err != nil {
			t.Errorf("GetMulti with a value of %d bytes returned %d values, %v; want 2 values",
				n, len(values), err)
		}
		if string(earlier) != string(copied) {
			t.Errorf("the value of %d bytes has changed", len(earlier))
		}
		earlier, copied = values["long"], bytes.Clone(values["long"])
	}
}

func TestTTLIsThatOfTheItem(t *testing.T) {
	server := memcachetest.Start(t, nil)
	c := openCache(t, longTimeoutOptions, server.Addr())
	for _, ttl := range []time.Duration{0, time.Second, time.Hour, 29 * 24 * time.Hour,
		31 * 24 * time.Hour} {
		wantErr(t, c.Set(t.Context(), "k", nil, ttl), nil)
		got, err := c.TTL(t.Context(), "k")
		if ttl == 0 {
			if got != core.Forever || err != nil {
				t.Errorf("TTL of an item that never expires = %v, %v", got, err)
			}
		} else if got < ttl-time.Second || got > ttl+c.Traits().Resolution || err != nil {
			t.Errorf("TTL after a Set with %v = %v, %v", ttl, got, err)
		}
	}
	_, err := c.TTL(t.Context(), "absent")
	wantErr(t, err, core.ErrMiss)
	server.Do("set soon 0 1 1\r\nx") // expires within a second
	if got, err := c.TTL(t.Context(), "soon"); err == nil && got != time.Second {
		t.Errorf("TTL of an item that expires within a second = %v", got)
	}
}

// A tier needs the items and how long they have left, in the time of one round trip.
func TestItemsAreReadWithTheirTTLs(t *testing.T) {
	const roundTrip = 100 * time.Millisecond
	proxy := memcachetest.StartProxy(t, memcachetest.Start(t, nil).Addr(), nil)
	b := openBackend(t, longTimeoutOptions, proxy.Addr())
	t.Cleanup(func() { b.Close() })
	var keys []string
	for i := range 250 { // three chunks
		item := core.Item{Key: fmt.Sprint(i), Value: fmt.Append(nil, i), Flags: uint32(i)}
		if i%2 == 1 {
			item.TTL = time.Hour
		}
		wantErr(t, b.Store(t.Context(), core.Set, item), nil)
		keys = append(keys, item.Key, fmt.Sprint("absent-", i))
	}
	proxy.Set(&memcachetest.ProxyOptions{RoundTrip: roundTrip})
	var items []core.Item
	var one core.Item
	var err error
	for verb, read := range map[string]func(){
		"GetItemsTTL": func() { items, err = b.GetItemsTTL(t.Context(), keys) },
		"GetItemTTL":  func() { one, err = b.GetItemTTL(t.Context(), "7") },
	} {
		least := time.Hour // of three times, for a machine that is busy now and then
		for range 3 {
			start := time.Now()
			read()
			least = min(least, time.Since(start))
			wantErr(t, err, nil)
		}
		if least > 2*roundTrip {
			t.Errorf("%s took %v, want one round trip of %v", verb, least, roundTrip)
		}
	}
	if len(items) != 250 {
		t.Errorf("GetItemsTTL returned %d items, want 250", len(items))
	}
	proxy.Set(nil)
	for _, item := range append(items, one) {
		i, want := int(item.Flags), time.Duration(0)
		if i%2 == 1 {
			want = time.Hour
		}
		if item.Key != fmt.Sprint(i) || string(item.Value) != item.Key ||
			item.TTL > want+b.Traits().Resolution || item.TTL < want-time.Minute ||
			want == 0 && item.TTL != 0 {
			t.Errorf("the item with flags %d is %q = %q for %v", i, item.Key, item.Value, item.TTL)
		}
	}
	wantErr(t, b.Store(t.Context(), core.CompareAndSwap, one), nil)
	for _, item := range items { // their tokens are good as well, but that of one is used
		want := error(nil)
		if item.Key == one.Key {
			want = core.ErrConflict
		}
		wantErr(t, b.Store(t.Context(), core.CompareAndSwap, item), want)
	}
}

// A server with -C has no CAS ids: md with C0 would delete whatever is there.
func TestCompareVerbsNeedCASIDs(t *testing.T) {
	server := memcachetest.Start(t, &memcachetest.Options{Args: []string{"-C"}})
	c := openCache(t, longTimeoutOptions, server.Addr())
	set(t, c, "k", "v")
	item, err := c.GetItem(t.Context(), "k")
	wantErr(t, err, nil)
	wantErr(t, c.CompareAndDelete(t.Context(), item), errors.ErrUnsupported)
	wantErr(t, c.CompareAndSwap(t.Context(), item), errors.ErrUnsupported)
	wantValue(t, c, "k", "v")
}

// The two servers give out the same numbers as tokens.
func TestTokenOfAnotherCacheOrKeyIsAConflict(t *testing.T) {
	a := openCache(t, longTimeoutOptions, memcachetest.Start(t, nil).Addr())
	b := openCache(t, longTimeoutOptions, memcachetest.Start(t, nil).Addr())
	for _, c := range []*core.Cache{a, b} {
		set(t, c, "k", "v")
		set(t, c, "l", "v")
	}
	item, err := a.GetItem(t.Context(), "k")
	wantErr(t, err, nil)
	item.Value = []byte("new")
	wantErr(t, b.CompareAndSwap(t.Context(), item), core.ErrConflict)
	wantErr(t, b.CompareAndDelete(t.Context(), item), core.ErrConflict)
	wantValue(t, b, "k", "v")
	item.Key = "l"
	wantErr(t, a.CompareAndSwap(t.Context(), item), core.ErrConflict)
	item.Key = "k"
	wantErr(t, a.CompareAndSwap(t.Context(), item), nil)
}

// With an empty key, or one with a space, a part of the request would be another one.
func TestInvalidKeyFailsAloneAndIsNotSent(t *testing.T) {
	opts := *longTimeoutOptions
	opts.Keys = func(key string) (string, error) { return strings.TrimPrefix(key, "x:"), nil }
	c := openCache(t, &opts, memcachetest.Start(t, nil).Addr())
	set(t, c, "k", "v")
	for _, key := range []string{"x:", "x:a b", "x:a\r\nflush_all", strings.Repeat("k", 251)} {
		wantErr(t, c.Set(t.Context(), key, []byte("flush_all\r\n"), 0), core.ErrInvalidKey)
		got, err := c.GetMulti(t.Context(), []string{key, "k"})
		var multi *core.MultiError
		if !errors.As(err, &multi) || len(multi.Errors) != 1 || string(got["k"]) != "v" {
			t.Errorf("GetMulti = %q, %v; want the value of k, and an error for %q", got, err, key)
		}
		err = c.SetMulti(t.Context(), map[string][]byte{key: nil, "k": []byte("v")}, 0)
		if !errors.As(err, &multi) || len(multi.Errors) != 1 {
			t.Errorf("SetMulti: error is %v, want one for %q", err, key)
		}
	}
}

// Each chunk of a multi verb is a request, and each key is requested once.
func TestMultiVerbsOfManyKeys(t *testing.T) {
	servers := memcachetest.StartN(t, 3, nil)
	c := openCache(t, longTimeoutOptions, servers.Addrs()...)
	ctx := t.Context()
	var keys []string
	values := map[string][]byte{}
	for i := range 2500 {
		keys = append(keys, fmt.Sprint("key-", i))
		values[keys[i]] = fmt.Append(nil, "value-", i)
	}
	wantErr(t, c.SetMulti(ctx, values, 0), nil)
	wantErr(t, c.DeleteMulti(ctx, keys[1000:1500]), nil)
	got, err := c.GetMulti(ctx, keys)
	if wantErr(t, err, nil); len(got) != 2000 {
		t.Errorf("GetMulti returned %d values, want 2000", len(got))
	}
	for key, value := range got {
		if string(value) != string(values[key]) {
			t.Errorf("%s is %q", key, value)
		}
	}
	err = c.AddMulti(ctx, values, 0)
	var multi *core.MultiError
	if !errors.As(err, &multi) || len(multi.Errors) != 2000 ||
		multi.Errors["key-0"] != core.ErrExists || multi.Errors["key-1200"] != nil {
		t.Errorf("AddMulti: error is %.200v, want ErrExists for the 2000 that were present", err)
	}
}

func TestCountersAreExact(t *testing.T) {
	c := openCache(t, longTimeoutOptions, memcachetest.Start(t, nil).Addr())
	for _, n := range []uint64{0, 1, math.MaxInt64, math.MaxInt64 + 1, math.MaxUint64 - 1} {
		set(t, c, "n", fmt.Sprint(n))
		if got, err := c.Incr(t.Context(), "n", 1); got != n+1 || err != nil {
			t.Errorf("Incr of %d = %d, %v", n, got, err)
		}
		if got, err := c.Decr(t.Context(), "n", math.MaxUint64); got != 0 || err != nil {
			t.Errorf("Decr to 0 = %d, %v", got, err)
		}
	}
}

func TestVerbsAllocateLittle(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	c := openCache(t, longTimeoutOptions, memcachetest.Start(t, nil).Addr())
	ctx := context.Background()
	value := []byte("value")
	set(t, c, "key", "value")
	set(t, c, "count", "1")
	for _, verb := range []struct {
		name   string
		budget float64
		call   func() error
	}{
		{"Get", 2, func() error { _, err := c.Get(ctx, "key"); return err }},
		{"Set", 1, func() error { return c.Set(ctx, "key", value, 0) }},
		{"Incr", 2, func() error { _, err := c.Incr(ctx, "count", 1); return err }},
		{"Touch", 1, func() error { return c.Touch(ctx, "key", 0) }},
	} {
		n := testing.AllocsPerRun(200, func() { wantErr(t, verb.call(), nil) })
		if n > verb.budget {
			t.Errorf("%s: %v allocations, want at most %v", verb.name, n, verb.budget)
		}
	}
}
