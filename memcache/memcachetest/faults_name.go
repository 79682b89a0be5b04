package memcachetest

import (
	"context"
	"net"
	"strings"
	"sync/atomic"

	"github.com/cachewire/cachewire/core"
)

// If the address of a name changes, the next connection goes to the new address. The name
// need not exist when the driver opens its backend.
func eachDialResolvesNames(d *driverTest) {
	var address atomic.Pointer[net.IP]
	resolver := net.DefaultResolver
	defer func() { net.DefaultResolver = resolver }()
	net.DefaultResolver = d.resolverFor(&address)

	server := Start(d, nil)
	_, port, err := net.SplitHostPort(server.Addr())
	if err != nil {
		d.Fatal(err)
	}
	unusedIP, serverIP := net.IPv4(127, 9, 9, 9), net.IPv4(127, 0, 0, 1)
	c := d.open(shortTimeoutOptions, "cache.test:"+port)
	set := func() error { return c.Set(d.Context(), "k", []byte("v"), 0) }
	get := func() error { _, err := c.Get(d.Context(), "k"); return err }
	err = set()
	d.wantErr("Set while the name does not exist", err, core.ErrUnavailable)
	if err != nil && !strings.Contains(err.Error(), "cache.test") {
		d.Errorf("error is %v, want the name of the server in it", err)
	}
	address.Store(&unusedIP)
	d.wantErr("Set while no server has the address", set(), core.ErrUnavailable)
	address.Store(&serverIP)
	d.wantErr("Set with the address of the server", set(), nil)
	address.Store(&unusedIP)
	d.wantErr("Get over the open connection", get(), nil)
	server.Restart()
	d.wantErr("Get over a new connection", get(), core.ErrUnavailable)
}

// resolverFor returns a resolver that resolves every name to the address that is stored in
// address. If that is nil, no name exists.
func (d *driverTest) resolverFor(address *atomic.Pointer[net.IP]) *net.Resolver {
	d.Helper()
	dns, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		d.Fatal(err)
	}
	d.Cleanup(func() { dns.Close() })
	go func() {
		query := make([]byte, 1500)
		for {
			n, from, err := dns.ReadFrom(query)
			if err != nil {
				return
			}
			dns.WriteTo(dnsReply(query[:n], address.Load()), from)
		}
	}()
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "udp4", dns.LocalAddr().String())
	}
	return &net.Resolver{PreferGo: true, Dial: dial}
}

// dnsReply returns the reply to a DNS query with one question (RFC 1035, section 4). If
// address is nil, the name does not exist. Otherwise the name has the IPv4 address address,
// and no record of another type.
func dnsReply(query []byte, address *net.IP) []byte {
	end := 12 + strings.IndexByte(string(query[12:]), 0) + 5 // after name, type and class
	reply := append([]byte(nil), query[:end]...)
	reply[2], reply[3] = 0x81, 0x80                   // a response of a server that recurses
	copy(reply[4:12], []byte{0, 1, 0, 0, 0, 0, 0, 0}) // one question and no other sections
	if address == nil {
		reply[3] |= 3 // NXDOMAIN
		return reply
	}
	if query[end-4] == 0 && query[end-3] == 1 { // type A
		reply[7] = 1
		// The name of the question, type A, class IN, TTL 0, 4 bytes of data.
		reply = append(reply, 0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4)
		reply = append(reply, address.To4()...)
	}
	return reply
}
