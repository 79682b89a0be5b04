package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path"
	"runtime"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/cachewire/cachewire/conformance"
	"github.com/cachewire/cachewire/core"
)

func newConform(t *tool) *command {
	c := newCommand("conform", "[URL]", "check that a cache keeps the contract, rule by rule",
		"cachewire conform redis://localhost -destroy\n"+
			"cachewire conform memory:// -run 'ttl-*,touch-*' -parallel 8")
	c.about = `The suite of package conformance deletes everything in the cache, so that it needs
-destroy if the cache has items. Cases about time wait in real time, and take minutes over
memcached. The exit status is 1 if a rule is broken. The cases about servers that stall or
die need commands that cause this, like -stall 'kill -STOP 123' -resume 'kill -CONT 123'.`
	var f conformFlags
	c.flags.BoolVar(&f.destroy, "destroy", false,
		"run although the cache has items, which are deleted")
	c.flags.StringVar(&f.run, "run", "", "run only the cases with these `IDs`, separated by "+
		"commas, in which * stands for any characters")
	c.flags.IntVar(&f.parallel, "parallel", 1, "run this `number` of cases at the same time; "+
		"only for caches in the process")
	c.flags.Uint64Var(&f.seed, "seed", 0, "the `seed` of the random cases; a report names it")
	c.flags.BoolVar(&f.verbose, "v", false, "list every case, not only those that failed")
	c.flags.StringVar(&f.stall, "stall", "", "a `command` that makes the server stop to respond")
	c.flags.StringVar(&f.resume, "resume", "", "a `command` that undoes -stall")
	c.flags.StringVar(&f.kill, "kill", "", "a `command` that ends the server at once")
	c.flags.StringVar(&f.restart, "restart", "",
		"a `command` that undoes -kill, and returns when the server responds")
	c.run = func(ctx context.Context, args []string) error {
		if err := f.check(); err != nil {
			return err
		}
		p, rest, err := c.place(t, args)
		if err != nil {
			return err
		}
		if len(rest) > 0 {
			return wrongUse("%q follows the URL; want nothing", rest[0])
		}
		return t.conform(ctx, p, f, c.json)
	}
	return c
}

// conformFlags are the flags of conform.
type conformFlags struct {
	destroy, verbose             bool
	run                          string
	parallel                     int
	seed                         uint64
	stall, resume, kill, restart string
}

func (f *conformFlags) check() error {
	switch {
	case (f.stall == "") != (f.resume == ""):
		return wrongUse("-stall and -resume are needed together")
	case (f.kill == "") != (f.restart == ""):
		return wrongUse("-kill and -restart are needed together")
	case f.parallel < 1:
		return wrongUse("-parallel is %d; want 1 or more", f.parallel)
	}
	for _, pattern := range f.patterns() {
		if _, err := path.Match(pattern, ""); err != nil {
			return wrongUse("-run has %q; want IDs like ttl-*", pattern)
		}
	}
	return nil
}

func (f *conformFlags) patterns() []string {
	return strings.FieldsFunc(f.run, func(r rune) bool { return r == ',' })
}

