package redis_test

import (
	"crypto/tls"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/redis/rueidis"

	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/redis"
	"github.com/cachewire/cachewire/redis/redistest"
)

func TestEveryFormOfURLOpensACache(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t, &redistest.Options{Password: "p@ss"})
	socket := redistest.Start(t, &redistest.Options{Unix: true})
	secure := redistest.Start(t, &redistest.Options{TLS: true})
	cluster := redistest.StartCluster(t, 3, nil).Addrs()
	guarded := redistest.StartSentinel(t, &redistest.Options{Password: "x"})
	for _, url := range []string{
		"redis://:p%40ss@" + server.Addr() + "?timeout=10s",
		"valkey://default:p%40ss@" + server.Addr() +
			"/3?timeout=10s&connections=2&max_value=1MiB&prefix=p:",
		"redis://:p%40ss@?server=" + server.Addr() + "&db=4&timeout=10s&default_ttl=1m",
		"redis://" + socket.Addr() + "?timeout=10s&db=1&plain=true",
		"rediss://" + secure.Addr() + "?timeout=10s&tls_ca=" + secure.CertificateFile(),
		"valkeys://" + secure.Addr() + "/0?timeout=10s&tls_ca=" + secure.CertificateFile(),
		"redis://" + cluster[0] + "?cluster=true&timeout=10s",
		"redis://" + strings.Join(cluster, ",") + "?timeout=10s",
		"redis://:x@" + guarded.Sentinel.Addr() + "?master=" + redistest.MasterName +
			"&timeout=10s",
	} {
		c, err := core.Open(t.Context(), url, nil)
		if err != nil {
			t.Errorf("%s: %v", url, err)
			continue
		}
		set(t, c, "key with spaces", url)
		wantValue(t, c, "key with spaces", url)
		wantErr(t, "Ping", c.Ping(t.Context()), nil)
		wantErr(t, "Close", c.Close(), nil)
	}
	if got := server.Do("DBSIZE"); got != "1" {
		t.Errorf("%s keys in database 0, want that of the first URL", got)
	}
}

func TestAURLThatIsWrongIsErrConfig(t *testing.T) {
	t.Parallel()
	for url, part := range map[string]string{
		"redis://":                                "redis://host:6379/0",
		"redis:h":                                 "no //",
		"redis://h#x":                             "#",
		"redis:///3":                              "no server",
		"redis://h/x":                             "number of a database",
		"redis://h/1?db=2":                        "in its path and as parameter db",
		"redis://h?db=-1":                         "parameter db",
		"redis://h?server=b":                      "before its path and as parameter server",
		"redis://user@h":                          "user without a password",
		"redis://user:@h":                         "empty password",
		"redis://h?timeout=5":                     "timeout",
		"redis://h?timeout=1ms":                   "Timeout is 1ms, want 10ms or more",
		"redis://h?timeout=0":                     "timeout",
		"redis://h?connections=3":                 "want 1, 2, 4 or 8",
		"redis://h?connections=16":                "connections",
		"redis://h?max_value=1KB":                 "max_value",
		"redis://h?max_value=1":                   "MaxValue is 1",
		"redis://h?max_value=1GiB":                "MaxValue is",
		"redis://h?max_value=8TiB":                "MaxValue is",
		"redis://h?plain=yes":                     "plain",
		"redis://h?cluster=1":                     "cluster",
		"redis://h?cluster=true&master=m":         "Cluster and Master",
		"redis://a,b/2":                           "only database 0",
		"redis://a,a":                             "address 2 of 2 is the same as address 1",
		"redis://?server=[::1]&server=a b":        "address 2 of 2 is not a host name",
		"redis://?server=::1:2:x":                 "malformed",
		"redis://?server=a:0":                     "1 to 65535",
		"redis://?server=/run/a&server=b":         "unix socket, which only a single server has",
		"redis://?server=":                        "empty",
		"rediss:///run/redis.sock":                "unix socket with TLS",
		"redis://h?sentinel_password=secret":      "Master is not",
		"redis://h?master=m&sentinel_user=secret": "SentinelPassword is not",
		"redis://h?tls_ca=/none":                  "scheme rediss",
		"rediss://h?tls_ca=/none":                 "tls_ca",
		"rediss://h?tls_ca=/etc/hostname":         "no certificate",
		"redis://user:secret@h?colour=red": `unknown parameter "colour"; known: cluster, ` +
			"connections, db, master, max_value, plain, sentinel_password, sentinel_user, " +
			"server, timeout, tls_ca, prefix, default_ttl",
		"redis://user:secret@h:x":                   "port",
		"redis://user:secret@?server=user:secret:1": "malformed",
	} {
		_, err := core.Open(t.Context(), url, nil)
		if !errors.Is(err, core.ErrConfig) || !strings.Contains(err.Error(), part) ||
			strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v, want ErrConfig with %q", url, err, part)
		}
	}
}

