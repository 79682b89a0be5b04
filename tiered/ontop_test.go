package tiered_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/dependency"
	"github.com/cachewire/cachewire/encoding"
	"github.com/cachewire/cachewire/patterns"
	"github.com/cachewire/cachewire/tiered"
)

// A process is a cached value of one process, over a tier.
type process struct {
	tags   *dependency.Tags
	cached *patterns.Cached[string]
	loads  int
}

// newProcesses returns processes over one far. The caller closes them by the function.
func newProcesses(n int, opts tiered.Options) (all []*process, closeAll func()) {
	far := sharedFar{newMemory()}
	var closes []func()
	for range n {
		c := must(core.New(newTier(far, &opts), nil))
		p := &process{tags: must(dependency.NewTags(c, nil))}
		typed := must(core.NewTyped(c, encoding.Text()))
		p.cached = must(patterns.New(typed,
			&patterns.Options[string]{TTL: time.Hour, Tags: p.tags}))
		closes = append(closes, func() { p.cached.Close(); c.Close() })
		all = append(all, p)
	}
	return all, func() {
		for _, f := range closes {
			f()
		}
	}
}

func (p *process) get(t *testing.T, now string) string {
	t.Helper()
	got, err := p.cached.GetOrSet(t.Context(), "k", func(context.Context) (string, error) {
		p.loads++
		return now, nil
	}, "tag")
	wantErr(t, "GetOrSet", err, nil)
	return got
}

// T9: with the versions of tags in Bypass, nothing stale is read in any process after Invalidate
// has returned. Without, it is read for at most NearTTL, and not for twice as long.
func TestTagsInvalidateAcrossProcesses(t *testing.T) {
	for name, bypass := range map[string][]string{"bypassed": {"tag:"}, "with copies": nil} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				all, closeAll := newProcesses(2, tiered.Options{
					NearTTL: 10 * time.Second, Bypass: bypass,
				})
				defer closeAll()
				now := "0"
				for _, p := range all {
					p.get(t, now)
				}
				for round := 1; round < 20; round++ {
					now = fmt.Sprint(round)
					p, other := all[round%2], all[1-round%2]
					wantErr(t, "Invalidate", p.tags.Invalidate(t.Context(), "tag"), nil)
					if got := p.get(t, now); got != now {
						t.Errorf("round %d: the process that invalidated reads %q", round, got)
					}
					if bypass == nil {
						time.Sleep(10 * time.Second)
					}
					if got := other.get(t, now); got != now {
						t.Errorf("round %d: another process reads %q", round, got)
					}
					time.Sleep(time.Duration(round) * time.Second)
				}
				// A process whose copy is old loads again, but only once.
				for _, p := range all {
					if p.loads > 20 {
						t.Errorf("%d loads of a process in 20 rounds", p.loads)
					}
				}
			})
		})
	}
}

// A value is loaded once in all processes, because locks go far by their verbs.
func TestGetOrCreateLoadsOnceInAllProcesses(t *testing.T) {
	all, closeAll := newProcesses(3, tiered.Options{NearTTL: time.Hour})
	defer closeAll()
	done := make(chan string)
	loads := make(chan struct{}, 100)
	for i := range 30 {
		go func() {
			got, err := all[i%3].cached.GetOrCreate(t.Context(), "k",
				func(context.Context) (string, error) {
					loads <- struct{}{}
					time.Sleep(20 * time.Millisecond)
					return "v", nil
				})
			if err != nil {
				got = err.Error()
			}
			done <- got
		}()
	}
	for range 30 {
		if got := <-done; got != "v" {
			t.Errorf("GetOrCreate: %q", got)
		}
	}
	if len(loads) != 1 {
		t.Errorf("%d loads, want 1", len(loads))
	}
}
