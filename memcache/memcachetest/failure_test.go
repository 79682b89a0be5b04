package memcachetest_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/cachewire/cachewire/memcache/memcachetest"
)

// start is a test that only starts a server.
func start(t testing.TB) { memcachetest.Start(t, nil) }

func TestMissingMemcachedSkipsTheTest(t *testing.T) {
	t.Setenv("CI", "")
	t.Setenv("MEMCACHED", filepath.Join(t.TempDir(), "missing"))
	runFake(t, start).wantEnd(t, "skip",
		"no memcached at the path in MEMCACHED", "missing", "run scripts/servers.sh")
}

func TestMissingMemcachedFailsInCI(t *testing.T) {
	t.Setenv("CI", "true")
	t.Setenv("MEMCACHED", filepath.Join(t.TempDir(), "missing"))
	runFake(t, start).wantEnd(t, "fatal", "no memcached", "run scripts/servers.sh")
}

func TestMemcachedIsFoundOutsideOfPath(t *testing.T) {
	usualDirs := memcachetest.UsualDirs()
	dir := t.TempDir()
	*usualDirs = append([]string{dir}, *usualDirs...)
	t.Cleanup(func() { *usualDirs = (*usualDirs)[1:] })
	t.Setenv("MEMCACHED", "")
	t.Setenv("PATH", "")
	t.Setenv("CI", "true")
	path, script := filepath.Join(dir, "memcached"), "#!/bin/sh\necho this program >&2\n"
	if err := os.WriteFile(path, []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	runFake(t, start).wantEnd(t, "fatal", "this program")
}

func TestErrorOfMemcachedThatCannotStartSaysWhy(t *testing.T) {
	t.Parallel()
	needMemcached(t)
	fake := runFake(t, func(t testing.TB) {
		memcachetest.Start(t, &memcachetest.Options{Args: []string{"-I", "1"}})
	})
	fake.wantEnd(t, "fatal", "exit status", "Item max size cannot be less than")
}

func TestMemcachedThatEndsByItselfFailsTheTest(t *testing.T) {
	t.Parallel()
	needMemcached(t)
	fake := runFake(t, func(tb testing.TB) {
		server := memcachetest.Start(tb, nil)
		pid := server.Stat("pid")
		if err := findProcess(t, pid).Kill(); err != nil {
			t.Error(err)
		}
		waitFor(t, "the process has ended", func() bool { return !isRunning(t, pid) })
	})
	fake.wantEnd(t, "", "ended by itself")
	if !fake.Failed() {
		t.Error("the inner test passed")
	}
}

func TestStandardErrorOfMemcachedIsLoggedOnlyIfTheTestFails(t *testing.T) {
	t.Parallel()
	needMemcached(t)
	for _, fails := range []bool{true, false} {
		fake := runFake(t, func(t testing.TB) {
			memcachetest.Start(t, &memcachetest.Options{Args: []string{"-vv"}}).Do("get something")
			if fails {
				t.Errorf("the test fails")
			}
		})
		if fails {
			fake.wantEnd(t, "", "the test fails", "get something")
		} else {
			fake.wantEnd(t, "")
			if fake.text.Len() != 0 {
				t.Errorf("a test that passed logged %q", fake.text.String())
			}
		}
	}
}

func TestMethodsOfAServerThatDoesNotRunFailTheTest(t *testing.T) {
	t.Parallel()
	needMemcached(t)
	for name, signal := range map[string]func(*memcachetest.Server){
		"Pause":  (*memcachetest.Server).Pause,
		"Resume": (*memcachetest.Server).Resume,
		"Do":     func(s *memcachetest.Server) { s.Do("version") },
	} {
		fake := runFake(t, func(t testing.TB) {
			server := memcachetest.Start(t, nil)
			server.Kill()
			signal(server)
		})
		fake.wantEnd(t, "", name+": ")
		if !fake.Failed() {
			t.Errorf("%s: the inner test passed", name)
		}
	}
}
