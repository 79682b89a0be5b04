package patterns_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/encoding"
	"github.com/cachewire/cachewire/memcache"
	memcachepure "github.com/cachewire/cachewire/memcache-pure"
	"github.com/cachewire/cachewire/memcache/memcachetest"
	"github.com/cachewire/cachewire/patterns"
)

const (
	processes = 4
	callers   = 1000
)

// waitUntil waits until ok returns true, for at most a minute. What names the condition.
func waitUntil(ctx context.Context, what string, ok func() bool) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for !ok() {
		select {
		case <-time.After(5 * time.Millisecond):
		case <-ctx.Done():
			return fmt.Errorf("%s: %w", what, ctx.Err())
		}
	}
	return nil
}

// counterValue returns the counter under key, or 0 if there is an error.
func counterValue(c *core.Cache, key string) int {
	n, _ := c.Count(context.Background(), key)
	return int(n)
}

// In each of four processes, a thousand callers request an absent value. The loader runs
// once. If its process is killed, it runs once more.
func TestOneProcessLoads(t *testing.T) {
	for name, kill := range map[string]bool{
		"the holder lives":     false,
		"the holder is killed": true,
	} {
		t.Run(name, func(t *testing.T) {
			server := memcachetest.Start(t, nil)
			c := memcachedCache(t, server.Addr())
			children := make([]*exec.Cmd, processes)
			outputs := make([]bytes.Buffer, processes)
			for i := range children {
				cmd := exec.Command(os.Args[0])
				cmd.Env = append(os.Environ(),
					"PATTERNS_TEST_SERVER="+server.Addr(), fmt.Sprint("PATTERNS_TEST_KILL=", kill))
				cmd.Stdout, cmd.Stderr = &outputs[i], &outputs[i]
				if err := cmd.Start(); err != nil {
					t.Fatal(err)
				}
				children[i] = cmd
			}
			holder := 0
			if kill {
				err := waitUntil(t.Context(), "a holder", func() bool {
					holder = counterValue(c, "holder")
					return holder != 0
				})
				if err != nil {
					t.Fatal(err)
				}
			}
			for _, cmd := range children {
				if cmd.Process.Pid == holder {
					if err := cmd.Process.Kill(); err != nil {
						t.Error(err)
					}
				}
			}
			for i, cmd := range children {
				err := cmd.Wait()
				if err != nil && cmd.Process.Pid != holder {
					t.Errorf("process %d: %v\n%s", i, err, outputs[i].Bytes())
				}
			}
			wantLoads, wantValues := 1, processes*callers
			if kill {
				wantLoads, wantValues = 2, (processes-1)*callers
			}
			if n := counterValue(c, "loads"); n != wantLoads {
				t.Errorf("the loader ran %d times, want %d", n, wantLoads)
			}
			if n := counterValue(c, "values"); n != wantValues {
				t.Errorf("%d callers got the value, want %d", n, wantValues)
			}
		})
	}
}

func TestMain(m *testing.M) {
	if addr := os.Getenv("PATTERNS_TEST_SERVER"); addr != "" {
		if err := runProcess(addr); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// runProcess is the main function of each process.
func runProcess(addr string) error {
	ctx := context.Background()
	b, err := memcachepure.New([]memcache.Server{{Addr: addr}}, &memcachepure.Options{
		Options: memcache.Options{Timeout: 30 * time.Second},
	})
	if err != nil {
		return err
	}
	c, err := core.New(b, nil)
	if err != nil {
		return err
	}
	defer c.Close()
	announce := func() error {
		_, err := c.IncrFrom(ctx, "processes", 1, 0, 0)
		return err
	}
	waitForAll := func(ctx context.Context) error {
		return waitUntil(ctx, "all processes", func() bool {
			return counterValue(c, "processes") == processes
		})
	}
	lockTTL := time.Minute // long enough for all processes to begin
	kill := os.Getenv("PATTERNS_TEST_KILL") == "true"
	if kill {
		// The lock ends soon after its holder is killed, but not because a busy machine is late
		// to renew it. It is so short that no process may take it before all have begun.
		lockTTL = 3 * time.Second
		if err := errors.Join(announce(), waitForAll(ctx)); err != nil {
			return err
		}
	}
	texts := must(core.NewTyped(c, encoding.Text()))
	cached := must(patterns.New(texts, &patterns.Options[string]{
		LockTTL: lockTTL, WaitTimeout: time.Minute,
	}))
	defer cached.Close()
	load := func(ctx context.Context) (string, error) {
		n, err := c.IncrFrom(ctx, "loads", 1, 0, 0)
		if err != nil {
			return "", err
		}
		// All callers must begin before the load ends.
		if err := waitForAll(ctx); err != nil {
			return "", err
		}
		if n == 1 && kill {
			if err := c.Set(ctx, "holder", []byte(strconv.Itoa(os.Getpid())), 0); err != nil {
				return "", err
			}
			<-ctx.Done() // the process is killed first
		}
		return "loaded", nil
	}
	errs := make([]error, callers)
	var all sync.WaitGroup
	for i := range errs {
		all.Go(func() {
			v, err := cached.GetOrCreate(ctx, "k", load)
			if errs[i] = err; err == nil && v != "loaded" {
				errs[i] = fmt.Errorf("the value is %q", v)
			}
		})
	}
	if !kill {
		if err := announce(); err != nil {
			return err
		}
	}
	all.Wait()
	if err := errors.Join(errs...); err != nil {
		return err
	}
	_, err = c.IncrFrom(ctx, "values", callers, 0, 0)
	return err
}
