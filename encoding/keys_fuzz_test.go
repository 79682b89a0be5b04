package encoding_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/encoding"
)

// What every key encoder promises, and the two that take any key.
func FuzzKeyEncoders(f *testing.F) {
	for _, key := range []string{
		"", "k", "my key", "get k\r\n", "\x00", "\x7f", "ключ", "\xff", "bXkga2V5", "cachewire:", autoKey("my key"),
		"8 bytes!", "12345678\x7f2345678", strings.Repeat("k", 186), strings.Repeat("k", 187),
		strings.Repeat("k", 250), strings.Repeat("k", 251), strings.Repeat("k", 600),
	} {
		f.Add(key, "k")
		f.Add(autoKey(key), key)
	}
	f.Fuzz(func(t *testing.T, a, b string) {
		keys := []string{a, b, a + b}
		for name, encode := range keyEncoders {
			takesAll := name == "Auto" || strings.HasPrefix(name, "Hash")
			keys := keys
			for _, key := range keys { // what comes out may go in again
				if text, err := encode(key); err == nil {
					keys = append(keys, text)
				}
			}
			keys = slices.Compact(slices.Sorted(slices.Values(keys)))
			texts := make([]string, len(keys))
			for i, key := range keys {
				text, err := encode(key)
				texts[i] = text
				switch {
				case err != nil:
					if !errors.Is(err, core.ErrInvalidKey) || text != "" {
						t.Errorf("%s(%.300q) = %q, %v; want ErrInvalidKey", name, key, text, err)
					}
					if takesAll && key != "" {
						t.Errorf("%s(%.300q): %v", name, key, err)
					}
				case key == "" || !isLegal(text):
					t.Errorf("%s(%.300q) = %q, which memcached does not take", name, key, text)
				case slices.Contains(texts[:i], text):
					t.Errorf("%s(%.300q) = %q, as another of %.1000q", name, key, text, keys)
				}
				if as, takes := isLegal(key), err == nil; name == "String" && as != takes {
					t.Errorf("String(%.300q): error is %v; memcached takes it: %v", key, err, as)
				}
				if name == "Auto" && isLegal(key) && len(key) != 53 && text != key {
					t.Errorf("Auto(%q) = %q, want the key as it is", key, text)
				}
				if name == "Base64" && (err == nil) != (key != "" && len(key) <= 186) {
					t.Errorf("Base64(%.300q), %d bytes: error is %v", key, len(key), err)
				}
			}
			sameAsBatch(t, name, keys, texts)
		}
	})
}

// sameAsBatch fails unless EncodeKeys encodes keys as texts, and leads back.
func sameAsBatch(t *testing.T, name string, keys, texts []string) {
	t.Helper()
	encoded, original, failed := encoding.EncodeKeys(keys, keyEncoders[name])
	if !slices.Equal(encoded, texts) {
		t.Errorf("%s of %.1000q: %q one at a time, %q in a batch", name, keys, texts, encoded)
		return
	}
	changed := 0
	for i, key := range keys {
		back, ok := original[encoded[i]]
		if ok {
			changed++
		} else {
			back = encoded[i]
		}
		if err := failed.Errors[key]; (err != nil) != (encoded[i] == "") {
			t.Errorf("%s of %.300q: %q, %v", name, key, encoded[i], err)
		} else if err == nil && back != key {
			t.Errorf("%s of %.300q: %q, which leads back to %.300q", name, key, encoded[i], back)
		}
	}
	if changed != len(original) {
		t.Errorf("%s of %.1000q: %d changed, original is %.1000q", name, keys, changed, original)
	}
}
