package core_test

import (
	"io"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cachewire/cachewire/core"
)

func TestNilAndEmptyAreTheSameValueAndAHit(t *testing.T) {
	c := open(t, newBackend(), nil)
	for _, value := range [][]byte{nil, {}} {
		wantErr(t, c.Set(t.Context(), "k", value, 0), nil)
		got, err := c.Get(t.Context(), "k")
		if len(got) != 0 || err != nil {
			t.Errorf("Get = %q, %v; want a hit", got, err)
		}
		if ok, err := c.Exists(t.Context(), "k"); !ok || err != nil {
			t.Errorf("Exists = %t, %v; want true", ok, err)
		}
	}
}

func TestStoreVerbsObserveTheirConditions(t *testing.T) {
	ctx := t.Context()
	c := open(t, newBackend(), nil)
	if err := c.Replace(ctx, "k", []byte("1"), 0); err != core.ErrMiss {
		t.Errorf("Replace of an absent key: error is %v, want a miss", err)
	}
	wantErr(t, c.Add(ctx, "k", []byte("2"), 0), nil)
	wantErr(t, c.Add(ctx, "k", []byte("3"), 0), core.ErrExists)
	wantValue(t, c, "k", "2")
	wantErr(t, c.Replace(ctx, "k", []byte("4"), 0), nil)
	wantValue(t, c, "k", "4")
	wantErr(t, c.Set(ctx, "k", []byte("5"), 0), nil)
	wantValue(t, c, "k", "5")
	wantErr(t, c.Delete(ctx, "k"), nil)
	if err := c.Delete(ctx, "k"); err != core.ErrMiss {
		t.Errorf("Delete of an absent key: error is %v, want a miss", err)
	}
}

func TestStoreKeepsFlagsAndGetItemReturnsThem(t *testing.T) {
	ctx := t.Context()
	c := open(t, newBackend(), nil)
	err := c.Store(ctx, core.Add, core.Item{
		Key: "k", Value: []byte("v"), Flags: core.FlagText | core.FlagZlib, TTL: time.Hour,
	})
	wantErr(t, err, nil)
	item, err := c.GetItem(ctx, "k")
	if err != nil || item.Key != "k" || string(item.Value) != "v" || item.Flags != 24 ||
		item.TTL != 0 || item.Token == nil {
		t.Errorf("GetItem = %+v, %v; want v with flags 24, a token and no time to live",
			item, err)
	}
	wantErr(t, c.Store(ctx, core.Add, core.Item{Key: "k"}), core.ErrExists)
	item.Value, item.Flags = []byte("w"), 7
	wantErr(t, c.Store(ctx, core.CompareAndSwap, item), nil)
	wantErr(t, c.Store(ctx, core.CompareAndSwap, item), core.ErrConflict)
	wantErr(t, c.Set(ctx, "k", nil, 0), nil)
	if item, err = c.GetItem(ctx, "k"); err != nil || item.Flags != 0 {
		t.Errorf("the flags after Set are %d, %v; want 0", item.Flags, err)
	}
}

func TestCompareVerbsAcceptOnlyTheLatestToken(t *testing.T) {
	ctx := t.Context()
	c := open(t, newBackend(), nil)
	put(t, c, "k", "1")
	first, err := c.GetItem(ctx, "k")
	wantErr(t, err, nil)
	put(t, c, "k", "2")
	first.Value = []byte("3")
	wantErr(t, c.CompareAndSwap(ctx, first), core.ErrConflict)
	wantErr(t, c.CompareAndDelete(ctx, first), core.ErrConflict)
	wantValue(t, c, "k", "2")
	second, err := c.GetItem(ctx, "k")
	wantErr(t, err, nil)
	second.Value = []byte("3")
	wantErr(t, c.CompareAndSwap(ctx, second), nil)
	wantValue(t, c, "k", "3")
	third, err := c.GetItem(ctx, "k")
	wantErr(t, err, nil)
	wantErr(t, c.CompareAndDelete(ctx, third), nil)
	wantErr(t, c.Add(ctx, "k", nil, 0), nil)
	wantErr(t, c.Delete(ctx, "k"), nil)
	for _, err := range []error{c.CompareAndSwap(ctx, third), c.CompareAndDelete(ctx, third)} {
		if err != core.ErrMiss {
			t.Errorf("error is %v, want a miss", err)
		}
	}
}

