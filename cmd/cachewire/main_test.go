package main_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/cachewire/cachewire/memcache/memcachetest"
	"github.com/cachewire/cachewire/redis/redistest"
)

var (
	binary     string   // the tool
	buildFlags []string // -race, if the tests have the race detector
)

func TestMain(m *testing.M) {
	if url := os.Getenv(hookVariable); url != "" {
		os.Exit(callHook(url))
	}
	os.Exit(buildAndTest(m))
}

func buildAndTest(m *testing.M) int {
	dir, err := os.MkdirTemp("", "cachewire")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	binary = filepath.Join(dir, "cachewire")
	if runtime.GOOS == "windows" {
		binary += ".exe"
	}
	args := append(append([]string{"build"}, buildFlags...), "-o", binary, ".")
	if out, err := exec.Command("go", args...).CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "go build: %v\n%s", err, out)
		return 1
	}
	return m.Run()
}

// A result is how a run of the tool ended.
type result struct {
	stdout, stderr string
	status         int
}

// A tool runs the tool.
type tool struct {
	t     testing.TB
	env   []string
	stdin string
}

func (c tool) run(args ...string) result {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, binary, args...)
	cmd.Env = append(os.Environ(), "CACHE_URL=", "NO_COLOR=", "VISUAL=", "EDITOR=")
	cmd.Env = append(cmd.Env, c.env...)
	cmd.Stdin = strings.NewReader(c.stdin)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil && cmd.ProcessState == nil || ctx.Err() != nil {
		c.t.Fatalf("cachewire %q: %v, %v", args, err, ctx.Err())
	}
	return result{stdout.String(), stderr.String(), cmd.ProcessState.ExitCode()}
}

// want runs the tool and checks its standard output and its exit status.
func (c tool) want(status int, stdout string, args ...string) {
	c.t.Helper()
	if r := c.run(args...); r.stdout != stdout || r.status != status {
		c.t.Errorf("cachewire %q: exit status %d, output %q; want %d, %q\nstandard error: %s",
			args, r.status, r.stdout, status, stdout, r.stderr)
	}
}

// wantError runs the tool and checks that it prints nothing but an error that has the text.
func (c tool) wantError(status int, text string, args ...string) {
	c.t.Helper()
	r := c.run(args...)
	if r.status != status || r.stdout != "" || !strings.Contains(r.stderr, text) {
		c.t.Errorf("cachewire %q: exit status %d, output %q, error %q; want %d, none, an error "+
			"with %q", args, r.status, r.stdout, r.stderr, status, text)
	}
}

// with returns c with the URL of a cache in CACHE_URL, and other variables.
func (c tool) with(url string, env ...string) tool {
	c.env = append([]string{"CACHE_URL=" + url}, env...)
	return c
}

// reading returns c with text as standard input.
func (c tool) reading(text string) tool {
	c.stdin = text
	return c
}

func redisURL(t testing.TB) string {
	return "redis://" + redistest.Start(t, nil).Addr()
}

func memcachedURL(t testing.TB) string {
	return "memcache://" + memcachetest.Start(t, nil).Addr()
}

// eachServer runs f with an empty memcached and with an empty Redis.
func eachServer(t *testing.T, f func(t *testing.T, c tool)) {
	for name, start := range map[string]func(testing.TB) string{
		"memcached": memcachedURL, "redis": redisURL,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f(t, tool{t: t}.with(start(t)))
		})
	}
}
