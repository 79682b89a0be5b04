package memcachetest

import (
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"net/http/httptest"
	"sync"
	"testing"
)

// StartTLS starts a listener with TLS that forwards to target, the host:port of a server. It
// returns its address, and a configuration for clients that trusts its certificate. It ends
// with the test.
func StartTLS(t testing.TB, target string) (addr string, client *tls.Config) {
	t.Helper()
	https := httptest.NewTLSServer(nil) // only for its certificate
	https.Close()
	client = &tls.Config{RootCAs: x509.NewCertPool()}
	client.RootCAs.AddCert(https.Certificate())
	server := &tls.Config{Certificates: https.TLS.Certificates}
	listener, err := tls.Listen("tcp", "127.0.0.1:0", server)
	if err != nil {
		t.Fatalf("memcachetest: %v", err)
	}
	var forwards sync.WaitGroup
	t.Cleanup(func() {
		listener.Close()
		forwards.Wait()
	})
	forwards.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			forwards.Go(func() { forward(conn, target) })
		}
	})
	return listener.Addr().String(), client
}

// forward copies bytes between a client and the server at target until one of them closes its
// connection.
func forward(client net.Conn, target string) {
	defer client.Close()
	server, err := net.Dial("tcp", target)
	if err != nil {
		return
	}
	var copies sync.WaitGroup
	copies.Go(func() {
		io.Copy(server, client)
		server.Close()
	})
	io.Copy(client, server)
	client.Close()
	server.Close()
	copies.Wait()
}
