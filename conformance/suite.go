package conformance

import (
	"fmt"
	"slices"
	"time"

	"github.com/cachewire/cachewire/core"
)

// A suite has the settings that Run and Check have in common.
type suite struct {
	profile Profile
	seed    uint64
	stall   func(b core.Backend) (resume func(), err error)  // nil if there is none
	kill    func(b core.Backend) (restart func(), err error) // nil if there is none
	shared  bool                                             // the backends share their items
	leaks   *leakLog
}

// A fault is a fault that a case needs.
type fault uint8

const (
	noFault fault = iota
	stalls        // Config.Stall
	kills         // Config.Kill
)

// A testCase checks one rule of the contract.
type testCase struct {
	id   string
	rule string

	fault       fault
	plainOnly   bool // the other views would find the same faults
	twoBackends bool // env.other is set

	run func(e *env)
}

// casesOf returns the cases that a backend must pass through v.
func (s suite) casesOf(v view) []testCase {
	if s.profile == Null {
		return slices.Concat(nullCases, coreCases)
	}
	cases := slices.Concat(
		readCases,
		storeCases,
		multiCases,
		sizeCases,
		casCases,
		counterCases,
		ttlCases,
		leftCases,
		keyCases,
		valueCases,
		aliasCases,
		contextCases,
		raceCases,
		abilityCases,
		listCases,
		coreCases,
		faultCases,
	)
	return slices.DeleteFunc(
		cases,
		func(c testCase) bool { return c.plainOnly && v.name != "plain" },
	)
}

// missing returns what c needs and the suite lacks, or "".
func (s suite) missing(c testCase) string {
	switch {
	case c.fault == stalls && s.stall == nil:
		return "it needs Stall"
	case c.fault == kills && s.kill == nil:
		return "it needs Kill"
	case c.twoBackends && s.shared:
		return "it needs two backends that share nothing"
	}
	return ""
}

// A view is a way to use a backend. Its open returns the Cache that a case uses, the prefix
// of that Cache, and a function that closes everything.
type view struct {
	name string
	open func(b core.Backend) (c *core.Cache, prefix string, closeAll func() error, err error)
}

var views = []view{
	{"plain", func(b core.Backend) (*core.Cache, string, func() error, error) {
		c, err := core.New(b, nil)
		if err != nil {
			return nil, "", nil, err
		}
		return c, "", c.Close, nil
	}},
	{"prefix", func(b core.Backend) (*core.Cache, string, func() error, error) {
		root, err := core.New(b, nil)
		if err != nil {
			return nil, "", nil, err
		}
		const prefix = "suite: "
		c, err := root.WithPrefix(prefix)
		return c, prefix, root.Close, err
	}},
	{"client", func(b core.Backend) (*core.Cache, string, func() error, error) {
		root, err := core.New(b, nil)
		if err != nil {
			return nil, "", nil, err
		}
		caches := map[string]*core.Cache{"default": root, "other": root}
		client, err := core.NewClient(caches, "default")
		if err != nil {
			return nil, "", nil, err
		}
		c, err := client.Namespace("other")
		return c, "", client.Close, err
	}},
}

// An outcome has the findings of a case.
type outcome struct {
	failures []string
	declined []string // what the backend lacks
	notes    []string // figures that the case measured
	took     time.Duration
	leaking  bool // a goroutine outlives Close
}

// execute runs the case with e through v, and closes the backends.
func (c testCase) execute(e *env, v view) outcome {
	start := time.Now()
	var err error
	e.cache, e.prefix, e.closeAll, err = v.open(e.backend)
	if err != nil {
		return outcome{failures: []string{fmt.Sprintf("cannot make a Cache: %v", err)}}
	}
	if !e.fakeTime {
		e.clock = &clock{last: time.Now()}
		done := make(chan struct{})
		defer close(done)
		go e.clock.run(done)
	}
	e.inNewGoroutine(func() { c.run(e) })
	e.cleanUp()
	e.inNewGoroutine(func() {
		if err := e.closeAll(); err != nil {
			e.errorf("Close: %v", err)
		}
		if e.other != nil {
			if err := e.other.Close(); err != nil {
				e.errorf("Close: %v", err)
			}
		}
	})
	e.checkLeaks()
	e.outcome.took = time.Since(start)
	return e.outcome
}
