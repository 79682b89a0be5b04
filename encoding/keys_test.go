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
	"maps"
	"slices"
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

// isLegal is the rule of memcached's doc/protocol.txt, word for word.
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

// wantKey fails unless encode answers want for key.
func wantKey(t testing.TB, encode encoding.KeyEncoder, key, want string) {
	t.Helper()
	if got, err := encode(key); got != want || err != nil {
		t.Errorf("%.100q (%d bytes) is encoded as %q, %v; want %q", key, len(key), got, err, want)
	}
}

// wantNoKey fails unless encode answers ErrInvalidKey for key, with this text.
func wantNoKey(t testing.TB, encode encoding.KeyEncoder, key, text string) {
	t.Helper()
	got, err := encode(key)
	if got != "" || !errors.Is(err, core.ErrInvalidKey) {
		t.Errorf("%.100q (%d bytes) is encoded as %q, %v; want ErrInvalidKey", key, len(key), got, err)
		return
	}
	if want := "cachewire: invalid key: " + text; err.Error() != want {
		t.Errorf("%.100q (%d bytes): error is\n%v, want\n%v", key, len(key), err, want)
	}
}

func TestNoEncoderTakesTheEmptyKey(t *testing.T) {
	for _, encode := range keyEncoders {
		wantNoKey(t, encode, "", "empty; a key has 1 byte or more")
	}
}

func TestStringAnswersWhatMemcachedTakesAsItIs(t *testing.T) {
	for _, key := range []string{
		"k", "user:1", "!", "~", "k1", strings.Repeat("k", 249), strings.Repeat("k", 250),
		"ключ", "\x80", "\xff\xfe", "\u00a0", "\u0085", strings.Repeat("\xff", 250),
	} {
		wantKey(t, encoding.String, key, key)
	}
}

func TestStringTellsWhatMemcachedDoesNotTake(t *testing.T) {
	const (
		bytes = " memcached takes none up to 0x20 and no 0x7f (encoding.Auto takes any key)"
		size  = " bytes with its prefix; memcached takes 1 to 250 (encoding.Auto takes any key)"
	)
	for key, text := range map[string]string{
		" ":                             "byte 0x20 at offset 0, its prefix counted;" + bytes,
		"my key":                        "byte 0x20 at offset 2, its prefix counted;" + bytes,
		"get k\r\n":                     "byte 0x20 at offset 3, its prefix counted;" + bytes,
		"k\r\n":                         "byte 0x0d at offset 1, its prefix counted;" + bytes,
		"ключ\x00":                      "byte 0x00 at offset 8, its prefix counted;" + bytes,
		strings.Repeat("k", 249) + "\n": "byte 0x0a at offset 249, its prefix counted;" + bytes,
		strings.Repeat("k", 251):        "251" + size,
		strings.Repeat(" ", 251):        "251" + size,
		strings.Repeat("k", longestKey): "65786" + size,
	} {
		wantNoKey(t, encoding.String, key, text)
	}
}

// Each byte, first, last and between in keys of all lengths that are looked at in
// other pieces, beside bytes that one could carry into.
func TestEachByteIsLegalOrNotWhereverItStands(t *testing.T) {
	for _, filler := range []string{"k", "!", "~", "\x80", "\xff"} {
		for size := 1; size <= 26; size++ {
			for i := range size {
				for c := range 256 {
					key := strings.Repeat(filler, i) + string([]byte{byte(c)}) + strings.Repeat(filler, size-i-1)
					_, err := encoding.String(key)
					if legal := isLegal(key); legal != (err == nil) {
						t.Fatalf("String(%q): error is %v; memcached takes it: %v", key, err, legal)
					}
					if where := fmt.Sprintf("byte 0x%02x at offset %d,", c, i); err != nil && !strings.Contains(err.Error(), where) {
						t.Fatalf("String(%q): error is %v, want one with %q", key, err, where)
					}
				}
			}
		}
	}
}

func TestTheFirstIllegalByteIsNamed(t *testing.T) {
	for first := range 20 {
		for second := first + 1; second < 20; second++ {
			key := []byte(strings.Repeat("k", 20))
			key[first], key[second] = 0x01, 0x02
			want := fmt.Sprintf("byte 0x01 at offset %d,", first)
			if _, err := encoding.String(string(key)); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("String(%q): error is %v, want one with %q", key, err, want)
			}
		}
	}
}

