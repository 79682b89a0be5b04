package memcache

import (
	"fmt"
	"net/url"
	"strconv"
	"strings"

	"github.com/cachewire/cachewire/core"
)

// ParseURL returns the servers and the options in the URL of a driver. The servers are as
// NormalizeServers returns them. A URL names servers in one of three ways:
//
//	memcache://user:password@a:11211,b:11211
//	memcache://?server=[::1]:11211&server=b:11211
//	memcache:///run/memcached.sock
//
// The first is a plain list. The second accepts everything that Server.Addr accepts, even
// texts that net/url refuses in a list: several IPv6 addresses, or a last server without a
// port. The third is the path of one unix socket. The parameter weight is a whole number from
// 1 to MaxWeight, given once for each server in their order, or not at all.
//
// The parameters hash, dead, eject_after, cool_down, keys, timeout, max_idle_time,
// max_lifetime, resolve, expand and tls, and the user, are the Options.
//
// p has the parameters of u. The driver reads its own parameters before it calls ParseURL,
// which ends with p.Err. ParseURL returns ErrConfig if a parameter is invalid, if u names no
// server or names servers in two ways, if u has a fragment, if NormalizeServers refuses the
// servers, or WithDefaults the options. The error shows no part of u except the scheme.
func ParseURL(u *url.URL, p *core.Params) ([]Server, Options, error) {
	servers, serversErr := urlServers(u, p)
	opts := urlOptions(u, p)
	if err := p.Err(); err != nil {
		return nil, Options{}, err
	}
	if serversErr != nil {
		return nil, Options{}, serversErr
	}
	if _, err := opts.WithDefaults(); err != nil {
		return nil, Options{}, err
	}
	return servers, opts, nil
}

// urlServers reads server and weight from p even if it fails, so that p.Err does not report
// them as unknown.
func urlServers(u *url.URL, p *core.Params) ([]Server, error) {
	serverParams, weights := p.Strings("server"), p.Strings("weight")
	addrs, problem := urlAddrs(u, serverParams)
	if problem != "" {
		return nil, configError(fmt.Sprintf("%s; want %[2]s://host:port,host:port "+
			"or %[2]s://?server=host:port&server=[::1]:port "+
			"(with &weight=1 for each server, or for none) or %[2]s:///run/memcached.sock",
			problem, u.Scheme))
	}
	servers := make([]Server, len(addrs))
	for i, addr := range addrs {
		servers[i].Addr = addr
	}
	if len(weights) != 0 && len(weights) != len(servers) {
		return nil, configError(fmt.Sprintf("parameter weight is given %d times for %d servers; "+
			"want none, or one for each server in their order", len(weights), len(servers)))
	}
	for i, text := range weights {
		weight, err := strconv.Atoi(text)
		if err != nil || weight < 1 || weight > MaxWeight {
			return nil, configError(fmt.Sprintf("parameter weight of server %d of %d is invalid; "+
				"want a whole number from 1 to %d", i+1, len(servers), MaxWeight))
		}
		servers[i].Weight = weight
	}
	return NormalizeServers(servers)
}

// urlAddrs returns the addresses of the servers that u names. If u is invalid, it returns
// what is wrong with it.
func urlAddrs(u *url.URL, serverParams []string) (addrs []string, problem string) {
	socket := u.Path
	if socket == "/" {
		socket = ""
	}
	switch {
	case u.Opaque != "":
		return nil, "the URL has no // after its scheme"
	case u.Fragment != "":
		return nil, "the URL has a #"
	case u.User != nil && strings.Trim(u.User.String(), ":") == "":
		return nil, "the URL has an @ without a user before it"
	case strings.TrimSuffix(u.Host, ":") == "unix" && socket != "":
		return nil, "the URL has the host unix, but the path of a unix socket follows three slashes"
	case u.Host != "" && socket != "":
		return nil, "the URL has a path after its servers"
	case u.Host != "" && len(serverParams) > 0 || socket != "" && len(serverParams) > 0:
		return nil, "the URL names servers in two ways"
	case u.Host != "":
		return strings.Split(u.Host, ","), ""
	case socket != "":
		return []string{socket}, ""
	case len(serverParams) > 0:
		return serverParams, ""
	}
	return nil, "the URL names no server"
}
