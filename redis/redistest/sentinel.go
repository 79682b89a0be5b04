package redistest

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// MasterName is the name of the primary in the sentinel of a Guarded.
const MasterName = "main"

// A Guarded is a primary, its replica, and a sentinel. If the primary does not respond for half
// a second, the sentinel makes the replica the primary.
type Guarded struct {
	Primary, Replica, Sentinel *Server
}

// StartSentinel starts a Guarded. It waits until the replica has the data of the primary and the
// sentinel knows the replica. Opts are the options of the primary and of the replica. They may
// be nil; Unix, TLS and ReplicaOf must be zero.
func StartSentinel(t testing.TB, opts *Options) *Guarded {
	t.Helper()
	if opts == nil {
		opts = &Options{}
	}
	o := *opts
	o.Args = append([]string{"--repl-diskless-sync-delay", "0"}, opts.Args...)
	g := &Guarded{Primary: Start(t, &o)}
	o.ReplicaOf = g.Primary
	g.Replica = Start(t, &o)

	host, port, _ := net.SplitHostPort(g.Primary.addr)
	s := newServer(t)
	own := strconv.Itoa(reservePort(t))
	s.addr = net.JoinHostPort("127.0.0.1", own)
	config := fmt.Sprintf("port %s\nbind 127.0.0.1\ndir %s\n"+
		"sentinel monitor %[3]s %s %s 1\n"+
		"sentinel down-after-milliseconds %[3]s 500\n"+
		"sentinel failover-timeout %[3]s 3000\n", own, s.dir, MasterName, host, port)
	if opts.Password != "" {
		config += fmt.Sprintf("sentinel auth-pass %s %s\n", MasterName, opts.Password)
	}
	file := filepath.Join(s.dir, "sentinel.conf")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatalf("redistest: %v", err)
	}
	s.args = []string{file, "--sentinel"}
	s.begin()
	g.Sentinel = s
	g.await("the replica is in step", func() bool {
		return strings.Contains(g.Replica.info("replication"), "master_link_status:up") &&
			strings.Contains(s.info("sentinel"), "status=ok") &&
			strings.Contains(s.info("sentinel"), "slaves=1")
	})
	return g
}

// AwaitFailover waits until the replica accepts writes.
func (g *Guarded) AwaitFailover() {
	g.Primary.t.Helper()
	g.await("the replica is the primary", func() bool {
		return strings.Contains(g.Replica.info("replication"), "role:master")
	})
}

func (g *Guarded) await(what string, done func() bool) {
	g.Primary.t.Helper()
	deadline := time.Now().Add(patience)
	for pause := time.Millisecond; !done(); pause = min(2*pause, 50*time.Millisecond) {
		if time.Now().After(deadline) {
			g.Primary.t.Fatalf("redistest: not after %v: %s", patience, what)
		}
		time.Sleep(pause)
	}
}
