package memcachetest_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/cachewire/cachewire/memcache/memcachetest"
)

// start only starts a server.
func start(t testing.TB) { memcachetest.Start(t, nil) }

func TestMissingMemcachedSkipsTheTest(t *testing.T) {
	t.Setenv("CI", "")
	t.Setenv("MEMCACHED", filepath.Join(t.TempDir(), "missing"))
	runFake(t, start).says(t, "skip", "no memcached where MEMCACHED says", "missing", "run scripts/memcached.sh")
}

func TestMissingMemcachedFailsInCI(t *testing.T) {
	t.Setenv("CI", "true")
	t.Setenv("MEMCACHED", filepath.Join(t.TempDir(), "missing"))
	runFake(t, start).says(t, "fatal", "no memcached", "run scripts/memcached.sh")
}

func TestMemcachedIsFoundOutsideOfPath(t *testing.T) {
	usual := memcachetest.Usual()
	dir := t.TempDir()
	*usual = append([]string{dir}, *usual...)
	t.Cleanup(func() { *usual = (*usual)[1:] })
	t.Setenv("MEMCACHED", "")
	t.Setenv("PATH", "")
	t.Setenv("CI", "true")
	if err := os.WriteFile(filepath.Join(dir, "memcached"), []byte("#!/bin/sh\necho that one >&2\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	runFake(t, start).says(t, "fatal", "that one")
}

func TestMemcachedThatCannotStartTellsWhy(t *testing.T) {
	t.Parallel()
	needMemcached(t)
	fake := runFake(t, func(t testing.TB) {
		memcachetest.Start(t, &memcachetest.Options{Args: []string{"-I", "1"}})
	})
	fake.says(t, "fatal", "exit status", "Item max size cannot be less than")
}

func TestMemcachedThatEndsByItselfFailsTheTest(t *testing.T) {
	t.Parallel()
	needMemcached(t)
	fake := runFake(t, func(tb testing.TB) {
		server := memcachetest.Start(tb, nil)
		pid := server.Stat("pid")
		if err := find(t, pid).Kill(); err != nil {
			t.Error(err)
		}
		until(t, "the process is gone", func() bool { return !runs(t, pid) })
	})
	fake.says(t, "", "ended by itself")
	if !fake.Failed() {
		t.Error("the test passed")
	}
}

func TestMemcachedsErrorsAreInTheLogOfAFailedTestOnly(t *testing.T) {
	t.Parallel()
	needMemcached(t)
	for _, fails := range []bool{true, false} {
		fake := runFake(t, func(t testing.TB) {
			memcachetest.Start(t, &memcachetest.Options{Args: []string{"-vv"}}).Do("get something")
			if fails {
				t.Errorf("it fails")
			}
		})
		if fails {
			fake.says(t, "", "it fails", "get something")
		} else {
			fake.says(t, "")
			if fake.text.Len() != 0 {
				t.Errorf("a test that passed says %q", fake.text.String())
			}
		}
	}
}

func TestSignalsToAServerThatDoesNotRunFailTheTest(t *testing.T) {
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
		fake.says(t, "", name+": ")
		if !fake.Failed() {
			t.Errorf("%s: the test passed", name)
		}
	}
}
