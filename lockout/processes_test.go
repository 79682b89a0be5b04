package lockout_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
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
	processes = 4
	places    = 100
)

// callers are those in each process: 2,500 under make long.
var callers = map[bool]int{false: 500, true: 2500}[longEnabled]

// crowds are those that processes come in, by the name of the lockout.
var crowds = lockout.Terms[visit]{
	"fixed":   {Key: func(v visit) string { return v.id }, Count: places, Period: time.Hour, Duration: time.Hour},
	"nolock":  {Key: func(v visit) string { return v.id }, Count: places, Period: time.Hour},
	"sliding": {Key: func(v visit) string { return v.id }, Count: places, Period: long, Algorithm: lockout.SlidingWindow},
	"bucket":  {Key: func(v visit) string { return v.id }, Count: places, Period: 2400 * time.Hour, Algorithm: lockout.TokenBucket},
}

// Of thousands of goroutines in four processes exactly Count are past Take, and past Allow,
// whatever the algorithm.
func TestExactlyCountPassInFourProcesses(t *testing.T) {
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
	for term := range crowds {
		for _, verb := range []string{"take", "allow"} {
			n, err := c.Count(t.Context(), "past:"+verb+":"+term)
			if n != places || err != nil {
				t.Errorf("%s, %s: %d of %d are past, %v", verb, term, n, places, err)
			}
		}
	}
	for _, verb := range []string{"take", "allow"} {
		if ok, err := c.Exists(t.Context(), "lock:c:"+verb+":crowd"); !ok || err != nil {
			t.Errorf("%s set no lock: %v", verb, err)
		}
	}
}

// TestMain is one of the processes, where it is told of a server.
func TestMain(m *testing.M) {
	server := os.Getenv("LOCKOUT_TEST_SERVER")
	if server == "" {
		os.Exit(m.Run())
	}
	if err := crowd(server); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// crowd comes to all crowds by Take and by Allow, and counts in the cache who is past.
func crowd(server string) error {
	b, err := memcachepure.New([]memcache.Server{{Addr: server}}, &memcachepure.Options{Options: memcache.Options{Timeout: time.Minute}})
	if err != nil {
		return err
	}
	c, err := core.New(b, nil)
	if err != nil {
		return err
	}
	defer c.Close()
	locker, err := lockout.New(c, crowds, &lockout.Options[visit]{FailClosed: true})
	if err != nil {
		return err
	}
	ctx := context.Background()
	var first atomic.Pointer[error]
	fail := func(err error) {
		if err != nil && !errors.Is(err, lockout.ErrLocked) {
			first.CompareAndSwap(nil, &err)
		}
	}
	for term := range crowds {
		past := func(verb string) {
			_, err := c.IncrFrom(ctx, "past:"+verb+":"+term, 1, 0, 0)
			fail(err)
		}
		for _, verb := range []string{"take", "allow"} {
			lo, err := locker.Define(verb+strings.TrimPrefix(" "+term, " fixed"), lockout.Terms[visit]{term: {}})
			if err != nil {
				return err
			}
			var all sync.WaitGroup
			for range callers {
				all.Go(func() {
					if verb == "allow" {
						if err := lo.Allow(ctx, visit{"crowd", ""}); err != nil {
							fail(err)
							return
						}
						past(verb)
						return
					}
					_, err := lo.Take(ctx, visit{"crowd", ""}, func(context.Context) (bool, error) { past(verb); return false, nil })
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
