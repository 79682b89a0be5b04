package page

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/observe"
)

// perPage is how many caches a page shows.
const perPage = 100

// statsTimeout is how long the page waits for the Stats of the caches, and statsAge how long
// it shows them.
const (
	statsTimeout = 500 * time.Millisecond
	statsAge     = 900 * time.Millisecond
)

// A view is what the template shows.
type view struct {
	Time     string
	Caches   []cacheView
	All      int    // caches that the filter lets pass
	Filter   string // part of the names of the caches that are shown
	From, To int    // the caches shown, of All, counted from 1
	Previous int    // the page before, or 0
	Next     int    // the page after, or 0
	Page     int

	LookUp, Change bool
	Names          []string // of the caches that forms may name
	Chosen, Key    string   // of the last form
	Token          string
	Result         *result // of a form, or nil
}

// A cacheView is one cache.
type cacheView struct {
	Name, Driver, URL string
	Keys              uint64  // looked for
	Ratio             float64 // of Keys
	Rate              string
	P50, P99          string
	Calls, Errors     uint64
	Since             string // how long the rate and the quantiles count

	Known       bool // the backend has Stats
	Down        string
	Items       uint64
	Bytes       string
	Stats       core.Stats
	Pool        *core.PoolStats // nil if there is none
	PoolWait    string
	Near        *core.NearStats // nil if the backend keeps no copies
	NearRatio   float64         // of the keys that were found, those that a copy served
	NearBytes   string
	Verbs       []verbView
	Served      []namedCount // nil if no pattern uses the cache
	ServedRatio float64
	Loads       uint64
	LoadErrors  uint64
	LoadMean    string
	Frequent    []keyCount
	Slow        []slowView
}

type verbView struct {
	Name          string
	Calls, Errors uint64
	Rate          string
	P50, P90, P99 string
	Outcomes      []namedCount
}

type namedCount struct {
	Name  string
	Count uint64
}

type slowView struct{ Key, Verb, Took, At string }

// view returns what the page shows of the caches whose names contain filter. Pages count
// from 1; a number out of range is the nearest one.
func (p *Page) view(ctx context.Context, filter string, page int) *view {
	now := time.Now()
	v := &view{
		Time: now.Format("15:04:05"), Filter: filter,
		LookUp: p.opts.LookUp, Change: p.opts.Change, Token: p.token,
	}
	var entries []*observe.Entry[figures]
	for _, e := range p.caches.All() {
		if strings.Contains(e.Name, filter) {
			entries = append(entries, e)
		}
		if e.Cache != nil && (p.opts.LookUp || p.opts.Change) {
			v.Names = append(v.Names, e.Name)
		}
	}
	v.All = len(entries)
	v.Page = max(1, min(page, (v.All+perPage-1)/perPage))
	first := (v.Page - 1) * perPage
	entries = entries[first:min(first+perPage, v.All)]
	v.From, v.To, v.Previous = min(first+1, v.All), first+len(entries), v.Page-1
	if v.To < v.All {
		v.Next = v.Page + 1
	}
	readings := p.read(ctx, entries)
	p.mu.Lock()
	defer p.mu.Unlock()
	for i, e := range entries {
		v.Caches = append(v.Caches, newCacheView(e, readings[i], now))
	}
	return v
}

// read returns the Stats of the caches of entries, which it reads at most once in statsAge.
func (p *Page) read(ctx context.Context, entries []*observe.Entry[figures]) []observe.Reading {
	readings := make([]observe.Reading, len(entries))
	var old []*core.Cache // to be read again, those at indexes
	var indexes []int
	p.mu.Lock()
	for i, e := range entries {
		r := e.Figures.reading
		if readings[i] = r.Reading; time.Since(r.at) > statsAge {
			old, indexes = append(old, e.Cache), append(indexes, i)
		}
	}
	p.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, statsTimeout)
	defer cancel()
	read := observe.ReadStats(ctx, old)
	p.mu.Lock()
	defer p.mu.Unlock()
	for j, i := range indexes {
		readings[i] = read[j]
		entries[i].Figures.reading = reading{read[j], time.Now()}
	}
	return readings
}

