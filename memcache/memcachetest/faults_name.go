package memcachetest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/memcache"
)

// The name of a server need not exist when the driver opens its backend. A name whose address
// refuses connections is resolved again at once.
func namesAreResolvedByDialing(d *driverTest) {
	names := d.startNames()
	server := Start(d, nil)
	_, port, err := net.SplitHostPort(server.Addr())
	if err != nil {
		d.Fatal(err)
	}
	opts := shortTimeoutOptions
	opts.Resolve = time.Hour
	c := d.open(opts, "cache.test:"+port)
	set := func() error { return c.Set(d.Context(), "k", []byte("v"), 0) }
	err = set()
	d.wantErr("Set while the name does not exist", err, core.ErrUnavailable)
	if err != nil && !strings.Contains(err.Error(), "cache.test") {
		d.Errorf("error is %v, want the name of the server in it", err)
	}
	names.store("127.9.9.9")
	d.wantErr("Set while no server has the address", set(), core.ErrUnavailable)
	names.store("127.0.0.1")
	d.wantErr("Set with the address of the server", set(), nil)

	other := Start(d, &Options{Addr: "127.0.0.2:" + port})
	names.store("127.0.0.2")
	d.wantErr("Set over the open connection", set(), nil)
	if n := other.Stat("cmd_set"); n != "0" {
		d.Errorf("the server at the new address received %s sets, want 0", n)
	}
	server.Kill()
	d.eventually("verbs reach the server at the new address", func() bool {
		return set() == nil && other.Stat("cmd_set") != "0"
	})
}

// When the name of a server gets another address, all connections move there at once, while
// goroutines are calling verbs. A worker that reads what it has just written misses at most
// once: if the move is between the two.
func namesAreFollowed(d *driverTest) {
	names := d.startNames()
	old := Start(d, nil)
	_, port, _ := net.SplitHostPort(old.Addr())
	present := Start(d, &Options{Addr: "127.0.0.2:" + port})
	names.store("127.0.0.1")
	opts := longTimeoutOptions
	opts.Resolve = 20 * time.Millisecond
	c := d.open(opts, "cache.test:"+port)

	const workers = 16
	var misses, hits atomic.Int64
	ctx, stop := context.WithCancel(d.Context())
	defer stop()
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			key := fmt.Sprint("worker-", w)
			for i := 0; ctx.Err() == nil; i++ {
				value := fmt.Sprint(i)
				d.wantErr("Set", c.Set(context.Background(), key, []byte(value), 0), nil)
				got, err := c.Get(context.Background(), key)
				switch {
				case err == core.ErrMiss:
					misses.Add(1)
				case err != nil || string(got) != value:
					d.Errorf("Get = %q, %v; want %q", got, err, value)
				default:
					hits.Add(1)
				}
			}
		})
	}
	waitForHits := func() {
		from := hits.Load()
		d.eventually("verbs hit", func() bool { return hits.Load() > from+1000 })
	}
	waitForHits()
	names.store("127.0.0.2")
	d.eventually("a verb reaches the new server", func() bool {
		return present.Stat("cmd_set") != "0"
	})
	waitForHits() // each worker has ended the verb that was running
	before := old.Stat("cmd_set")
	waitForHits()
	if after := old.Stat("cmd_set"); after != before {
		d.Errorf("after the move, the old server received sets: %s, then %s", before, after)
	}
	stop()
	wg.Wait()
	if n := misses.Load(); n > workers {
		d.Errorf("%d reads missed the Set just before, want at most one for each of %d workers",
			n, workers)
	}
	d.eventually("no connection to the old server is left", func() bool {
		return old.Stat("curr_connections") == old.idleConnections
	})
}

