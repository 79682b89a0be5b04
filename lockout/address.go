package lockout

import (
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// Address tells who sends requests, by network address. The zero value believes the
// connection alone, and is right where no proxy stands before the server.
type Address struct {
	// Trusted are the proxies that are believed. Where the connection comes from one of
	// them, the last address in X-Forwarded-For is who sent the request; where that is
	// one of them as well, the one before it; and so on. What stands farther ahead
	// anybody can have written.
	Trusted []netip.Prefix

	// IPv6 is how many bits of an IPv6 address are one sender, 1 to 128; 0 is 64, which
	// is the smallest network that its owner shares with nobody (RFC 6177).
	IPv6 int
}

// Of answers the address of who sent r: 192.0.2.1, or 2001:db8::/64. A remote address
// that is not one, of a Unix socket, is answered as it is: all who come through it are one
// sender, and no header is believed.
func (a Address) Of(r *http.Request) string {
	addr, ok := parseAddr(r.RemoteAddr)
	if !ok {
		return r.RemoteAddr
	}
	for _, line := range slices.Backward(r.Header.Values("X-Forwarded-For")) {
		for more := true; more; {
			if !a.trusts(addr) {
				return a.text(addr)
			}
			last := line
			at := strings.LastIndexByte(line, ',')
			if more = at >= 0; more {
				line, last = line[:at], line[at+1:]
			}
			before, ok := parseAddr(strings.TrimSpace(last))
			if !ok {
				return a.text(addr)
			}
			addr = before
		}
	}
	return a.text(addr)
}

func (a Address) trusts(addr netip.Addr) bool {
	return slices.ContainsFunc(a.Trusted, func(p netip.Prefix) bool {
		if p.Addr().Is4In6() && p.Bits() >= 96 {
			p = netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
		}
		return p.Contains(addr)
	})
}

func (a Address) text(addr netip.Addr) string {
	bits := a.IPv6
	if bits <= 0 || bits > 128 {
		bits = 64
	}
	if addr.Is4() || bits == 128 {
		return addr.String()
	}
	return netip.PrefixFrom(addr, bits).Masked().String()
}

// parseAddr reads an address, with or without a port.
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
