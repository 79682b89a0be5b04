package redistest

import (
	"context"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// A Python is an interpreter with the modules that a test needs.
type Python struct{ path string }

// NeedPython returns a Python 3 that has all of modules, such as "redis". It tries
// /usr/bin/python3 and then the python3 in PATH. If neither has them, the test is skipped. If
// the environment variable CI is set, the test fails instead.
func NeedPython(t testing.TB, modules ...string) Python {
	t.Helper()
	probe := "pass"
	if len(modules) > 0 {
		probe = "import " + strings.Join(modules, ", ")
	}
	for _, name := range []string{"/usr/bin/python3", "python3"} {
		path, err := exec.LookPath(name)
		if err != nil {
			continue
		}
		cmd := exec.Command(path, "-c", probe)
		cmd.Dir = t.TempDir() // Python looks for modules in the current folder
		if cmd.Run() == nil {
			return Python{path}
		}
	}
	lacking(t, "no python3 with modules %q: run scripts/servers.sh, "+
		"or install Debian's python3-redis, or what your system has like it", modules)
	return Python{}
}

// Run runs a script with args as its sys.argv[1:] and returns its output. If the script fails,
// or takes more than a minute, the test fails and ends.
func (p Python) Run(t testing.TB, script string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, p.path, append([]string{"-c", script}, args...)...)
	cmd.Dir = t.TempDir()
	var stdout, stderr strings.Builder
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		t.Fatalf("redistest: %s: %v\n%s%s", p.path, err, stdout.String(), stderr.String())
	}
	return stdout.String()
}
