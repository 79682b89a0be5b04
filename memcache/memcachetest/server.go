package memcachetest

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"
)

// patience is how long a server has for what it does in milliseconds when the
// machine is not busy.
const patience = 20 * time.Second

// Options say how memcached is to run. The zero value, like nil, is memcached's
// own defaults on a free port.
type Options struct {
	// Unix is true for a socket in the file system instead of a port.
	Unix bool

	// Args are more of memcached's arguments, such as "-m", "16" or "-I", "2m".
	// It must go on to answer the text protocol, to everybody.
	Args []string
}

// A Server is a memcached of the test's own.
type Server struct {
	t      testing.TB
	binary string
	args   []string
	addr   string
	stderr output

	mu      sync.Mutex // held by what starts, stops or signals
	running *process   // nil when stopped or killed
	alone   string     // curr_connections while only the test that asks is connected
}

// Servers are what StartN answers.
type Servers []*Server

// Addrs answers the address of each.
func (s Servers) Addrs() []string {
	addrs := make([]string, len(s))
	for i, server := range s {
		addrs[i] = server.Addr()
	}
	return addrs
}

// StartN is Start, n times.
func StartN(t testing.TB, n int, opts *Options) Servers {
	t.Helper()
	servers := make(Servers, n)
	for i := range servers {
		servers[i] = Start(t, opts)
	}
	return servers
}

// Start starts memcached, waits until it answers, and ends it with the test. It
// listens on 127.0.0.1 only. The program is the one that the environment names in
// MEMCACHED, or else the memcached of PATH and of some usual folders. If there is
// none, the test is skipped, or fails where the environment has CI set.
//
// If the test fails, what memcached wrote to its standard error is in the log. A
// memcached that ends by itself fails the test.
func Start(t testing.TB, opts *Options) *Server {
	t.Helper()
	if opts == nil {
		opts = &Options{}
	}
	binary, err := find()
	if err != nil {
		lacking(t, "%v: run scripts/memcached.sh, or install memcached as your system does it", err)
	}

	s := &Server{t: t, binary: binary}
	if opts.Unix {
		s.addr = filepath.Join(shortTempDir(t), "s")
		s.args = []string{"-s", s.addr}
	} else {
		port := reservePort(t)
		s.addr = net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
		s.args = []string{"-l", "127.0.0.1", "-p", strconv.Itoa(port), "-U", "0"}
	}
	if os.Geteuid() == 0 {
		// memcached asks root for a user. With another user than root it would
		// lose the signal that ends it when the test is killed.
		s.args = append(s.args, "-u", "root")
	}
	s.args = slices.Concat(s.args, opts.Args)

	t.Cleanup(s.end)
	if err := s.start(); err != nil {
		t.Fatalf("memcachetest: %v", err)
	}
	return s
}

// Addr answers host:port, or the path of the socket. It never changes.
func (s *Server) Addr() string { return s.addr }

// Stop asks memcached to end and waits until it has, which takes about a second:
// memcached is in no hurry. A paused one goes on first. If it does not run there
// is nothing to do.
func (s *Server) Stop() {
	s.t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.running == nil {
		return
	}
	if err := s.running.stop(patience); err != nil {
		s.t.Errorf("memcachetest: Stop: %v", err)
	}
	s.running = nil
}

// Kill ends memcached at once, also a paused one. Connections break, and from
// then on new ones are refused.
func (s *Server) Kill() {
	s.t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.kill()
}

// kill is Kill for a caller that holds mu.
func (s *Server) kill() {
	s.t.Helper()
	if s.running == nil {
		return
	}
	if p := s.running; !p.kill() {
		s.t.Errorf("memcachetest: memcached at %s ended by itself: %v", s.addr, p.state())
	}
	s.running = nil
}

// Pause makes memcached silent from now until Resume: the system still accepts
// connections for it and takes what is sent, but nobody answers.
func (s *Server) Pause() {
	s.t.Helper()
	s.signal("Pause", (*process).pause)
}

// Resume lets a paused memcached go on. It then carries out what has been sent to
// it in the meantime.
func (s *Server) Resume() {
	s.t.Helper()
	s.signal("Resume", (*process).resume)
}

func (s *Server) signal(what string, send func(*process) error) {
	s.t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.running == nil {
		s.t.Errorf("memcachetest: %s: memcached does not run", what)
	} else if err := send(s.running); err != nil {
		s.t.Errorf("memcachetest: %s: %v", what, err)
	}
}

// Restart kills memcached if it runs, starts it again on the same address, with
// nothing in it, and waits until it answers.
func (s *Server) Restart() {
	s.t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.kill()
	if err := s.start(); err != nil {
		s.t.Errorf("memcachetest: Restart: %v", err)
	}
}

// start starts memcached and waits until it answers.
func (s *Server) start() error {
	p, err := launch(s.binary, s.args, &s.stderr)
	if err != nil {
		return err
	}
	s.running = p
	deadline := time.Now().Add(patience)
	for pause := time.Millisecond; ; pause = min(2*pause, 50*time.Millisecond) {
		// The pid, because on some systems another server may have been faster to
		// take the port.
		reply, err := ask(s.addr, "stats", deadline)
		if all := stats(reply); err == nil && all["pid"] == strconv.Itoa(p.pid()) {
			s.alone = all["curr_connections"]
			return nil
		}
		select {
		case <-p.ended:
			s.running = nil
			return fmt.Errorf("%s %q: %v\n%s", s.binary, s.args, p.state(), s.stderr.String())
		case <-time.After(pause):
		}
		if time.Now().After(deadline) {
			p.kill()
			s.running = nil
			return fmt.Errorf("%s %q does not answer: %v", s.binary, s.args, err)
		}
	}
}

// end is the end of the test.
func (s *Server) end() {
	s.t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.kill()
	if text := s.stderr.String(); text != "" && s.t.Failed() {
		s.t.Logf("memcached at %s:\n%s", s.addr, text)
	}
}

// shortTempDir answers a folder whose path is short enough for that of a socket
// in it, which may have some hundred bytes. t.TempDir is not.
func shortTempDir(t testing.TB) string {
	t.Helper()
	parent := os.TempDir()
	if len(parent) > 80 {
		parent = "/tmp"
	}
	dir, err := os.MkdirTemp(parent, "mc")
	if err != nil {
		t.Fatalf("memcachetest: %v", err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}
