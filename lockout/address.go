package lockout

import (
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// An Address finds out which network address sent a request. The zero value uses the address
// of the connection and no header, which is right if there is no proxy in front of the
// server.
type Address struct {
	// Trusted are the networks of the proxies whose X-Forwarded-For headers are believed.
	// If the connection comes from one of them, the sender is the last address in
	// X-Forwarded-For. If that is a trusted proxy as well, it is the address before that,
	// and so on. Addresses further to the left are ignored: any client can write them.
	Trusted []netip.Prefix

	// IPv6 is how many bits of an IPv6 address identify a sender, 1 to 128. If 0, it is
	// 64: a /64 is the smallest network that has a single owner (RFC 6177).
	IPv6 int
}

// Of returns the address of the sender of r, such as 192.0.2.1 or 2001:db8::/64. If the
// remote address of r is not an IP address, as with a Unix socket, Of returns it unchanged
// and ignores the headers. All clients of such a socket are one sender.
func (a Address) Of(r *http.Request) string {
	addr, ok := parseAddr(r.RemoteAddr)
	if !ok {
		return r.RemoteAddr
	}
	for _, line := range slices.Backward(r.Header.Values("X-Forwarded-For")) {
		for more := true; more; {
			if !a.trusts(addr) {
				return a.format(addr)
			}
			last := line
			comma := strings.LastIndexByte(line, ',')
			if more = comma >= 0; more {
				line, last = line[:comma], line[comma+1:]
			}
			previous, ok := parseAddr(strings.TrimSpace(last))
			if !ok {
				return a.format(addr)
			}
			addr = previous
		}
	}
	return a.format(addr)
}

func (a Address) trusts(addr netip.Addr) bool {
	return slices.ContainsFunc(a.Trusted, func(p netip.Prefix) bool {
		if p.Addr().Is4In6() && p.Bits() >= 96 {
			p = netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
		}
		return p.Contains(addr)
	})
}

// format returns addr as text, an IPv6 address as its network.
func (a Address) format(addr netip.Addr) string {
	bits := a.IPv6
	if bits <= 0 || bits > 128 {
		bits = 64
	}
	if addr.Is4() || bits == 128 {
		return addr.String()
	}
	return netip.PrefixFrom(addr, bits).Masked().String()
}

// parseAddr parses an address with or without a port.
func parseAddr(s string) (netip.Addr, bool) {
	addr, err := netip.ParseAddr(strings.TrimSuffix(strings.TrimPrefix(s, "["), "]"))
	if err != nil {
		port, err := netip.ParseAddrPort(s)
		if err != nil {
			return netip.Addr{}, false
		}
		addr = port.Addr()
	}
	return addr.Unmap().WithZone(""), true
}
