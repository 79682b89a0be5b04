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
	// defaultPort is the standard port of memcached.
	defaultPort = 11211

	// MaxWeight is the largest Weight of a Server. pylibmc keeps only 16 bits of a weight,
	// and would silently choose other servers for a larger one.
	MaxWeight = 1<<16 - 1

	// maxSocketPath is the length of the longest path that fits in a sockaddr_un of Linux.
	// Other systems accept less.
	maxSocketPath = 107
)

// A Server is one memcached server. [NormalizeServers] refuses the zero value.
type Server struct {
	// Addr is where the server listens: "cache1:11211", "10.0.0.1:11211" or
	// "[::1]:11211"; without a port, which is then 11211, "cache1", "10.0.0.1",
	// "[::1]" or "::1"; or the path of a unix socket, "/run/memcached.sock".
	Addr string

	// Weight is the share of the keys that the server gets, relative to the weights of the
	// other servers. The largest is MaxWeight. If 0, it is 1.
	Weight int
}

// Network returns the network of the server: "unix" or "tcp". With String, it makes a Server a
// net.Addr.
func (s Server) Network() string {
	if strings.HasPrefix(s.Addr, "/") {
		return "unix"
	}
	return "tcp"
}

// String returns the address of the server for [net.Dialer.DialContext]: a path, or host and
// port. It does not resolve a name. If Addr is invalid, it returns Addr.
func (s Server) String() string {
	a, problem := parseAddress(s.Addr)
	if problem != "" {
		return s.Addr
	}
	return a.String()
}

// host returns the host of a normalized server, and whether it is a name, which must be
// resolved. A unix socket has no host.
func (s Server) host() (host string, isName bool) {
	if s.Network() == "unix" {
		return "", false
	}
	host, _, _ = net.SplitHostPort(s.Addr)
	_, err := netip.ParseAddr(host)
	return host, err != nil
}

// NormalizeServers returns a copy of servers in which each Addr has its port, an IPv6 address
// has its brackets, and each Weight is 1 or more. It keeps the order and the text of each
// host, because both decide which server has a key.
//
// It returns ErrConfig if servers is empty, if a server is invalid or if two servers are the
// same. The error names servers by their position in the list and shows nothing of them.
func NormalizeServers(servers []Server) ([]Server, error) {
	normalized, _, err := normalize(servers)
	return normalized, err
}

func normalize(servers []Server) ([]Server, []address, error) {
	if len(servers) == 0 {
		return nil, nil, configError("no servers; want one or more")
	}
	normalized := make([]Server, len(servers))
	addresses := make([]address, len(servers))
	indexes := map[address]int{} // of the servers that are valid, by their identity
	var problems []string
	for i, server := range servers {
		a, problem := parseAddress(server.Addr)
		first, duplicate := indexes[a.identity()]
		switch {
		case problem != "":
		case duplicate:
			problem = fmt.Sprintf("is the same as server %d; "+
				"want each server once, with a weight if it should have more keys", first+1)
		case server.Weight < 0 || server.Weight > MaxWeight:
			problem = fmt.Sprintf("has weight %d; want 1 to %d, or 0 for 1",
				server.Weight, MaxWeight)
		}
		if problem != "" {
			problems = append(problems,
				fmt.Sprintf("server %d of %d %s", i+1, len(servers), problem))
			continue
		}
		indexes[a.identity()] = i
		normalized[i] = Server{Addr: a.String(), Weight: max(server.Weight, 1)}
		addresses[i] = a
	}
	if len(problems) > 0 {
		return nil, nil, configError(strings.Join(problems, "; "))
	}
	return normalized, addresses, nil
}

func configError(problem string) error {
	return fmt.Errorf("%w: memcache: %s", core.ErrConfig, problem)
}

// An address is a parsed Server.Addr.
type address struct {
	host string // as it was written, without brackets; the path of a unix socket
	port uint16 // 0 for a unix socket
}

func (a address) String() string {
	if a.port == 0 {
		return a.host
	}
	return net.JoinHostPort(a.host, strconv.Itoa(int(a.port)))
}

// identity returns the same address for two texts that certainly mean the same server. It
// does not resolve names.
func (a address) identity() address {
	if a.port == 0 {
		return address{host: path.Clean(a.host)}
	}
	if ip, err := netip.ParseAddr(a.host); err == nil {
		return address{ip.Unmap().String(), a.port}
	}
	return address{strings.ToLower(a.host), a.port}
}

const wantAddress = "want host:port, host (port 11211), [::1]:11211, ::1, " +
	"or the path of a unix socket like /run/memcached.sock"

// parseAddress parses text. If text is invalid, it returns what is wrong with it. The problem
// does not show text, which may be a password in the wrong place.
func parseAddress(text string) (a address, problem string) {
	host, port := text, ""
	hasPort := false
	switch colons := strings.Count(text, ":"); {
	case text == "":
		return address{}, "is empty; " + wantAddress
	case strings.ContainsFunc(text, isControl):
		return address{}, "has a control character; " + wantAddress
	case text[0] == '/':
		return parseSocket(text)
	case strings.Contains(text, "/"):
		return address{}, "is a path that does not begin with /; " + wantAddress
	case strings.ContainsAny(text, " ,"):
		return address{}, "has a space or a comma; " + wantAddress
	case text[0] == '[':
		var rest string
		var closed bool
		host, rest, closed = strings.Cut(text[1:], "]")
		port, hasPort = strings.CutPrefix(rest, ":")
		if !closed || !isIPv6(host) || !hasPort && rest != "" {
			return address{}, "has brackets, but not around an IPv6 address with :port or " +
				"nothing after them; " + wantAddress
		}
	case colons > 1:
		if !isIPv6(text) {
			return address{}, "has several colons, but is not an IPv6 address, which needs " +
				"brackets if a port follows; " + wantAddress
		}
	default:
		host, port, hasPort = strings.Cut(text, ":")
		if !isHostName(host) {
			return address{}, "has no host name, which consists of ASCII letters, digits, dots, " +
				"hyphens and underscores; " + wantAddress
		}
	}
	if !hasPort {
		return address{host, defaultPort}, ""
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil || n == 0 {
		return address{}, "has a port that is not a number from 1 to 65535; " + wantAddress
	}
	return address{host, uint16(n)}, ""
}

func parseSocket(text string) (a address, problem string) {
	const want = "want the path of a unix socket"
	switch {
	case strings.HasSuffix(text, "/"):
		return address{}, "is a path that ends with /; " + want + " like /run/memcached.sock"
	case len(text) > maxSocketPath:
		return address{}, fmt.Sprintf("is a path of %d bytes; %s of at most %d bytes",
			len(text), want, maxSocketPath)
	}
	return address{host: text}, ""
}

func isControl(c rune) bool { return c < ' ' || c == 0x7f }

// isIPv6 reports whether host is an IPv6 address, with or without a zone. A zone may have any
// character, but the names of interfaces need only those of a host name.
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
