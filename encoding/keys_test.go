package encoding_test

import (
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"errors"
	"fmt"
	"hash"
	"strings"
	"sync"
	"testing"

	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/encoding"
)

// longestKey is as long as a prefix and a key can be.
const longestKey = 250 + core.MaxKeyLen

var keyEncoders = map[string]encoding.KeyEncoder{
	"String":       encoding.String,
	"Base64":       encoding.Base64,
	"Hash(nil)":    encoding.Hash(nil),
	"Hash(sha1)":   encoding.Hash(sha1.New),
	"Hash(sha512)": encoding.Hash(sha512.New),
	"Auto":         encoding.Auto,
}

// isLegal is the rule in memcached's doc/protocol.txt.
func isLegal(key string) bool {
	if len(key) < 1 || len(key) > 250 {
		return false
	}
	for _, c := range []byte(key) {
		switch {
		case c <= 0x1f, c == ' ', c == 0x7f:
			return false
		}
	}
	return true
}

// wantKey fails unless encode returns want for key.
func wantKey(t testing.TB, encode encoding.KeyEncoder, key, want string) {
	t.Helper()
	if got, err := encode(key); got != want || err != nil {
		t.Errorf("%.100q (%d bytes) is encoded as %q, %v; want %q", key, len(key), got, err, want)
	}
}

// wantKeyErr fails unless encode returns ErrInvalidKey with this text for key.
func wantKeyErr(t testing.TB, encode encoding.KeyEncoder, key, text string) {
	t.Helper()
	got, err := encode(key)
	if got != "" || !errors.Is(err, core.ErrInvalidKey) {
		t.Errorf("%.100q (%d bytes) is encoded as %q, %v; want ErrInvalidKey",
			key, len(key), got, err)
		return
	}
	if want := "cachewire: invalid key: " + text; err.Error() != want {
		t.Errorf("%.100q (%d bytes): error is\n%v, want\n%v", key, len(key), err, want)
	}
}

func TestAllEncodersRefuseTheEmptyKey(t *testing.T) {
	for _, encode := range keyEncoders {
		wantKeyErr(t, encode, "", "empty; a key has 1 byte or more")
	}
}

func TestStringDoesNotChangeLegalKeys(t *testing.T) {
	for _, key := range []string{
		"k", "user:1", "!", "~", "k1", strings.Repeat("k", 249), strings.Repeat("k", 250),
		"ключ", "\x80", "\xff\xfe", "\u00a0", "\u0085", strings.Repeat("\xff", 250),
	} {
		wantKey(t, encoding.String, key, key)
	}
}

func TestStringSaysWhyAKeyIsIllegal(t *testing.T) {
	const (
		bytes = " memcached accepts no bytes up to 0x20 and no 0x7f (encoding.Auto accepts any key)"
		size  = " bytes with its prefix; memcached accepts 1 to 250 (encoding.Auto accepts any key)"
	)
	for key, text := range map[string]string{
		" ":                             "byte 0x20 at offset 0, counting the prefix;" + bytes,
		"my key":                        "byte 0x20 at offset 2, counting the prefix;" + bytes,
		"get k\r\n":                     "byte 0x20 at offset 3, counting the prefix;" + bytes,
		"k\r\n":                         "byte 0x0d at offset 1, counting the prefix;" + bytes,
		"ключ\x00":                      "byte 0x00 at offset 8, counting the prefix;" + bytes,
		strings.Repeat("k", 249) + "\n": "byte 0x0a at offset 249, counting the prefix;" + bytes,
		strings.Repeat("k", 251):        "251" + size,
		strings.Repeat(" ", 251):        "251" + size,
		strings.Repeat("k", longestKey): "65786" + size,
	} {
		wantKeyErr(t, encoding.String, key, text)
	}
}

// The lengths cover all ways in which String divides a key. The other bytes are such that a
// carry out of a byte, or into it, would show.
func TestStringChecksEachByteAtEachOffset(t *testing.T) {
	for _, filler := range []string{"k", "!", "~", "\x80", "\xff"} {
		for size := 1; size <= 26; size++ {
			for i := range size {
				for c := range 256 {
					key := strings.Repeat(filler, i) + string([]byte{byte(c)}) +
						strings.Repeat(filler, size-i-1)
					_, err := encoding.String(key)
					if legal := isLegal(key); legal != (err == nil) {
						t.Fatalf("String(%q): error is %v; the key is legal: %v", key, err, legal)
					}
					want := fmt.Sprintf("byte 0x%02x at offset %d,", c, i)
					if err != nil && !strings.Contains(err.Error(), want) {
						t.Fatalf("String(%q): error is %v, want one with %q", key, err, want)
					}
				}
			}
		}
	}
}

