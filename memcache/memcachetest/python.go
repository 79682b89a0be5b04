package memcachetest

import (
	"context"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// A Python is a Python interpreter with the modules that a test needs.
type Python struct{ path string }

// NeedPython finds a Python 3 that has all of modules, such as "pylibmc" and "memcache". It
// tries /usr/bin/python3 first, then python3 in PATH. If there is none, the test is skipped;
// if the environment variable CI is set, it fails instead.
func NeedPython(t testing.TB, modules ...string) Python {
	t.Helper()
	probe := "pass"
	if len(modules) > 0 {
		probe = "import " + strings.Join(modules, ", ")
	}
	for _, name := range []string{"/usr/bin/python3", "python3"} {
		path, err := exec.LookPath(name)
		if err == nil && exec.Command(path, "-c", probe).Run() == nil {
			return Python{path}
		}
	}
	skipOrFail(t, "no python3 with modules %q: run scripts/servers.sh, or install "+
		"python3-pylibmc and python3-memcache (their names in Debian)", modules)
	return Python{}
}

// Run runs a script with args as its sys.argv[1:], and returns its standard output. If the
// script fails or takes more than a minute, Run fails the test and ends it.
func (p Python) Run(t testing.TB, script string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, p.path, append([]string{"-c", script}, args...)...)
	var stdout, stderr strings.Builder
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		t.Fatalf("memcachetest: %s: %v\n%s%s", p.path, err, stdout.String(), stderr.String())
	}
	return stdout.String()
}
