package memcachetest_test

import (
	"testing"

	"github.com/cachewire/cachewire/memcache/memcachetest"
)

func TestPythonsClientsReachTheServer(t *testing.T) {
	t.Parallel()
	python := memcachetest.NeedPython(t, "pylibmc", "memcache")
	server := memcachetest.Start(t, nil)
	out := python.Run(t, `
import sys, memcache, pylibmc
memcache.Client([sys.argv[1]]).set("a", 7)
pylibmc.Client([sys.argv[1]]).set("b", 7)
print(sys.argv[2:])
`, server.Addr(), "two words", "")
	if want := "['two words', '']\n"; out != want {
		t.Errorf("printed %q, want %q", out, want)
	}
	if got, want := server.Do("get a b"), "VALUE a 2 1\r\n7\r\nVALUE b 4 1\r\n7\r\nEND\r\n"; got != want {
		t.Errorf("get: %q, want %q", got, want)
	}
}

func TestPythonWithoutItsModulesSkipsTheTest(t *testing.T) {
	t.Setenv("CI", "")
	runFake(t, needNonsense).says(t, "skip", `no python3 with modules ["sys" "no_such_module"]`, "run scripts/memcached.sh")
}

func TestPythonWithoutItsModulesFailsInCI(t *testing.T) {
	t.Setenv("CI", "true")
	runFake(t, needNonsense).says(t, "fatal", "no python3 with modules", "run scripts/memcached.sh")
}

func needNonsense(t testing.TB) { memcachetest.NeedPython(t, "sys", "no_such_module") }

func TestPythonScriptThatFailsEndsTheTest(t *testing.T) {
	t.Parallel()
	python := memcachetest.NeedPython(t)
	fake := runFake(t, func(t testing.TB) {
		python.Run(t, `print("so far"); raise ValueError("and no further")`)
	})
	fake.says(t, "fatal", "exit status 1", "so far", "ValueError: and no further")
}
