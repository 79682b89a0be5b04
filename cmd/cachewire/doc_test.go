package main_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/cachewire/cachewire/memcache/memcachetest"
	"github.com/cachewire/cachewire/redis/redistest"
)

// A block of the page, with its commands and their outputs.
var block = regexp.MustCompile("(?ms)^```console( numbers vary)?\n(.*?)^```$")

// The page shows what the commands print. Its commands run in one shell session after
// another, with a Redis and a memcached in place of those on localhost.
func TestThePageShowsWhatTheToolPrints(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/tool.md")
	if err != nil {
		t.Fatal(err)
	}
	real := strings.NewReplacer(
		"redis://localhost", "redis://"+redistest.Start(t, nil).Addr(),
		"memcache://localhost", "memcache://"+memcachetest.Start(t, nil).Addr(),
		"@localhost", "@127.0.0.1")
	dir := t.TempDir()
	session := "" // what changes the environment
	blocks := block.FindAllStringSubmatch(string(page), -1)
	if len(blocks) < 5 {
		t.Fatalf("the page has %d blocks of commands", len(blocks))
	}
	for _, b := range blocks {
		vary := b[1] != ""
		for _, part := range strings.Split("\n"+b[2], "\n$ ")[1:] {
			command, want, _ := strings.Cut(strings.TrimRight(part, "\n"), "\n")
			if strings.HasPrefix(command, "export ") {
				session += command + "\n"
				continue
			}
			cmd := exec.Command("sh", "-c", real.Replace(session+command))
			cmd.Dir = dir
			cmd.Env = append(os.Environ(), "CACHE_URL=",
				"PATH="+filepath.Dir(binary)+":"+os.Getenv("PATH"))
			out, _ := cmd.CombinedOutput() // the page shows the statuses that matter
			got := strings.TrimRight(string(out), "\n")
			if shape(got, vary) != shape(real.Replace(want), vary) {
				t.Errorf("$ %s\n--- prints\n%s\n--- the page says\n%s", command, got, want)
			}
		}
	}
}

var (
	number = regexp.MustCompile(`[0-9]+(\.[0-9]+)?(ns|µs|ms|s|m)?`)
	spaces = regexp.MustCompile(`[ \t]+`)
)

// shape returns output as it is compared. If numbers vary, they are all the same.
func shape(output string, vary bool) string {
	if vary {
		return spaces.ReplaceAllString(number.ReplaceAllString(output, "0"), " ")
	}
	return output
}
