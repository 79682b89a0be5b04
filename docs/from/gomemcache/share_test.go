package gomemcache

import (
	"fmt"
	"strings"
	"testing"

	gomemcache "github.com/bradfitz/gomemcache/memcache"

	"github.com/cachewire/cachewire/core"
	_ "github.com/cachewire/cachewire/memcache-pure"
	"github.com/cachewire/cachewire/memcache/memcachetest"
)

// With hash=modula, a program that uses gomemcache and one that uses cachewire find each other's
// items on several servers, with their flags, and count in the same counters.
func TestBothProgramsShareItemsAndCounters(t *testing.T) {
	addrs := memcachetest.StartN(t, 3, nil).Addrs()
	theirs := gomemcache.New(addrs...)
	ours, err := core.Open(t.Context(), "memcache://"+strings.Join(addrs, ",")+"?hash=modula", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer ours.Close()
	ctx := t.Context()
	for i := range 50 {
		key, value := fmt.Sprintf("key:%d", i), fmt.Sprintf("value %d", i)
		stored := &gomemcache.Item{Key: key, Value: []byte(value), Flags: 77}
		if err := theirs.Set(stored); err != nil {
			t.Fatal(err)
		}
		item, err := ours.GetItem(ctx, key)
		if string(item.Value) != value || item.Flags != 77 || err != nil {
			t.Fatalf("%s: cachewire reads %q with flags %d, %v", key, item.Value, item.Flags, err)
		}
		item.Value = []byte("new " + value)
		if err := ours.CompareAndSwap(ctx, item); err != nil {
			t.Fatal(err)
		}
		back, err := theirs.Get(key)
		if err != nil || string(back.Value) != "new "+value || back.Flags != 77 {
			t.Fatalf("%s: gomemcache reads %+v, %v", key, back, err)
		}
		counter := fmt.Sprintf("count:%d", i)
		if _, err := ours.IncrFrom(ctx, counter, 1, 0, 0); err != nil {
			t.Fatal(err)
		}
		if n, err := theirs.Increment(counter, 1); n != 2 || err != nil {
			t.Fatalf("%s: gomemcache counts %d, %v", counter, n, err)
		}
		if n, err := ours.Incr(ctx, counter, 1); n != 3 || err != nil {
			t.Fatalf("%s: cachewire counts %d, %v", counter, n, err)
		}
	}
}

func TestTheClientUnderneathAppends(t *testing.T) {
	ctx := t.Context()
	cache, err := core.Open(ctx, "memcache://"+memcachetest.Start(t, nil).Addr(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer cache.Close()
	if err := cache.Set(ctx, "log", []byte("one"), 0); err != nil {
		t.Fatal(err)
	}

	var mc *gomemcache.Client
	if cache.As(&mc) {
		err = mc.Append(&gomemcache.Item{Key: "log", Value: []byte(" two")})
	}

	if err != nil {
		t.Fatal(err)
	}
	if v, err := cache.Get(ctx, "log"); string(v) != "one two" || err != nil {
		t.Errorf("Get returned %q, %v", v, err)
	}
}
