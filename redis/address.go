package redis

import (
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
)

const (
	defaultPort         = 6379
	defaultSentinelPort = 26379

	// maxSocketPath is the longest path of a unix socket on Linux; other systems take less.
	maxSocketPath = 107
)

const wantAddress = "want host:port, host, [::1]:6379, or the path of a unix socket like " +
	"/run/redis.sock"

// addresses returns Addrs with their ports. The errors show nothing of an address, because a
// password may stand in the wrong place.
func (o Options) addresses() ([]string, error) {
	if len(o.Addrs) == 0 {
		return nil, configErrorf("Addrs is empty; want one or more addresses")
	}
	port := defaultPort
	if o.Master != "" {
		port = defaultSentinelPort
	}
	addrs := make([]string, len(o.Addrs))
	places := map[string]int{}
	for i, text := range o.Addrs {
		addr, err := parseAddress(text, port)
		if err == nil && strings.HasPrefix(addr, "/") {
			switch {
			case len(o.Addrs) > 1 || o.isCluster() || o.Master != "":
				err = fmt.Errorf("a unix socket, which only a single server has")
			case o.TLS != nil:
				err = fmt.Errorf("a unix socket with TLS, which Redis does not have")
			}
		}
		if first, twice := places[addr]; err == nil && twice {
			err = fmt.Errorf("the same as address %d; want each once", first+1)
		}
		if err != nil {
			return nil, configErrorf("address %d of %d is %w", i+1, len(o.Addrs), err)
		}
		places[addr], addrs[i] = i, addr
	}
	return addrs, nil
}

// parseAddress returns text with a port, or an error that says what is wrong with text.
func parseAddress(text string, defaultPort int) (string, error) {
	switch {
	case text == "":
		return "", fmt.Errorf("empty; %s", wantAddress)
	case strings.HasPrefix(text, "/"):
		if len(text) > maxSocketPath || strings.HasSuffix(text, "/") ||
			strings.ContainsRune(text, 0) {
			return "", fmt.Errorf("not the path of a unix socket: it has %d bytes, of at most "+
				"%d, or ends in a slash", len(text), maxSocketPath)
		}
		return text, nil
	case isIPv6(text):
		return net.JoinHostPort(text, strconv.Itoa(defaultPort)), nil
	}
	host, port := text, strconv.Itoa(defaultPort)
	if inner, ok := strings.CutPrefix(text, "["); ok && strings.HasSuffix(inner, "]") {
		host = strings.TrimSuffix(inner, "]")
		if !isIPv6(host) {
			return "", fmt.Errorf("in brackets and not an IPv6 address; %s", wantAddress)
		}
	} else if strings.Contains(text, ":") {
		var err error
		if host, port, err = net.SplitHostPort(text); err != nil {
			return "", fmt.Errorf("malformed; %s", wantAddress)
		}
	}
	if !isHostName(host) && !isIPv6(host) {
		return "", fmt.Errorf("not a host name: want ASCII letters, digits, dots, hyphens; %s",
			wantAddress)
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil || n == 0 {
		return "", fmt.Errorf("with a port that is not a number from 1 to 65535; %s", wantAddress)
	}
	return net.JoinHostPort(host, strconv.FormatUint(n, 10)), nil
}

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