// conform runs the suite on the cache at p.
func (t *tool) conform(ctx context.Context, p *place, f conformFlags, asJSON bool) error {
	if p.prefix() != "" {
		return wrongUse("the URL has a prefix, but the suite deletes everything, whatever the " +
			"prefix: leave it out")
	}
	opts := &conformance.CheckOptions{Cases: f.patterns(), Parallel: f.parallel, Seed: f.seed}
	if err := admitSuite(ctx, p, f, opts); err != nil {
		return err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	if f.stall != "" {
		opts.Stall = faultBy(ctx, cancel, f.stall, f.resume)
	}
	if f.kill != "" {
		opts.Kill = faultBy(ctx, cancel, f.kill, f.restart)
	}
	n, failed := 0, 0
	opts.Progress = func(r conformance.Result) {
		if n++; r.Status == conformance.Failed {
			failed++
		}
		t.progress("%d cases, %d failed: %s/%s", n, failed, r.View, r.ID)
	}
	report, err := conformance.Check(ctx, func() (core.Backend, error) {
		return p.openEmpty(ctx)
	}, opts)
	t.endProgress()
	err = errors.Join(err, p.clear(context.WithoutCancel(ctx)))
	if cause := context.Cause(ctx); cause != nil && !errors.Is(cause, context.Canceled) {
		err = cause
	}
	if report == nil {
		return err
	}
	if err == nil && len(report.Results) == 0 {
		return wrongUse("-run %q matches no case", f.run)
	}
	switch {
	case asJSON:
		err = errors.Join(err, t.printReportJSON(p, report, err))
	case len(report.Results) > 0:
		err = errors.Join(err, t.printReport(report, f.verbose))
	}
	if err != nil {
		return err
	}
	return negativeIf(report.Count(conformance.Failed) > 0)
}

// openEmpty opens the backend at p and deletes everything in it.
func (p *place) openEmpty(ctx context.Context) (core.Backend, error) {
	cache, err := p.open(ctx)
	if err != nil {
		return nil, err
	}
	var b core.Backend
	cache.As(&b) // every backend has this type
	if err := b.Flush(ctx); err != nil {
		return nil, errors.Join(err, b.Close())
	}
	return b, nil
}

// clear deletes what the suite has left at p.
func (p *place) clear(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	b, err := p.openEmpty(ctx)
	if err != nil {
		return err
	}
	return b.Close()
}

// admitSuite completes opts for the cache at p. It returns an error if the suite must not run
// there: the cache has items and may not lose them, or cases would disturb each other.
func admitSuite(
	ctx context.Context, p *place, f conformFlags, opts *conformance.CheckOptions,
) error {
	cache, err := p.open(ctx)
	if err != nil {
		return err
	}
	defer cache.Close()
	if cache.Traits().KeepsNothing {
		opts.Profile = conformance.Null
		return nil
	}
	if !f.destroy {
		empty, err := isEmpty(ctx, cache, p)
		if err != nil {
			return err
		}
		if !empty {
			return wrongUse("%s has items, or may have, and the suite deletes everything: "+
				"-destroy allows that", p)
		}
	}
	other, err := p.open(ctx)
	if err != nil {
		return err
	}
	defer other.Close()
	const key = "cachewire conform: is this cache shared?"
	if err := cache.Set(ctx, key, nil, time.Minute); err != nil {
		return err
	}
	opts.Shared, err = other.Exists(ctx, key)
	if err != nil {
		return err
	}
	if opts.Shared && f.parallel > 1 {
		return errors.Join(cache.Delete(ctx, key), wrongUse("-parallel is for caches in the "+
			"process: cases on one server would delete each other's items"))
	}
	return nil // the first case deletes the key
}

// isEmpty reports whether the cache has no item for sure.
func isEmpty(ctx context.Context, cache *core.Cache, p *place) (bool, error) {
	keys, err := keysOf(ctx, cache, p, "")
	if err == nil {
		empty := true
		for _, err = range keys { // if there is no error, there is a key
			empty = false
			break
		}
		if !errors.Is(err, errors.ErrUnsupported) {
			return empty, err
		}
	}
	stats, err := cache.Stats(ctx)
	if errors.Is(err, errors.ErrUnsupported) {
		return false, nil
	}
	return stats.Items == 0, err
}

// faultBy returns a hook that causes a fault by a command. The function that it returns undoes
// the fault by another command. If that fails, it cancels the suite.
func faultBy(ctx context.Context, cancel context.CancelCauseFunc, cause, undo string) func(
	core.Backend) (func(), error) {

	return func(core.Backend) (func(), error) {
		if err := shell(ctx, cause); err != nil {
			return nil, err
		}
		return func() {
			// Even after Ctrl-C, so that no server remains stopped.
			if err := shell(context.WithoutCancel(ctx), undo); err != nil {
				cancel(err)
			}
		}, nil
	}
}

// shell runs a command of the shell.
func shell(ctx context.Context, command string) error {
	words := []string{"sh", "-c", command}
	if runtime.GOOS == "windows" {
		words = []string{"cmd", "/c", command}
	}
	out, err := exec.CommandContext(ctx, words[0], words[1:]...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("the command %q failed: %w %s", command, err, bytes.TrimSpace(out))
	}
	return nil
}

// verdictOf returns how a case ended, in the words of the report.
func verdictOf(r conformance.Result) string {
	if r.Status == conformance.Passed && len(r.Declined) > 0 {
		return "declined"
	}
	return r.Status.String()
}

var verdicts = []string{"passed", "failed", "declined", "not run"}

func counts(report *conformance.Report) map[string]int {
	n := map[string]int{}
	for _, r := range report.Results {
		n[verdictOf(r)]++
	}
	return n
}

// printReport prints the cases that failed, or all if verbose, and what was declined and not
// run.
func (t *tool) printReport(report *conformance.Report, verbose bool) error {
	styles := map[string]style{"passed": green, "failed": red, "declined": faint, "not run": faint}
	var b strings.Builder
	for _, r := range report.Results {
		verdict := verdictOf(r)
		if verdict != "failed" && !verbose {
			continue
		}
		took := r.Duration.Round(time.Millisecond)
		fmt.Fprintf(&b, "%s  %s/%s (%v): %s\n",
			t.styled(styles[verdict], fmt.Sprintf("%-8s", verdict)), r.View, r.ID, took, r.Rule)
		for _, note := range slices.Concat(r.Failures, r.Declined, r.Notes) {
			fmt.Fprintf(&b, "            %s\n", strings.ReplaceAll(note, "\n", "\n            "))
		}
	}
	if !verbose {
		printReasons(&b, report)
	}
	table := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "passed\tfailed\tdeclined\tnot run\ttime\tseed")
	n := counts(report)
	for _, verdict := range verdicts {
		fmt.Fprintf(table, "%d\t", n[verdict])
	}
	fmt.Fprintf(table, "%v\t%d\n", report.Duration.Round(100*time.Millisecond), report.Seed)
	table.Flush()
	_, err := fmt.Fprint(t.stdout, b.String())
	return err
}

