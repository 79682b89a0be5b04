package main_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/cachewire/cachewire/redis/redistest"
)

func TestTopPrintsALineATimeWithoutATerminal(t *testing.T) {
	eachServer(t, func(t *testing.T, c tool) {
		c.want(0, "", "set", "k", "v")
		r := c.run("top", "-every", "50ms", "-count", "3")
		lines := strings.Split(strings.TrimSpace(r.stdout), "\n")
		if r.status != 0 || len(lines) != 4 {
			t.Fatalf("%+v; want titles and 3 lines", r)
		}
		titles := strings.Fields(lines[0])
		for _, line := range lines[1:] {
			fields := strings.Fields(line)
			if len(fields) != len(titles) || fields[0] != "1" || fields[len(fields)-1] != c.url() {
				t.Errorf("the titles are %q, and a line is %q", titles, line)
			}
			if fields[6] == "0" { // clients: at least ourselves
				t.Errorf("no clients in %q", line)
			}
		}
	})
}

func TestTopShowsRates(t *testing.T) {
	eachServer(t, func(t *testing.T, c tool) {
		c.want(0, "", "set", "k", "v")
		cache, ctx := c.cache(), t.Context()
		stop, stopped := make(chan struct{}), make(chan struct{})
		go func() { // two hits for each miss
			defer close(stopped)
			for {
				select {
				case <-stop:
					return
				default:
					cache.Get(ctx, "k")
					cache.Get(ctx, "k")
					cache.Get(ctx, "none")
				}
			}
		}()
		r := c.run("top", "-json", "-every", "300ms", "-count", "1")
		close(stop)
		<-stopped
		var f struct {
			Items  int
			Hits   float64 `json:"hits_per_second"`
			Misses float64 `json:"misses_per_second"`
			Verbs  float64 `json:"verbs_per_second"`
		}
		if err := json.Unmarshal([]byte(r.stdout), &f); err != nil || r.status != 0 {
			t.Fatalf("%+v, %v", r, err)
		}
		if f.Items != 1 || f.Misses == 0 || f.Hits < f.Misses || f.Verbs < f.Hits {
			t.Errorf("the figures are %s", r.stdout)
		}
	})
}

func TestTopOfAServerThatDies(t *testing.T) {
	dead := redistest.Start(t, nil)
	url := "redis://" + dead.Addr() + "?timeout=200ms"
	dead.Kill()
	tool{t: t}.wantError(3, "unavailable", "top", url)
	tool{t: t}.wantError(2, "-every", "top", "memory://", "-every", "1ms")
	tool{t: t}.wantError(2, "not a URL", "top", "memory://", "k")
}
