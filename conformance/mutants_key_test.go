package conformance

import (
	"crypto/sha1"
	"encoding/hex"
	"path"
	"strings"

	"github.com/cachewire/cachewire/core"
)

var keyMutants = []mutation{
	{"keys lose their eighth bit", "key-bytes", func(m *mutant) {
		m.mapKeys(func(key string) string {
			b := []byte(key)
			for i := range b {
				b[i] &= 0x7f
			}
			return string(b)
		})
	}},
	{"keys end at a line end", "key-protocol", func(m *mutant) {
		m.mapKeys(func(key string) string { key, _, _ = strings.Cut(key, "\r\n"); return key })
	}},
	{"keys are trimmed", "key-protocol key-lengths", func(m *mutant) {
		m.mapKeys(strings.TrimSpace)
	}},
	{"keys are made valid UTF-8", "key-utf8", func(m *mutant) {
		m.mapKeys(func(key string) string { return strings.ToValidUTF8(key, "\ufffd") })
	}},
	{"keys are cut to 250 bytes", "key-lengths key-collide", func(m *mutant) {
		m.mapKeys(func(key string) string { return key[:min(len(key), 250)] })
	}},
	{"keys are cut to 65,536 bytes, including the prefix", "key-lengths", func(m *mutant) {
		m.mapKeys(func(key string) string { return key[:min(len(key), core.MaxKeyLen)] })
	}},
	{"keys are paths", "key-collide", func(m *mutant) { m.mapKeys(path.Clean) }},
	{"a slash at the end is cut", "key-collide", func(m *mutant) {
		m.mapKeys(func(key string) string { return strings.TrimRight(key, "/") })
	}},
	{"two slashes become one", "key-collide", func(m *mutant) {
		m.mapKeys(func(key string) string { return strings.ReplaceAll(key, "//", "/") })
	}},
	{"a space at the end is cut", "key-collide key-protocol", func(m *mutant) {
		m.mapKeys(func(key string) string { return strings.TrimRight(key, " ") })
	}},
	{"keys are composed", "key-collide key-utf8", func(m *mutant) {
		m.mapKeys(strings.NewReplacer("e\u0301", "é", "A\u030a", "Å").Replace)
	}},
	{"keys are lower-cased", "key-collide", func(m *mutant) { m.mapKeys(strings.ToLower) }},
	{"spaces in keys become underscores", "key-collide", func(m *mutant) {
		m.mapKeys(func(key string) string { return strings.ReplaceAll(key, " ", "_") })
	}},
	{"long keys become a hash that is also a valid key", "key-collide", func(m *mutant) {
		m.mapKeys(func(key string) string {
			if len(key) <= 250 {
				return key
			}
			sum := sha1.Sum([]byte(key))
			return hex.EncodeToString(sum[:])
		})
	}},
	{"Incr refuses keys with a space", "key-verbs", func(m *mutant) {
		m.incr = func(ctx ctxt, key string, delta uint64) (uint64, error) {
			if strings.Contains(key, " ") {
				return 0, core.ErrInvalidKey
			}
			return m.reference.Incr(ctx, key, delta)
		}
	}},
}
