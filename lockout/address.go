package lockout

import (
	"iter"
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// An Address finds the network address that sent a request. The zero value uses the address
// of the connection and no header. It is right if there is no proxy in front of the server.
type Address struct {
	// Trusted are the networks of the proxies whose Header is believed. If the connection
	// comes from one of them, the sender is the last address in the Header. If that address
	// is trusted as well, the sender is the address before it, and so on. Addresses further
	// to the left are ignored: any client can write them.
	Trusted []netip.Prefix

	// TrustSocket says that connections without an IP address, such as those over a Unix
	// socket, come from a proxy whose Header is believed. If false, all of them are one
	// sender.
	TrustSocket bool

	// Header is the header in which the proxies write the address that sent them the request.
	// If "", it is X-Forwarded-For. Forwarded is read as RFC 7239 says. Any other header,
	// such as X-Real-IP, is read as a list of addresses. Every trusted proxy must replace or
	// extend the header. If a proxy passes it on unchanged, a client can write any address
	// into it.
	Header string

	// IPv6 is the number of bits of an IPv6 address that identify a sender, 1 to 128. Any
	// other number means 64: a /64 is the smallest network that has a single owner (RFC 6177).
	IPv6 int
}

// Of returns the address of the sender of r, such as 192.0.2.1 or 2001:db8::/64. If an IPv6
// address was made from an IPv4 address by NAT64 (RFC 6052), SIIT (RFC 2765), Teredo (RFC
// 4380) or 6to4 (RFC 3056), Of returns that IPv4 address. It returns an address of a local
// NAT64 prefix (RFC 8215) with all its bits.
//
// Of returns the remote address of r unchanged if the connection has no IP address and no
// believed header has an address.
func (a Address) Of(r *http.Request) string {
	addr, ok := parseAddr(r.RemoteAddr)
	if !ok && !a.TrustSocket {
		return r.RemoteAddr
	}
	header := a.Header
	if header == "" {
		header = "X-Forwarded-For"
	}
	isForwarded := strings.EqualFold(header, "Forwarded")
	for element := range lastToFirst(r.Header.Values(header)) {
		if ok && !a.trusts(addr) {
			break
		}
		if isForwarded {
			element = forParameter(element)
		}
		previous, known := parseAddr(unquote(element))
		if !known {
			break
		}
		addr, ok = previous, true
	}
	if !ok {
		return r.RemoteAddr
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
	addr = untranslate(addr)
	if addr.Is4() || bits == 128 || localNAT64.Contains(addr) {
		return addr.String()
	}
	return netip.PrefixFrom(addr, bits).Masked().String()
}

var (
	nat64      = netip.MustParsePrefix("64:ff9b::/96")
	localNAT64 = netip.MustParsePrefix("64:ff9b:1::/48") // the IPv4 address can be anywhere in it
	siit       = netip.MustParsePrefix("::ffff:0:0:0/96")
	teredo     = netip.MustParsePrefix("2001::/32")
	sixToFour  = netip.MustParsePrefix("2002::/16")
)

// untranslate returns the IPv4 address from which addr was made, or addr if there is none.
func untranslate(addr netip.Addr) netip.Addr {
	if addr.Is4() {
		return addr
	}
	b := addr.As16()
	switch {
	case nat64.Contains(addr), siit.Contains(addr):
		return netip.AddrFrom4([4]byte(b[12:]))
	case teredo.Contains(addr): // Teredo inverts the bits
		return netip.AddrFrom4([4]byte{^b[12], ^b[13], ^b[14], ^b[15]})
	case sixToFour.Contains(addr):
		return netip.AddrFrom4([4]byte(b[2:6]))
	}
	return addr
}

// parseAddr parses an address with or without a port.
func parseAddr(s string) (netip.Addr, bool) {
	if inside, isBracketed := strings.CutPrefix(s, "["); isBracketed {
		s, _, _ = strings.Cut(inside, "]")
	} else if strings.Count(s, ":") == 1 {
		s, _, _ = strings.Cut(s, ":")
	}
	addr, err := netip.ParseAddr(s)
	return addr.Unmap().WithZone(""), err == nil
}

// lastToFirst yields the elements of a list header without the empty ones (RFC 9110, section
// 5.6.1.2).
func lastToFirst(lines []string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for _, line := range slices.Backward(lines) {
			for element := ""; line != ""; {
				if line, element = cutLast(line, ','); element != "" && !yield(element) {
					return
				}
			}
		}
	}
}

// cutLast cuts s around the last separator that is not in a quoted string. It reads from the
// end, which the proxy has written, so that a quotation mark from the client hides nothing.
func cutLast(s string, separator byte) (before, after string) {
	quoted := false
	for i := len(s) - 1; i >= 0; i-- {
		switch s[i] {
		case '"':
			backslashes := len(s[:i]) - len(strings.TrimRight(s[:i], `\`))
			quoted = quoted != (backslashes%2 == 0)
		case separator:
			if !quoted {
				return s[:i], strings.Trim(s[i+1:], " \t")
			}
		}
	}
	return "", strings.Trim(s, " \t")
}

// forParameter returns the value of the parameter for of an element of Forwarded, or "".
func forParameter(element string) string {
	for pair := ""; element != ""; {
		element, pair = cutLast(element, ';')
		if name, value, _ := strings.Cut(pair, "="); strings.EqualFold(name, "for") {
			return value
		}
	}
	return ""
}

// unquote returns the contents of the quoted string s, or s if it is not quoted.
func unquote(s string) string {
	if len(s) < 2 || s[0] != '"' || s[len(s)-1] != '"' {
		return s
	}
	return strings.ReplaceAll(s[1:len(s)-1], `\`, "") // no address has a backslash
}
