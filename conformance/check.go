package conformance

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"path"
	"sync"
	"time"

	"github.com/cachewire/cachewire/core"
)

// CheckOptions are the settings of Check. The zero value of a field is its default.
type CheckOptions struct {
	// Profile is the kind of cache that the backend is.
	Profile Profile

	// Cases are patterns, as in path.Match, of the IDs of the cases to run. If empty, all
	// cases run.
	Cases []string

	// Parallel is how many cases run at the same time. If 0, it is 1. If it is more than
	// 1, the backends that open returns must share nothing. Cases with faults always run
	// alone.
	Parallel int

	// Shared says that the backends that open returns share their items, because they use the
	// same server. A case that needs two backends that share nothing is then not run, and
	// Parallel must not be more than 1.
	Shared bool

	// Seed is the seed of the random histories. If 0, each run has a random one.
	Seed uint64

	// Stall and Kill are as in Config.
	Stall func(b core.Backend) (resume func(), err error)
	Kill  func(b core.Backend) (restart func(), err error)

	// Progress is called with the Result of each case when the case ends, but never by two
	// goroutines at once. If nil, it is not called.
	Progress func(Result)
}

// A Status is how a case ended.
type Status uint8

const (
	Passed Status = iota // the backend follows the rule
	Failed               // the backend breaks the rule
	NotRun               // the case was not run, because of Shared or without Stall or Kill
)

// String returns the status in lower case.
func (s Status) String() string { return [...]string{"passed", "failed", "not run"}[s] }

// A Result is the result of one case through one view.
type Result struct {
	View string // "plain", "prefix" or "client"
	ID   string
	Rule string

	Status   Status
	Failures []string      // what was wrong, if Failed
	Declined []string      // what the backend lacks, such as an optional interface
	Notes    []string      // figures that the case measured, or why it was not run
	Duration time.Duration // how long the case took
}

// A Report has the results of a Check.
type Report struct {
	Seed     uint64
	Results  []Result // in the order of the cases
	Duration time.Duration
}

// Count returns how many results have the status.
func (r *Report) Count(status Status) int {
	n := 0
	for _, result := range r.Results {
		if result.Status == status {
			n++
		}
	}
	return n
}

// Err returns the failures of all results as one error, or nil if no case failed.
func (r *Report) Err() error {
	var errs []error
	for _, result := range r.Results {
		for _, f := range result.Failures {
			errs = append(errs, fmt.Errorf("%s/%s: %s: %s", result.View, result.ID, result.Rule, f))
		}
	}
	return errors.Join(errs...)
}

// Check runs the suite in real time and without a testing.T, so that a program can check a
// backend. A nil opts is the zero CheckOptions. The Report has a Result for each case that
// was selected.
//
// Open is called each time a case runs; a few cases call it twice. It returns an empty
// backend. Check closes the backend. If a program has a URL, it opens a Cache and gets the
// backend by As; if the URL is that of a server, it sets Shared:
//
//	open := func() (core.Backend, error) {
//		cache, err := core.Open(ctx, rawURL, nil)
//		if err != nil {
//			return nil, err
//		}
//		var b core.Backend
//		cache.As(&b)
//		return b, b.Flush(ctx) // everything on the server is deleted
//	}
//
// Check returns a nil error if it ran all selected cases that the options allow. This does
// not mean that the backend passed them; see Report.Err. If open fails or ctx is done,
// Check stops after the running cases and returns that error with the Report so far. If a
// case hangs, Check returns an error at once, and does not close the backend of that case.
func Check(ctx context.Context, open func() (core.Backend, error), opts *CheckOptions) (
	*Report, error) {

	return check(ctx, open, opts, hangLimit)
}