func TestBase64IsThatOfWheezy(t *testing.T) {
	for key, want := range map[string]string{
		"my key": "bXkga2V5", // as in wheezy.caching's manual
		"k1":     "azE=",
		"k2":     "azI=",

		"f":      "Zg==", // as in RFC 4648
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
		strings.Repeat("foo", 62):            strings.Repeat("Zm9v", 62), // 186 bytes, 248 characters
		strings.Repeat("\xff\xff\xff", 62):   strings.Repeat("____", 62),
		strings.Repeat("\x00\x00\x00", 62):   strings.Repeat("AAAA", 62),
		strings.Repeat("foo", 61) + "\r\n\t": strings.Repeat("Zm9v", 61) + "DQoJ",
	} {
		wantKey(t, encoding.Base64, key, want)
	}
	for _, size := range []int{187, 188, 250, 251, longestKey} {
		wantNoKey(t, encoding.Base64, strings.Repeat("k", size),
			fmt.Sprint(size, " bytes with its prefix; Base64 takes 1 to 186 (encoding.Auto takes any key)"))
	}
}

func TestHashIsThatOfWheezy(t *testing.T) {
	for _, test := range []struct {
		newHash func() hash.Hash
		want    string // of "my key"
	}{
		{sha1.New, "RigVwkWdSuGyFu7au08PzUMloU8="}, // as in wheezy.caching's manual
		// as Python's hashlib and base64 have it
		{md5.New, "XOTVmc_UpEEx5CLq7t4pKQ=="},
		{sha256.New, "oOEtYB4QFU_ldD_W0ro3SSNlB3tIXwbBMe9JVCAAUlM="},
		{nil, "oOEtYB4QFU_ldD_W0ro3SSNlB3tIXwbBMe9JVCAAUlM="},
		{sha512.New, "as1VNhUIN4qGZCK_c3vq5j8_eXt1zdlsFaotUbs0IxBI2ei4TQLQ7sNsVKHrfDHNLJHJhFqixa7Psg_nlNmMTA=="},
	} {
		encode := encoding.Hash(test.newHash)
		for range 3 { // by a hash that was used before, too
			wantKey(t, encode, "my key", test.want)
			if text, err := encode("another"); text == test.want || err != nil {
				t.Errorf("%q is encoded as %q, %v", "another", text, err)
			}
		}
	}
}

func TestHashTakesKeysOfAnyLength(t *testing.T) {
	encode := encoding.Hash(sha1.New)
	for _, size := range []int{1, 63, 64, 511, 512, 513, 1023, 1024, 1025, 4096, longestKey - 1, longestKey} {
		key := countTo(size)
		digest := sha1.Sum([]byte(key))
		wantKey(t, encode, key, base64.URLEncoding.EncodeToString(digest[:]))
	}
}

// countTo answers size bytes, in no two places the same 8.
func countTo(size int) string {
	var b strings.Builder
	for i := 0; b.Len() < size; i++ {
		fmt.Fprintf(&b, "%d ", i)
	}
	return b.String()[:size]
}

// A wide is a hash of size bytes, the first of which is the length of the key.
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

func TestHashRefusesDigestsThatMakeNoKey(t *testing.T) {
	of := func(size int) encoding.KeyEncoder {
		return encoding.Hash(func() hash.Hash { return &wide{size: size} })
	}
	const want = " bytes in Base64, want 1 to 250 (encoding.Hash(sha256.New) takes 44)"
	wantNoKey(t, of(0), "key", "the hash's digest takes 0"+want)
	wantKey(t, of(1), "key", "Aw==")
	wantKey(t, of(186), "key", "AwAA"+strings.Repeat("AAAA", 61))
	wantNoKey(t, of(187), "key", "the hash's digest takes 252"+want)
	wantNoKey(t, of(1000), "key", "the hash's digest takes 1336"+want)
}

