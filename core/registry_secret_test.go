package core_test

import (
	"context"
	"errors"
	"net/url"
	"strings"
	"testing"

	"github.com/cachewire/cachewire/core"
)

// refusingRegistry returns a Registry with two drivers that refuse every URL: x does not read
// the URL, and strict checks its host and its parameters first, as most drivers do.
func refusingRegistry() *core.Registry {
	var r core.Registry
	r.Register("x", failingDriver(errors.New("no")))
	r.Register("strict", driverFunc(func(_ context.Context, u *url.URL) (core.Backend, error) {
		p := core.NewParams(u)
		p.NoHost(u)
		p.Int("size", 1, 0, 1)
		return nil, errors.Join(p.Err(), errors.New("no"))
	}))
	return &r
}

// secretURLs are URLs whose passwords begin with S3. Many of them are wrong, so that errors
// are likely to show them.
var secretURLs = []string{
	"x://user:S3CRET@host",
	"x://:S3CRET@host",
	"x://:S3CRET",
	"x://user:S3CRET",
	"x://user:S3CRET@",
	"x://user:S3CRET@host:port",
	"x://user:S3CRET@ho st",
	"x://user:S3CRET@[::1",
	"x://user:S3CRET@[::1]",
	"x://user:S3CRET@a:1,b:2",
	"x://user:S3CRET@a,[::1]:2",
	"x://us er:S3CRET@host",
	"x://user:S3 S3CRET@host",
	"x://user:S3%zzS3CRET@host",
	"x://user:%S3CRET@host",
	"x://user:%53S3CRET@host",
	"x://user:\x7fS3CRET@host",
	"x://user:S3CRET%40host",
	"x://S3CRET@host:99999999",
	"x://user:\"S3CRET\"@host",
	"x://user:S3@S3CRET@host",

	// A password that is not escaped has a character that ends the authority part of a
	// URL. The digits before that character look like a port.
	"x://user:/S3CRET@host",
	"x://user:12/S3CRET@host",
	"x://user:S3/S3CRET@host",
	"x://user:12?S3CRET@host",
	"x://user:12#S3CRET@host",
	"x://user:S3@S3/S3CRET@host",
	"x://user:12/S3CRET?prefix=@host", // the @ is in a parameter that core removes
	"x://user:12/S3CRET?a=%40&prefix=@host",
	"x://user:12?S3CRET&prefix=@host",
	"x://user/S3CRET@host",
	"x://12/S3CRET@host",

	// There are too many or too few slashes, or the scheme is wrong.
	"x:///user:S3CRET@host",
	"x:/user:S3CRET@host",
	"x:user:S3CRET@host",
	"/user:S3CRET@host",
	"//user:S3CRET@host",
	"://user:S3CRET@host",
	"user:S3CRET@host",
	"1user:S3CRET@host",
	"%zz:S3CRET@host",
	" x://user:S3CRET@host",
	"x ://user:S3CRET@host",
	"unknown://user:S3CRET@host",
	"unknown://user:12/S3CRET@host",

	// The password is in the query.
	"x://host?password=S3CRET",
	"x://host?default_ttl=S3CRET",
	"x://host?prefix=S3CRET&prefix=S3CRET",
	"x://host?a=S3CRET;b",
	"x://host?a=S3CRET%zz",
	"x://host?a=%zzS3CRET",
	"x://host#S3CRET",
}

func TestNoErrorOfOpenShowsAPassword(t *testing.T) {
	r := refusingRegistry()
	for _, raw := range secretURLs {
		raws := []string{raw}
		if rest, ok := strings.CutPrefix(raw, "x:"); ok {
			raws = append(raws, "strict:"+rest)
		}
		for _, raw := range raws {
			_, err := r.Open(t.Context(), raw, nil)
			if err == nil {
				t.Errorf("Open(%q) succeeded, want an error", raw)
			} else if strings.Contains(err.Error(), "S3") {
				t.Errorf("Open(%q): error is %v, which shows the password", raw, err)
			}
		}
	}
}

