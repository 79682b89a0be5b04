package memcachetest

import (
	"context"
	"net"
	"strings"
	"sync/atomic"

	"github.com/cachewire/cachewire/core"
)

// A server that has moved is found under its name by the next connection, also if
// there was no such name when the driver began.
func namesAreResolvedOnEachDial(v *victim) {
	var address atomic.Pointer[net.IP]
	resolver := net.DefaultResolver
	defer func() { net.DefaultResolver = resolver }()
	net.DefaultResolver = v.answering(&address)

	server := Start(v, nil)
	_, port, err := net.SplitHostPort(server.Addr())
	if err != nil {
		v.Fatal(err)
	}
	nowhere, here := net.IPv4(127, 9, 9, 9), net.IPv4(127, 0, 0, 1)
	c := v.open(impatient, "cache.test:"+port)
	set := func() error { return c.Set(v.Context(), "k", []byte("v"), 0) }
	get := func() error { _, err := c.Get(v.Context(), "k"); return err }
	err = set()
	v.wantErr("Set where there is no such name", err, core.ErrUnavailable)
	if err != nil && !strings.Contains(err.Error(), "cache.test") {
		v.Errorf("the error does not say which server: %v", err)
	}
	address.Store(&nowhere)
	v.wantErr("Set where nobody is", set(), core.ErrUnavailable)
	address.Store(&here)
	v.wantErr("Set where the server is", set(), nil)
	address.Store(&nowhere)
	v.wantErr("Get over a connection that there is", get(), nil)
	server.Restart()
	v.wantErr("Get that needs another", get(), core.ErrUnavailable)
}

// answering answers a resolver by whom all names have this address, or
// none if that is nil.
func (v *victim) answering(address *atomic.Pointer[net.IP]) *net.Resolver {
	v.Helper()
	dns, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		v.Fatal(err)
	}
	v.Cleanup(func() { dns.Close() })
	go func() {
		query := make([]byte, 1500)
		for {
			n, from, err := dns.ReadFrom(query)
			if err != nil {
				return
			}
			dns.WriteTo(resolve(query[:n], address.Load()), from)
		}
	}()
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "udp4", dns.LocalAddr().String())
	}}
}

// resolve answers the reply to a DNS query of one question (RFC 1035, section 4):
// address, or if it is not about an IPv4 address, that there is none.
func resolve(query []byte, address *net.IP) []byte {
	end := 12 + strings.IndexByte(string(query[12:]), 0) + 5 // behind name, type and class
	reply := append([]byte(nil), query[:end]...)
	reply[2], reply[3] = 0x81, 0x80                   // a response, of a server that recurses
	copy(reply[4:12], []byte{0, 1, 0, 0, 0, 0, 0, 0}) // one question, and nothing else
	if address == nil {
		reply[3] |= 3 // there is no such name
		return reply
	}
	if query[end-4] == 0 && query[end-3] == 1 { // type A
		reply[7] = 1
		reply = append(reply, 0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4) // that name, A, IN, for 0 seconds, 4 bytes
		reply = append(reply, address.To4()...)
	}
	return reply
}
