package memcachetest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// usualDirs are folders in which memcached may be installed and which may not be in PATH.
var usualDirs = []string{"/usr/sbin", "/usr/local/bin", "/usr/local/sbin", "/opt/homebrew/bin"}

// findMemcached returns the path of memcached.
func findMemcached() (string, error) {
	if name := os.Getenv("MEMCACHED"); name != "" {
		path, err := exec.LookPath(name)
		if err != nil {
			return "", fmt.Errorf("no memcached at the path in MEMCACHED: %w", err)
		}
		return path, nil
	}
	path, err := exec.LookPath("memcached")
	if err == nil {
		return path, nil
	}
	for _, dir := range usualDirs {
		if path, err := exec.LookPath(filepath.Join(dir, "memcached")); err == nil {
			return path, nil
		}
	}
	return "", fmt.Errorf("no memcached: %w", err)
}

// skipOrFail ends a test because a program is not installed. It skips the test. In CI it
// fails the test instead, because skipped tests go unnoticed there.
func skipOrFail(t testing.TB, format string, args ...any) {
	t.Helper()
	end := t.Skipf
	if os.Getenv("CI") != "" {
		end = t.Fatalf
	}
	end("memcachetest: "+format, args...)
}
