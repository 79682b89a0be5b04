// Demo shows a cache at work on real files. It parses every Go file of the
// installed toolchain's standard library and keeps what each exports in the
// cache that CACHE_URL names, twice over; then it invalidates one package, and does
// it once more. It prints what the cache saved:
//
//	go run ./docs/examples/demo
//	CACHE_URL=null:// go run ./docs/examples/demo
//
// Where to find what:
//
//	drivers.go    which caches the program can open
//	files.go      which files there are
//	symbols.go    the work: what a file exports
//	codec.go      how that becomes bytes, and bytes that
//	pass.go       the cache in use
//	progress.go   the bar on the terminal
//	report.go     the table
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

// What the program exits with.
const (
	exitOK          = 0
	exitFailed      = 1
	exitUsage       = 2
	exitInterrupted = 130 // what a shell answers for SIGINT
)

// defaultURL is where the demo caches if CACHE_URL does not say.
const defaultURL = "memory://"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	context.AfterFunc(ctx, stop) // a second Ctrl-C ends the program the hard way
	os.Exit(run(ctx, os.Args[1:], os.Getenv, os.Stdout, os.Stderr))
}

// run is the program, in a form that tests can call. It answers what to exit
// with.
func run(ctx context.Context, args []string, env func(string) string, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("demo", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	dir := flags.String("dir", "", "")
	err := flags.Parse(args)
	if errors.Is(err, flag.ErrHelp) {
		usage(stdout)
		return exitOK
	}
	if err == nil && flags.NArg() > 0 {
		err = fmt.Errorf("unknown argument %q", flags.Arg(0))
	}
	if err != nil {
		fmt.Fprintf(stderr, "demo: %v (demo -help tells more)\n", err)
		return exitUsage
	}

	err = demo(ctx, cmp.Or(env("CACHE_URL"), defaultURL), *dir, stdout, stderr)
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
	fmt.Fprintf(w, `usage: demo [-dir directory]

Demo parses every Go file of the installed toolchain's standard library, or of
the directory, and keeps what each file exports in a cache. Then it does the
same again, and once more after it has invalidated one package through a
dependency. It prints how long each pass took.

The environment variable CACHE_URL names the cache. It is %s if not set. The
drivers in this program are: %s.

  CACHE_URL=null:// demo                       what it costs without a cache
  CACHE_URL='memory://?max_items=1000' demo    a cache that is too small
`, defaultURL, strings.Join(core.Drivers(), ", "))
}

// demo makes three passes over the files in dir, or over the standard library if
// dir is empty. What was found out before an error is printed all the same.
func demo(ctx context.Context, cacheURL, dir string, stdout, stderr io.Writer) error {
	cache, err := core.Open(ctx, cacheURL, nil)
	if err != nil {
		return fmt.Errorf("CACHE_URL cannot be used: %w", err)
	}
	defer cache.Close()
	if dir == "" {
		if dir, err = standardLibrary(ctx); err != nil {
			return err
		}
	}
	files, err := goFiles(ctx, dir)
	if err != nil {
		return err
	}

	work, err := newIndexer(cache, files)
	if err != nil {
		return err
	}
	fmt.Fprintf(stdout, "%d Go files in %s\n\n", len(files), dir)
	defer work.cached.Close()
	var passes []pass
	for _, name := range []string{"first", "second", "third"} {
		remark := ""
		if name == "third" {
			remark = work.invalidate(ctx, largestPackage(files))
		}
		bar := startProgress(stderr, name+" pass", len(files))
		p, err := work.pass(ctx, name, bar.step)
		bar.stop()
		p.remark = remark
		passes = append(passes, p)
		if err != nil {
			report(stdout, files, passes)
			return err
		}
	}
	return report(stdout, files, passes)
}
