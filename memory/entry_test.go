package memory

import (
	"bytes"
	"context"
	"strings"
	"testing"

	"github.com/cachewire/cachewire/core"
)

// The shape of an entry depends on the lengths of its key and value, on its flags, and on
// whether there is a bound. In each shape the item comes back as it was stored, also after
// it has become a counter.
func TestItemsOfEachShapeComeBackAsTheyWereStored(t *testing.T) {
	longest := core.MaxKeyLen + core.MaxPrefixLen
	ctx := context.Background()
	for _, opts := range []Options{{}, {MaxItems: 1 << 30}} {
		b := must(New(&opts))
		for _, keyLen := range []int{1, 2, 9, maxShortKey, maxShortKey + 1, longest} {
			for _, flags := range []uint32{0, 1, 1<<32 - 1} {
				for _, size := range []int{0, 1, 100, maxPlain - 1, maxPlain, maxPlain + 1} {
					key := strings.Repeat("k", keyLen)
					value := bytes.Repeat([]byte{byte(keyLen), byte(size)}, size/2+1)[:size]
					item := core.Item{Key: key, Value: value, Flags: flags}
					if err := b.Store(ctx, core.Set, item); err != nil {
						t.Fatal(err)
					}
					got, err := b.GetItem(ctx, key)
					if err != nil || !bytes.Equal(got.Value, value) || got.Flags != flags {
						t.Errorf("key of %d bytes, value of %d: got %d bytes, flags %d, error %v; "+
							"want the value and flags %d",
							keyLen, size, len(got.Value), got.Flags, err, flags)
					}
					if e := entryOf(b, key); e.key() != key {
						t.Errorf("the entry of a key of %d bytes has one of %d", keyLen, e.keyLen())
					}
				}
				item := core.Item{Key: strings.Repeat("k", keyLen), Value: []byte("41"), Flags: flags}
				if err := b.Store(ctx, core.Set, item); err != nil {
					t.Fatal(err)
				}
				if n, err := b.Incr(ctx, item.Key, 1); n != 42 || err != nil {
					t.Errorf("key of %d bytes: Incr = %d, %v; want 42", keyLen, n, err)
				}
				got, err := b.GetItem(ctx, item.Key)
				if string(got.Value) != "42" || got.Flags != flags || err != nil {
					t.Errorf("key of %d bytes: the counter is %q with flags %d, error %v; "+
						"want 42 and flags %d", keyLen, got.Value, got.Flags, err, flags)
				}
			}
			audit(t, b)
		}
	}
}

// Without a bound, an item with a short key and without flags takes 16 bytes more than its
// key and value, and 32 otherwise.
func TestAnEntryTakes16Or32BytesMoreThanItsKeyAndValue(t *testing.T) {
	for _, c := range []struct {
		key      int
		flags    uint32
		extended bool
		want     int
	}{
		{maxShortKey, 0, false, 16},
		{maxShortKey + 1, 0, false, 32},
		{1, 1, false, 32},
		{1, 0, true, 32},
	} {
		e := newEntry(strings.Repeat("k", c.key), []byte("v"), c.flags,
			layout{extended: c.extended})
		if got := e.valueOffset() - c.key; got != c.want {
			t.Errorf("%+v: %d bytes more", c, got)
		}
	}
}
