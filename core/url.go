package core

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// parseURL parses rawURL. Its error shows nothing that may be secret.
func parseURL(rawURL string) (*url.URL, error) {
	if strings.TrimSpace(rawURL) != rawURL {
		return nil, fmt.Errorf("%w: the URL begins or ends with white space; want none", ErrConfig)
	}
	if suggestion, ok := withScheme(rawURL); ok {
		return nil, fmt.Errorf("%w: the URL has no scheme; want %s", ErrConfig, suggestion)
	}
	u, err := url.Parse(rawURL)
	switch {
	case err != nil:
	case u.Scheme == "":
		return nil, fmt.Errorf(
			"%w: the URL has no scheme; want one like memory:// or scheme://host:port?name=value",
			ErrConfig,
		)
	// url.Parse ends a password at a slash and takes the rest for a path, which errors
	// show. The @ in the rest shows that this has happened.
	case strings.Contains(u.Host+u.Opaque+u.EscapedPath()+u.RawQuery+u.EscapedFragment(), "@"):
		return nil, fmt.Errorf(
			"%w: the URL has an @ that does not follow user and password: percent-encode "+
				"@ / ? # in a password, and @ in what follows the host (%%40 %%2F %%3F %%23)",
			ErrConfig,
		)
	default:
		return u, nil
	}
	why := "malformed"
	// The text of the cause may show part of a password: text before the @, or after a
	// colon if the @ was forgotten.
	var cause *url.Error
	if errors.As(err, &cause) && !strings.Contains(rawURL, "@") &&
		!strings.Contains(cause.Err.Error(), "invalid port") {
		why = cause.Err.Error()
	}
	return nil, fmt.Errorf(
		"%w: the URL is wrong: %s; want scheme://host:port,host:port?name=value, "+
			"or for hosts that do not fit there scheme://?server=host:port&server=[::1]:port",
		ErrConfig,
		why,
	)
}

// withScheme reports whether rawURL is host:port, as other clients take it, and returns the
// URL that its author probably means.
func withScheme(rawURL string) (suggestion string, ok bool) {
	host, port, ok := strings.Cut(rawURL, ":")
	if n, err := strconv.ParseUint(port, 10, 16); !ok || err != nil || n == 0 ||
		strings.Trim(host, hostChars) != "" {
		return "", false
	}
	if host == "" {
		host = "localhost"
	}
	scheme := "scheme"
	switch port {
	case "11211":
		scheme = "memcache"
	case "6379":
		scheme = "redis"
	}
	return scheme + "://" + host + ":" + port, true
}

const hostChars = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_"

// An openError shows the URL that could not be opened, without the parts that may be
// secret.
type openError struct {
	url *url.URL
	err error
}

func (e *openError) Error() string {
	return textPrefix + "open " + e.url.Scheme + "://" + e.url.Host + e.url.EscapedPath() + ": " +
		strings.TrimPrefix(e.err.Error(), textPrefix)
}

func (e *openError) Unwrap() error { return e.err }

// urlOptions removes the parameters of the Cache from u. It returns opts with these
// parameters added.
func urlOptions(u *url.URL, opts *Options) (*Options, error) {
	settings := Options{}
	if opts != nil {
		settings = *opts
	}
	p := NewParams(u)
	prefix := p.String("prefix", "")
	ttl := p.Duration("default_ttl", 0, 0)
	if prefix != "" && settings.Prefix != "" {
		p.wrong = append(
			p.wrong,
			"parameter prefix: the options have a prefix, too; want one of them",
		)
	}
	if err := configError(p.wrong); err != nil {
		return nil, err
	}
	if settings.Prefix == "" {
		settings.Prefix = prefix
	}
	if settings.DefaultTTL == 0 {
		settings.DefaultTTL = ttl
	}
	if err := settings.check(); err != nil {
		return nil, err
	}
	// The other parameters keep their form and order.
	rest := slices.DeleteFunc(strings.Split(u.RawQuery, "&"), func(pair string) bool {
		name, _, _ := strings.Cut(pair, "=")
		name, _ = url.QueryUnescape(name)
		return name == "prefix" || name == "default_ttl"
	})
	u.RawQuery = strings.Join(rest, "&")
	return &settings, nil
}

// RedactURL returns rawURL in a form that may be logged. "xxxxx" replaces user and
// password, the values of parameters that may be secret, and parts that cannot be parsed.
func RedactURL(rawURL string) string {
	const hidden = "xxxxx"
	u, err := parseURL(rawURL)
	if err != nil {
		return hidden
	}
	text := u.Scheme + "://"
	if u.User != nil {
		text += hidden + "@"
	}
	text += u.Host + u.EscapedPath()
	if _, err := url.ParseQuery(u.RawQuery); err != nil {
		return text + "?" + hidden
	}
	for i, pair := range strings.Split(u.RawQuery, "&") {
		if u.RawQuery == "" {
			break
		}
		name, value, _ := strings.Cut(pair, "=")
		if mayBeSecret(name, value) {
			pair = name + "=" + hidden
		}
		text += string("?&"[min(i, 1)]) + pair
	}
	return text
}

// mayBeSecret reports whether a parameter must not be shown. Name and value are escaped.
func mayBeSecret(name, value string) bool {
	name, _ = url.QueryUnescape(name)
	name = strings.ToLower(name)
	value, _ = url.QueryUnescape(value)
	if strings.ContainsAny(value, "@") || name != "keys" && strings.Contains(name, "key") {
		return true
	}
	for _, word := range []string{
		"pass", "pw", "secret", "token", "credential", "auth", "dsn", "sig", "sas", "user",
	} {
		if strings.Contains(name, word) {
			return true
		}
	}
	return false
}