func check(ctx context.Context, open func() (core.Backend, error), opts *CheckOptions,
	limit time.Duration) (*Report, error) {

	if opts == nil {
		opts = &CheckOptions{}
	}
	if open == nil {
		return nil, fmt.Errorf("%w: conformance: open is nil", core.ErrConfig)
	}
	if opts.Shared && opts.Parallel > 1 {
		return nil, fmt.Errorf(
			"%w: conformance: CheckOptions.Parallel is %d; want 1, because of Shared",
			core.ErrConfig,
			opts.Parallel,
		)
	}
	c := checker{open: open, limit: limit, progress: opts.Progress, suite: suite{
		profile: opts.Profile, seed: opts.Seed, stall: opts.Stall, kill: opts.Kill,
		shared: opts.Shared, leaks: &leakLog{},
	}}
	if c.seed == 0 {
		c.seed = rand.Uint64()
	}
	start := time.Now()
	report := &Report{Seed: c.seed}
	var jobs []job
	for _, v := range views {
		for _, tc := range c.casesOf(v) {
			selected, err := matchesAny(opts.Cases, tc.id)
			if err != nil {
				return nil, err
			}
			if selected {
				report.Results = append(
					report.Results,
					Result{View: v.name, ID: tc.id, Rule: tc.rule},
				)
				jobs = append(jobs, job{view: v, testCase: tc, at: len(report.Results) - 1})
			}
		}
	}
	done, err := c.runAll(ctx, report.Results, jobs, max(opts.Parallel, 1))
	results := report.Results[:0]
	for i, r := range report.Results {
		if done[i] {
			results = append(results, r)
		}
	}
	report.Results = results
	report.Duration = time.Since(start)
	return report, err
}

// matchesAny reports whether one of patterns matches id, or there are none.
func matchesAny(patterns []string, id string) (bool, error) {
	for _, pattern := range patterns {
		ok, err := path.Match(pattern, id)
		if err != nil {
			return false, fmt.Errorf(
				"%w: conformance: CheckOptions.Cases has %q; want a pattern of "+
					"path.Match like ttl-*",
				core.ErrConfig,
				pattern,
			)
		}
		if ok {
			return true, nil
		}
	}
	return len(patterns) == 0, nil
}

// A checker runs the cases of a Check.
type checker struct {
	suite
	open     func() (core.Backend, error)
	limit    time.Duration
	progress func(Result)
}

// A job is a case to run.
type job struct {
	testCase
	view view
	at   int // the index of its Result
}

// runAll runs jobs, up to parallel of them at a time. It returns which jobs have a Result.
// It runs the cases with faults first, one at a time.
func (c *checker) runAll(ctx context.Context, results []Result, jobs []job, parallel int) (
	done []bool, err error) {

	done = make([]bool, len(results))
	var mu sync.Mutex // guards done, err and results, and is held while progress is called
	run := func(j job) {
		r, runErr := c.run(ctx, j)
		mu.Lock()
		defer mu.Unlock()
		if runErr != nil {
			err = errors.Join(err, fmt.Errorf("%s/%s: %w", j.view.name, j.id, runErr))
		}
		if r == nil || r.Status != NotRun && ctx.Err() != nil {
			return // the case may have failed only because its context was done
		}
		done[j.at], results[j.at] = true, *r
		if c.progress != nil {
			c.progress(*r)
		}
	}
	stopped := func() bool {
		mu.Lock()
		defer mu.Unlock()
		if err == nil {
			err = ctx.Err()
		}
		return err != nil
	}
	var others []job
	for _, j := range jobs {
		switch {
		case j.fault == noFault:
			others = append(others, j)
		case !stopped():
			run(j)
		}
	}
	next := make(chan job)
	var workers sync.WaitGroup
	for range parallel {
		workers.Go(func() {
			for j := range next {
				if !stopped() {
					run(j)
				}
			}
		})
	}
	for _, j := range others {
		if stopped() {
			break
		}
		next <- j
	}
	close(next)
	workers.Wait()
	return done, err
}

// run runs j. The Result is nil if there is none.
func (c *checker) run(ctx context.Context, j job) (*Result, error) {
	r := &Result{View: j.view.name, ID: j.id, Rule: j.rule}
	if reason := c.missing(j.testCase); reason != "" {
		r.Status, r.Notes = NotRun, []string{reason}
		return r, nil
	}
	goroutines := newGoroutineSet()
	defer goroutines.end()
	b, err := c.open()
	if err != nil {
		return nil, fmt.Errorf("open: %w", err)
	}
	e := newEnv(ctx, c.suite, b)
	if j.twoBackends {
		if e.other, err = c.open(); err != nil {
			return nil, fmt.Errorf("open: %w", errors.Join(err, b.Close()))
		}
	}
	e.goroutines = goroutines.begin(b)
	var o outcome
	stacks := watch(c.limit, func() { o = j.execute(e, j.view) })
	if stacks != "" {
		r.Status, r.Failures = Failed, []string{stacks}
		return r, errHangs
	}
	r.Failures, r.Declined, r.Notes, r.Duration = o.failures, o.declined, o.notes, o.took
	if len(r.Failures) != 0 {
		r.Status = Failed
	}
	return r, nil
}

var errHangs = errors.New("the case hangs")
