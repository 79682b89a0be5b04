package conformance

import (
	"context"
	"time"

	"github.com/cachewire/cachewire/core"
)

// checkItemTTL runs the case ability-itemttl.
func checkItemTTL(e *env) {
	r, ok := core.Ability[core.ItemTTLReader](e.backend)
	if !ok {
		e.decline("core.ItemTTLReader")
		return
	}
	get := map[string]func(ctx context.Context, key string) (core.Item, error){
		"GetItemTTL": r.GetItemTTL,
		"GetItemsTTL": func(ctx context.Context, key string) (core.Item, error) {
			items, err := r.GetItemsTTL(ctx, []string{key, e.fullKey("absent")})
			if err != nil || len(items) == 0 {
				return core.Item{}, firstOf(err, core.ErrMiss)
			}
			if len(items) > 1 || items[0].Key != key {
				e.errorf("GetItemsTTL of %s and an absent key: %d items, the first one of %s",
					quote(key), len(items), quote(items[0].Key))
			}
			return items[0], nil
		},
	}
	for verb, get := range get {
		for _, ttl := range []time.Duration{time.Hour, core.Forever} {
			key := verb + " " + ttlString(ttl)
			before := time.Now()
			e.must("Store", e.cache.Store(e.ctx, core.Set, core.Item{
				Key: key, Value: []byte(key), Flags: core.FlagText, TTL: ttl,
			}))
			item, err := get(e.ctx, e.fullKey(key))
			read := time.Now()
			e.must(verb, err)
			want := e.item(key)
			if string(item.Value) != key || item.Flags != want.Flags {
				e.errorf("%s of %s: %s with flags %d, want %s with %d", verb, quote(key),
					quote(string(item.Value)), item.Flags, quote(key), want.Flags)
			}
			least, most := ttl-read.Sub(before), ttl+e.resolution()
			if ttl == core.Forever {
				least, most = 0, 0
			}
			if item.TTL < least || item.TTL > most {
				e.errorf("%s of an item stored with %s: TTL is %v, want %v to %v", verb,
					ttlString(ttl), item.TTL, least, most)
			}
			item.TTL, item.Value = 0, []byte("swapped")
			e.must("CompareAndSwap with the token of "+verb,
				e.backend.Store(e.ctx, core.CompareAndSwap, item))
		}
		_, err := get(e.ctx, e.fullKey("none"))
		e.want(verb+" of an absent key", err, core.ErrMiss)
	}
}

// firstOf returns the first of errs that is not nil.
func firstOf(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