func TestHashIsForManyGoroutines(t *testing.T) {
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

// wantBatch fails unless EncodeKeys answers these keys, each of which leads back,
// and ErrInvalidKey for those for which want is "".
func wantBatch(t testing.TB, encode encoding.KeyEncoder, keys, want []string) core.MultiError {
	t.Helper()
	given := slices.Clone(keys)
	encoded, original, failed := encoding.EncodeKeys(keys, encode)
	if !slices.Equal(encoded, want) {
		t.Errorf("%q are encoded as %q, want %q", keys, encoded, want)
	}
	if !slices.Equal(keys, given) {
		t.Errorf("the caller's keys are %q now, were %q", keys, given)
	}
	wantOriginal, wantFailed := map[string]string{}, map[string]bool{}
	for i, key := range keys {
		switch want[i] {
		case "":
			wantFailed[key] = true
		case key:
		default:
			wantOriginal[want[i]] = key
		}
	}
	if !maps.Equal(original, wantOriginal) {
		t.Errorf("original is %q, want %q", original, wantOriginal)
	}
	if len(failed.Errors) != len(wantFailed) {
		t.Errorf("failed are %v, want %v", failed.Errors, wantFailed)
	}
	for key := range wantFailed {
		if err := failed.Errors[key]; !errors.Is(err, core.ErrInvalidKey) {
			t.Errorf("error of %q is %v, want ErrInvalidKey", key, err)
		}
	}
	if err := failed.Err(); (err == nil) != (len(wantFailed) == 0) {
		t.Errorf("the error for the whole is %v, failed are %v", err, wantFailed)
	}
	return failed
}

func TestEncodeKeysIsThatOfWheezy(t *testing.T) {
	wantBatch(t, encoding.Base64, []string{"k1", "k2"}, []string{"azE=", "azI="})
}

func TestEncodeKeysAnswersItsKeysWhereNoneChanged(t *testing.T) {
	for _, encode := range []encoding.KeyEncoder{encoding.Auto, encoding.String} {
		keys := []string{"a", "b", "c"}
		encoded, original, failed := encoding.EncodeKeys(keys, encode)
		if len(encoded) != 3 || &encoded[0] != &keys[0] {
			t.Errorf("got %q, want the caller's slice itself", encoded)
		}
		if original != nil || failed.Errors != nil || failed.Err() != nil {
			t.Errorf("got %q, %v beside it, want nothing", original, failed.Errors)
		}
	}
}

func TestEncodeKeysOfNoKeys(t *testing.T) {
	for _, keys := range [][]string{nil, {}} {
		encoded, original, failed := encoding.EncodeKeys(keys, encoding.Base64)
		if len(encoded) != 0 || original != nil || failed.Err() != nil {
			t.Errorf("got %q, %q, %v", encoded, original, failed.Errors)
		}
	}
}

func TestEncodeKeysWhereSomeChange(t *testing.T) {
	for _, keys := range [][]string{
		{"a b", "c", "d"},
		{"a", "b c", "d"},
		{"a", "b", "c d"},
		{"a b", "c d", "e f"},
		{"a b", "c", strings.Repeat("k", 251), autoKey("a b"), autoKey(autoKey("a b"))},
	} {
		var want []string
		for _, key := range keys {
			if isLegal(key) && !strings.HasPrefix(key, "cachewire:") {
				want = append(want, key)
			} else {
				want = append(want, autoKey(key))
			}
		}
		wantBatch(t, encoding.Auto, keys, want)
	}
}

func TestEncodeKeysWhereSomeFail(t *testing.T) {
	for _, test := range []struct{ keys, want []string }{
		{[]string{"a b", "c", "d"}, []string{"", "c", "d"}},
		{[]string{"a", "b c", "d"}, []string{"a", "", "d"}},
		{[]string{"a", "b", "c d"}, []string{"a", "b", ""}},
		{[]string{"a b", "c d"}, []string{"", ""}},
		{[]string{"", "c"}, []string{"", "c"}},
		{[]string{"c", ""}, []string{"c", ""}},
	} {
		failed := wantBatch(t, encoding.String, test.keys, test.want)
		for key, err := range failed.Errors {
			if _, want := encoding.String(key); err.Error() != want.Error() {
				t.Errorf("error of %q is %q, of the key alone %q", key, err, want)
			}
		}
	}
	long := strings.Repeat("k", 187)
	wantBatch(t, encoding.Base64, []string{"k1", long, "k2"}, []string{"azE=", "", "azI="})
}

func TestEncodeKeysGivesAwayWhatIsNotTheCallers(t *testing.T) {
	for _, keys := range [][]string{{"a", "b c", "d"}, {"b c", "a", "d"}, {"a", "d", "b c"}} {
		for _, encode := range []encoding.KeyEncoder{encoding.Auto, encoding.String} {
			given := slices.Clone(keys)
			encoded, _, _ := encoding.EncodeKeys(keys, encode)
			clear(encoded)
			if !slices.Equal(keys, given) {
				t.Errorf("the caller's keys are %q now, were %q", keys, given)
			}
		}
	}
}

// lower makes keys meet.
func lower(key string) (string, error) { return strings.ToLower(key), nil }

func TestEncodeKeysKeepsApartKeysThatMeet(t *testing.T) {
	for _, test := range []struct {
		keys, want []string
		failed     map[string]string // by key: what it met
	}{
		{[]string{"KEY", "Key"}, []string{"key", ""}, map[string]string{"Key": "KEY"}},
		{[]string{"Key", "key"}, []string{"key", ""}, map[string]string{"key": "Key"}},
		{[]string{"key", "Key"}, []string{"", "key"}, map[string]string{"key": "Key"}},
		{[]string{"a", "key", "b", "Key", "c"}, []string{"a", "", "b", "key", "c"}, map[string]string{"key": "Key"}},
		{[]string{"Key", "KEY", "key"}, []string{"key", "", ""}, map[string]string{"KEY": "Key", "key": "Key"}},
		{[]string{"key", "KEY", "Key"}, []string{"", "key", ""}, map[string]string{"Key": "KEY", "key": "KEY"}},
		{[]string{"A", "B", "a", "b"}, []string{"a", "b", "", ""}, map[string]string{"a": "A", "b": "B"}},
	} {
		failed := wantBatch(t, lower, test.keys, test.want)
		for key, met := range test.failed {
			want := fmt.Sprintf("cachewire: invalid key: encoded as %q, and so is %q of the same call (encoding.Auto keeps all keys apart)",
				strings.ToLower(key), met)
			if err := failed.Errors[key]; err == nil || err.Error() != want {
				t.Errorf("%q: error of %q is\n%v, want\n%v", test.keys, key, err, want)
			}
		}
	}
}

func TestEncodeKeysKeepsApartKeysOfAWeakHash(t *testing.T) {
	weak := encoding.Hash(func() hash.Hash { return &wide{size: 1} })
	failed := wantBatch(t, weak, []string{"one", "three", "two"}, []string{"Aw==", "BQ==", ""})
	if err := failed.Errors["two"]; err != nil && !strings.Contains(err.Error(), `"one"`) {
		t.Errorf("error is %v, want one that names the other key", err)
	}
}

func TestEncodeKeysTakesNoTextBesideAnError(t *testing.T) {
	broken := errors.New("broken")
	for _, beside := range []string{"", "a", "x"} { // no text, the key, what another key is encoded as
		encoded, original, failed := encoding.EncodeKeys([]string{"a", "b"}, func(key string) (string, error) {
			if key == "a" {
				return beside, broken
			}
			return "x", nil
		})
		if !slices.Equal(encoded, []string{"", "x"}) || !maps.Equal(original, map[string]string{"x": "b"}) {
			t.Errorf("%q beside the error: got %q, %q", beside, encoded, original)
		}
		if len(failed.Errors) != 1 || failed.Errors["a"] != broken {
			t.Errorf("%q beside the error: failed are %v, want a", beside, failed.Errors)
		}
	}
}

func TestEncodeKeysRefusesAKeyEncodedAsNothing(t *testing.T) {
	nothing := func(key string) (string, error) { return strings.TrimPrefix(key, "x"), nil }
	for _, keys := range [][]string{{"x", "a"}, {"a", "x"}, {"", "a"}, {"a", "", "xb"}} {
		_, _, failed := encoding.EncodeKeys(keys, nothing)
		if len(failed.Errors) != 1 {
			t.Errorf("%q: failed are %v, want one", keys, failed.Errors)
		}
		for _, err := range failed.Errors {
			const want = "cachewire: invalid key: encoded as nothing; a KeyEncoder answers 1 to 250 bytes"
			if !errors.Is(err, core.ErrInvalidKey) || err.Error() != want {
				t.Errorf("%q: error is\n%v, want\n%v", keys, err, want)
			}
		}
	}
}

// Keys are distinct, but one that is not is no other.
func TestEncodeKeysOfAKeyGivenTwice(t *testing.T) {
	wantBatch(t, encoding.Auto, []string{"a", "a"}, []string{"a", "a"})
	wantBatch(t, encoding.Base64, []string{"k1", "k1"}, []string{"azE=", "azE="})
}

func TestKeysCostNoMoreThanTheirText(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	const plain, spaced = "user:1234:profile:0123456789:abcdefg", "user 1234 profile 0123456789 abcdefg"
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
		{"Auto, of its own form", encoding.Auto, autoKey("k"), 1},
		{"Base64", encoding.Base64, spaced, 1},
		{"Base64, longest", encoding.Base64, strings.Repeat("k", 186), 1},
		{"Hash(sha1)", sha1Hash, spaced, 1},
		{"Hash(nil)", sha256Hash, spaced, 1},
		{"Hash(nil), too long", sha256Hash, strings.Repeat("k", longestKey), 1},
	} {
		if got := testing.AllocsPerRun(200, func() { test.encode(test.key) }); got != test.want {
			t.Errorf("%s: %v allocations, want %v", test.name, got, test.want)
		}
	}
	keys := hundredKeys("user:%d:profile")
	if got := testing.AllocsPerRun(200, func() { encoding.EncodeKeys(keys, encoding.Auto) }); got != 0 {
		t.Errorf("EncodeKeys where none changes: %v allocations, want none", got)
	}
}

// hundredKeys answers format with the numbers from 0 to 99.
func hundredKeys(format string) []string {
	keys := make([]string, 100)
	for i := range keys {
		keys[i] = fmt.Sprintf(format, i)
	}
	return keys
}
