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

// terminate answers the address of a TLS listener in front of target, and what
// its clients have to trust.
func terminate(t *testing.T, target string) (addr string, trust *tls.Config) {
	t.Helper()
	https := httptest.NewTLSServer(nil) // which has a certificate
	https.Close()
	trust = &tls.Config{RootCAs: x509.NewCertPool()}
	trust.RootCAs.AddCert(https.Certificate())
	listener, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: https.TLS.Certificates})
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
	return listener.Addr().String(), trust
}

func TestTLS(t *testing.T) {
	server := memcachetest.Start(t, nil)
	addr, trust := terminate(t, server.Addr())
	opts := *patient
	opts.TLS = trust // its ServerName is that of the server, 127.0.0.1
	c := openCache(t, &opts, addr)
	set(t, c, "k", "v")
	wantValue(t, c, "k", "v")
	if n := server.Do("get k"); n != "VALUE k 0 1\r\nv\r\nEND\r\n" {
		t.Errorf("the server has %q", n)
	}
	server.Restart() // and idle connections are looked at through TLS, too
	for range 3 {
		set(t, c, "k", "v")
	}
	if _, err := c.Stats(t.Context()); err != nil {
		t.Errorf("Stats: %v", err)
	}

	stranger := openURL(t, "memcache://"+addr+"?tls=true&timeout=10s")
	_, err := stranger.Get(context.Background(), "k")
	wantErr(t, err, core.ErrUnavailable) // its certificate is nobody's
	plain := openURL(t, "memcache://"+addr+"?timeout=100ms")
	_, err = plain.Get(context.Background(), "k")
	wantErr(t, err, core.ErrUnavailable)
}
