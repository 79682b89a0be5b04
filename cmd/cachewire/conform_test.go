package main_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/cachewire/cachewire/redis/redistest"
)

func TestConformPassesTheCasesThatItRuns(t *testing.T) {
	eachServer(t, func(t *testing.T, c tool) {
		r := c.run("conform", "-run", "add-*,cas-other-backend", "-seed", "7")
		lines := strings.Split(strings.TrimSpace(r.stdout), "\n")
		if r.status != 0 || r.stderr != "" || len(lines) < 2 {
			t.Fatalf("%+v", r)
		}
		fields := strings.Fields(lines[len(lines)-1])
		if len(fields) != 6 || fields[0] == "0" || fields[1] != "0" || fields[3] != "1" ||
			fields[5] != "7" {
			t.Errorf("the table is %q, want some passed, none failed, the one that needs "+
				"two backends not run, and the seed 7", lines)
		}
		c.want(1, "", "get", "k")
	})
}

// A conformReport is what the tests read of the JSON of conform.
type conformReport struct {
	URL      string
	Complete bool
	Counts   map[string]int
	Results  []struct{ View, ID, Rule, Verdict string }
}

func (c tool) conform(status int, args ...string) (report conformReport) {
	c.t.Helper()
	r := c.run(append([]string{"conform", "-json"}, args...)...)
	if err := json.Unmarshal([]byte(r.stdout), &report); err != nil || r.status != status {
		c.t.Errorf("conform %q: %v, %+v", args, err, r)
	}
	if strings.Count(r.stdout, "\n") != 1 {
		c.t.Errorf("conform -json prints %d lines, want 1", strings.Count(r.stdout, "\n"))
	}
	return report
}

func TestConformFindsBrokenRules(t *testing.T) {
	c := tool{t: t}.with("memory://?max_items=1")
	report := c.conform(1, "-run", "multi-many", "-parallel", "2")
	failed := 0
	for _, r := range report.Results {
		if !strings.HasPrefix(r.ID, "multi-") || r.Rule == "" {
			t.Errorf("the report has the case %+v", r)
		}
		if r.Verdict == "failed" {
			failed++
		}
	}
	if failed == 0 || failed != report.Counts["failed"] || !report.Complete {
		t.Errorf("%d cases failed over a cache of one item; the report counts %v", failed,
			report.Counts)
	}
	r := c.run("conform", "-run", "multi-many")
	if r.status != 1 || !strings.Contains(r.stdout, "failed    plain/multi-") {
		t.Errorf("the table does not name the cases that failed: %+v", r)
	}
}

func TestConformRefusesACacheWithItems(t *testing.T) {
	eachServer(t, func(t *testing.T, c tool) {
		c.want(0, "", "set", "k", "v")
		c.wantError(2, "-destroy", "conform", "-run", "add-*")
		c.want(0, "v", "get", "k")
		if report := c.conform(0, "-run", "add-*", "-destroy"); report.Counts["passed"] == 0 {
			t.Errorf("no case passed: %+v", report)
		}
		c.want(1, "", "get", "k")
	})
}

func TestConformRefusesWhatWouldMislead(t *testing.T) {
	c := tool{t: t}
	url := redisURL(t)
	c.wantError(2, "in the process", "conform", url, "-parallel", "2")
	c.wantError(2, "prefix", "conform", url+"?prefix=app:")
	c.wantError(2, "no case", "conform", url, "-run", "nothing")
	c.wantError(2, "-run", "conform", url, "-run", "[")
	c.wantError(2, "-resume", "conform", url, "-stall", "true")
	c.wantError(2, "-restart", "conform", url, "-kill", "true")
	c.wantError(2, "-parallel", "conform", url, "-parallel", "0")
}

// hookVariable has the URL that the test binary gets instead of running tests, as a command of
// conform.
const hookVariable = "CACHEWIRE_TEST_HOOK"

// faultCases are cases that need the commands.
const faultCases = "stall-context,kill-error"

func callHook(url string) int {
	reply, err := http.Get(url)
	if err != nil {
		return 1
	}
	defer reply.Body.Close()
	if _, err := io.Copy(io.Discard, reply.Body); err != nil || reply.StatusCode != http.StatusOK {
		return 1
	}
	return 0
}

func TestConformCausesFaultsByCommands(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t, nil)
	var mu sync.Mutex
	var calls []string // guarded by mu
	faults := map[string]func(){
		"/stall": server.Pause, "/resume": server.Resume,
		"/kill": server.Kill, "/restart": server.Restart,
	}
	hooks := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		mu.Lock()
		calls = append(calls, r.URL.Path)
		mu.Unlock()
		faults[r.URL.Path]()
	}))
	defer hooks.Close()
	command := func(name string) string {
		return hookVariable + "=" + hooks.URL + "/" + name + " " + os.Args[0]
	}
	c := tool{t: t}.with("redis://" + server.Addr() + "?timeout=1s")
	notRun := c.conform(0, "-run", faultCases)
	if notRun.Counts["not_run"] != len(notRun.Results) || len(notRun.Results) == 0 {
		t.Errorf("without commands: %+v, want all not run", notRun.Counts)
	}
	report := c.conform(0, "-run", faultCases, "-stall", command("stall"),
		"-resume", command("resume"), "-kill", command("kill"), "-restart", command("restart"))
	if n := len(notRun.Results); report.Counts["passed"]+report.Counts["declined"] != n {
		t.Errorf("with commands: %+v, want %d passed", report.Counts, n)
	}
	mu.Lock()
	got := strings.Join(calls, " ")
	mu.Unlock()
	if !strings.Contains(got, "/stall /resume") || !strings.Contains(got, "/kill /restart") {
		t.Errorf("the commands were called as %s", got)
	}
	c.wantError(3, "failed: exit status 1", "conform", "-run", faultCases,
		"-stall", command("stall"), "-resume", command("resume")+"; false")
}
