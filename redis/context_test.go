package redis_test

import (
	"context"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cachewire/cachewire/redis/redistest"
)

// slack is how late a verb may be on a busy machine; the contract allows 50 ms.
const slack = 50*time.Millisecond + 450*time.Millisecond

func cancelAfter(pause time.Duration) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(context.Background())
	timer := time.AfterFunc(pause, cancel)
	return ctx, func() { timer.Stop(); cancel() }
}

// takes fails if f takes longer than limit.
func takes(t testing.TB, what string, limit time.Duration, f func()) {
	t.Helper()
	start := time.Now()
	f()
	if took := time.Since(start); took > limit {
		t.Errorf("%s took %v, want at most %v", what, took, limit)
	}
}

// inParallel calls f for each number below n, some at a time.
func inParallel(n, workers int, f func(i int)) {
	var next atomic.Int64
	var running sync.WaitGroup
	for range workers {
		running.Go(func() {
			for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
				f(i)
			}
		})
	}
	running.Wait()
}

// calls returns how often the server has carried out a command, including in scripts.
func calls(t testing.TB, server *redistest.Server, command string) int {
	t.Helper()
	for line := range strings.Lines(server.Do("INFO", "commandstats")) {
		if figures, ok := strings.CutPrefix(line, "cmdstat_"+command+":calls="); ok {
			figures, _, _ = strings.Cut(figures, ",")
			return must(strconv.Atoi(figures))
		}
	}
	return 0
}