// With Expand, each address of a name is a server. Servers that come and go move only the keys
// that they must.
func namesAreExpanded(d *driverTest) {
	names := d.startNames()
	first := Start(d, nil)
	_, port, _ := net.SplitHostPort(first.Addr())
	Start(d, &Options{Addr: "127.0.0.2:" + port})
	Start(d, &Options{Addr: "127.0.0.3:" + port})
	opts := longTimeoutOptions
	opts.Expand, opts.Resolve = true, 20*time.Millisecond
	c, b := d.openList(opts, "cache.test:"+port)
	d.wantErr("Set while the name does not exist",
		c.Set(d.Context(), "k", nil, 0), core.ErrUnavailable)
	d.wantErr("Ping while the name does not exist", c.Ping(d.Context()), core.ErrUnavailable)
	_, err := c.GetMulti(d.Context(), []string{"k"})
	d.wantErr("GetMulti while the name does not exist", keyError(err, "k"), core.ErrUnavailable)

	servers := func(n int) {
		d.Helper()
		d.eventually(fmt.Sprintf("there are %d servers", n), func() bool {
			return len(b.Servers()) == n
		})
	}
	names.store("127.0.0.2", "127.0.0.1")
	servers(2)
	moved := d.watchKeys(c, b)
	names.store("127.0.0.3", "127.0.0.1", "127.0.0.2")
	servers(3)
	moved(2, 3)
	moved = d.watchKeys(c, b)
	asked := names.queries.Load()
	names.store() // the name does not exist: the last addresses are kept
	d.eventually("the name was resolved", func() bool { return names.queries.Load() > asked+6 })
	servers(3)
	moved(3, 3)
	names.store("127.0.0.3", "127.0.0.1")
	servers(2)
}

// names resolves every name to the same addresses.
type names struct {
	addresses atomic.Pointer[[]net.IP]
	queries   atomic.Int64
}

// store sets the addresses. If there are none, no name exists.
func (n *names) store(addresses ...string) {
	ips := make([]net.IP, len(addresses))
	for i, address := range addresses {
		ips[i] = net.ParseIP(address).To4()
	}
	n.addresses.Store(&ips)
}

// startNames makes the resolver of this program use the names that it returns, until the test
// ends.
func (d *driverTest) startNames() *names {
	d.Helper()
	dns, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		d.Fatal(err)
	}
	n := &names{}
	n.store()
	resolver := net.DefaultResolver
	var wg sync.WaitGroup
	d.Cleanup(func() {
		net.DefaultResolver = resolver
		dns.Close()
		wg.Wait()
	})
	wg.Go(func() {
		query := make([]byte, 1500)
		for {
			size, from, err := dns.ReadFrom(query)
			if errors.Is(err, net.ErrClosed) {
				return
			}
			if err == nil {
				n.queries.Add(1)
				dns.WriteTo(dnsReply(query[:size], *n.addresses.Load()), from)
			}
		}
	})
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "udp4", dns.LocalAddr().String())
	}
	net.DefaultResolver = &net.Resolver{PreferGo: true, Dial: dial}
	return n
}

// dnsReply returns the reply to a DNS query with one question (RFC 1035, section 4). If there
// are no addresses, the name does not exist. Otherwise the name has these IPv4 addresses, and
// no record of another type.
func dnsReply(query []byte, addresses []net.IP) []byte {
	end := 12 + strings.IndexByte(string(query[12:]), 0) + 5 // after name, type and class
	reply := append([]byte(nil), query[:end]...)
	reply[2], reply[3] = 0x81, 0x80                   // a response of a server that recurses
	copy(reply[4:12], []byte{0, 1, 0, 0, 0, 0, 0, 0}) // one question and no other sections
	if len(addresses) == 0 {
		reply[3] |= 3 // NXDOMAIN
		return reply
	}
	if query[end-4] == 0 && query[end-3] == 1 { // type A
		reply[7] = byte(len(addresses))
		for _, address := range addresses {
			// The name of the question, type A, class IN, TTL 0, 4 bytes of data.
			reply = append(reply, 0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4)
			reply = append(reply, address...)
		}
	}
	return reply
}

// A listBackend is a backend whose servers can be replaced.
type listBackend interface {
	core.Backend
	Servers() []memcache.Server
	SetServers(servers []memcache.Server) error
}