func TestStringNamesTheFirstIllegalByte(t *testing.T) {
	for first := range 20 {
		for second := first + 1; second < 20; second++ {
			key := []byte(strings.Repeat("k", 20))
			key[first], key[second] = 0x01, 0x02
			want := fmt.Sprintf("byte 0x01 at offset %d,", first)
			_, err := encoding.String(string(key))
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("String(%q): error is %v, want one with %q", key, err, want)
			}
		}
	}
}

func TestBase64AgreesWithWheezyCaching(t *testing.T) {
	for key, want := range map[string]string{
		"my key": "bXkga2V5", // from the manual of wheezy.caching
		"k1":     "azE=",
		"k2":     "azI=",

		"f":      "Zg==", // from RFC 4648
		"fo":     "Zm8=",
		"foo":    "Zm9v",
		"foob":   "Zm9vYg==",
		"fooba":  "Zm9vYmE=",
		"foobar": "Zm9vYmFy",

		"\xfb\xff\xfe": "-__-", // 62 and 63 in the URL-safe alphabet
		"\x00":         "AA==",
		"ключ":         "0LrQu9GO0Yc=",

		strings.Repeat("foo", 61):            strings.Repeat("Zm9v", 61),
		strings.Repeat("foo", 61) + "f":      strings.Repeat("Zm9v", 61) + "Zg==",
		strings.Repeat("foo", 62):            strings.Repeat("Zm9v", 62), // the longest
		strings.Repeat("\xff\xff\xff", 62):   strings.Repeat("____", 62),
		strings.Repeat("\x00\x00\x00", 62):   strings.Repeat("AAAA", 62),
		strings.Repeat("foo", 61) + "\r\n\t": strings.Repeat("Zm9v", 61) + "DQoJ",
	} {
		wantKey(t, encoding.Base64, key, want)
	}
	for _, size := range []int{187, 188, 250, 251, longestKey} {
		wantKeyErr(t, encoding.Base64, strings.Repeat("k", size),
			fmt.Sprint(size, " bytes with its prefix; "+
				"Base64 accepts 1 to 186 (encoding.Auto accepts any key)"))
	}
}

func TestHashAgreesWithWheezyCaching(t *testing.T) {
	for _, test := range []struct {
		newHash func() hash.Hash
		want    string // for "my key"
	}{
		{sha1.New, "RigVwkWdSuGyFu7au08PzUMloU8="}, // from the manual of wheezy.caching
		// The results of Python's hashlib and base64.
		{md5.New, "XOTVmc_UpEEx5CLq7t4pKQ=="},
		{sha256.New, "oOEtYB4QFU_ldD_W0ro3SSNlB3tIXwbBMe9JVCAAUlM="},
		{nil, "oOEtYB4QFU_ldD_W0ro3SSNlB3tIXwbBMe9JVCAAUlM="},
		{sha512.New, "as1VNhUIN4qGZCK_c3vq5j8_eXt1zdlsFaotUbs0" +
			"IxBI2ei4TQLQ7sNsVKHrfDHNLJHJhFqixa7Psg_nlNmMTA=="},
	} {
		encode := encoding.Hash(test.newHash)
		for range 3 { // again with a hash that has been used
			wantKey(t, encode, "my key", test.want)
			if text, err := encode("another"); text == test.want || err != nil {
				t.Errorf("%q is encoded as %q, %v", "another", text, err)
			}
		}
	}
}

func TestHashEncodesKeysOfAnyLength(t *testing.T) {
	encode := encoding.Hash(sha1.New)
	for _, size := range []int{
		1, 63, 64, 511, 512, 513, 1023, 1024, 1025, 4096, longestKey - 1, longestKey,
	} {
		key := countTo(size)
		digest := sha1.Sum([]byte(key))
		wantKey(t, encode, key, base64.URLEncoding.EncodeToString(digest[:]))
	}
}

