package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/cachewire/cachewire/core"
)

func newTop(t *tool) *command {
	c := newCommand("top", "[URL…]", "watch the figures of caches",
		"cachewire top redis://localhost memcache://localhost\n"+
			"cachewire top redis://localhost -count 10 >figures")
	c.about = `On a terminal, the figures are drawn again every second. Press the first letter of
the name of a column to sort by it, and q to quit. If the output is no terminal, a line for each
cache is printed every second. The rates are those of all clients. Verbs are counted as the
server does: Redis counts those of this command as well.`
	every := c.flags.Duration("every", time.Second, "how often the figures are read")
	count := c.flags.Int("count", 0, "stop after this `number` of times; 0 is never")
	c.run = func(ctx context.Context, args []string) error {
		if *every < 10*time.Millisecond {
			return wrongUse("-every is %v; want 10ms or more", *every)
		}
		if *count < 0 {
			return wrongUse("-count is %d; want 0 or more", *count)
		}
		w := &watch{every: *every, left: *count, endless: *count == 0}
		places, err := c.places(t, args)
		if err != nil {
			return err
		}
		for _, p := range places {
			cache, err := p.open(ctx)
			if err != nil {
				return err
			}
			defer cache.Close()
			w.rows = append(w.rows, &row{name: p.String(), cache: cache})
		}
		for _, r := range w.rows { // what is wrong from the beginning is an error
			if err := r.read(ctx, time.Now()); err != nil {
				return err
			}
		}
		if t.stdoutTerminal && !c.json {
			return t.draw(ctx, w)
		}
		return t.list(ctx, w, c.json)
	}
	return c
}

// A watch reads the figures of caches again and again.
type watch struct {
	rows    []*row
	every   time.Duration
	left    int // how many times are left, unless endless
	endless bool
}

// next waits until it is time, and reads the figures of all rows. It returns false if there is
// nothing left to do.
func (w *watch) next(ctx context.Context, tick <-chan time.Time) bool {
	select {
	case now := <-tick:
		w.read(ctx, now)
	case <-ctx.Done():
	}
	return ctx.Err() == nil
}

// read reads the figures of all rows.
func (w *watch) read(ctx context.Context, now time.Time) {
	ctx, cancel := context.WithTimeout(ctx, max(w.every, time.Second))
	defer cancel()
	var readers sync.WaitGroup
	for _, r := range w.rows {
		readers.Go(func() { r.read(ctx, now) })
	}
	readers.Wait()
}

// ended reports whether the figures have been shown as often as they should, and counts.
func (w *watch) ended() bool {
	w.left--
	return !w.endless && w.left <= 0
}

// A row has the figures of one cache.
type row struct {
	name  string
	cache *core.Cache

	at    time.Time // when last was read
	last  core.Stats
	err   error // why there are no new figures
	shows figures
}

// figures are what top shows. Those that are rates are of the time since the last reading.
type figures struct {
	Items       uint64  `json:"items"`
	Bytes       uint64  `json:"bytes"`
	Hits        float64 `json:"hits_per_second"`
	Misses      float64 `json:"misses_per_second"`
	Verbs       float64 `json:"verbs_per_second"`
	Evictions   float64 `json:"evictions_per_second"`
	Connections uint64  `json:"connections"`
}

// read reads the figures of the cache. The error is r.err.
func (r *row) read(ctx context.Context, now time.Time) error {
	stats, err := r.cache.Stats(ctx)
	if r.err = err; err != nil {
		r.shows, r.at = figures{}, time.Time{}
		return err
	}
	var seconds float64 // 0 if the last figures are not known
	if !r.at.IsZero() {
		seconds = now.Sub(r.at).Seconds()
	}
	rate := func(now, last uint64) float64 {
		switch {
		case seconds <= 0:
			return 0
		case now < last: // the server has started again
			last = 0
		}
		return float64(now-last) / seconds
	}
	r.shows = figures{
		Items:       stats.Items,
		Bytes:       stats.Bytes,
		Hits:        rate(stats.Hits, r.last.Hits),
		Misses:      rate(stats.Misses, r.last.Misses),
		Verbs:       rate(stats.Commands, r.last.Commands),
		Evictions:   rate(stats.Evictions, r.last.Evictions),
		Connections: stats.Connections,
	}
	r.at, r.last = now, stats
	return nil
}

// A column of top. Its key is the first letter of its name.
type column struct {
	name  string
	width int
	of    func(f figures) float64
}

var columns = []column{
	{"items", 9, func(f figures) float64 { return float64(f.Items) }},
	{"bytes", 12, func(f figures) float64 { return float64(f.Bytes) }},
	{"hits/s", 8, func(f figures) float64 { return f.Hits }},
	{"misses/s", 10, func(f figures) float64 { return f.Misses }},
	{"verbs/s", 9, func(f figures) float64 { return f.Verbs }},
	{"evicted/s", 11, func(f figures) float64 { return f.Evictions }},
	{"clients", 9, func(f figures) float64 { return float64(f.Connections) }},
}

// columnOf returns the column whose key is r, and whether there is one.
func columnOf(r rune) (column, bool) {
	at := slices.IndexFunc(columns, func(c column) bool { return rune(c.name[0]) == r })
	if at < 0 {
		return column{}, false
	}
	return columns[at], true
}

// lines returns the table of the rows, the largest in the column by first. If by has no name,
// they are in the order of the command line.
func (w *watch) lines(by column) []string {
	rows := slices.Clone(w.rows)
	if by.name != "" {
		slices.SortStableFunc(rows, func(a, b *row) int {
			return cmp.Compare(by.of(b.shows), by.of(a.shows))
		})
	}
	lines := []string{titles(by)}
	for _, r := range rows {
		lines = append(lines, r.line())
	}
	return lines
}

// titles returns the line above the figures. A star is before the column by.
func titles(by column) string {
	var b strings.Builder
	for _, c := range columns {
		name := c.name
		if name == by.name {
			name = "*" + name
		}
		fmt.Fprintf(&b, "%*s", c.width, name)
	}
	return b.String() + "  cache"
}

func (r *row) line() string {
	if r.err != nil {
		return "  " + r.name + ": " + shown(textOf(r.err))
	}
	var b strings.Builder
	for _, c := range columns {
		fmt.Fprintf(&b, "%*.0f", c.width, c.of(r.shows))
	}
	return b.String() + "  " + r.name
}

// list prints the rows, a line each, as often as w says.
func (t *tool) list(ctx context.Context, w *watch, asJSON bool) error {
	if !asJSON {
		if _, err := fmt.Fprintln(t.stdout, titles(column{})); err != nil {
			return err
		}
	}
	ticker := time.NewTicker(w.every)
	defer ticker.Stop()
	for w.next(ctx, ticker.C) {
		for _, r := range w.rows {
			var err error
			switch {
			case r.err != nil:
				t.say("%s: %s", r.name, textOf(r.err))
			case asJSON:
				err = t.printJSON(struct {
					URL string `json:"url"`
					figures
				}{r.name, r.shows})
			default:
				_, err = fmt.Fprintln(t.stdout, r.line())
			}
			if err != nil {
				return err
			}
		}
		if w.ended() {
			return w.err()
		}
	}
	return ctx.Err()
}

// err returns the errors of the last reading.
func (w *watch) err() error {
	var errs []error
	for _, r := range w.rows {
		errs = append(errs, r.err)
	}
	return errors.Join(errs...)
}
