package memcache_test

import (
	"net/url"
	"reflect"
	"testing"
	"time"

	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/memcache"
)

func optionsOf(t *testing.T, query string) (memcache.Options, error) {
	t.Helper()
	u, err := url.Parse("memcache://a?" + query)
	if err != nil {
		t.Fatal(err)
	}
	p := core.NewParams(u)
	return memcache.URLOptions(p), p.Err()
}

func TestURLOptions(t *testing.T) {
	for query, want := range map[string]memcache.Options{
		"": {Failures: 3, CoolDown: 30 * time.Second, Timeout: 500 * time.Millisecond},
		"hash=python_memcached&dead=eject&eject_after=7&cool_down=1m&timeout=250ms": {
			Selection: memcache.PythonMemcached,
			Dead:      memcache.Eject,
			Failures:  7,
			CoolDown:  time.Minute,
			Timeout:   250 * time.Millisecond,
		},
		"hash=ketama&dead=fail": {
			Failures: 3, CoolDown: 30 * time.Second, Timeout: 500 * time.Millisecond,
		},
	} {
		got, err := optionsOf(t, query)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("options of %q = %+v, %v; want %+v", query, got, err, want)
		}
	}
}

func TestURLOptionsNamesTheEncodersOfPackageEncoding(t *testing.T) {
	for name, want := range map[string]string{
		"":       "key",
		"auto":   "key",
		"string": "key",
		"base64": "a2V5",
		// In Python: base64.urlsafe_b64encode(hashlib.sha1(b'key').digest())
		"sha1":   "pi8iJb9wv6zLx_HvKjl4NnFzd94=",
		"sha256": "LHDhK3oGRvkiefQnx7OOczTY5Tic_xZ6HcMOc_gmtoM=",
	} {
		query := "keys=" + name
		if name == "" {
			query = ""
		}
		opts, err := optionsOf(t, query)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := newRouter(t, opts).Encode("key"); got != want || err != nil {
			t.Errorf("with %q, Encode(key) = %q, %v; want %q", query, got, err, want)
		}
	}
}

func TestWithDefaultsReplacesZeroFields(t *testing.T) {
	got, err := memcache.Options{}.WithDefaults()
	if err != nil ||
		got.Failures != 3 ||
		got.CoolDown != 30*time.Second ||
		got.Timeout != 500*time.Millisecond {
		t.Errorf("%+v, %v", got, err)
	}
	if got.Dead.String() != "fail" || memcache.Eject.String() != "eject" {
		t.Errorf("the policies are %v and %v", got.Dead, memcache.Eject)
	}
}
