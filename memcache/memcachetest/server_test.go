package memcachetest_test

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cachewire/cachewire/memcache/memcachetest"
)

func TestStartStartsTheRealMemcached(t *testing.T) {
	t.Parallel()
	server := memcachetest.Start(t, nil)
	if got := server.Do("version"); !strings.HasPrefix(got, "VERSION 1.") {
		t.Errorf("version: %q", got)
	}
	if !strings.HasPrefix(server.Addr(), "127.0.0.1:") {
		t.Errorf("Addr() = %s, want 127.0.0.1 and a port", server.Addr())
	}
}

func TestPausedServerDoesNotReplyUntilResume(t *testing.T) {
	t.Parallel()
	server := memcachetest.Start(t, nil)
	c := dial(t, server.Addr())
	for range 3 {
		server.Pause()
		server.Pause() // a second Pause changes nothing
		c.send(t, "set key 0 0 5\r\nhello\r\n")
		c.wantSilence(t, 20*time.Millisecond)
		other := dial(t, server.Addr()) // the system accepts it
		other.send(t, "version\r\n")
		other.wantSilence(t, 20*time.Millisecond)

		server.Resume()
		c.wantBytes(t, "STORED\r\n")
		other.wantBytes(t, "VERSION ")
	}
}

func TestKillBreaksConnectionsAndRefusesNewOnes(t *testing.T) {
	t.Parallel()
	for name, before := range map[string]func(*memcachetest.Server){
		"running": func(*memcachetest.Server) {},
		"paused":  (*memcachetest.Server).Pause,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := memcachetest.Start(t, nil)
			c := dial(t, server.Addr())
			c.send(t, "version\r\n")
			c.wantBytes(t, "VERSION ")
			before(server)
			server.Kill()
			server.Kill() // a second Kill does nothing
			wantRefused(t, server.Addr())
			if _, err := c.r.ReadString(0); err == nil {
				t.Error("the connection is not broken")
			}
		})
	}
}

func TestStopWaitsUntilMemcachedHasEnded(t *testing.T) {
	t.Parallel()
	for name, before := range map[string]func(*memcachetest.Server){
		"running": func(*memcachetest.Server) {},
		"paused":  (*memcachetest.Server).Pause,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := memcachetest.Start(t, nil)
			before(server)
			server.Stop()
			wantRefused(t, server.Addr())
			server.Stop() // a second Stop does nothing
		})
	}
}

func TestRestartKeepsTheAddressAndNoItems(t *testing.T) {
	t.Parallel()
	for name, before := range map[string]func(*memcachetest.Server){
		"running": func(*memcachetest.Server) {},
		"paused":  (*memcachetest.Server).Pause,
		"stopped": (*memcachetest.Server).Stop,
		"killed":  (*memcachetest.Server).Kill,
	} {
		for _, unix := range []bool{false, true} {
			t.Run(name+"/"+strconv.FormatBool(unix), func(t *testing.T) {
				t.Parallel()
				server := memcachetest.Start(t, &memcachetest.Options{Unix: unix})
				addr, pid := server.Addr(), server.Stat("pid")
				server.Do("set key 0 0 5\r\nhello")
				dial(t, addr) // an open connection does not block the address
				before(server)
				server.Restart()
				if server.Addr() != addr {
					t.Errorf("the address changed from %s to %s", addr, server.Addr())
				}
				if got := server.Do("get key"); got != "END\r\n" {
					t.Errorf("get: %q, want a miss", got)
				}
				if server.Stat("pid") == pid {
					t.Error("the process is the same")
				}
			})
		}
	}
}

func TestUnixServerListensOnASocket(t *testing.T) {
	t.Parallel()
	needMemcached(t)
	var addr string
	t.Run("inner", func(t *testing.T) {
		server := memcachetest.Start(t, &memcachetest.Options{Unix: true})
		addr = server.Addr()
		if info, err := os.Stat(addr); err != nil || info.Mode().Type() != os.ModeSocket {
			t.Errorf("%s is not a socket: %v", addr, err)
		}
		want := "STAT domain_socket " + addr + "\r\n"
		if got := server.Do("stats settings"); !strings.Contains(got, want) {
			t.Errorf("stats settings: %q, want %q in it", got, want)
		}
		server.Kill()
		wantRefused(t, addr)
	})
	if _, err := os.Stat(filepath.Dir(addr)); !os.IsNotExist(err) {
		t.Errorf("the folder of the socket still exists: %v", err)
	}
}

func TestUnixSocketHasAShortPathIfTempDirHasALongOne(t *testing.T) {
	dir := filepath.Join(t.TempDir(), strings.Repeat("long", 30))
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("TMPDIR", dir)
	server := memcachetest.Start(t, &memcachetest.Options{Unix: true})
	if got := server.Do("version"); !strings.HasPrefix(got, "VERSION ") {
		t.Errorf("version: %q", got)
	}
}

