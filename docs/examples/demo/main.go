// Demo shows a cache at work on real files. It parses every Go file of the standard library
// of the installed toolchain, and stores the exported names of each in the cache that
// CACHE_URL names. It does that twice, invalidates one package, and does it once more. It
// prints what the cache saved:
//
//	go run ./docs/examples/demo
//	CACHE_URL=null:// go run ./docs/examples/demo
//	go run ./docs/examples/demo -page localhost:8080
//
// The files of the program:
//
//	drivers.go    imports the drivers that CACHE_URL may name
//	files.go      lists the Go files
//	symbols.go    does the work: finds the exported names of a file
//	codec.go      encodes the names for the cache, and decodes them
//	pass.go       uses the cache
//	page.go       serves the live page of the cache
//	progress.go   draws the bar on the terminal
//	report.go     prints the table
package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"

	"github.com/cachewire/cachewire/core"
)

// The exit codes of the program.
const (
	exitOK          = 0
	exitFailed      = 1
	exitUsage       = 2
	exitInterrupted = 130 // the code that a shell returns after SIGINT
)

// defaultURL is the URL of the cache if CACHE_URL is not set or empty.
const defaultURL = "memory://"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	context.AfterFunc(ctx, stop) // so that a second Ctrl-C kills the program
	os.Exit(run(ctx, os.Args[1:], os.Getenv, os.Stdout, os.Stderr))
}

// run is the whole program, in a form that tests can call. It returns the exit code.
func run(
	ctx context.Context,
	args []string,
	env func(name string) string,
	stdout, stderr io.Writer,
) int {
	flags := flag.NewFlagSet("demo", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	dir := flags.String("dir", "", "")
	pageAddr := flags.String("page", "", "")
	err := flags.Parse(args)
	if errors.Is(err, flag.ErrHelp) {
		usage(stdout)
		return exitOK
	}
	if err == nil && flags.NArg() > 0 {
		err = fmt.Errorf("unknown argument %q", flags.Arg(0))
	}
	if err != nil {
		fmt.Fprintf(stderr, "demo: %v (see demo -help)\n", err)
		return exitUsage
	}

	err = demo(ctx, cmp.Or(env("CACHE_URL"), defaultURL), *dir, *pageAddr, stdout, stderr)
	switch {
	case err == nil:
		return exitOK
	case errors.Is(err, context.Canceled):
		fmt.Fprintln(stderr, "demo: interrupted")
		return exitInterrupted
	default:
		fmt.Fprintf(stderr, "demo: %v\n", err)
		return exitFailed
	}
}

func usage(w io.Writer) {
	fmt.Fprintf(w, `usage: demo [-dir directory] [-page address]

Demo parses every Go file in the directory, and stores the exported names of
each file in a cache. The default directory is the standard library of the
installed toolchain. Demo makes a second pass over the files, invalidates one
package through a dependency, and makes a third pass. It prints how long each
pass took.

With -page, such as -page localhost:8080, demo serves a live page of the cache
at this address, and makes passes until it is interrupted.

The environment variable CACHE_URL is the URL of the cache. If it is not set,
the URL is %s. The drivers in this program are: %s.

  CACHE_URL=null:// demo                       shows the time without a cache
  CACHE_URL='memory://?max_items=1000' demo    uses a cache that is too small
`, defaultURL, strings.Join(core.Drivers(), ", "))
}

// demo makes three passes over the files in dir, or over the standard library if dir is "".
// If a pass returns an error, demo prints the results so far and returns the error. If pageAddr
// is not "", it serves the live page there, and goes on until ctx is done.
func demo(
	ctx context.Context, cacheURL, dir, pageAddr string, stdout, stderr io.Writer,
) (err error) {
	var live *livePage
	var opts *core.Options
	if pageAddr != "" {
		if live, err = serveLivePage(pageAddr); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, live.close()) }()
		opts = live.options()
	}
	cache, err := core.Open(ctx, cacheURL, opts)
	if err != nil {
		return fmt.Errorf("CACHE_URL cannot be used: %w", err)
	}
	defer cache.Close()
	if live != nil {
		if err := live.page.Add(cache); err != nil {
			return err
		}
	}
	if dir == "" {
		if dir, err = standardLibrary(ctx); err != nil {
			return err
		}
	}
	files, err := goFiles(ctx, dir)
	if err != nil {
		return err
	}

	index, err := newIndexer(cache, files, live)
	if err != nil {
		return err
	}
	fmt.Fprintf(stdout, "%d Go files in %s\n\n", len(files), dir)
	defer index.cached.Close()
	var passes []pass
	for _, name := range []string{"first", "second", "third"} {
		remark := ""
		if name == "third" {
			remark = index.invalidate(ctx, largestPackage(files))
		}
		bar := startProgress(stderr, name+" pass", len(files))
		p, err := index.pass(ctx, name, bar.step)
		bar.stop()
		p.remark = remark
		passes = append(passes, p)
		if err != nil {
			report(stdout, files, passes)
			return err
		}
	}
	if err := report(stdout, files, passes); err != nil || live == nil {
		return err
	}
	fmt.Fprintf(stdout, "\nThe live page is at %s. Ctrl-C ends the demo.\n", live.url)
	for err == nil {
		_, err = index.pass(ctx, "more", func() {})
	}
	return err
}
