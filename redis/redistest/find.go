package redistest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// usual are folders that may have redis-server, even if they are not in PATH.
var usual = []string{"/usr/sbin", "/usr/local/bin", "/usr/local/sbin", "/opt/homebrew/bin"}

// find returns the path of redis-server.
func find() (string, error) {
	if name := os.Getenv("REDIS_SERVER"); name != "" {
		path, err := exec.LookPath(name)
		if err != nil {
			return "", fmt.Errorf("no redis-server at the path in REDIS_SERVER: %w", err)
		}
		return path, nil
	}
	path, err := exec.LookPath("redis-server")
	if err == nil {
		return path, nil
	}
	for _, dir := range usual {
		if path, err := exec.LookPath(filepath.Join(dir, "redis-server")); err == nil {
			return path, nil
		}
	}
	return "", fmt.Errorf("no redis-server: %w", err)
}

// lacking ends a test whose program is not installed. In CI the test fails, because there a
// skipped test would not be noticed.
func lacking(t testing.TB, format string, args ...any) {
	t.Helper()
	end := t.Skipf
	if os.Getenv("CI") != "" {
		end = t.Fatalf
	}
	end("redistest: "+format, args...)
}
