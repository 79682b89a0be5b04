package memcache

import (
	"fmt"
	"net/url"
	"strconv"
	"strings"

	"github.com/cachewire/cachewire/core"
)

// URLServers answers the servers that u names, as NormalizeServers does, in one of
// three ways:
//
//	memcache://a:11211,b:11211
//	memcache://?server=[::1]:11211&server=b:11211
//	memcache:///run/memcached.sock
//
// The first is a plain list. The second takes everything that Server.Addr does,
// also what net/url refuses as a list: several IPv6 addresses, or a list whose
// last server has no port. The third is the path of one unix socket. The
// parameter weight, a whole number from 1 to MaxWeight, is given for no server or
// once for each, in their order.
//
// The error is ErrConfig if u names no server, names some in two ways, has a user,
// a password or a fragment, or if NormalizeServers refuses the servers. It shows
// nothing of u but the scheme.
//
// p is that of u. URLServers asks it for server and weight, also when it fails,
// so that what p.Err tells of other parameters is right.
func URLServers(u *url.URL, p *core.Params) ([]Server, error) {
	given, weights := p.Strings("server"), p.Strings("weight")
	addrs, wrong := urlAddrs(u, given)
	if wrong != "" {
		return nil, configError(fmt.Sprintf("%s; want %[2]s://host:port,host:port or %[2]s://?server=host:port&server=[::1]:port "+
			"(and for each &weight=1, or for none) or %[2]s:///run/memcached.sock", wrong, u.Scheme))
	}
	servers := make([]Server, len(addrs))
	for i, addr := range addrs {
		servers[i].Addr = addr
	}
	if len(weights) != 0 && len(weights) != len(servers) {
		return nil, configError(fmt.Sprintf("parameter weight is given %d times for %d servers, want none, or one for each in their order",
			len(weights), len(servers)))
	}
	for i, text := range weights {
		weight, err := strconv.Atoi(text)
		if err != nil || weight < 1 || weight > MaxWeight {
			return nil, configError(fmt.Sprintf("parameter weight of server %d of %d: want a whole number from 1 to %d", i+1, len(servers), MaxWeight))
		}
		servers[i].Weight = weight
	}
	return NormalizeServers(servers)
}

// urlAddrs answers the texts of the servers, or what is wrong with u.
func urlAddrs(u *url.URL, given []string) (addrs []string, wrong string) {
	socket := u.Path
	if socket == "/" {
		socket = ""
	}
	switch {
	case u.User != nil:
		return nil, "the URL has a user, which memcached does not know"
	case u.Opaque != "":
		return nil, "the URL has no // behind its scheme"
	case u.Fragment != "":
		return nil, "the URL has a #"
	case strings.TrimSuffix(u.Host, ":") == "unix" && socket != "":
		return nil, "the URL has the host unix; the path of a unix socket follows three slashes"
	case u.Host != "" && socket != "":
		return nil, "the URL has a path after its servers, and memcached has none"
	case u.Host != "" && len(given) > 0 || socket != "" && len(given) > 0:
		return nil, "the URL names servers in two ways at once"
	case u.Host != "":
		return strings.Split(u.Host, ","), ""
	case socket != "":
		return []string{socket}, ""
	case len(given) > 0:
		return given, ""
	}
	return nil, "the URL names no server"
}
