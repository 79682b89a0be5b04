package redistest

import (
	"crypto/tls"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// patience is how long a server may take on a busy machine for an action that otherwise takes
// milliseconds.
const patience = 30 * time.Second

// Options are settings of redis-server. With nil or the zero value, the server listens on a free
// port of 127.0.0.1, needs no password and saves nothing.
type Options struct {
	// If Unix is true, the server listens on a unix socket instead of a port.
	Unix bool

	// Password is the password of the user "default". If "", the user need not log in.
	Password string

	// If TLS is true, the server accepts only TLS, with a certificate that Server.TLS trusts.
	TLS bool

	// ReplicaOf is the primary of the server, which is then a replica. If nil, the server is a
	// primary.
	ReplicaOf *Server

	// Args are more arguments, such as "--maxmemory", "10mb".
	Args []string
}

// A Server is a redis-server that a test has started.
type Server struct {
	t        testing.TB
	binary   string
	args     []string
	addr     string
	dir      string
	password string
	config   *tls.Config
	log      output

	mu      sync.Mutex // held while the process is started, stopped or signalled
	running *process   // nil when stopped or killed
}

// Start starts redis-server, waits until it responds, and ends it with the test. The environment
// variable REDIS_SERVER may name the program. Otherwise Start looks for redis-server in PATH and
// in some usual folders. If there is none, the test is skipped. If the environment variable CI
// is set, the test fails instead.
//
// If the test fails, the output of the server is in the log. A server that ends by itself fails
// the test.
func Start(t testing.TB, opts *Options) *Server {
	t.Helper()
	if opts == nil {
		opts = &Options{}
	}
	s := newServer(t)
	s.password = opts.Password
	if opts.Unix {
		s.addr = filepath.Join(s.dir, "s")
		s.args = []string{"--port", "0", "--unixsocket", s.addr}
	} else {
		port := strconv.Itoa(reservePort(t))
		s.addr = net.JoinHostPort("127.0.0.1", port)
		s.args = []string{"--bind", "127.0.0.1", "--port", port}
		if opts.TLS {
			s.args = append([]string{"--bind", "127.0.0.1", "--port", "0", "--tls-port", port},
				s.makeCertificate()...)
		}
	}
	s.args = append(s.args, "--save", "", "--dir", s.dir)
	if s.password != "" {
		s.args = append(s.args, "--requirepass", s.password, "--masterauth", s.password)
	}
	if opts.ReplicaOf != nil {
		host, port, _ := net.SplitHostPort(opts.ReplicaOf.addr)
		s.args = append(s.args, "--replicaof", host+" "+port)
	}
	s.args = slices.Concat(s.args, opts.Args)
	s.begin()
	return s
}

// newServer returns a Server that is not configured.
func newServer(t testing.TB) *Server {
	t.Helper()
	binary, err := find()
	if err != nil {
		lacking(t, "%v: run scripts/servers.sh, or install redis as your system does it", err)
	}
	return &Server{t: t, binary: binary, dir: shortTempDir(t)}
}

// begin starts the server for the first time.
func (s *Server) begin() {
	s.t.Helper()
	s.t.Cleanup(s.end)
	if err := s.start(); err != nil {
		s.t.Fatalf("redistest: %v", err)
	}
}

// Addr returns host:port, or the path of the socket. It never changes.
func (s *Server) Addr() string { return s.addr }

// TLS returns a configuration that trusts the certificate of the server, or nil if the server
// does not use TLS.
func (s *Server) TLS() *tls.Config { return s.config.Clone() }

// CertificateFile returns the path of the server's certificate in PEM. The server must use TLS.
func (s *Server) CertificateFile() string { return filepath.Join(s.dir, "cert.pem") }

// Stop asks the server to end and waits until it has ended. If the server is paused, Stop
// resumes it first. If it does not run, Stop does nothing.
func (s *Server) Stop() {
	s.t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.running == nil {
		return
	}
	if err := s.running.stop(patience); err != nil {
		s.t.Errorf("redistest: Stop: %v", err)
	}
	s.running = nil
}

// Kill ends the server at once, even if it is paused. Its connections break, and new ones are
// refused.
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
		s.t.Errorf("redistest: the server at %s ended by itself: %v", s.addr, p.state())
	}
	s.running = nil
}

// Pause makes the server silent until Resume. The operating system still accepts connections and
// data for the server, but the server sends no replies.
func (s *Server) Pause() {
	s.t.Helper()
	s.signal("Pause", (*process).pause)
}

// Resume lets a paused server continue. It then executes the commands that were sent to it
// meanwhile.
func (s *Server) Resume() {
	s.t.Helper()
	s.signal("Resume", (*process).resume)
}

func (s *Server) signal(what string, send func(*process) error) {
	s.t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.running == nil {
		s.t.Errorf("redistest: %s: the server does not run", what)
	} else if err := send(s.running); err != nil {
		s.t.Errorf("redistest: %s: %v", what, err)
	}
}

// Restart kills the server if it runs, starts it on the same address and waits until it
// responds. Its items are lost, unless Options.Args made it save them.
func (s *Server) Restart() {
	s.t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.kill()
	if err := s.start(); err != nil {
		s.t.Errorf("redistest: Restart: %v", err)
	}
}

// start starts the server and waits until it responds.
func (s *Server) start() error {
	p, err := launch(s.binary, s.args, &s.log)
	if err != nil {
		return err
	}
	s.running = p
	deadline := time.Now().Add(patience)
	for pause := time.Millisecond; ; pause = min(2*pause, 50*time.Millisecond) {
		// The process id, because on some systems another server may have taken the port.
		info, err := s.ask(deadline, "INFO", "server")
		if err == nil && strings.Contains(info,
			"process_id:"+strconv.Itoa(p.cmd.Process.Pid)+"\r\n") {
			return nil
		}
		select {
		case <-p.ended:
			s.running = nil
			return fmt.Errorf("%s %q: %v\n%s", s.binary, s.args, p.state(), s.log.String())
		case <-time.After(pause):
		}
		if time.Now().After(deadline) {
			p.kill()
			s.running = nil
			return fmt.Errorf("%s %q does not respond: %v %s", s.binary, s.args, err, info)
		}
	}
}

// end is called when the test ends.
func (s *Server) end() {
	s.t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.kill()
	if text := s.log.String(); text != "" && s.t.Failed() {
		s.t.Logf("redis-server at %s:\n%s", s.addr, text[max(0, len(text)-4000):])
	}
}

// shortTempDir returns a folder with a short path, because the path of a socket in it may have
// only about a hundred bytes.
func shortTempDir(t testing.TB) string {
	t.Helper()
	parent := os.TempDir()
	if len(parent) > 80 {
		parent = "/tmp"
	}
	dir, err := os.MkdirTemp(parent, "rd")
	if err != nil {
		t.Fatalf("redistest: %v", err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}