func TestErrorOfOpenShowsSchemeHostAndPath(t *testing.T) {
	_, err := refusingRegistry().Open(t.Context(), "x://user:S3CRET@host:11211/db?size=1", nil)
	if err == nil || !strings.HasPrefix(err.Error(), "cachewire: open x://host:11211/db: ") {
		t.Errorf("error is %v, want it to begin with the URL x://host:11211/db", err)
	}
}

func TestRedactURLShowsNoSecrets(t *testing.T) {
	const harmless = "mem://a:1,b:2/path?size=5&keys=auto&timeout=1s"
	for rawURL, want := range map[string]string{
		harmless:                 harmless,
		"mem://user:secret@host": "mem://xxxxx@host",
		"mem://secret@host":      "mem://xxxxx@host",
		"mem://h?API_Key=secret&PASSWORD=secret&a=1": "mem://h?API_Key=xxxxx&PASSWORD=xxxxx&a=1",
		"mem://h?%70assword=secret":                  "mem://h?%70assword=xxxxx",
		"mem://h?encryption_keys=secret&pw=secret":   "mem://h?encryption_keys=xxxxx&pw=xxxxx",
		"mem://h?proxy=http://user:secret%40host":    "mem://h?proxy=xxxxx",
		"mem://h?auth_token=secret#password=secret":  "mem://h?auth_token=xxxxx",
		"mem://h?a=%zzsecret":                        "mem://h?xxxxx",
		"mem://user:secret@[::1":                     "xxxxx",
		"user:12345":                                 "xxxxx",
	} {
		if got := core.RedactURL(rawURL); got != want {
			t.Errorf("RedactURL(%q) = %s, want %s", rawURL, got, want)
		}
	}
	for _, raw := range secretURLs {
		// The names of these parameters do not suggest a secret.
		if strings.Contains(raw, "default_ttl=") || strings.Contains(raw, "prefix=S3") ||
			strings.Contains(raw, "?a=S3") {
			continue
		}
		if got := core.RedactURL(raw); strings.Contains(got, "S3") {
			t.Errorf("RedactURL(%q) = %s, which shows the password", raw, got)
		}
	}
}

// Open never panics, and its errors do not show a password between user and host.
func FuzzOpen(f *testing.F) {
	for _, raw := range []string{
		"", "x", "x://", ":", "x://?prefix=a&default_ttl=1s",
		"x://[", "x:opaque", "\x00", "x://%zz", "strict://?;",
	} {
		f.Add(raw, "", "")
	}
	for _, part := range []string{
		"", "/", "12/", "?", "12?", "#", "@", ":", "%", "%40", " ", "\n", "[", "a b", "é",
	} {
		f.Add("x://host", part, "")
		f.Add("x://host", "", part)
		f.Add("x://host", part, part)
		f.Add("x://host", part, "=")
		f.Add("x://host", part, "?prefix=")
	}
	r := refusingRegistry()
	f.Fuzz(func(t *testing.T, raw, before, after string) {
		if c, err := r.Open(t.Context(), raw, nil); (c == nil) == (err == nil) {
			t.Errorf("Open(%q) = %v, %v", raw, c, err)
		}
		const secret = "S3CRET"
		if strings.Contains(before+after, secret[:2]) {
			t.Skip("the parts look like the secret")
		}
		password := before + secret + after
		for _, scheme := range []string{"x", "strict", "unknown"} {
			for _, userinfo := range []string{
				"user:" + password,
				":" + password,
				url.UserPassword("user", password).String(),
			} {
				raw := scheme + "://" + userinfo + "@host:1?size=1"
				if _, err := r.Open(t.Context(), raw, nil); err == nil {
					t.Errorf("Open(%q) succeeded, want an error", raw)
				} else if strings.Contains(err.Error(), secret) {
					t.Errorf("Open(%q): error is %v, which shows the password", raw, err)
				}
			}
		}
	})
}
