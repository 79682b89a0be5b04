package lockout_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/lockout"
	"github.com/cachewire/cachewire/memcache"
	memcachepure "github.com/cachewire/cachewire/memcache-pure"
	"github.com/cachewire/cachewire/memcache/memcachetest"
)

const (
	processes    = 4
	processCount = 100 // Rate.Count of each of processRules
)

// callers is the number of concurrent callers in each process: 2,500 with the build tag long.
var callers = map[bool]int{false: 500, true: 2500}[longEnabled]

// processRules are the rules that the processes share. Each has a lockout of its own.
var processRules = []lockout.Rule[visit]{
	{Name: "locks", Rate: lockout.Rate{Count: processCount, Period: longPeriod}, Lock: time.Hour},
	{Name: "fixed", Rate: lockout.Rate{Count: processCount, Period: longPeriod}},
	{Name: "sliding", Rate: lockout.Rate{
		Count: processCount, Period: longPeriod, Algorithm: lockout.SlidingWindow,
	}},
	{Name: "bucket", Rate: lockout.Rate{
		Count: processCount, Period: 2400 * time.Hour, Algorithm: lockout.TokenBucket,
	}},
}

// The callers are goroutines in four processes, 2,000 in all, or 10,000 with the build tag
// long.
func TestExactlyCountPassGuardAndAllowInFourProcesses(t *testing.T) {
	server := memcachetest.Start(t, nil)
	var all sync.WaitGroup
	for range processes {
		all.Go(func() {
			cmd := exec.Command(os.Args[0])
			cmd.Env = append(os.Environ(), "LOCKOUT_TEST_SERVER="+server.Addr())
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Errorf("%v: %s", err, out)
			}
		})
	}
	all.Wait()
	b, err := memcachepure.New([]memcache.Server{{Addr: server.Addr()}}, nil)
	wantErr(t, err, nil)
	c := cacheOf(t, b)
	for _, verb := range []string{"guard", "allow"} {
		for _, rule := range processRules {
			n, err := c.Count(t.Context(), "passed:"+verb+":"+rule.Name)
			if n != processCount || err != nil {
				t.Errorf("%s, %s: %d passed, %v; want %d", verb, rule.Name, n, err, processCount)
			}
		}
		ok, err := c.Exists(t.Context(), "lock:c:"+verb+":locks:same")
		if !ok || err != nil {
			t.Errorf("%s set no lock: %v", verb, err)
		}
	}
}

// TestMain runs the tests, or one of the processes if the environment names a server.
func TestMain(m *testing.M) {
	server := os.Getenv("LOCKOUT_TEST_SERVER")
	if server == "" {
		os.Exit(m.Run())
	}
	if err := runProcess(server); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// runProcess calls Guard and Allow with the same visit in many goroutines, for each of
// processRules. It counts in the cache how many pass.
func runProcess(server string) error {
	b, err := memcachepure.New([]memcache.Server{{Addr: server}},
		&memcachepure.Options{Options: memcache.Options{Timeout: time.Minute}})
	if err != nil {
		return err
	}
	c, err := core.New(b, nil)
	if err != nil {
		return err
	}
	defer c.Close()
	ctx := context.Background()
	same := visit{"same", ""}
	var first atomic.Pointer[error]
	fail := func(err error) {
		if err != nil && !errors.Is(err, lockout.ErrLocked) {
			first.CompareAndSwap(nil, &err)
		}
	}
	for _, rule := range processRules {
		rule.Key = byID
		for _, verb := range []string{"guard", "allow"} {
			l, err := lockout.New(c, verb, []lockout.Rule[visit]{rule},
				&lockout.Options[visit]{FailClosed: true})
			if err != nil {
				return err
			}
			pass := func() {
				_, err := c.IncrFrom(ctx, "passed:"+verb+":"+rule.Name, 1, 0, 0)
				fail(err)
			}
			var all sync.WaitGroup
			for range callers {
				all.Go(func() {
					if verb == "allow" {
						if err := l.Allow(ctx, same); err != nil {
							fail(err)
							return
						}
						pass()
						return
					}
					_, err := l.Guard(ctx, same, func(context.Context) (bool, error) {
						pass()
						return false, nil
					})
					fail(err)
				})
			}
			all.Wait()
		}
	}
	if err := first.Load(); err != nil {
		return *err
	}
	return nil
}
