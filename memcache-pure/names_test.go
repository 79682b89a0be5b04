package memcachepure_test

import (
	"context"
	"net"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/memcache/memcachetest"
)

func TestANameThatDoesNotResolveIsUnavailable(t *testing.T) {
	c := openCache(t, patient, "no-such-host.invalid:11211")
	_, err := c.Get(t.Context(), "k")
	wantErr(t, err, core.ErrUnavailable)
	if !strings.Contains(err.Error(), "no-such-host.invalid") {
		t.Errorf("the error is %v", err)
	}
}

// A server that has moved is found under its name: by the next connection.
func TestANameIsResolvedOnEachDial(t *testing.T) {
	var address atomic.Pointer[net.IP]
	resolver := net.DefaultResolver
	defer func() { net.DefaultResolver = resolver }()
	net.DefaultResolver = answering(t, &address)

	server := memcachetest.Start(t, nil)
	_, port, err := net.SplitHostPort(server.Addr())
	if err != nil {
		t.Fatal(err)
	}
	nowhere, here := net.IPv4(127, 9, 9, 9), net.IPv4(127, 0, 0, 1)
	address.Store(&nowhere)
	c := openCache(t, impatient, "cache.test:"+port)
	wantErr(t, c.Set(t.Context(), "k", []byte("v"), 0), core.ErrUnavailable)
	address.Store(&here)
	set(t, c, "k", "v")
	wantValue(t, c, "k", "v")
	address.Store(&nowhere)
	wantValue(t, c, "k", "v") // there is a connection
	server.Restart()
	_, err = c.Get(t.Context(), "k")
	wantErr(t, err, core.ErrUnavailable)
}

// answering answers a resolver by whom all names have this address.
func answering(t *testing.T, address *atomic.Pointer[net.IP]) *net.Resolver {
	t.Helper()
	dns, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { dns.Close() })
	go func() {
		query := make([]byte, 1500)
		for {
			n, from, err := dns.ReadFrom(query)
			if err != nil {
				return
			}
			if reply := resolve(query[:n], *address.Load()); reply != nil {
				dns.WriteTo(reply, from)
			}
		}
	}()
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "udp4", dns.LocalAddr().String())
	}}
}

// resolve answers the reply to a DNS query of one question (RFC 1035, section 4):
// address, or if it is not about an IPv4 address, that there is none.
func resolve(query []byte, address net.IP) []byte {
	end := 12 + strings.IndexByte(string(query[12:]), 0) + 5 // behind name, type and class
	reply := append([]byte(nil), query[:end]...)
	reply[2], reply[3] = 0x81, 0x80                   // a response, of a server that recurses
	copy(reply[4:12], []byte{0, 1, 0, 0, 0, 0, 0, 0}) // one question, and nothing else
	if query[end-4] == 0 && query[end-3] == 1 {       // type A
		reply[7] = 1
		reply = append(reply, 0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4) // that name, A, IN, for 0 seconds, 4 bytes
		reply = append(reply, address.To4()...)
	}
	return reply
}