func TestNilTokenIsAConflictAndDoesNotReachTheBackend(t *testing.T) {
	ctx := t.Context()
	eachBackend(t, func(t *testing.T, b core.Backend, base *backend) {
		c := open(t, b, nil)
		put(t, c, "k", "1")
		base.takeCalls()
		for _, key := range []string{"k", "absent"} {
			wantErr(t, c.CompareAndSwap(ctx, core.Item{Key: key}), core.ErrConflict)
			wantErr(t, c.CompareAndDelete(ctx, core.Item{Key: key}), core.ErrConflict)
			wantErr(t, c.Store(ctx, core.CompareAndSwap, core.Item{Key: key}), core.ErrConflict)
		}
		wantNoCalls(t, base)
	})
}

func TestTokenOfAnotherBackendIsAConflict(t *testing.T) {
	ctx := t.Context()
	c, other := open(t, newBackend(), nil), open(t, newBackend(), nil)
	put(t, c, "k", "1")
	put(t, other, "k", "1")
	foreign, err := other.GetItem(ctx, "k")
	wantErr(t, err, nil)
	for _, token := range []any{foreign.Token, "text", []byte("not comparable"), 7} {
		wantErr(t, c.CompareAndSwap(ctx, core.Item{Key: "k", Token: token}), core.ErrConflict)
	}
	wantValue(t, c, "k", "1")
}

// A token that is left in the item of another verb does not reach the backend.
func TestTokenReachesTheBackendOnlyInCompareVerbs(t *testing.T) {
	var got []any
	c := open(t, tokenRecorder{newBackend(), &got}, nil)
	for _, mode := range []core.Mode{
		core.Set, core.Add, core.Replace, core.CompareAndSwap, core.CompareAndDelete,
	} {
		got = nil
		_ = c.Store(t.Context(), mode, core.Item{Key: "k", Value: []byte("v"), Token: "token"})
		compares := mode == core.CompareAndSwap || mode == core.CompareAndDelete
		if len(got) != 1 || (got[0] != nil) != compares {
			t.Errorf("%v: the backend was called with the token %v", mode, got)
		}
	}
}

func TestTTLComesFromTheLastStoreOrTouch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := t.Context()
		c := open(t, newFullBackend(), &core.Options{DefaultTTL: time.Hour})
		wantTTL := func(want time.Duration) {
			t.Helper()
			if got, err := c.TTL(ctx, "k"); got != want || err != nil {
				t.Errorf("TTL = %v, %v; want %v", got, err, want)
			}
		}
		if _, err := c.TTL(ctx, "k"); err != core.ErrMiss {
			t.Errorf("TTL of an absent key: error is %v, want a miss", err)
		}
		wantErr(t, c.Set(ctx, "k", nil, core.Forever), nil)
		wantTTL(core.Forever)
		wantErr(t, c.Set(ctx, "k", nil, 0), nil)
		wantTTL(time.Hour)
		wantErr(t, c.Touch(ctx, "k", time.Minute), nil)
		wantTTL(time.Minute)
		<-time.After(20 * time.Second)
		wantTTL(40 * time.Second)
		wantErr(t, c.Touch(ctx, "k", 0), nil)
		wantTTL(time.Hour)
		wantErr(t, c.Replace(ctx, "k", nil, 500*time.Millisecond), nil)
		wantTTL(500 * time.Millisecond)
		<-time.After(500 * time.Millisecond)
		if ok, err := c.Exists(ctx, "k"); ok || err != nil {
			t.Errorf("Exists = %t, %v; want false, as the item has expired", ok, err)
		}
		for _, err := range []error{
			c.Touch(ctx, "k", 0),
			c.Replace(ctx, "k", nil, 0),
			c.Delete(ctx, "k"),
		} {
			if err != core.ErrMiss {
				t.Errorf("error is %v, want a miss", err)
			}
		}
	})
}

func TestExistsDistinguishesAMissFromAFailure(t *testing.T) {
	c := open(t, newBackend(), nil)
	put(t, c, "k", "v")
	for key, want := range map[string]bool{"k": true, "absent": false} {
		if got, err := c.Exists(t.Context(), key); got != want || err != nil {
			t.Errorf("Exists %s = %t, %v; want %t", key, got, err, want)
		}
	}
	ok, err := failingCache(t, io.EOF).Exists(t.Context(), "k")
	wantErr(t, err, io.EOF)
	if ok {
		t.Error("Exists = true with the error, want false")
	}
}

func TestPingAndStatsReturnTheResultsOfTheBackend(t *testing.T) {
	f := newFullBackend()
	c := open(t, f, nil)
	put(t, c, "k", "v")
	for _, c := range []*core.Cache{c, withPrefix(t, c, "p:")} {
		wantErr(t, c.Ping(t.Context()), nil)
		if stats, err := c.Stats(t.Context()); stats != (core.Stats{Items: 1}) || err != nil {
			t.Errorf("Stats = %+v, %v; want 1 item", stats, err)
		}
	}
}
