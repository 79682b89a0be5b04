package memcachetest_test

import (
	"testing"

	"github.com/cachewire/cachewire/memcache/memcachetest"
)

func TestPythonClientsReachTheServer(t *testing.T) {
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
		t.Errorf("the script printed %q, want %q", out, want)
	}
	const want = "VALUE a 2 1\r\n7\r\nVALUE b 4 1\r\n7\r\nEND\r\n"
	if got := server.Do("get a b"); got != want {
		t.Errorf("get: %q, want %q", got, want)
	}
}

func TestMissingPythonModuleSkipsTheTest(t *testing.T) {
	t.Setenv("CI", "")
	runFake(t, needMissingModule).wantEnd(t, "skip",
		`no python3 with modules ["sys" "no_such_module"]`, "run scripts/servers.sh")
}

func TestMissingPythonModuleFailsInCI(t *testing.T) {
	t.Setenv("CI", "true")
	runFake(t, needMissingModule).wantEnd(t, "fatal",
		"no python3 with modules", "run scripts/servers.sh")
}

func needMissingModule(t testing.TB) { memcachetest.NeedPython(t, "sys", "no_such_module") }

func TestPythonScriptThatFailsEndsTheTest(t *testing.T) {
	t.Parallel()
	python := memcachetest.NeedPython(t)
	fake := runFake(t, func(t testing.TB) {
		python.Run(t, `print("so far"); raise ValueError("and no further")`)
	})
	fake.wantEnd(t, "fatal", "exit status 1", "so far", "ValueError: and no further")
}