func TestArgsReachMemcached(t *testing.T) {
	t.Parallel()
	server := memcachetest.Start(t, &memcachetest.Options{Args: []string{"-m", "16", "-I", "2m"}})
	settings := server.Do("stats settings")
	for _, want := range []string{"STAT maxbytes 16777216\r\n", "STAT item_size_max 2097152\r\n"} {
		if !strings.Contains(settings, want) {
			t.Errorf("stats settings: %q, want %q in it", settings, want)
		}
	}
}

func TestManyServersHaveDistinctAddresses(t *testing.T) {
	t.Parallel()
	needMemcached(t)
	groups := make([]memcachetest.Servers, 6)
	var wg sync.WaitGroup
	for i := range groups {
		wg.Go(func() {
			groups[i] = memcachetest.StartN(t, 3, nil)
		})
	}
	wg.Wait()
	servers := slices.Concat(groups...)
	if len(servers) != 18 {
		t.Fatalf("%d of 18 servers started", len(servers))
	}
	for _, server := range servers {
		server.Do("set addr 0 0 " + strconv.Itoa(len(server.Addr())) + "\r\n" + server.Addr())
	}
	for i, addr := range servers.Addrs() {
		if got := servers[i].Do("get addr"); !strings.Contains(got, "\r\n"+addr+"\r\n") {
			t.Errorf("the server at %s has the item of another server: %q", addr, got)
		}
	}
}

func TestServersEndWithTheTest(t *testing.T) {
	needMemcached(t)
	checkGoroutines(t, func(t *testing.T) {
		for name, last := range map[string]func(*memcachetest.Server){
			"running":   func(*memcachetest.Server) {},
			"paused":    (*memcachetest.Server).Pause,
			"restarted": (*memcachetest.Server).Restart,
		} {
			var server *memcachetest.Server
			pids := make(map[string]bool)
			t.Run(name, func(t *testing.T) {
				server = memcachetest.Start(t, nil)
				pids[server.Stat("pid")] = true
				last(server)
				if name == "restarted" {
					pids[server.Stat("pid")] = true
				}
			})
			for pid := range pids {
				if isRunning(t, pid) {
					t.Errorf("%s: process %s still runs", name, pid)
				}
			}
			wantRefused(t, server.Addr())
		}
	})
}

func TestDoReturnsTheWholeReply(t *testing.T) {
	t.Parallel()
	server := memcachetest.Start(t, nil)
	long := strings.Repeat("x", 500_000)
	for _, c := range []struct{ name, request, want string }{
		{"store", "set a 16 0 5\r\nhello\r\n", "STORED\r\n"},
		{"no line break", "get a", "VALUE a 16 5\r\nhello\r\nEND\r\n"},
		{
			"several commands", "get a\r\nget b\r\ndelete a\r\n",
			"VALUE a 16 5\r\nhello\r\nEND\r\nEND\r\nDELETED\r\n",
		},
		{"no reply", "set b 0 0 1 noreply\r\nb", ""},
		{"store a value that looks like replies", "set c 0 0 8\r\nEND\r\nEND", "STORED\r\n"},
		{
			"get a value that looks like replies", "get c b",
			"VALUE c 0 8\r\nEND\r\nEND\r\nVALUE b 0 1\r\nb\r\nEND\r\n",
		},
		{"meta get", "mg c v", "VA 8\r\nEND\r\nEND\r\n"},
		{"store long", "set d 0 0 500000\r\n" + long, "STORED\r\n"},
		{"get long", "get d", "VALUE d 0 500000\r\n" + long + "\r\nEND\r\n"},
		{"garbage", "hello", "ERROR\r\n"},
		{"closed by memcached", "get b\r\nquit", "VALUE b 0 1\r\nb\r\nEND\r\n"},
	} {
		if got := server.Do(c.request); got != c.want {
			t.Errorf("%s: %.80q, want %.80q", c.name, got, c.want)
		}
	}
}

func TestStatReturnsStatisticsOfMemcached(t *testing.T) {
	t.Parallel()
	server := memcachetest.Start(t, nil)
	for range 3 {
		c := dial(t, server.Addr())
		c.send(t, "version\r\n")
		c.wantBytes(t, "VERSION ")
	}
	waitFor(t, "memcached counts three connections and the one of Stat", func() bool {
		return server.Stat("curr_connections") == "4"
	})

	fake := runFake(t, func(t testing.TB) { memcachetest.Start(t, nil).Stat("unknown") })
	fake.wantEnd(t, "", `memcached has no "unknown"`)
}