// newCacheView returns the view of one cache. The caller holds Page.mu.
func newCacheView(e *observe.Entry[figures], r observe.Reading, now time.Time) cacheView {
	f := e.Figures
	v := cacheView{Name: e.Name, Known: r.Known(), Stats: r.Stats, Items: r.Stats.Items}
	if e.Cache != nil {
		v.Driver, v.URL = e.Cache.Driver(), e.Cache.URL()
	}
	if r.Down() {
		v.Down = observe.OutcomeOf("Stats", 0, 0, r.Err).String()
	}
	v.Bytes = bytesText(r.Stats.Bytes)
	if pool := r.Stats.Pool; pool != (core.PoolStats{}) {
		v.Pool, v.PoolWait = &pool, durationText(pool.WaitTime)
	}
	if near := r.Stats.Near; near != (core.NearStats{}) {
		v.Near, v.NearBytes = &near, bytesText(near.Bytes)
		v.NearRatio = ratio(near.Hits, near.FarHits)
	}
	hits, misses := f.hits.Load(), f.misses.Load()
	v.Keys, v.Ratio = hits+misses, ratio(hits, misses)
	v.addVerbs(f, now)
	v.addServed(f)
	if f.keys != nil {
		var slow []slowKey
		v.Frequent, slow = f.keys.top()
		for _, s := range slow {
			v.Slow = append(v.Slow,
				slowView{s.Key, s.Verb, durationText(s.Took), s.At.Format("15:04:05")})
		}
	}
	return v
}

// addVerbs adds the verbs to v, with rates and quantiles of the window of the cache. The caller
// holds Page.mu.
func (v *cacheView) addVerbs(f *figures, at time.Time) {
	now := f.samples(at)
	old := f.window.advance(now)
	took := at.Sub(old.at)
	v.Since = sinceText(took)
	var all sample
	for i, total := range now.verbs {
		if total == nil {
			continue
		}
		recent := total.minus(old.verbs[i])
		all.plus(recent)
		calls, failed := total.calls()
		v.Calls, v.Errors = v.Calls+calls, v.Errors+failed
		recentCalls, _ := recent.calls()
		vv := verbView{
			Name: observe.Verb(i).String(), Calls: calls, Errors: failed,
			Rate: rateText(recentCalls, took),
			P50:  quantileText(recent, 0.5), P90: quantileText(recent, 0.9),
			P99: quantileText(recent, 0.99),
		}
		for o, n := range total.outcomes {
			if n > 0 {
				vv.Outcomes = append(vv.Outcomes, namedCount{observe.Outcome(o).String(), n})
			}
		}
		v.Verbs = append(v.Verbs, vv)
	}
	recentCalls, _ := all.calls()
	v.Rate = rateText(recentCalls, took)
	v.P50, v.P99 = quantileText(&all, 0.5), quantileText(&all, 0.99)
}

// addServed adds what patterns have served.
func (v *cacheView) addServed(f *figures) {
	var cached, others uint64
	for i := range f.served {
		n := f.served[i].Load()
		if n == 0 {
			continue
		}
		outcome := observe.Served(i)
		v.Served = append(v.Served, namedCount{strings.ReplaceAll(outcome.String(), "_", " "), n})
		if outcome.FromCache() {
			cached += n
		} else {
			others += n
		}
	}
	v.ServedRatio = ratio(cached, others)
	v.Loads, v.LoadErrors = f.loads.Load(), f.loadErrors.Load()
	if v.Loads > 0 {
		v.LoadMean = durationText(time.Duration(f.loadTime.Load() / int64(v.Loads)))
	}
}

func ratio(hits, misses uint64) float64 {
	if hits+misses == 0 {
		return 0
	}
	return float64(hits) / float64(hits+misses)
}

func rateText(calls uint64, took time.Duration) string {
	rate := float64(calls) / max(took.Seconds(), 0.001)
	switch {
	case calls == 0:
		return "0"
	case rate < 10:
		return fmt.Sprintf("%.2f", rate)
	case rate < 10000:
		return fmt.Sprintf("%.0f", rate)
	}
	return fmt.Sprintf("%.0fk", rate/1000)
}

func quantileText(s *sample, q float64) string {
	if d := s.quantile(q); d > 0 {
		return durationText(d)
	}
	return "–"
}

// durationText returns d with two or three digits.
func durationText(d time.Duration) string {
	for _, unit := range []struct {
		size time.Duration
		name string
	}{{time.Second, "s"}, {time.Millisecond, "ms"}, {time.Microsecond, "µs"}} {
		if n := float64(d) / float64(unit.size); n >= 1 {
			if n < 10 {
				return fmt.Sprintf("%.1f %s", n, unit.name)
			}
			return fmt.Sprintf("%.0f %s", n, unit.name)
		}
	}
	return fmt.Sprintf("%d ns", d)
}

func sinceText(d time.Duration) string {
	if d < 2*time.Minute {
		return fmt.Sprintf("%.0f s", d.Seconds())
	}
	return d.Round(time.Minute).String()
}

func bytesText(n uint64) string {
	const units = "kMGTPE"
	if n < 1000 {
		return fmt.Sprintf("%d B", n)
	}
	f := float64(n)
	i := -1
	for f >= 999.5 {
		f /= 1000
		i++
	}
	if f < 10 {
		return fmt.Sprintf("%.1f %cB", f, units[i])
	}
	return fmt.Sprintf("%.0f %cB", f, units[i])
}
