package memcache_test

import (
	"crypto/tls"
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
	_, opts, err := memcache.ParseURL(u, core.NewParams(u))
	return opts, err
}

func TestParseURLReadsTheOptions(t *testing.T) {
	for query, want := range map[string]memcache.Options{
		"": {},
		"hash=python_memcached&dead=eject&eject_after=7&cool_down=1m&timeout=250ms": {
			Selection: memcache.PythonMemcached,
			Dead:      memcache.Eject,
			Failures:  7,
			CoolDown:  time.Minute,
			Timeout:   250 * time.Millisecond,
		},
		"hash=ketama&dead=fail&expand=false&tls=false": {},
		"max_idle_time=1m&max_lifetime=2m&resolve=3s&expand=true&tls=true": {
			MaxIdleTime: time.Minute,
			MaxLifetime: 2 * time.Minute,
			Resolve:     3 * time.Second,
			Expand:      true,
			TLS:         &tls.Config{},
		},
	} {
		got, err := optionsOf(t, query)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("options of %q = %+v, %v; want %+v", query, got, err, want)
		}
	}
}

func TestParseURLReadsTheLogin(t *testing.T) {
	for raw, want := range map[string][2]string{
		"memcache://a":                       {"", ""},
		"memcache://user:pass@a":             {"user", "pass"},
		"memcache://us%40er:p%3A%2Fss@a,b:1": {"us@er", "p:/ss"},
		"memcache://user:pass@?server=::1":   {"user", "pass"},
	} {
		u, err := url.Parse(raw)
		if err != nil {
			t.Fatal(err)
		}
		_, opts, err := memcache.ParseURL(u, core.NewParams(u))
		if opts.Username != want[0] || opts.Password != want[1] || err != nil {
			t.Errorf("%s: %q, %q, %v; want %q", raw, opts.Username, opts.Password, err, want)
		}
	}
}

func TestParseURLNamesTheEncodersOfPackageEncoding(t *testing.T) {
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
		got.Timeout != 500*time.Millisecond ||
		got.MaxIdleTime != 3*time.Minute ||
		got.MaxLifetime != 30*time.Minute ||
		got.Resolve != 10*time.Second {
		t.Errorf("%+v, %v", got, err)
	}
	if got.Dead.String() != "fail" || memcache.Eject.String() != "eject" {
		t.Errorf("the policies are %v and %v", got.Dead, memcache.Eject)
	}
}
