package main_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cachewire/cachewire/redis/redistest"
)

func TestWrongUseHasAStatusOfItsOwn(t *testing.T) {
	c := tool{t: t}
	c.wantError(2, "which command", []string{}...)
	c.wantError(2, `no command "gett"`, "gett")
	c.wantError(2, "which cache", "get", "k")
	c.wantError(2, "which key", "get", "memory://")
	c.wantError(2, "-ttk", "set", "memory://", "k", "v", "-ttk", "1h")
	c.wantError(2, "no driver", "get", "memcach://localhost", "k")
	c.wantError(2, "max_itms", "get", "memory://?max_itms=5", "k")
	c.wantError(2, "in quotes", "set", "memory://", "k", "two", "words")
	c.wantError(2, "2^64", "incr", "memory://", "k", "--", "-2")
	c.wantError(2, "2^64", "incr", "memory://", "k", "x")
	c.wantError(2, "-from", "incr", "memory://", "k", "-ttl", "1h")
}

func TestEveryCommandHasHelpWithAnExample(t *testing.T) {
	c := tool{t: t}
	all := c.run("-h")
	if all.status != 0 || all.stderr != "" {
		t.Fatalf("-h: %+v", all)
	}
	for _, name := range strings.Fields(c.run("__complete").stdout) {
		if !strings.Contains(all.stdout, "\n  "+name+" ") {
			t.Errorf("-h does not list %s", name)
		}
		r := c.run(name, "-h")
		if r.status != 0 || !strings.Contains(r.stdout, "\nExample:\n  ") ||
			!strings.Contains(r.stdout, "cachewire "+name) ||
			!strings.Contains(r.stdout, "  -json") {
			t.Errorf("%s -h: exit status %d, %s%s", name, r.status, r.stdout, r.stderr)
		}
		if help := c.run("help", name); help != r {
			t.Errorf("help %s prints something else than %[1]s -h", name)
		}
		for line := range strings.Lines(r.stdout) {
			if len([]rune(strings.TrimRight(line, "\n"))) > 200 {
				t.Errorf("%s -h has a line of %d characters: %s", name, len(line), line)
			}
		}
	}
}

func TestAPasswordIsRefusedInACommandLineAndNeverShown(t *testing.T) {
	server := redistest.Start(t, &redistest.Options{Password: "hunter2"})
	url := "redis://:hunter2@" + server.Addr()
	file := filepath.Join(t.TempDir(), "url")
	if err := os.WriteFile(file, []byte(url+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c := tool{t: t}
	c.wantError(2, "@FILE", "ping", url)
	c.want(0, "", "set", "@"+file, "k", "v")
	c.want(0, "v", "get", "@"+file, "k")
	c.with(url).want(0, "v", "get", "k")
	c.with(url).want(0, "v", "get", "-", "k")
	c.with("memory://").want(0, "v", "get", "@"+file, "k")
	server.Kill()
	for _, r := range []result{
		c.run("ping", url),
		c.run("ping", "@"+file),
		c.with(url).run("ping"),
		c.with(url + "?wrong=1").run("ping"),
		c.with("redis://:hunter2@[").run("ping"),
		c.with(url).run("flush"),
	} {
		if strings.Contains(r.stdout+r.stderr, "hunter2") {
			t.Errorf("the password is shown: %s%s", r.stdout, r.stderr)
		}
		if r.status != 2 && r.status != 3 {
			t.Errorf("exit status %d: %s", r.status, r.stderr)
		}
	}
}

func TestACacheOfAConfigurationFile(t *testing.T) {
	url := redisURL(t)
	file := filepath.Join(t.TempDir(), "caches.json")
	text := `{"default": "app", "caches": {
		"app": {"url": "` + url + `", "prefix": "app:", "default_ttl": "1h", "hooks": ["timing"]},
		"tier": {"near": "near", "far": "app"}, "near": {"url": "memory://?max_items=5"},
		"strange": {"url": "strange://"}}}`
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	c := tool{t: t}
	c.want(0, "", "set", "-config", file, "app", "k", "v")
	c.want(0, "k\n", "keys", "-config", file, "-")
	c.want(0, "app:k\n", "keys", url)
	c.want(0, "v", "get", "-config", file, "tier", "k")
	c.want(0, "k\n", "keys", "-config", file, "tier")
	c.with(url, "CACHEWIRE_DISABLE=1").want(0, "v", "get", "-config", file, "app", "k")
	if r := c.run("ttl", url, "app:k"); !strings.HasPrefix(r.stdout, "app:k\t59m") &&
		!strings.HasPrefix(r.stdout, "app:k\t1h0m0") {
		t.Errorf("ttl: %+v, want the default of the file", r)
	}
	c.wantError(2, `no cache "none"; it has app, near, strange, tier`,
		"get", "-config", file, "none", "k")
	c.wantError(2, "no driver", "get", "-config", file, "strange", "k")
	c.wantError(2, "is the name of a cache", "get", "-config", file)
}

func TestBashCompletesCommandsFlagsAndSchemes(t *testing.T) {
	bash := shellOrSkip(t, "bash")
	script := tool{t: t}.run("completion", "bash").stdout + `
try() { COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _cachewire; echo "${COMPREPLY[*]}"; }
try cachewire dr
try cachewire set mem
try cachewire set memory:// -t
try cachewire completion f
`
	cmd := exec.Command(bash, "-c", script)
	cmd.Env = append(os.Environ(), "PATH="+filepath.Dir(binary)+":"+os.Getenv("PATH"))
	out, err := cmd.CombinedOutput()
	want := "drivers\nmemcache://\nmemcache+meta://\nmemcache+pooled://\nmemory://\n-ttl\nfish\n"
	if got := strings.ReplaceAll(string(out), " ", "\n"); got != want || err != nil {
		t.Errorf("completions are %q, %v; want %q", out, err, want)
	}
}

// shellOrSkip returns the path of a shell. If it is missing, the test is skipped, or fails if CI
// is set, for which scripts/servers.sh installs all of them.
func shellOrSkip(t *testing.T, shell string) string {
	t.Helper()
	path, err := exec.LookPath(shell)
	switch {
	case err == nil:
	case os.Getenv("CI") != "":
		t.Fatal(err)
	default:
		t.Skip(err)
	}
	return path
}

func TestCompletionScriptsAreValid(t *testing.T) {
	for _, shell := range []string{"bash", "zsh", "fish"} {
		t.Run(shell, func(t *testing.T) {
			script := tool{t: t}.run("completion", shell)
			if script.status != 0 || !strings.Contains(script.stdout, "__complete") {
				t.Fatalf("completion: %+v", script)
			}
			cmd := exec.Command(shellOrSkip(t, shell), "-n")
			cmd.Stdin = strings.NewReader(script.stdout)
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Errorf("%v: %s", err, out)
			}
		})
	}
	tool{t: t}.wantError(2, "which shell", "completion", "csh")
}
