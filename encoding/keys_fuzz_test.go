package encoding_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/encoding"
)

// The rules of KeyEncoder, and for each encoder which keys it accepts.
func FuzzKeyEncoders(f *testing.F) {
	for _, key := range []string{
		"", "k", "my key", "get k\r\n", "\x00", "\x7f", "ключ", "\xff", "bXkga2V5",
		"cachewire:", autoKey("my key"),
		"8 bytes!", "12345678\x7f2345678", strings.Repeat("k", 186), strings.Repeat("k", 187),
		strings.Repeat("k", 250), strings.Repeat("k", 251), strings.Repeat("k", 600),
	} {
		f.Add(key, "k")
		f.Add(autoKey(key), key)
	}
	f.Fuzz(func(t *testing.T, a, b string) {
		keys := []string{a, b, a + b}
		for name, encode := range keyEncoders {
			acceptsAll := name == "Auto" || strings.HasPrefix(name, "Hash")
			keys := keys
			for _, key := range keys { // results are keys as well
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
					if acceptsAll && key != "" {
						t.Errorf("%s(%.300q): error is %v, want none", name, key, err)
					}
				case key == "" || !isLegal(text):
					t.Errorf("%s(%.300q) = %q, which memcached does not accept", name, key, text)
				case slices.Contains(texts[:i], text):
					t.Errorf("%s(%.300q) = %q, like another key of %.1000q", name, key, text, keys)
				}
				if legal := isLegal(key); name == "String" && legal != (err == nil) {
					t.Errorf("String(%.300q): error is %v; the key is legal: %v", key, err, legal)
				}
				if name == "Auto" && isLegal(key) && len(key) != 53 && text != key {
					t.Errorf("Auto(%q) = %q, want the key as it is", key, text)
				}
				if name == "Base64" && (err == nil) != (key != "" && len(key) <= 186) {
					t.Errorf("Base64(%.300q), %d bytes: error is %v", key, len(key), err)
				}
			}
			wantSameAsEncodeKeys(t, name, keys, texts)
		}
	})
}

// wantSameAsEncodeKeys fails unless EncodeKeys encodes keys as texts, and returns a map
// that leads back to keys.
func wantSameAsEncodeKeys(t *testing.T, name string, keys, texts []string) {
	t.Helper()
	encoded, original, failed := encoding.EncodeKeys(keys, keyEncoders[name])
	if !slices.Equal(encoded, texts) {
		t.Errorf("%s: %.1000q are encoded as %q, and by EncodeKeys as %q",
			name, keys, texts, encoded)
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
			t.Errorf("%s: EncodeKeys encodes %.300q as %q, with the error %v",
				name, key, encoded[i], err)
		} else if err == nil && back != key {
			t.Errorf("%s: EncodeKeys encodes %.300q as %q, which leads back to %.300q",
				name, key, encoded[i], back)
		}
	}
	if changed != len(original) {
		t.Errorf("%s: of %.1000q %d changed, but original is %.1000q",
			name, keys, changed, original)
	}
}
