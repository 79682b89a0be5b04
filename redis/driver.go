package redis

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"math"
	"net/url"
	"os"
	"strconv"
	"strings"

	"github.com/cachewire/cachewire/core"
)

func init() {
	for _, scheme := range []string{"redis", "rediss", "valkey", "valkeys"} {
		core.Register(scheme, driver{})
	}
}

type driver struct{}

// Open returns a new Backend for u. It does not connect.
func (driver) Open(_ context.Context, u *url.URL) (core.Backend, error) {
	p := core.NewParams(u)
	given := p.Strings("server")
	opts := Options{
		Cluster:          p.Bool("cluster", false),
		Master:           p.String("master", ""),
		SentinelUsername: p.String("sentinel_user", ""),
		SentinelPassword: p.String("sentinel_password", ""),
		DB:               p.Int("db", 0, 0, math.MaxInt32),
		Timeout:          p.Duration("timeout", 0, 1),
		Connections:      p.Int("connections", 0, 1, maxConnections),
		MaxValue:         int(min(p.Bytes("max_value", 0), math.MaxInt32)),
		Plain:            p.Bool("plain", false),
	}
	roots := p.String("tls_ca", "")
	hasDB := p.String("db", "") != ""
	if err := p.Err(); err != nil {
		return nil, err
	}
	var path string
	var err error
	if opts.Addrs, path, err = urlAddrs(u, given); err != nil {
		return nil, err
	}
	if path != "" {
		n, err := strconv.ParseUint(path, 10, 31)
		switch {
		case err != nil:
			return nil, configErrorf("the path after the servers is not the number of a "+
				"database; want %s://host:6379/0", u.Scheme)
		case hasDB:
			return nil, configErrorf("the URL has a database in its path and as parameter db; " +
				"want one of them")
		}
		opts.DB = int(n)
	}
	if err := urlUser(u, &opts); err != nil {
		return nil, err
	}
	if strings.HasSuffix(u.Scheme, "s") && u.Scheme != "redis" {
		opts.TLS = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	if roots != "" {
		if err := urlRoots(opts.TLS, roots); err != nil {
			return nil, err
		}
	}
	return New(&opts)
}

// urlAddrs returns the addresses that u names, and the path behind them.
func urlAddrs(u *url.URL, given []string) (addrs []string, path string, err error) {
	path = strings.TrimPrefix(u.Path, "/")
	want := fmt.Sprintf("want %[1]s://host:6379/0, %[1]s://a:6379,b:6379 (a cluster), "+
		"%[1]s://a:26379,b:26379?master=name (sentinels), "+
		"%[1]s://?server=[::1]:6379&server=b:6379, "+
		"or %[1]s:///run/redis.sock?db=0", u.Scheme)
	switch {
	case u.Opaque != "":
		return nil, "", configErrorf("the URL has no // behind its scheme; %s", want)
	case u.Fragment != "":
		return nil, "", configErrorf("the URL has a #; %s", want)
	case u.Host != "" && len(given) > 0:
		return nil, "", configErrorf("the URL names servers before its path and as parameter "+
			"server; %s", want)
	case u.Host != "":
		return strings.Split(u.Host, ","), path, nil
	case len(given) > 0:
		return given, path, nil
	case path == "":
		return nil, "", configErrorf("the URL names no server; %s", want)
	case isNumber(path):
		return nil, "", configErrorf("the URL has a database and no server; %s", want)
	}
	return []string{u.Path}, "", nil
}

func isNumber(text string) bool {
	_, err := strconv.ParseUint(text, 10, 31)
	return err == nil
}

// urlUser sets the user and the password of opts to those of u.
func urlUser(u *url.URL, opts *Options) error {
	if u.User == nil {
		return nil
	}
	opts.Username = u.User.Username()
	password, ok := u.User.Password()
	switch {
	case !ok:
		return configErrorf("the URL has a user without a password; want "+
			"%[1]s://user:password@host, or %[1]s://:password@host", u.Scheme)
	case password == "":
		return configErrorf("the URL has an empty password; want %[1]s://user:password@host, or "+
			"no user and no password", u.Scheme)
	}
	opts.Password = password
	return nil
}

// urlRoots makes config trust the certificates in a file.
func urlRoots(config *tls.Config, file string) error {
	if config == nil {
		return configErrorf("parameter tls_ca is for TLS; want the scheme rediss or valkeys")
	}
	pem, err := os.ReadFile(file)
	if err != nil {
		return configErrorf("parameter tls_ca: %w; want a file of certificates in PEM", err)
	}
	config.RootCAs = x509.NewCertPool()
	if !config.RootCAs.AppendCertsFromPEM(pem) {
		return configErrorf("parameter tls_ca: the file has no certificate; want a file of " +
			"certificates in PEM")
	}
	return nil
}
