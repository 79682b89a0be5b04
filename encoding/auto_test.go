package encoding_test

import (
	"crypto/sha256"
	"encoding/base64"
	"strings"
	"testing"

	"github.com/cachewire/cachewire/encoding"
)

// autoKey returns the result of Auto for a key that does not stay as it is.
func autoKey(key string) string {
	digest := sha256.Sum256([]byte(key))
	return "cachewire:" + strings.TrimRight(base64.URLEncoding.EncodeToString(digest[:]), "=")
}

func TestAutoDoesNotChangeLegalKeys(t *testing.T) {
	for _, key := range []string{
		"k", "user:1", "!", "~", strings.Repeat("k", 249), strings.Repeat("k", 250),
		"ключ", "\x80", "\xff\xfe", "\u00a0", strings.Repeat("\xff", 250),
	} {
		wantKey(t, encoding.Auto, key, key)
	}
}

func TestAutoHashesIllegalKeys(t *testing.T) {
	// The result of Python's hashlib and base64.
	wantKey(t, encoding.Auto, "my key", "cachewire:oOEtYB4QFU_ldD_W0ro3SSNlB3tIXwbBMe9JVCAAUlM")
	for _, key := range []string{
		" ", "my key ", "a\tb", "get k\r\nflush_all\r\n", "\x00", "k\x7f",
		"ключ с пробелом",
		strings.Repeat("k", 249) + " ", strings.Repeat("k", 251), strings.Repeat("k", 252),
		countTo(511), countTo(512), countTo(513), countTo(1025),
		countTo(longestKey), countTo(longestKey + 1),
	} {
		wantKey(t, encoding.Auto, key, autoKey(key))
	}
}

func TestAutoHashesKeysWithAnyIllegalByte(t *testing.T) {
	for c := range 256 {
		char := string([]byte{byte(c)})
		for _, key := range []string{char, "before" + char + "after"} {
			if isLegal(key) {
				wantKey(t, encoding.Auto, key, key)
			} else {
				wantKey(t, encoding.Auto, key, autoKey(key))
			}
		}
	}
}

// A caller who chooses keys must not be able to reach the item of another key.
func TestAutoHashesKeysThatLookEncoded(t *testing.T) {
	text := autoKey("my key")
	if len(text) != 53 {
		t.Fatalf("%q has %d bytes, want 53", text, len(text))
	}
	for _, key := range []string{
		text, autoKey(text),
		"cachewire:" + strings.Repeat("k", 43), "cachewire:" + strings.Repeat("\xff", 43),
	} {
		wantKey(t, encoding.Auto, key, autoKey(key))
	}
	for _, key := range []string{
		"cachewire:", "cachewire:k",
		"cachewire:" + strings.Repeat("k", 42), "cachewire:" + strings.Repeat("k", 44),
		text[:52], text + "=", "k" + text, text[10:],
		"Cachewire:" + text[10:], "cachewire" + text[10:] + ":",
		strings.Repeat("k", 53),
	} {
		wantKey(t, encoding.Auto, key, key)
	}
}
