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

// maxWait limits the wait for actions of a server that take milliseconds unless the machine
// is busy.
const maxWait = 20 * time.Second

// Options are the settings of a memcached. Nil is the same as the zero value, with which
// memcached has its own defaults, but one thread, and listens on a free port.
type Options struct {
	// Unix makes memcached listen on a unix socket, not on a port.
	Unix bool

	// Addr is the host:port on which memcached listens, such as "127.0.0.2:11211". If "", it
	// is 127.0.0.1 with a port that no other program uses.
	Addr string

	// User and Password are what memcached requires of its clients, if User is not "". It
	// then has no binary protocol.
	User, Password string

	// Args are further arguments for memcached, such as "-m", "16" or "-I", "2m", and "-t", "4"
	// for four threads. They must not turn off the text protocol.
	Args []string
}

// A Server is a memcached that was started for one test.
type Server struct {
	t      testing.TB
	binary string
	args   []string
	addr   string
	login  string // what each connection of exchange sends first
	stderr output

	mu              sync.Mutex // held while the process is started, stopped or signaled
	running         *process   // nil if stopped or killed
	idleConnections string     // curr_connections if only the one that reads it is open
}

// Servers are the result of StartN.
type Servers []*Server

// Addrs returns the addresses of the servers.
func (s Servers) Addrs() []string {
	addrs := make([]string, len(s))
	for i, server := range s {
		addrs[i] = server.Addr()
	}
	return addrs
}

// StartN calls Start n times.
func StartN(t testing.TB, n int, opts *Options) Servers {
	t.Helper()
	servers := make(Servers, n)
	for i := range servers {
		servers[i] = Start(t, opts)
	}
	return servers
}

// Start starts memcached, waits until it responds, and kills it when the test ends. Without
// options, memcached listens only on 127.0.0.1. It has one thread: with several, memcached 1.6 can
// return the value that a counter had before an Incr with the token that it has after it, so that
// a test of both fails once in hundreds of runs. The program is named by the environment
// variable MEMCACHED. If that is not set, Start looks for memcached in PATH and in some usual
// folders. If there is none, the test is skipped; if the environment variable CI is set, it
// fails instead.
//
// If the test fails, its log has the standard error of memcached. A memcached that ends by
// itself fails the test.
func Start(t testing.TB, opts *Options) *Server {
	t.Helper()
	if opts == nil {
		opts = &Options{}
	}
	binary, err := findMemcached()
	if err != nil {
		skipOrFail(t, "%v: run scripts/servers.sh, or install memcached by other means", err)
	}

	s := &Server{t: t, binary: binary}
	if opts.Unix {
		s.addr = filepath.Join(shortTempDir(t), "s")
		s.args = []string{"-s", s.addr}
	} else {
		if s.addr = opts.Addr; s.addr == "" {
			s.addr = net.JoinHostPort("127.0.0.1", strconv.Itoa(reservePort(t)))
		}
		host, port, err := net.SplitHostPort(s.addr)
		if err != nil {
			t.Fatalf("memcachetest: Options.Addr: %v", err)
		}
		s.args = []string{"-l", host, "-p", port, "-U", "0"}
	}
	if opts.User != "" {
		file := filepath.Join(shortTempDir(t), "users")
		line := opts.User + ":" + opts.Password + "\n"
		if err := os.WriteFile(file, []byte(line), 0o600); err != nil {
			t.Fatalf("memcachetest: %v", err)
		}
		s.args = append(s.args, "-Y", file)
		secret := opts.User + " " + opts.Password
		s.login = fmt.Sprintf("set login 0 0 %d\r\n%s\r\n", len(secret), secret)
	}
	if os.Geteuid() == 0 {
		// If root starts memcached, it requires the name of a user. If that is not root, it
		// loses the signal that kills it if the test is killed.
		s.args = append(s.args, "-u", "root")
	}
	s.args = slices.Concat(s.args, []string{"-t", "1"}, opts.Args)

	t.Cleanup(s.cleanUp)
	if err := s.start(); err != nil {
		t.Fatalf("memcachetest: %v", err)
	}
	return s
}

// Addr returns host:port, or the path of the socket. It never changes.
func (s *Server) Addr() string { return s.addr }

// Stop terminates memcached and waits until it has ended, which takes about a second. It
// resumes a paused memcached first. If memcached does not run, Stop does nothing.
func (s *Server) Stop() {
	s.t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.running == nil {
		return
	}
	if err := s.running.stop(maxWait); err != nil {
		s.t.Errorf("memcachetest: Stop: %v", err)
	}
	s.running = nil
}

// Kill ends memcached at once, even if it is paused. Its connections break, and new ones are
// refused. If memcached does not run, Kill does nothing.
func (s *Server) Kill() {
	s.t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.kill()
}

// kill is Kill. The caller holds mu.
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

// Pause stops memcached until Resume: the system still accepts connections for it and
// receives requests, but there are no replies.
func (s *Server) Pause() {
	s.t.Helper()
	s.signal("Pause", (*process).pause)
}

// Resume continues a paused memcached, which then carries out the requests that were sent in
// the meantime.
func (s *Server) Resume() {
	s.t.Helper()
	s.signal("Resume", (*process).resume)
}

func (s *Server) signal(method string, send func(*process) error) {
	s.t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.running == nil {
		s.t.Errorf("memcachetest: %s: memcached does not run", method)
	} else if err := send(s.running); err != nil {
		s.t.Errorf("memcachetest: %s: %v", method, err)
	}
}

// Restart kills memcached if it runs, starts it again on the same address, without items, and
// waits until it responds.
func (s *Server) Restart() {
	s.t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.kill()
	if err := s.start(); err != nil {
		s.t.Errorf("memcachetest: Restart: %v", err)
	}
}

// start starts memcached and waits until it responds. The caller holds mu, or is Start.
func (s *Server) start() error {
	p, err := launch(s.binary, s.args, &s.stderr)
	if err != nil {
		return err
	}
	s.running = p
	deadline := time.Now().Add(maxWait)
	for pause := time.Millisecond; ; pause = min(2*pause, 50*time.Millisecond) {
		// The pid is compared because on some systems another server may have taken the port.
		reply, err := s.exchange("stats", deadline)
		if stats := parseStats(reply); err == nil && stats["pid"] == strconv.Itoa(p.pid()) {
			s.idleConnections = stats["curr_connections"]
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
			return fmt.Errorf("%s %q does not respond: %v", s.binary, s.args, err)
		}
	}
}

// cleanUp kills memcached at the end of the test.
func (s *Server) cleanUp() {
	s.t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.kill()
	if text := s.stderr.String(); text != "" && s.t.Failed() {
		s.t.Logf("memcached at %s:\n%s", s.addr, text)
	}
}

// shortTempDir returns a new folder with a short path, because the path of a socket in it may
// have only about a hundred bytes. The path of t.TempDir may be too long.
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
