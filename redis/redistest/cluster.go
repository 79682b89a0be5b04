package redistest

import (
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// A Cluster is a Redis Cluster of primaries.
type Cluster []*Server

// slots is how many slots a cluster has.
const slots = 16384

// StartCluster starts a cluster of n primaries, and waits until all of them know the cluster.
// They divide the slots in order. Opts may be nil; its Unix and ReplicaOf must be zero. If a
// primary does not respond for a second, the others count it as failed.
func StartCluster(t testing.TB, n int, opts *Options) Cluster {
	t.Helper()
	if opts == nil {
		opts = &Options{}
	}
	c := make(Cluster, n)
	for i := range c {
		o := *opts
		o.Args = append([]string{
			"--cluster-enabled", "yes",
			"--cluster-node-timeout", "1000",
			"--cluster-port", strconv.Itoa(reservePort(t)),
			"--cluster-require-full-coverage", "no",
		}, opts.Args...)
		c[i] = Start(t, &o)
	}
	for i, server := range c {
		first, last := i*slots/n, (i+1)*slots/n-1
		c.must(server, "CLUSTER", "ADDSLOTSRANGE", strconv.Itoa(first), strconv.Itoa(last))
		c.must(server, "CLUSTER", "SET-CONFIG-EPOCH", strconv.Itoa(i+1))
	}
	for _, server := range c[1:] {
		host, port, _ := net.SplitHostPort(server.addr)
		bus := server.args[slices.Index(server.args, "--cluster-port")+1]
		c.must(c[0], "CLUSTER", "MEET", host, port, bus)
	}
	c.Await()
	return c
}

// Addrs returns the address of each primary.
func (c Cluster) Addrs() []string {
	addrs := make([]string, len(c))
	for i, server := range c {
		addrs[i] = server.addr
	}
	return addrs
}

// Await waits until all primaries run and know each other and all slots.
func (c Cluster) Await() {
	t := c[0].t
	t.Helper()
	deadline := time.Now().Add(patience)
	for pause := time.Millisecond; ; pause = min(2*pause, 50*time.Millisecond) {
		var lacks string
		for _, server := range c {
			info := server.Do("CLUSTER", "INFO")
			if !strings.Contains(info, "cluster_state:ok") ||
				!strings.Contains(info, fmt.Sprintf("cluster_slots_ok:%d\r\n", slots)) ||
				!strings.Contains(info, fmt.Sprintf("cluster_known_nodes:%d\r\n", len(c))) {
				lacks = server.addr + ": " + info
			}
		}
		if lacks == "" {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("redistest: the cluster is not ready: %s", lacks)
		}
		time.Sleep(pause)
	}
}

// MoveSlot begins to move a slot from one primary to another. New keys go to the target, to
// which ASK redirects. FinishMove ends the move.
func (c Cluster) MoveSlot(slot int, from, to *Server) {
	c[0].t.Helper()
	text := strconv.Itoa(slot)
	c.must(to, "CLUSTER", "SETSLOT", text, "IMPORTING", from.Do("CLUSTER", "MYID"))
	c.must(from, "CLUSTER", "SETSLOT", text, "MIGRATING", to.Do("CLUSTER", "MYID"))
}

// FinishMove moves the keys of a slot, and then the slot itself.
func (c Cluster) FinishMove(slot int, from, to *Server) {
	c[0].t.Helper()
	text := strconv.Itoa(slot)
	host, port, _ := net.SplitHostPort(to.addr)
	for {
		keys := from.Do("CLUSTER", "GETKEYSINSLOT", text, "100")
		if keys == "" {
			break
		}
		for _, key := range strings.Split(keys, "\n") {
			c.must(from, "MIGRATE", host, port, key, "0", "10000")
		}
	}
	for _, server := range append(Cluster{to, from}, c...) {
		c.must(server, "CLUSTER", "SETSLOT", text, "NODE", to.Do("CLUSTER", "MYID"))
	}
}

// must sends a command whose reply is OK.
func (c Cluster) must(server *Server, command ...string) {
	c[0].t.Helper()
	if reply := server.Do(command...); reply != "OK" {
		c[0].t.Fatalf("redistest: %s: %q: %s", server.addr, command, reply)
	}
}
