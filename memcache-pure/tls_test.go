package memcachepure_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"net/http/httptest"
	"testing"

	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/memcache/memcachetest"
)

// startTLSProxy starts a TLS listener that forwards to target. It returns its address, and a
// configuration for clients that trusts its certificate.
func startTLSProxy(t *testing.T, target string) (addr string, client *tls.Config) {
	t.Helper()
	https := httptest.NewTLSServer(nil) // only for its certificate
	https.Close()
	client = &tls.Config{RootCAs: x509.NewCertPool()}
	client.RootCAs.AddCert(https.Certificate())
	server := &tls.Config{Certificates: https.TLS.Certificates}
	listener, err := tls.Listen("tcp", "127.0.0.1:0", server)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer client.Close()
				server, err := net.Dial("tcp", target)
				if err != nil {
					return
				}
				defer server.Close()
				go io.Copy(server, client)
				io.Copy(client, server)
			}()
		}
	}()
	return listener.Addr().String(), client
}

func TestTLS(t *testing.T) {
	server := memcachetest.Start(t, nil)
	addr, config := startTLSProxy(t, server.Addr())
	opts := *longTimeoutOptions
	opts.TLS = config // without a ServerName, so that it is the host of the server, 127.0.0.1
	c := openCache(t, &opts, addr)
	set(t, c, "k", "v")
	wantValue(t, c, "k", "v")
	if got, want := server.Do("get k"), "VALUE k 0 1\r\nv\r\nEND\r\n"; got != want {
		t.Errorf("get: %q, want %q", got, want)
	}
	server.Restart() // idle connections are checked beneath TLS
	for range 3 {
		set(t, c, "k", "v")
	}
	if _, err := c.Stats(t.Context()); err != nil {
		t.Errorf("Stats: %v", err)
	}

	untrusting := openURL(t, "memcache://"+addr+"?tls=true&timeout=10s")
	_, err := untrusting.Get(context.Background(), "k")
	wantErr(t, err, core.ErrUnavailable) // the system does not trust the certificate
	plain := openURL(t, "memcache://"+addr+"?timeout=100ms")
	_, err = plain.Get(context.Background(), "k")
	wantErr(t, err, core.ErrUnavailable)
}
