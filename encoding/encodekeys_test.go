package encoding_test

import (
	"errors"
	"fmt"
	"hash"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/encoding"
)

// wantEncodeKeys fails unless EncodeKeys encodes keys as want, and returns a map that leads
// back to keys. If a string in want is "", the error of the key must be ErrInvalidKey.
func wantEncodeKeys(
	t testing.TB, encode encoding.KeyEncoder, keys, want []string,
) core.MultiError {
	t.Helper()
	given := slices.Clone(keys)
	encoded, original, failed := encoding.EncodeKeys(keys, encode)
	if !slices.Equal(encoded, want) {
		t.Errorf("%q are encoded as %q, want %q", keys, encoded, want)
	}
	if !slices.Equal(keys, given) {
		t.Errorf("the caller's keys have changed from %q to %q", given, keys)
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
		t.Errorf("failed.Err() is %v, want an error for %v", err, wantFailed)
	}
	return failed
}

func TestEncodeKeysAgreesWithWheezyCaching(t *testing.T) {
	wantEncodeKeys(t, encoding.Base64, []string{"k1", "k2"}, []string{"azE=", "azI="})
}

func TestEncodeKeysReturnsItsArgumentIfNoKeyChanges(t *testing.T) {
	for _, encode := range []encoding.KeyEncoder{encoding.Auto, encoding.String} {
		keys := []string{"a", "b", "c"}
		encoded, original, failed := encoding.EncodeKeys(keys, encode)
		if len(encoded) != 3 || &encoded[0] != &keys[0] {
			t.Errorf("encoded is %q, want the caller's slice itself", encoded)
		}
		if original != nil || failed.Errors != nil || failed.Err() != nil {
			t.Errorf("original is %q, failed are %v, want neither", original, failed.Errors)
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

func TestEncodeKeysIfSomeKeysChange(t *testing.T) {
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
		wantEncodeKeys(t, encoding.Auto, keys, want)
	}
}

func TestEncodeKeysIfSomeKeysFail(t *testing.T) {
	for _, test := range []struct{ keys, want []string }{
		{[]string{"a b", "c", "d"}, []string{"", "c", "d"}},
		{[]string{"a", "b c", "d"}, []string{"a", "", "d"}},
		{[]string{"a", "b", "c d"}, []string{"a", "b", ""}},
		{[]string{"a b", "c d"}, []string{"", ""}},
		{[]string{"", "c"}, []string{"", "c"}},
		{[]string{"c", ""}, []string{"c", ""}},
	} {
		failed := wantEncodeKeys(t, encoding.String, test.keys, test.want)
		for key, err := range failed.Errors {
			if _, want := encoding.String(key); err.Error() != want.Error() {
				t.Errorf("error of %q is %q, want that of String, %q", key, err, want)
			}
		}
	}
	long := strings.Repeat("k", 187)
	wantEncodeKeys(t, encoding.Base64, []string{"k1", long, "k2"}, []string{"azE=", "", "azI="})
}

func TestEncodeKeysReturnsASliceThatTheCallerMayChange(t *testing.T) {
	for _, keys := range [][]string{{"a", "b c", "d"}, {"b c", "a", "d"}, {"a", "d", "b c"}} {
		for _, encode := range []encoding.KeyEncoder{encoding.Auto, encoding.String} {
			given := slices.Clone(keys)
			encoded, _, _ := encoding.EncodeKeys(keys, encode)
			clear(encoded)
			if !slices.Equal(keys, given) {
				t.Errorf("the caller's keys have changed from %q to %q", given, keys)
			}
		}
	}
}

// lower is a KeyEncoder that encodes some keys in the same way.
func lower(key string) (string, error) { return strings.ToLower(key), nil }

func TestEncodeKeysRefusesKeysWithTheSameEncoding(t *testing.T) {
	for _, test := range []struct {
		keys, want []string
		failed     map[string]string // the key with the same encoding, by the key that fails
	}{
		{[]string{"KEY", "Key"}, []string{"key", ""}, map[string]string{"Key": "KEY"}},
		{[]string{"Key", "key"}, []string{"key", ""}, map[string]string{"key": "Key"}},
		{[]string{"key", "Key"}, []string{"", "key"}, map[string]string{"key": "Key"}},
		{
			[]string{"a", "key", "b", "Key", "c"}, []string{"a", "", "b", "key", "c"},
			map[string]string{"key": "Key"},
		},
		{
			[]string{"Key", "KEY", "key"}, []string{"key", "", ""},
			map[string]string{"KEY": "Key", "key": "Key"},
		},
		{
			[]string{"key", "KEY", "Key"}, []string{"", "key", ""},
			map[string]string{"Key": "KEY", "key": "KEY"},
		},
		{
			[]string{"A", "B", "a", "b"}, []string{"a", "b", "", ""},
			map[string]string{"a": "A", "b": "B"},
		},
	} {
		failed := wantEncodeKeys(t, lower, test.keys, test.want)
		for key, other := range test.failed {
			want := fmt.Sprintf("cachewire: invalid key: encoded as %q, "+
				"like %q of the same call (encoding.Auto encodes all keys differently)",
				strings.ToLower(key), other)
			if err := failed.Errors[key]; err == nil || err.Error() != want {
				t.Errorf("%q: error of %q is\n%v, want\n%v", test.keys, key, err, want)
			}
		}
	}
}

func TestEncodeKeysRefusesCollisionsOfAWeakHash(t *testing.T) {
	weak := encoding.Hash(func() hash.Hash { return &wide{size: 1} })
	keys, want := []string{"one", "three", "two"}, []string{"Aw==", "BQ==", ""}
	failed := wantEncodeKeys(t, weak, keys, want)
	if err := failed.Errors["two"]; err != nil && !strings.Contains(err.Error(), `"one"`) {
		t.Errorf("error is %v, want one that names the other key", err)
	}
}

func TestEncodeKeysIgnoresAResultWithAnError(t *testing.T) {
	broken := errors.New("broken")
	// No result, the key itself, and the result for the other key.
	for _, result := range []string{"", "a", "x"} {
		encode := func(key string) (string, error) {
			if key == "a" {
				return result, broken
			}
			return "x", nil
		}
		encoded, original, failed := encoding.EncodeKeys([]string{"a", "b"}, encode)
		if !slices.Equal(encoded, []string{"", "x"}) ||
			!maps.Equal(original, map[string]string{"x": "b"}) {
			t.Errorf("%q with the error: encoded are %q, original is %q",
				result, encoded, original)
		}
		if len(failed.Errors) != 1 || failed.Errors["a"] != broken {
			t.Errorf("%q with the error: failed are %v, want a", result, failed.Errors)
		}
	}
}

func TestEncodeKeysRefusesAnEmptyResult(t *testing.T) {
	encode := func(key string) (string, error) { return strings.TrimPrefix(key, "x"), nil }
	for _, keys := range [][]string{{"x", "a"}, {"a", "x"}, {"", "a"}, {"a", "", "xb"}} {
		_, _, failed := encoding.EncodeKeys(keys, encode)
		if len(failed.Errors) != 1 {
			t.Errorf("%q: failed are %v, want one", keys, failed.Errors)
		}
		for _, err := range failed.Errors {
			const want = "cachewire: invalid key: encoded as the empty key; " +
				"a KeyEncoder returns 1 to 250 bytes"
			if !errors.Is(err, core.ErrInvalidKey) || err.Error() != want {
				t.Errorf("%q: error is\n%v, want\n%v", keys, err, want)
			}
		}
	}
}

func TestEncodeKeysAcceptsAKeyGivenTwice(t *testing.T) {
	wantEncodeKeys(t, encoding.Auto, []string{"a", "a"}, []string{"a", "a"})
	wantEncodeKeys(t, encoding.Base64, []string{"k1", "k1"}, []string{"azE=", "azE="})
}
