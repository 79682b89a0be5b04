package main

import (
	"context"
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/cachewire/cachewire/core"
)

func newStats(t *tool) *command {
	c := newCommand("stats", "[URL]", "print the figures of a cache",
		"cachewire stats redis://localhost")
	c.about = `The figures are those of the whole backend, since its server started, whatever the
prefix. A figure that the backend does not have is 0.`
	c.run = func(ctx context.Context, args []string) error {
		cache, err := c.openAlone(ctx, t, args)
		if err != nil {
			return err
		}
		defer cache.Close()
		stats, err := cache.Stats(ctx)
		if err != nil {
			return err
		}
		figures := []struct {
			name string
			n    uint64
		}{
			{"items", stats.Items},
			{"bytes", stats.Bytes},
			{"hits", stats.Hits},
			{"misses", stats.Misses},
			{"evictions", stats.Evictions},
			{"expirations", stats.Expirations},
			{"commands", stats.Commands},
			{"connections", stats.Connections},
		}
		if c.json {
			line := map[string]uint64{}
			for _, f := range figures {
				line[f.name] = f.n
			}
			return t.printJSON(line)
		}
		table := tabwriter.NewWriter(t.stdout, 0, 0, 2, ' ', 0)
		for _, f := range figures {
			fmt.Fprintf(table, "%s\t%d\n", f.name, f.n)
		}
		return table.Flush()
	}
	return c
}

func newPing(t *tool) *command {
	c := newCommand("ping", "[URL]", "check that the servers of a cache respond",
		"cachewire ping redis://localhost && echo up")
	c.about = "It prints how long the servers took, without the time to connect."
	c.run = func(ctx context.Context, args []string) error {
		cache, err := c.openAlone(ctx, t, args)
		if err != nil {
			return err
		}
		defer cache.Close()
		if err := cache.Ping(ctx); err != nil { // connects
			return err
		}
		start := time.Now()
		if err := cache.Ping(ctx); err != nil {
			return err
		}
		took := time.Since(start).Round(time.Microsecond)
		if c.json {
			return t.printJSON(map[string]string{"took": took.String()})
		}
		_, err = fmt.Fprintln(t.stdout, took)
		return err
	}
	return c
}

// openAlone is open for a command that takes nothing but a URL.
func (c *command) openAlone(ctx context.Context, t *tool, args []string) (*core.Cache, error) {
	cache, _, rest, err := c.open(ctx, t, args)
	if err == nil && len(rest) > 0 {
		cache.Close()
		return nil, wrongUse("%q follows the URL; want nothing", rest[0])
	}
	return cache, err
}

func newDrivers(t *tool) *command {
	c := newCommand("drivers", "", "print the schemes of URLs", "cachewire drivers")
	c.run = func(_ context.Context, args []string) error {
		if len(args) > 0 {
			return wrongUse("drivers takes no argument")
		}
		for _, scheme := range core.Drivers() {
			var err error
			if c.json {
				err = t.printJSON(map[string]string{"scheme": scheme})
			} else {
				_, err = fmt.Fprintln(t.stdout, scheme)
			}
			if err != nil {
				return err
			}
		}
		return nil
	}
	return c
}
