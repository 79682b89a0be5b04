package redis

import (
	"crypto/tls"
	"fmt"
	"slices"
	"time"

	"github.com/redis/rueidis"

	"github.com/cachewire/cachewire/core"
)

const (
	defaultTimeout = 2 * time.Second

	// minTimeout is large enough that servers do not spend most of their time on PING.
	minTimeout = 10 * time.Millisecond

	// maxBulk is the longest string of a request that Redis takes, by its default
	// proto-max-bulk-len.
	maxBulk = 512 << 20

	maxConnections = 8
)

// Options are the settings of a Backend. The zero value of a field is its default, except that
// Addrs or Client is required.
type Options struct {
	// Addrs are the addresses of the servers: "host:port", "host" (then the port is 6379, or
	// 26379 of a sentinel), "[::1]:6379", or the path of a unix socket, "/run/redis.sock". One
	// address means a single server. Several addresses mean a cluster, and need not include all
	// of its servers. With Master, the addresses are those of sentinels.
	Addrs []string

	// Cluster says that one address means a cluster as well.
	Cluster bool

	// Master is the name of the primary that the sentinels at Addrs watch. If "", Addrs are
	// not sentinels.
	Master string

	// Username and Password are sent to the servers. If Username is "" and Password is not,
	// the user is "default". If Password is "", the client does not log in.
	Username, Password string

	// SentinelUsername and SentinelPassword are Username and Password for the sentinels.
	SentinelUsername, SentinelPassword string

	// DB is the number of the database. In a cluster it must be 0.
	DB int

	// TLS is the TLS configuration for servers and sentinels. If nil, the Backend does not use
	// TLS. If its ServerName is "", it is the host of each address. It must not be changed
	// afterwards.
	TLS *tls.Config

	// Timeout limits how long it takes to connect to a server. If a server is silent for
	// Timeout, the Backend sends PING, and the server must reply within Timeout again. So a verb
	// whose context is never done returns core.ErrUnavailable after at most 3 times Timeout.
	// Each reply must arrive as a whole within Timeout, which matters for large values on slow
	// networks. Timeout is at least 10 milliseconds. If 0, it is 2 seconds.
	Timeout time.Duration

	// Connections is the number of connections to each server: 1, 2, 4 or 8. All verbs share
	// them. More than 1 is seldom faster. If 0, it is 1.
	Connections int

	// MaxValue is the length in bytes of the longest value. For a longer value, a store returns
	// core.ErrTooLarge. MaxValue plus the 15 bytes of a header must not be more than
	// proto-max-bulk-len of the servers: if a server receives a longer string, it closes the
	// connection. A large value delays all other verbs on its connection, so a smaller limit can
	// be better. If 0, it is 536,870,897, which is 512 MiB less 15.
	MaxValue int

	// Plain stores bytes, texts and numbers without a header, for programs in other
	// languages. Traits then say ByValue; see the documentation of the package.
	Plain bool

	// Client is a client of the program. If nil, the Backend opens its own client. If Client is
	// set, Close does not close it, and of the other fields only Timeout, MaxValue and Plain may
	// be set. Set DisableRetry, AlwaysPipelining and DisableCache in its rueidis.ClientOption.
	// Otherwise reads continue for 3 times Timeout after their context is done, and verbs may
	// continue for as long after Close. With Client, each verb needs a goroutine if its context
	// can be done.
	Client rueidis.Client
}

// check returns o with each zero field set to its default, or ErrConfig.
func (o Options) check() (Options, error) {
	var err error
	if o.Client != nil {
		if err := o.checkClient(); err != nil {
			return o, err
		}
	} else if o.Addrs, err = o.addresses(); err != nil {
		return o, err
	}
	switch {
	case o.Username != "" && o.Password == "":
		return o, configErrorf("Username is set and Password is not; want both, or only a " +
			"Password for the user \"default\"")
	case o.SentinelUsername != "" && o.SentinelPassword == "":
		return o, configErrorf("SentinelUsername is set and SentinelPassword is not; want both, " +
			"or only a SentinelPassword")
	case o.Master == "" && o.SentinelPassword != "":
		return o, configErrorf("SentinelPassword is set and Master is not; want the name of the " +
			"primary that the sentinels watch")
	case o.Cluster && o.Master != "":
		return o, configErrorf("Cluster and Master are set; want one of them")
	case o.DB < 0:
		return o, configErrorf("DB is %d, want 0 or more", o.DB)
	case o.DB > 0 && o.isCluster():
		return o, configErrorf("DB is %d in a cluster, which has only database 0", o.DB)
	case o.Timeout != 0 && o.Timeout < minTimeout:
		return o, configErrorf("Timeout is %v, want %v or more, or 0 for %v", o.Timeout,
			minTimeout, defaultTimeout)
	case o.Connections != 0 && !slices.Contains([]int{1, 2, 4, maxConnections}, o.Connections):
		return o, configErrorf("Connections is %d, want 1, 2, 4 or %d, or 0 for 1", o.Connections,
			maxConnections)
	case o.MaxValue < 0 || o.MaxValue > maxBulk-headerLen:
		return o, configErrorf("MaxValue is %d, want 1024 to %d, or 0 for the latter", o.MaxValue,
			maxBulk-headerLen)
	case o.MaxValue != 0 && o.MaxValue < 1024:
		return o, configErrorf("MaxValue is %d, want 1024 or more, or 0 for %d", o.MaxValue,
			maxBulk-headerLen)
	}
	if o.Timeout == 0 {
		o.Timeout = defaultTimeout
	}
	if o.Connections == 0 {
		o.Connections = 1
	}
	if o.MaxValue == 0 {
		o.MaxValue = maxBulk - headerLen
	}
	return o, nil
}

// checkClient checks that no field that describes a client is set if Client is set.
func (o Options) checkClient() error {
	other := ""
	switch {
	case len(o.Addrs) > 0:
		other = "Addrs"
	case o.Cluster:
		other = "Cluster"
	case o.Master != "":
		other = "Master"
	case o.Username != "" || o.Password != "" || o.SentinelUsername != "" ||
		o.SentinelPassword != "":
		other = "a user or a password"
	case o.DB != 0:
		other = "DB"
	case o.TLS != nil:
		other = "TLS"
	case o.Connections != 0:
		other = "Connections"
	default:
		return nil
	}
	return configErrorf("Client and %s are set; want one of them, because the client is "+
		"connected already", other)
}

// isCluster reports whether the servers are a cluster.
func (o Options) isCluster() bool {
	return o.Cluster || o.Master == "" && len(o.Addrs) > 1
}

func configErrorf(format string, args ...any) error {
	return fmt.Errorf("%w: redis: "+format, append([]any{core.ErrConfig}, args...)...)
}