// countTo returns size bytes, in which no 8 bytes occur twice.
func countTo(size int) string {
	var b strings.Builder
	for i := 0; b.Len() < size; i++ {
		fmt.Fprintf(&b, "%d ", i)
	}
	return b.String()[:size]
}

// A wide is a hash with a digest of size bytes. The first byte is the length of the key.
type wide struct {
	hash.Hash
	size, length int
}

func (w *wide) Reset()                      { w.length = 0 }
func (w *wide) Write(p []byte) (int, error) { w.length += len(p); return len(p), nil }
func (w *wide) Sum(b []byte) []byte {
	digest := make([]byte, w.size)
	if w.size > 0 {
		digest[0] = byte(w.length)
	}
	return append(b, digest...)
}

func TestHashRefusesDigestsOfAWrongLength(t *testing.T) {
	encoder := func(size int) encoding.KeyEncoder {
		return encoding.Hash(func() hash.Hash { return &wide{size: size} })
	}
	const want = " bytes in Base64, want 1 to 250 (encoding.Hash(sha256.New) has 44)"
	wantKeyErr(t, encoder(0), "key", "the digest of the hash has 0"+want)
	wantKey(t, encoder(1), "key", "Aw==")
	wantKey(t, encoder(186), "key", "AwAA"+strings.Repeat("AAAA", 61))
	wantKeyErr(t, encoder(187), "key", "the digest of the hash has 252"+want)
	wantKeyErr(t, encoder(1000), "key", "the digest of the hash has 1336"+want)
}

func TestHashMayBeCalledByManyGoroutines(t *testing.T) {
	encode := encoding.Hash(sha256.New)
	var group sync.WaitGroup
	for i := range 8 {
		group.Go(func() {
			for j := range 200 {
				key := fmt.Sprint("key ", i, " ", j)
				digest := sha256.Sum256([]byte(key))
				want := base64.URLEncoding.EncodeToString(digest[:])
				wantKey(t, encode, key, want)
				wantKey(t, encoding.Auto, key, "cachewire:"+strings.TrimSuffix(want, "="))
			}
		})
	}
	group.Wait()
}

func TestKeyEncodersAllocateOnlyTheResult(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	const plain = "user:1234:profile:0123456789:abcdefg"
	const spaced = "user 1234 profile 0123456789 abcdefg"
	sha1Hash, sha256Hash := encoding.Hash(sha1.New), encoding.Hash(nil)
	for _, test := range []struct {
		name   string
		encode encoding.KeyEncoder
		key    string
		want   float64
	}{
		{"String", encoding.String, plain, 0},
		{"String, longest", encoding.String, strings.Repeat("k", 250), 0},
		{"String, empty", encoding.String, "", 0},
		{"Auto", encoding.Auto, plain, 0},
		{"Auto, longest", encoding.Auto, strings.Repeat("k", 250), 0},
		{"Auto, illegal", encoding.Auto, spaced, 1},
		{"Auto, too long", encoding.Auto, strings.Repeat("k", longestKey), 1},
		{"Auto, looks encoded", encoding.Auto, autoKey("k"), 1},
		{"Base64", encoding.Base64, spaced, 1},
		{"Base64, longest", encoding.Base64, strings.Repeat("k", 186), 1},
		{"Hash(sha1)", sha1Hash, spaced, 1},
		{"Hash(nil)", sha256Hash, spaced, 1},
		{"Hash(nil), too long", sha256Hash, strings.Repeat("k", longestKey), 1},
	} {
		got := testing.AllocsPerRun(200, func() { test.encode(test.key) })
		if got != test.want {
			t.Errorf("%s: %v allocations, want %v", test.name, got, test.want)
		}
	}
	keys := hundredKeys("user:%d:profile")
	got := testing.AllocsPerRun(200, func() { encoding.EncodeKeys(keys, encoding.Auto) })
	if got != 0 {
		t.Errorf("EncodeKeys if no key changes: %v allocations, want none", got)
	}
}

// hundredKeys formats the numbers from 0 to 99 with format.
func hundredKeys(format string) []string {
	keys := make([]string, 100)
	for i := range keys {
		keys[i] = fmt.Sprintf(format, i)
	}
	return keys
}
