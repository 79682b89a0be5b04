// Cachewire is a cache from a shell: it reads, writes, copies, watches, measures and checks
// any cache that has a URL.
//
//	export CACHE_URL=redis://localhost
//	cachewire set greeting hello -ttl 1m
//	cachewire get greeting
//
// Cachewire -h lists the commands, and cachewire COMMAND -h shows the flags of a command
// with an example. docs/tool.md in the repository shows each command with its output.
//
// The flags are read by package flag, because every one of them then works with one hyphen
// as well as with two, as flags of the go command do; the libraries for larger
// command lines accept only two.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"golang.org/x/term"

	"github.com/cachewire/cachewire/core"
	_ "github.com/cachewire/cachewire/memcache-meta"
	_ "github.com/cachewire/cachewire/memcache-pooled"
	_ "github.com/cachewire/cachewire/memcache-pure"
	_ "github.com/cachewire/cachewire/memory"
	_ "github.com/cachewire/cachewire/null"
	_ "github.com/cachewire/cachewire/redis"
	_ "github.com/cachewire/cachewire/tiered"
)

// The exit statuses.
const (
	exitOK          = 0
	exitNegative    = 1 // a key is absent, a condition is false, a rule is broken
	exitUsage       = 2 // the command line is wrong
	exitFailure     = 3 // anything else, such as a server that cannot be reached
	exitInterrupted = 130
)

// errNegative ends a command with exitNegative. The command has already said why.
var errNegative = errors.New("negative")

// A usageError is a mistake in the command line.
type usageError struct{ text string }

func (e *usageError) Error() string { return e.text }

func wrongUse(format string, args ...any) error {
	return &usageError{fmt.Sprintf(format, args...)}
}

// A tool is what a command runs in.
type tool struct {
	name           string // of the program and the command, for messages
	stdin          io.Reader
	stdout, stderr io.Writer

	stdinTerminal, stdoutTerminal, stderrTerminal bool

	getenv func(string) string
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second Ctrl-C ends the process at once
	t := &tool{
		stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr,
		stdinTerminal:  term.IsTerminal(int(os.Stdin.Fd())),
		stdoutTerminal: term.IsTerminal(int(os.Stdout.Fd())),
		stderrTerminal: term.IsTerminal(int(os.Stderr.Fd())),
		getenv:         os.Getenv,
	}
	os.Exit(t.run(ctx, os.Args[1:]))
}

// run runs the command line args and returns the exit status.
func (t *tool) run(ctx context.Context, args []string) int {
	err := t.dispatch(ctx, args)
	var usage *usageError
	switch {
	case err == nil:
		return exitOK
	case errors.Is(err, errNegative):
		return exitNegative
	case errors.As(err, &usage):
		t.say("%v\n%s -h shows how it is used", err, t.name)
		return exitUsage
	case ctx.Err() != nil:
		t.say("interrupted")
		return exitInterrupted
	}
	t.say("%s", textOf(err))
	if errors.Is(err, core.ErrConfig) {
		return exitUsage
	}
	return exitFailure
}

// textOf returns the text of err without the prefix of package core, which is the name of
// this program.
func textOf(err error) string { return strings.TrimPrefix(err.Error(), "cachewire: ") }

// dispatch runs the command that args names.
func (t *tool) dispatch(ctx context.Context, args []string) error {
	t.name = "cachewire"
	if len(args) == 0 {
		return wrongUse("which command?")
	}
	name, args := args[0], args[1:]
	switch name {
	case "help", "-h", "-help", "--help":
		if len(args) == 0 {
			t.printCommands()
			return nil
		}
		name, args = args[0], []string{"-h"}
	case "__complete": // what the scripts of the command completion call
		t.complete(args)
		return nil
	}
	for _, newCommand := range commands {
		c := newCommand(t)
		if c.name != name {
			continue
		}
		t.name += " " + name
		rest, err := c.parse(args)
		switch {
		case errors.Is(err, flag.ErrHelp):
			c.printHelp(t.stdout)
			return nil
		case err != nil:
			return err
		}
		return c.run(ctx, rest)
	}
	return wrongUse("there is no command %q", name)
}