func TestOptionsThatAreWrongAreErrConfig(t *testing.T) {
	t.Parallel()
	for _, opts := range []*redis.Options{
		nil, {}, {Addrs: []string{"h"}, Timeout: -1}, {Addrs: []string{"h"}, Connections: 3},
		{Addrs: []string{"h"}, MaxValue: -1}, {Addrs: []string{"h"}, MaxValue: 512 << 20},
		{Addrs: []string{"h"}, DB: -1},
		{Addrs: []string{"h"}, Username: "u"}, {Addrs: []string{"/run/x"}, TLS: &tls.Config{}},
		{Addrs: []string{"/run/x"}, Cluster: true}, {Addrs: []string{"a", "b"}, DB: 1},
	} {
		if _, err := redis.New(opts); !errors.Is(err, core.ErrConfig) {
			t.Errorf("%+v: %v", opts, err)
		}
	}
	client := clientOf(t, redistest.Start(t, nil).Addr())
	for _, opts := range []redis.Options{
		{Addrs: []string{"h"}}, {Cluster: true}, {Master: "m"}, {Password: "p"}, {DB: 1},
		{TLS: &tls.Config{}}, {Connections: 1},
	} {
		opts.Client = client
		if _, err := redis.New(&opts); !errors.Is(err, core.ErrConfig) {
			t.Errorf("%+v: %v", opts, err)
		}
	}
}

// clientOf returns a client of rueidis, which is closed when the test ends.
func clientOf(t testing.TB, addr string) rueidis.Client {
	t.Helper()
	client, err := rueidis.NewClient(rueidis.ClientOption{
		InitAddress: []string{addr}, ForceSingleClient: true,
		DisableCache: true, DisableRetry: true, AlwaysPipelining: true,
		ConnWriteTimeout: 20 * time.Second,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return client
}

func TestAClientThatExistsIsUsedAndNotClosed(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t, nil)
	client := clientOf(t, server.Addr())
	c := openCache(t, &redis.Options{Client: client, Timeout: time.Second})
	set(t, c, "k", "v")
	wantValue(t, c, "k", "v")
	server.Pause()
	ctx, cancel := cancelAfter(20 * time.Millisecond)
	defer cancel()
	takes(t, "Get", 20*time.Millisecond+slack, func() {
		_, err := c.Get(ctx, "k")
		wantErr(t, "Get", err, ctx.Err())
	})
	server.Resume()
	var same rueidis.Client
	if !c.As(&same) || same != client {
		t.Error("As does not return the client of the Options")
	}
	wantErr(t, "Close", c.Close(), nil)
	if err := client.Do(t.Context(), client.B().Ping().Build()).Error(); err != nil {
		t.Errorf("PING after Close of the Cache: %v", err)
	}
}

func TestAsReturnsTheClient(t *testing.T) {
	t.Parallel()
	c := openCache(t, patient(redistest.Start(t, nil).Addr()))
	var client rueidis.Client
	if !c.As(&client) {
		t.Fatal("As is false")
	}
	set(t, c, "k", "v")
	n, err := client.Do(t.Context(), client.B().Exists().Key("k").Build()).AsInt64()
	if n != 1 || err != nil {
		t.Errorf("EXISTS: %d, %v", n, err)
	}
	var other *tls.Config
	if c.As(&other) {
		t.Error("As of another type is true")
	}
}
