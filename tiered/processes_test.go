package tiered_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/redis"
	"github.com/cachewire/cachewire/redis/redistest"
	"github.com/cachewire/cachewire/tiered"
)

const (
	// childVariable has what a child process needs: the address of Redis, the kind of its bus,
	// its number and how long it runs.
	childVariable = "CACHEWIRE_TIERED_CHILD"

	// processTTL is NearTTL of the processes. It is less than a second, so that near uses the
	// exact clock.
	processTTL = 200 * time.Millisecond

	// clockSlack is by how much the wall clock, which all processes have in common, may differ
	// from the monotonic one.
	clockSlack = 10 * time.Millisecond
)

// Three processes use one Redis with mixed verbs, for a minute with the build tag long. One is
// killed in the middle, connections are killed all the time. No read is older than NearTTL, and
// none sees an old value of its own process.
func TestThreeProcessesNeverReadWhatIsOlderThanTheBound(t *testing.T) {
	if os.Getenv(childVariable) != "" {
		runChild(t)
		return
	}
	t.Parallel()
	length := 3 * time.Second
	if longEnabled {
		length = time.Minute
	}
	for _, bus := range []string{"none", "poll", "tracking", "pubsub"} {
		t.Run(bus, func(t *testing.T) {
			t.Parallel()
			server := redistest.Start(t, nil)
			var mu sync.Mutex
			var steps []step
			var near atomic.Int64
			var running sync.WaitGroup
			children := make([]*exec.Cmd, 4)
			start := func(i int, length time.Duration) {
				child := exec.Command(os.Args[0], "-test.run=^"+
					"TestThreeProcessesNeverReadWhatIsOlderThanTheBound$", "-test.v")
				child.Env = append(os.Environ(), fmt.Sprintf("%s=%s %s %d %v", childVariable,
					server.Addr(), bus, i, length))
				child.Stderr = os.Stderr
				out := must(child.StdoutPipe())
				if err := child.Start(); err != nil {
					t.Fatal(err)
				}
				children[i] = child
				running.Go(func() {
					got, hits := readSteps(t, i, out)
					_ = child.Wait()
					mu.Lock()
					steps = append(steps, got...)
					mu.Unlock()
					near.Add(hits)
				})
			}
			for i := range 3 {
				start(i, length)
			}
			begun := time.Now()
			killed := false
			for time.Since(begun) < length {
				time.Sleep(length / 10)
				server.Do("CLIENT", "KILL", "TYPE", []string{"normal", "pubsub"}[rand.IntN(2)])
				if !killed && time.Since(begun) > length/2 {
					killed = true
					if err := children[0].Process.Kill(); err != nil {
						t.Error(err)
					}
					start(3, length-time.Since(begun))
				}
			}
			running.Wait()
			for i, w := range checkHistory(steps, processTTL+clockSlack) {
				if i < 10 {
					t.Error(w)
				}
			}
			t.Logf("%d verbs, %d reads served by copies", len(steps), near.Load())
			if near.Load() == 0 || len(steps) < 1000 {
				t.Errorf("%d verbs, %d reads served by copies: nothing was tested", len(steps),
					near.Load())
			}
		})
	}
}

// readSteps reads the lines of a child. A write that has begun and not ended may take place.
func readSteps(t *testing.T, process int, out io.Reader) (steps []step, hits int64) {
	open := map[string]step{} // writes by value and worker
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		if len(fields) == 2 && fields[0] == "hits" {
			hits, _ = strconv.ParseInt(fields[1], 10, 64)
		}
		if len(fields) != 6 || fields[0] != "step" {
			if len(fields) > 0 && fields[0] == "wrong" {
				t.Errorf("process %d: %s", process, lines.Text())
			}
			continue
		}
		what, key, value := fields[1], fields[2], strings.TrimPrefix(fields[3], "=")
		begin, _ := strconv.ParseInt(fields[4], 10, 64)
		end, _ := strconv.ParseInt(fields[5], 10, 64)
		s := step{process: process, key: key, value: value, begin: time.Duration(begin),
			end: time.Duration(end)}
		id := key + value + fields[4]
		switch s.write = what != "read"; what {
		case "read", "wrote":
			delete(open, id)
			steps = append(steps, s)
		case "begin":
			s.end = unknownEnd
			open[id] = s
		case "refused":
			delete(open, id)
		}
	}
	for _, s := range open {
		steps = append(steps, s)
	}
	return steps, hits
}

// runChild is what a child process does.
func runChild(t *testing.T) {
	var addr, bus, length string
	var number int
	if _, err := fmt.Sscan(os.Getenv(childVariable), &addr, &bus, &number, &length); err != nil {
		t.Fatal(err)
	}
	until := time.Now().Add(must(time.ParseDuration(length)))
	far := must(redis.New(&redis.Options{Addrs: []string{addr}, Timeout: 10 * time.Second}))
	opts := &tiered.Options{NearTTL: processTTL}
	switch bus {
	case "poll":
		opts.Bus = must(tiered.NewPoll(far, &tiered.PollOptions{Interval: 50 * time.Millisecond}))
	case "tracking", "pubsub":
		opts.Bus = must(far.OpenBus(bus))
	}
	tier := newTier(far, opts)
	c := must(core.New(tier, nil))
	defer c.Close()
	var printing sync.Mutex
	printf := func(format string, args ...any) {
		printing.Lock()
		defer printing.Unlock()
		fmt.Printf(format+"\n", args...)
	}
	var all sync.WaitGroup
	var values atomic.Int64
	for range 4 {
		all.Go(func() {
			for time.Now().Before(until) {
				key := fmt.Sprint("k", rand.IntN(6))
				if rand.IntN(10) > 0 {
					begin := time.Now().UnixNano()
					value, err := c.Get(context.Background(), key)
					if err == nil || errors.Is(err, core.ErrMiss) {
						printf("step read %s =%s %d %d", key, value, begin, time.Now().UnixNano())
					}
					time.Sleep(time.Millisecond)
					continue
				}
				writeInChild(c, key, fmt.Sprintf("%d.%d", number, values.Add(1)), printf)
			}
		})
	}
	all.Wait()
	printf("hits %d", nearStats(t, tier).Hits)
}

// writeInChild writes value, or deletes key, and prints that before and after.
func writeInChild(c *core.Cache, key, value string, printf func(string, ...any)) {
	ctx := context.Background()
	verb := rand.IntN(4)
	var item core.Item
	switch verb {
	case 0:
		value = ""
	case 1:
		var err error
		if item, err = c.GetItem(ctx, key); err != nil {
			return
		}
	}
	begin := time.Now().UnixNano()
	printf("step begin %s =%s %d 0", key, value, begin)
	var err error
	switch verb {
	case 0:
		err = c.Delete(ctx, key)
	case 1:
		item.Value = []byte(value)
		err = c.CompareAndSwap(ctx, item)
	case 2:
		err = c.SetMulti(ctx, map[string][]byte{key: []byte(value)}, time.Minute)
	default:
		err = c.Set(ctx, key, []byte(value), 0)
	}
	what := "wrote"
	switch {
	case errors.Is(err, core.ErrConflict), errors.Is(err, core.ErrMiss):
		what = "refused"
	case err != nil:
		return // it may have taken place
	}
	printf("step %s %s =%s %d %d", what, key, value, begin, time.Now().UnixNano())
}
