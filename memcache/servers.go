package memcache

import (
	"fmt"
	"net"
	"net/netip"
	"path"
	"strconv"
	"strings"

	"github.com/cachewire/cachewire/core"
)

const (
	// defaultPort is memcached's own.
	defaultPort = 11211

	// MaxWeight is the largest Weight of a Server. pylibmc keeps 16 bits of a
	// weight, and above them the two would part without a word.
	MaxWeight = 1<<16 - 1

	// maxSocketPath is what fits in a sockaddr_un of Linux; others take less.
	maxSocketPath = 107
)

// A Server is one memcached server. The zero value is none: [NormalizeServers]
// refuses it.
type Server struct {
	// Addr is where the server listens: "cache1:11211", "10.0.0.1:11211" or
	// "[::1]:11211"; without a port, which is 11211 then, "cache1", "10.0.0.1",
	// "[::1]" or "::1"; or the path of a unix socket, "/run/memcached.sock".
	Addr string

	// Weight is the server's share of the keys beside the others', up to
	// MaxWeight. 0 is 1.
	Weight int
}

// Network answers the network of the server for [net.Dialer.DialContext]: "unix"
// or "tcp".
func (s Server) Network() string {
	if strings.HasPrefix(s.Addr, "/") {
		return "unix"
	}
	return "tcp"
}

// Address answers the address of the server for [net.Dialer.DialContext]: a path,
// or host and port. A name stays a name, so that each dial resolves it again. Of
// an Addr that is wrong it answers the Addr.
func (s Server) Address() string {
	a, wrong := parseAddress(s.Addr)
	if wrong != "" {
		return s.Addr
	}
	return a.String()
}

// NormalizeServers answers a copy of servers in which each Addr has its port,
// and its brackets where they belong, and each Weight is 1 or more. The order
// stays, and so does the text of each host: both decide which server has a key.
//
// The error is ErrConfig if there is no server, if one is wrong or if two are the
// same. It tells of servers by their place in the list and shows nothing of them.
func NormalizeServers(servers []Server) ([]Server, error) {
	normal, _, err := normalize(servers)
	return normal, err
}

func normalize(servers []Server) ([]Server, []address, error) {
	if len(servers) == 0 {
		return nil, nil, configError("no servers: want one or more")
	}
	normal := make([]Server, len(servers))
	addresses := make([]address, len(servers))
	places := map[address]int{}
	var faults []string
	for i, server := range servers {
		a, wrong := parseAddress(server.Addr)
		first, twice := places[a.identity()]
		switch {
		case wrong != "":
		case twice:
			wrong = fmt.Sprintf("the same as server %d; want each once, with a weight if it is to have more keys", first+1)
		case server.Weight < 0 || server.Weight > MaxWeight:
			wrong = fmt.Sprintf("weight is %d, want 0 (which is 1) to %d", server.Weight, MaxWeight)
		}
		if wrong != "" {
			faults = append(faults, fmt.Sprintf("server %d of %d: %s", i+1, len(servers), wrong))
			continue
		}
		places[a.identity()] = i
		normal[i] = Server{Addr: a.String(), Weight: max(server.Weight, 1)}
		addresses[i] = a
	}
	if len(faults) > 0 {
		return nil, nil, configError(strings.Join(faults, "; "))
	}
	return normal, addresses, nil
}

func configError(wrong string) error { return fmt.Errorf("%w: %s", core.ErrConfig, wrong) }

// An address is the Addr of a Server, taken apart.
type address struct {
	host string // as it was written, but for brackets; of a unix socket its path
	port uint16 // 0 of a unix socket
}

func (a address) String() string {
	if a.port == 0 {
		return a.host
	}
	return net.JoinHostPort(a.host, strconv.Itoa(int(a.port)))
}

// identity answers an address that is equal for two texts that surely mean the
// same server. What a name resolves to is not asked.
func (a address) identity() address {
	if a.port == 0 {
		return address{host: path.Clean(a.host)}
	}
	if ip, err := netip.ParseAddr(a.host); err == nil {
		return address{ip.Unmap().String(), a.port}
	}
	return address{strings.ToLower(a.host), a.port}
}

const wantAddress = `want host:port, host (port 11211), [::1]:11211, ::1, or the path of a unix socket like /run/memcached.sock`

// parseAddress takes text apart, or tells what is wrong with it without showing
// it: what stands where an address belongs may be a password.
func parseAddress(text string) (a address, wrong string) {
	host, port := text, ""
	hasPort := false
	switch colons := strings.Count(text, ":"); {
	case text == "":
		return address{}, "empty; " + wantAddress
	case strings.ContainsFunc(text, isControl):
		return address{}, "a control character; " + wantAddress
	case text[0] == '/':
		return parseSocket(text)
	case strings.Contains(text, "/"):
		return address{}, "a path that does not begin with /; " + wantAddress
	case strings.ContainsAny(text, " ,"):
		return address{}, "a space or a comma within one server; " + wantAddress
	case text[0] == '[':
		var rest string
		var closed bool
		host, rest, closed = strings.Cut(text[1:], "]")
		port, hasPort = strings.CutPrefix(rest, ":")
		if !closed || !isIPv6(host) || !hasPort && rest != "" {
			return address{}, "brackets, but not around an IPv6 address with :port or nothing behind; " + wantAddress
		}
	case colons > 1:
		if !isIPv6(text) {
			return address{}, "several colons, but not an IPv6 address, which stands in brackets if a port follows; " + wantAddress
		}
	default:
		host, port, hasPort = strings.Cut(text, ":")
		if !isHostName(host) {
			return address{}, "no host name: want ASCII letters, digits, dots and hyphens; " + wantAddress
		}
	}
	if !hasPort {
		return address{host, defaultPort}, ""
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil || n == 0 {
		return address{}, "a port that is not a number from 1 to 65535; " + wantAddress
	}
	return address{host, uint16(n)}, ""
}

func parseSocket(text string) (a address, wrong string) {
	switch {
	case strings.HasSuffix(text, "/"):
		return address{}, "a path that ends with /; want that of a unix socket, like /run/memcached.sock"
	case len(text) > maxSocketPath:
		return address{}, fmt.Sprintf("a path of %d bytes; want that of a unix socket, at most %d bytes", len(text), maxSocketPath)
	}
	return address{host: text}, ""
}

func isControl(c rune) bool { return c < ' ' || c == 0x7f }

// isIPv6 tells whether host is an IPv6 address, with a zone or without. A zone can
// have any character; those of a name are all that interfaces need.
func isIPv6(host string) bool {
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.Is6() && (ip.Zone() == "" || isHostName(ip.Zone()))
}

func isHostName(host string) bool {
	for _, c := range []byte(host) {
		switch {
		case 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9':
		case c == '-' || c == '.' || c == '_':
		default:
			return false
		}
	}
	return host != ""
}
