//go:build unix

package main_test

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/creack/pty"
)

// onTerminal runs the tool with a pseudo-terminal as its standard streams, writes typed to it,
// and returns what it printed and its exit status.
func (c tool) onTerminal(typed string, args ...string) (string, int) {
	c.t.Helper()
	return c.typing([][2]string{{"", typed}}, args...)
}

// typing is onTerminal with steps: as soon as the tool has printed the first string of a step,
// the second one is typed.
func (c tool) typing(steps [][2]string, args ...string) (string, int) {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, binary, args...)
	cmd.Env = append(append(os.Environ(), "CACHE_URL=", "NO_COLOR=", "TERM=xterm"), c.env...)
	terminal, err := pty.StartWithSize(cmd, &pty.Winsize{Rows: 24, Cols: 120})
	if err != nil {
		c.t.Fatal(err)
	}
	defer terminal.Close()
	var out []byte
	from := 0 // where the output after the last step begins
	buf := make([]byte, 4096)
	for {
		for len(steps) > 0 && bytes.Contains(out[from:], []byte(steps[0][0])) {
			if _, err := terminal.WriteString(steps[0][1]); err != nil {
				c.t.Fatal(err)
			}
			steps, from = steps[1:], len(out)
		}
		n, err := terminal.Read(buf)
		out = append(out, buf[:n]...)
		if err != nil { // the tool has closed the terminal
			break
		}
	}
	cmd.Wait()
	if len(steps) > 0 {
		c.t.Errorf("cachewire %q never printed %q, but %q", args, steps[0][0], out)
	}
	return strings.ReplaceAll(string(out), "\r\n", "\n"), cmd.ProcessState.ExitCode()
}

func TestColoursAreForTerminalsWithoutNoColor(t *testing.T) {
	c := tool{t: t}
	args := []string{"conform", "null://", "-v", "-run", "null-read"}
	const escape = "\x1b["
	if r := c.run(args...); r.status != 0 || strings.Contains(r.stdout+r.stderr, escape) {
		t.Errorf("without a terminal: %+v; want no colours", r)
	}
	const green = escape + "32mpassed"
	if out, status := c.onTerminal("", args...); status != 0 || !strings.Contains(out, green) {
		t.Errorf("on a terminal: %q, exit status %d; want colours", out, status)
	}
	c.env = []string{"NO_COLOR=1"}
	if out, status := c.onTerminal("", args...); status != 0 || strings.Contains(out, green) {
		t.Errorf("with NO_COLOR: %q, exit status %d; want no colours", out, status)
	}
}

func TestFlushAsksOnATerminal(t *testing.T) {
	c := tool{t: t}.with(redisURL(t))
	c.want(0, "", "set", "k", "v")
	out, status := c.onTerminal("n\n", "flush")
	if status != 1 || !strings.Contains(out, "delete everything in redis://") {
		t.Errorf("flush and n: %q, exit status %d", out, status)
	}
	c.want(0, "v", "get", "k")
	if out, status := c.onTerminal("y\n", "flush"); status != 0 {
		t.Errorf("flush and y: %q, exit status %d", out, status)
	}
	c.want(1, "", "get", "k")
}

func TestAValueCannotControlTheTerminal(t *testing.T) {
	c := tool{t: t}.with(redisURL(t))
	c.want(0, "", "set", "k", "\x1b[31mred")
	if out, _ := c.onTerminal("", "get", "k"); out != `"\x1b[31mred"`+"\n" {
		t.Errorf("get prints %q", out)
	}
	c.want(0, "", "set", "k", "zwei\n\tZeilen: ä")
	if out, _ := c.onTerminal("", "get", "k"); out != "zwei\n\tZeilen: ä\n" {
		t.Errorf("get prints %q", out)
	}
}

func TestCtrlCEndsCleanly(t *testing.T) {
	const ctrlC = "\x03"
	c := tool{t: t}.with(redisURL(t))
	for _, step := range []struct {
		printed string
		args    []string
	}{
		{"Ctrl-D", []string{"set", "k"}},
		{" cases, ", []string{"conform", "-run", "ttl-*"}},
		{"round 1", []string{"bench", "-duration", "1m"}},
	} {
		out, status := c.typing([][2]string{{step.printed, ctrlC}}, step.args...)
		want := "cachewire " + step.args[0] + ": interrupted\n"
		if status != 130 || !strings.HasSuffix(out, want) {
			t.Errorf("%q: exit status %d, %q; want 130 and %q", step.args, status, out, want)
		}
		c.want(0, "", "keys") // what was stored is deleted
	}
}

func TestTopDrawsOnATerminalAndSorts(t *testing.T) {
	few, many := tool{t: t}.with(redisURL(t)), tool{t: t}.with(redisURL(t))
	many.want(0, "", "set", "k", "v")
	out, status := few.typing([][2]string{
		{"quit: q", "i"}, // the table was drawn; sort by items
		{"*items", "q"},  // and drawn again
	}, "top", few.url(), many.url())
	if status != 0 {
		t.Fatalf("exit status %d, %q", status, out)
	}
	for _, want := range []string{"hits/s", "clients", few.url(), many.url()} {
		if !strings.Contains(out, want) {
			t.Errorf("top draws %q; want %q", out, want)
		}
	}
	const leave = "\x1b[?1049l" // the alternate screen of xterm
	if !strings.Contains(out, leave) {
		t.Errorf("top does not restore the screen: %q", out)
	}
	if _, status := few.typing([][2]string{{"quit: q", "\x03"}}, "top"); status != 0 {
		t.Errorf("exit status after Ctrl-C is %d, want 0", status)
	}
}