// printReasons prints what the backend declined, and why cases were not run, with the number
// of cases.
func printReasons(b *strings.Builder, report *conformance.Report) {
	var order []string
	n := map[string]int{}
	for _, r := range report.Results {
		reasons := r.Declined
		if r.Status == conformance.NotRun {
			reasons = r.Notes
		}
		for _, reason := range reasons {
			line := verdictOf(r) + ": " + reason
			if n[line]++; n[line] == 1 {
				order = append(order, line)
			}
		}
	}
	for _, line := range order {
		fmt.Fprintf(b, "%s (cases: %d)\n", line, n[line])
	}
}

// A jsonResult is the result of a case in JSON.
type jsonResult struct {
	View     string   `json:"view"`
	ID       string   `json:"id"`
	Rule     string   `json:"rule"`
	Verdict  string   `json:"verdict"`
	Failures []string `json:"failures,omitempty"`
	Declined []string `json:"declined,omitempty"`
	Notes    []string `json:"notes,omitempty"`
	Seconds  float64  `json:"seconds"`
}

// printReportJSON prints the report as one line. Err is not nil if the suite did not come to its
// end.
func (t *tool) printReportJSON(p *place, report *conformance.Report, err error) error {
	n := counts(report)
	line := struct {
		URL      string         `json:"url"`
		Complete bool           `json:"complete"`
		Counts   map[string]int `json:"counts"`
		Seconds  float64        `json:"seconds"`
		Seed     uint64         `json:"seed"`
		Results  []jsonResult   `json:"results"`
	}{p.String(), err == nil, map[string]int{}, report.Duration.Seconds(), report.Seed, nil}
	for _, verdict := range verdicts {
		line.Counts[strings.ReplaceAll(verdict, " ", "_")] = n[verdict]
	}
	for _, r := range report.Results {
		line.Results = append(line.Results, jsonResult{
			r.View, r.ID, r.Rule, verdictOf(r), r.Failures, r.Declined, r.Notes,
			r.Duration.Seconds(),
		})
	}
	return t.printJSON(line)
}
