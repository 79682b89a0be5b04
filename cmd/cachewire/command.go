package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
)

// A command is one command of the tool.
type command struct {
	name, args, short string
	about             string // more than the one line of short; may be ""
	example           string
	flags             *flag.FlagSet
	run               func(ctx context.Context, args []string) error

	json   bool   // -json
	config string // -config
}

// commands make the commands, in the order of the help.
var commands []func(t *tool) *command

func init() { // not a variable with a value, because the completion reads it, too
	commands = []func(t *tool) *command{
		newGet, newSet, newAdd, newReplace, newDel, newIncr, newDecr, newTTL, newTouch, newCAS,
		newKeys, newCopy, newFlush, newStats, newTop, newPing, newBench, newConform, newDrivers,
		newCompletion,
	}
}

// newCommand returns a command without a run function. If it works on a cache, args begins
// with [URL] or URL, and there is a flag -config.
func newCommand(name, args, short, example string) *command {
	c := &command{name: name, args: args, short: short, example: example}
	c.flags = flag.NewFlagSet(name, flag.ContinueOnError)
	c.flags.SetOutput(io.Discard) // run reports the errors
	c.flags.BoolVar(&c.json, "json", false, "print JSON, one value a line")
	if strings.Contains(args, "URL") {
		c.flags.StringVar(&c.config, "config", "",
			"read caches from this JSON `file`; a URL is then the name of a cache in it")
	}
	return c
}

// parse parses args, in which flags may follow arguments. It returns the arguments. Those
// after -- are never flags.
func (c *command) parse(args []string) ([]string, error) {
	var rest []string
	for {
		if err := c.flags.Parse(args); err != nil {
			if err == flag.ErrHelp {
				return nil, err
			}
			return nil, wrongUse("%v", err)
		}
		left := c.flags.Args()
		if len(left) == 0 {
			return rest, nil
		}
		if at := len(args) - len(left) - 1; at >= 0 && args[at] == "--" {
			return append(rest, left...), nil
		}
		rest, args = append(rest, left[0]), left[1:]
	}
}

func (c *command) printHelp(w io.Writer) {
	fmt.Fprintf(w, "cachewire %s: %s\n\n", c.name, c.short)
	fmt.Fprintf(w, "Usage:\n  %s\n", strings.TrimRight("cachewire "+c.name+" "+c.args, " "))
	if c.about != "" {
		fmt.Fprintf(w, "\n%s\n", c.about)
	}
	fmt.Fprint(w, "\nExample:\n")
	for line := range strings.Lines(c.example) {
		fmt.Fprint(w, "  "+line)
	}
	fmt.Fprint(w, "\n\nFlags:\n")
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	c.flags.VisitAll(func(f *flag.Flag) {
		value, usage := flag.UnquoteUsage(f)
		if f.DefValue != "" && f.DefValue != "false" && f.DefValue != "0" {
			usage += " (default " + f.DefValue + ")"
		}
		fmt.Fprintf(table, "  -%s\t%s\n", strings.TrimRight(f.Name+" "+value, " "), usage)
	})
	table.Flush()
	if strings.Contains(c.args, "URL") {
		fmt.Fprint(w, `
URL is the URL of a cache, @FILE for a file with the URL, or - for that of the variable
CACHE_URL, which is also the URL if none is given. A URL with a password must be in a file
or in CACHE_URL, because every user of the system can read command lines.
`)
	}
}

// printCommands prints the help of the whole tool.
func (t *tool) printCommands() {
	fmt.Fprint(t.stdout, "cachewire: any cache from a shell\n\nUsage:\n"+
		"  cachewire COMMAND [ARGUMENT…] [FLAG…]\n\nCommands:\n")
	table := tabwriter.NewWriter(t.stdout, 0, 0, 2, ' ', 0)
	for _, newCommand := range commands {
		c := newCommand(t)
		fmt.Fprintf(table, "  %s\t%s\n", c.name, c.short)
	}
	table.Flush()
	fmt.Fprint(t.stdout, `
cachewire COMMAND -h shows the flags of a command, with an example.

Exit status: 0; 1 if a key is absent, a condition is false or a rule is broken; 2 if the
command line or the URL is wrong; 3 after any other failure; 130 after Ctrl-C.
`)
}
