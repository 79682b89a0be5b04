package memcachetest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// usual are folders in which memcached may be without being in PATH.
var usual = []string{"/usr/sbin", "/usr/local/bin", "/usr/local/sbin", "/opt/homebrew/bin"}

// find answers the path of memcached.
func find() (string, error) {
	if name := os.Getenv("MEMCACHED"); name != "" {
		path, err := exec.LookPath(name)
		if err != nil {
			return "", fmt.Errorf("no memcached where MEMCACHED says: %w", err)
		}
		return path, nil
	}
	path, err := exec.LookPath("memcached")
	if err == nil {
		return path, nil
	}
	for _, dir := range usual {
		if path, err := exec.LookPath(filepath.Join(dir, "memcached")); err == nil {
			return path, nil
		}
	}
	return "", fmt.Errorf("no memcached: %w", err)
}

// lacking ends a test whose program is not installed. In CI that is a failure:
// nobody reads there what was skipped.
func lacking(t testing.TB, format string, args ...any) {
	t.Helper()
	end := t.Skipf
	if os.Getenv("CI") != "" {
		end = t.Fatalf
	}
	end("memcachetest: "+format, args...)
}
